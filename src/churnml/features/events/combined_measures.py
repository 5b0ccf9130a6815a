"""`EventMeasures` answered from planes and the events that became known since."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.events.activity_gaps import gap_squares, longest_silence
from churnml.features.events.ledger import Entities, Ledger
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.plane_measures import PlaneMeasures
from churnml.features.events.planes import Presence
from churnml.features.events.rollup import Rollup
from churnml.features.keys import DAY_SPAN, EVER, Floats, Ints

__all__ = ["CombinedMeasures"]


class CombinedMeasures:
    """What the events say about every (account, as_of) row: the planes, and the news on top (see `EventMeasures`).

    Sums add up. What is distinct (users, kinds, days) is counted once, whether it was active in the planes, in the news
    or in both.

    Parameters
    ----------
    older : PlaneMeasures
        From the events laid out.
    news : Rollup
        Events that are not in the planes. All rows asked about have one `as_of`, before which all of them were known.
    whole : callable
        Gives the rollup of all events; asked only where the news reach back behind the planes' first cut, whose days
        the planes do not hold one by one.
    """

    def __init__(self, older: PlaneMeasures, news: Rollup, whole: Callable[[], Rollup]) -> None:
        self.keys = older.keys
        self._older = older
        self._rollup = news
        self._newer = LedgerMeasures(news, older.keys)
        self._whole = whole
        self._memory: dict[tuple[str, int, int], Floats] = {}

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""
        return self._older.events(start, end) + self._newer.events(start, end)

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""
        return self._older.logins(start, end) + self._newer.logins(start, end)

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""
        return self._older.weekday_events(start, end) + self._newer.weekday_events(start, end)

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind; 0 for a kind nobody ever used."""
        return self._older.of_kind(slug, start, end) + self._newer.of_kind(slug, start, end)

    def value_of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Sum of the values of one kind."""
        return self._older.value_of_kind(slug, start, end)

    def events_ever(self) -> Floats:
        """Events before `as_of`."""
        return self._older.events_ever() + self._newer.events_ever()

    def value_ever(self) -> Floats:
        """Sum of the values of all events before `as_of`."""
        return self._older.value_ever()

    def active_days_ever(self) -> Floats:
        """Days with an event before `as_of`."""
        if self._reaches_back:
            return self._ledger.active_days_ever()
        return self._older.active_days_ever() + self._new_days.window(self.keys, "days", EVER)

    def gap_squares(self) -> Floats:
        """Sum of the squared days from each active day to the next, before `as_of`."""
        if self._reaches_back:
            return self._ledger.gap_squares()
        older = self._older
        return gap_squares(self.keys, self._days, older.before("last_before", -1), older.before("squares_before"))

    @cached_property
    def _reaches_back(self) -> bool:
        return bool((self._rollup.kinds["occurred"] < self._older.planes.first).any())

    @cached_property
    def _ledger(self) -> LedgerMeasures:
        return LedgerMeasures(self._whole(), self.keys)

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        return self._older.active_days(start, end) + self._new_days.window(self.keys, "days", start, end)

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        return self._older.user_days(start, end) + self._new_user_days.window(self.keys, "days", start, end)

    @cached_property
    def _new_days(self) -> Ledger:
        """The active days that are not active in the planes."""
        planes = self._older.planes
        rows = self._rollup.kinds[["code", "occurred"]].drop_duplicates()
        code, day = rows["code"].to_numpy(), rows["occurred"].to_numpy()
        column, row = self._older.column[code], day - planes.first
        inside = (column >= 0) & (row >= 0) & (day < planes.until)
        known = np.zeros(len(code), dtype=bool)
        known[inside] = planes.days[row[inside] + 1, column[inside]] > planes.days[row[inside], column[inside]]
        return _one_each(code[~known], day[~known])

    @cached_property
    def _new_user_days(self) -> Ledger:
        """The (user, day) pairs that are not in the planes."""
        planes, users, new = self._older.planes, self._older.planes.users, self._users
        assert users is not None
        row = new.occurred - planes.first + 1
        inside = (new.entity < len(users.code)) & (row >= 1) & (new.occurred < planes.until)
        known = np.zeros(len(row), dtype=bool)
        entity = new.entity[inside]
        known[inside] = (users.bits[row[inside], entity // 8] >> (7 - entity % 8)) & 1
        return _one_each(new.code[~known], new.occurred[~known])

    @cached_property
    def _users(self) -> Entities:
        """The users' days of the news, users numbered as in the planes and new ones after them."""
        users, rows = self._older.planes.users, self._rollup.users
        assert users is not None
        assert rows is not None
        return self._numbered(users, rows["code"].to_numpy(), self._rollup.user_ids[rows["user"]], rows["occurred"])

    @cached_property
    def _kinds(self) -> Entities:
        kinds, rows = self._older.planes.kinds, self._rollup.kinds
        assert kinds is not None
        return self._numbered(kinds, rows["code"].to_numpy(), rows["kind"].to_numpy(dtype=object), rows["occurred"])

    def _numbered(self, known: Presence, code: Ints, label: npt.NDArray[np.object_], occurred: pd.Series) -> Entities:
        """Return active days of entities by their numbers in the planes; new ones are numbered on from there."""
        days, names = occurred.to_numpy(), pa.array(label, pa.string()).dictionary_encode()
        width = len(names.dictionary) + 1
        hit = pc.index_in(known.label, names.dictionary)
        at = np.flatnonzero(np.asarray(hit.is_valid()))
        place = known.code[at] * width + hit.drop_null().to_numpy()
        wanted = self._older.column[code].astype(np.int64) * width + names.indices.to_numpy()
        by_place = pd.Index(place).get_indexer(pd.Index(wanted))
        number = np.where(by_place >= 0, at[by_place] if len(at) else -1, -1).astype(np.int64)
        new = number < 0
        number[new] = len(known.code) + pd.MultiIndex.from_arrays([code[new], label[new]]).factorize()[0]
        return Entities(code, number, days, days)

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        if ("users", start, end) not in self._memory:
            self._memory["users", start, end] = self._distinct(self._older.planes.users, self._users, start, end)
        return self._memory["users", start, end]

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""
        return self.active_users(EVER)

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        if ("kinds", start, end) not in self._memory:
            self._memory["kinds", start, end] = self._distinct(self._older.planes.kinds, self._kinds, start, end)
        return self._memory["kinds", start, end]

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""
        return self._distinct(self._older.planes.kinds, self._kinds, start, end, slugs)

    def _distinct(
        self, old: Presence | None, new: Entities, start: int, end: int, labels: frozenset[str] | None = None
    ) -> Floats:
        assert old is not None
        out = self.keys.full()
        for rows, active in self._older.active(old, start, end, labels):
            day = int(self.keys.day[rows[0]])
            count = self._older.per_account(old, active) + self._only_new(new, active, day - start, day - end, labels)
            out[rows] = count[self.keys.code[rows]]
        return out

    def _only_new(
        self, new: Entities, active: npt.NDArray[np.bool_], low: int, high: int, labels: frozenset[str] | None
    ) -> Ints:
        """Count per account the entities that are active in days ``[low, high)`` only by the news."""
        inside = (new.occurred >= low) & (new.occurred < high)
        if labels is not None:
            inside &= self._rollup.kinds["kind"].isin(labels).to_numpy()
        entity, position = np.unique(new.entity[inside], return_index=True)
        code = new.code[inside][position]
        other = np.ones(len(entity), dtype=bool)
        old = entity < len(active)
        other[old] = ~active[entity[old]]
        return np.bincount(code[other], minlength=len(self.keys.accounts) + 1)

    @cached_property
    def first_day(self) -> Floats:
        """Day number of the first event known; NaN where none is."""
        first: Floats = np.fmin(self._older.first_day, self._newer.first_day)
        return first

    @cached_property
    def last_day(self) -> Floats:
        """Day number of the last event known; NaN where none is."""
        last: Floats = np.fmax(self._older.last_day, self._newer.last_day)
        return last

    @cached_property
    def last_login_day(self) -> Floats:
        """Day number of the last login known; NaN where none is."""
        last: Floats = np.fmax(self._older.last_login_day, self._newer.last_login_day)
        return last

    @cached_property
    def _days(self) -> Entities:
        old, new = self._older.days, self._rollup.kinds
        place = np.unique(
            np.concatenate([old.code * DAY_SPAN + old.occurred, new["code"].to_numpy() * DAY_SPAN + new["occurred"]])
        )
        code, day = place // DAY_SPAN, place % DAY_SPAN
        return Entities(code, code, day, day)

    def longest_silence(self, window: int, since: Ints) -> Floats:
        """Most consecutive days without an event in the window, counted from day `since` on at most."""
        return longest_silence(self.keys, self._days, window, since)


def _one_each(code: Ints, day: Ints) -> Ledger:
    return Ledger.of(code, day, day, {"days": np.ones(len(code), dtype=np.int64)})
