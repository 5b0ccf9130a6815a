"""`EventMeasures` answered from planes and the events that became known later."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.events.activity_gaps import gap_squares, longest_silence
from churnml.features.events.answers import Answers
from churnml.features.events.ledger import Entities, Ledger
from churnml.features.events.ledger_measures import LedgerMeasures, event_days
from churnml.features.events.plane_measures import PlaneMeasures
from churnml.features.events.planes import Presence
from churnml.features.events.rollup import Rollup
from churnml.features.keys import EVER, Floats, Ints, Keys

__all__ = ["CombinedMeasures"]


class CombinedMeasures:
    """What the events say about every (account, as_of) row: the planes, and the news on top (see `EventMeasures`).

    News count from the day on which they became visible, at any number of `as_of` dates. Sums add up. What is distinct
    (users, kinds, days) is counted once, whether it was active in the planes, in the news or in both.

    Parameters
    ----------
    older : PlaneMeasures
        From the events laid out.
    news : Rollup
        Events that are not in the planes.
    whole : callable
        Gives the rollup of all events of some keys; asked only of accounts whose news reach back behind the planes'
        first cut, whose days the planes do not hold one by one.
    """

    def __init__(self, older: PlaneMeasures, news: Rollup, whole: Callable[[Keys], Rollup]) -> None:
        self.keys = older.keys
        self._older = older
        self._rollup = news
        self._newer = LedgerMeasures(news, older.keys)
        self._whole = whole
        self._answers = Answers()

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
        days = self._older.active_days_ever() + self._new_day_ledger.window(self.keys, "days", EVER)
        return self._reaching_back(days, lambda ledger: ledger.active_days_ever())

    def gap_squares(self) -> Floats:
        """Sum of the squared days from each active day to the next, before `as_of`."""
        older = self._older
        squares = gap_squares(self.keys, self._days, older.before("last_before", -1), older.before("squares_before"))
        return self._reaching_back(squares, lambda ledger: ledger.gap_squares())

    def _reaching_back(self, values: Floats, measure: Callable[[LedgerMeasures], Floats]) -> Floats:
        """Return the values, those of accounts with news from before the first cut taken from all their events."""
        ledger, rows = self._ledger
        if ledger is not None:
            values[rows] = measure(ledger)
        return values

    @cached_property
    def _ledger(self) -> tuple[LedgerMeasures | None, Ints]:
        news = self._rollup.kinds
        codes = np.unique(news["code"].to_numpy()[news["occurred"] < self._older.planes.first])
        keys, rows = self.keys.of_accounts(codes)
        return LedgerMeasures(self._whole(keys), keys) if len(rows) else None, rows

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        return self._older.active_days(start, end) + self._new_day_ledger.window(self.keys, "days", start, end)

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        return self._older.user_days(start, end) + self._new_user_days.window(self.keys, "days", start, end)

    @cached_property
    def _new_days(self) -> Entities:
        """The active days that are not active in the planes, visible from the first event of the day that is."""
        planes, days = self._older.planes, event_days(self._rollup.kinds)
        column, row = self._older.column[days.code], days.occurred - planes.first
        inside = (column >= 0) & (row >= 0) & (days.occurred < planes.until)
        known = np.zeros(len(row), dtype=bool)
        known[inside] = planes.days[row[inside] + 1, column[inside]] > planes.days[row[inside], column[inside]]
        return days.subset(~known)

    @cached_property
    def _new_day_ledger(self) -> Ledger:
        return _one_each(self._new_days)

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
        return _one_each(new.subset(~known))

    @cached_property
    def _users(self) -> Entities:
        """The users' days of the news by day, users numbered as in the planes and new ones after them."""
        users, rows = self._older.planes.users, self._rollup.users
        assert users is not None
        assert rows is not None
        rows = rows.sort_values("occurred", kind="stable")
        return self._numbered(users, rows, self._rollup.user_ids[rows["user"]])

    @cached_property
    def _kinds(self) -> Entities:
        """The kinds' days of the news by day, numbered likewise; what kind each is stands in `_kind_words`."""
        kinds = self._older.planes.kinds
        assert kinds is not None
        rows = self._rollup.kinds.sort_values("occurred", kind="stable")
        return self._numbered(kinds, rows, self._kind_words.to_numpy(dtype=object))

    @cached_property
    def _kind_words(self) -> pd.Series:
        return self._rollup.kinds.sort_values("occurred", kind="stable")["kind"]

    def _numbered(self, known: Presence, rows: pd.DataFrame, label: npt.NDArray[np.object_]) -> Entities:
        """Return active days of entities by their numbers in the planes; new ones are numbered on from there."""
        code, names = rows["code"].to_numpy(), pa.array(label, pa.string()).dictionary_encode()
        width = len(names.dictionary) + 1
        hit = pc.index_in(known.label, names.dictionary)
        at = np.flatnonzero(np.asarray(hit.is_valid()))
        place = known.code[at] * width + hit.drop_null().to_numpy()
        wanted = self._older.column[code].astype(np.int64) * width + names.indices.to_numpy()
        by_place = pd.Index(place).get_indexer(pd.Index(wanted))
        number = np.where(by_place >= 0, at[by_place] if len(at) else -1, -1).astype(np.int64)
        new = number < 0
        number[new] = len(known.code) + pd.MultiIndex.from_arrays([code[new], label[new]]).factorize()[0]
        return Entities(code, number, rows["occurred"].to_numpy(), rows["visible"].to_numpy())

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        return self._distinct("users", start, end)

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""
        return self.active_users(EVER)

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        return self._distinct("kinds", start, end)

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""
        kinds = self._older.planes.kinds
        assert kinds is not None
        return self._count(kinds, self._kinds.subset(self._kind_words.isin(slugs).to_numpy()), start, end, slugs)

    def _distinct(self, name: str, start: int, end: int) -> Floats:
        presence: Presence | None = getattr(self._older.planes, name)
        assert presence is not None
        new = self._users if name == "users" else self._kinds

        def count() -> Floats:
            if self._older.many_dates and start < EVER:
                return self._intervals(name, new).distinct(self.keys, start, end)
            return self._count(presence, new, start, end)

        return self._answers.get(name, start, end, count)

    def _intervals(self, name: str, new: Entities) -> Entities:
        if name not in self._merged:
            self._merged[name] = self._older.active_intervals(name).joined(new)
        return self._merged[name]

    @cached_property
    def _merged(self) -> dict[str, Entities]:
        return {}

    def _count(
        self, old: Presence, new: Entities, start: int, end: int, labels: frozenset[str] | None = None
    ) -> Floats:
        out = self.keys.full()
        for rows, active in self._older.active(old, start, end, labels):
            day = int(self.keys.day[rows[0]])
            count = self._older.per_account(old, active) + self._only_new(new, active, day, start, end)
            out[rows] = count[self.keys.code[rows]]
        return out

    def _only_new(self, new: Entities, active: npt.NDArray[np.bool_], day: int, start: int, end: int) -> Ints:
        """Count per account the entities that are active in the window before a day only by the news known then."""
        window = slice(*np.searchsorted(new.occurred, [day - start, day - end]))
        known = new.visible[window] < day
        code, entity = new.code[window][known], new.entity[window][known]
        old = entity < len(active)
        other = np.ones(len(entity), dtype=bool)
        other[old] = ~active[entity[old]]
        _, position = np.unique(entity[other], return_index=True)
        return np.bincount(code[other][position], minlength=len(self.keys.accounts) + 1)

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
        return self._older.days.joined(self._new_days)

    def longest_silence(self, window: int, since: Ints) -> Floats:
        """Most consecutive days without an event in the window, counted from day `since` on at most."""
        return longest_silence(self.keys, self._days, window, since)


def _one_each(days: Entities) -> Ledger:
    return Ledger.of(days.code, days.occurred, days.visible, {"days": np.ones(len(days.code), dtype=np.int64)})
