"""The measures of `LedgerMeasures`, answered from planes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.events.ledger import Entities, Ledger
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.planes import Planes, Presence
from churnml.features.events.rollup import Rollup
from churnml.features.keys import DAY_SPAN, Floats, Ints, Keys

__all__ = ["PlaneMeasures"]

_STEP = 14
"""Days that are looked through at once for the last active one."""

_MANY_DATES = 60
"""From so many dates on, users are counted by their intervals of activity instead of date by date."""


class PlaneMeasures(LedgerMeasures):
    """What the events say about every (account, as_of) row, from planes and from what became known since.

    Parameters
    ----------
    planes : Planes
        The events laid out. Their `until` is no later than any `as_of`, or nothing in them was known late.
    keys : Keys
        The n rows asked about.
    valued : callable
        Gives the rollup of the events that carry a value; asked only when a value is.
    fresh : Rollup, optional
        Events that are not in the planes; all rows then have one `as_of`, before which all of them were known.
    """

    def __init__(self, planes: Planes, keys: Keys, valued: Callable[[], Rollup], fresh: Rollup | None = None) -> None:
        super().__init__(fresh or _nothing(), keys)
        self._valued = valued
        self._planes = planes
        self._fresh = LedgerMeasures(fresh, keys) if fresh is not None and len(fresh.kinds) else None
        self._column = pd.Index(planes.accounts).get_indexer(pd.Index(keys.accounts))
        """Column in the planes of each account asked about, −1 for a new one."""

    @cached_property
    def _dates(self) -> list[tuple[int, Ints, Ints, npt.NDArray[np.bool_]]]:
        """Each `as_of`: its day, its rows, their columns in the planes, and which of these are real."""
        by_day = np.argsort(self.keys.day, kind="stable")
        days, first = np.unique(self.keys.day[by_day], return_index=True)
        dates = []
        for day, rows in zip(days, np.split(by_day, first[1:]), strict=True):
            column = self._column[self.keys.code[rows]]
            dates.append((int(day), rows, column, column >= 0))
        return dates

    def _window(self, name: str, start: int, end: int) -> Floats:
        if (name, start, end) not in self._memory:
            plane, row = self._planes.running[name], self._planes.row
            self._memory[name, start, end] = self._differences(plane, row, start, end)
        return self._memory[name, start, end]

    def _differences(self, plane: npt.NDArray[Any], row: Callable[[int], int], start: int, end: int) -> Floats:
        out = self.keys.full()
        for day, rows, column, real in self._dates:
            change = plane[row(day - end)] - plane[row(day - start)]
            out[rows] = np.where(real, change[column], 0)
        return out

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""
        fresh = self._fresh.events(start, end) if self._fresh else 0.0
        return self._window("events", start, end) + fresh

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""
        fresh = self._fresh.logins(start, end) if self._fresh else 0.0
        return self._window("logins", start, end) + fresh

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""
        fresh = self._fresh.weekday_events(start, end) if self._fresh else 0.0
        return self._window("weekday", start, end) + fresh

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind; 0 for a kind nobody ever used."""
        fresh = self._fresh.of_kind(slug, start, end) if self._fresh else 0.0
        return self._window(f"of_{slug}", start, end) + fresh

    def value_of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Sum of the values of one kind."""
        return self._values.value_of_kind(slug, start, end)

    @cached_property
    def _values(self) -> LedgerMeasures:
        return LedgerMeasures(self._valued(), self.keys)

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        fresh = self._fresh_days.window(self.keys, "days", start, end) if self._fresh else 0.0
        if ("days", start, end) not in self._memory:
            found = self._differences(self._planes.days, self._planes.day_row, start, end)
            self._memory["days", start, end] = found + fresh
        return self._memory["days", start, end]

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        fresh = self._fresh_user_days.window(self.keys, "days", start, end) if self._fresh else 0.0
        return self._window("user_days", start, end) + fresh

    @cached_property
    def _fresh_days(self) -> Ledger:
        """The active days that are not active in the planes."""
        rows = self._rollup.kinds[["code", "occurred"]].drop_duplicates()
        code, day = rows["code"].to_numpy(), rows["occurred"].to_numpy()
        column, row = self._column[code], day - self._planes.first
        inside = (column >= 0) & (row >= 0) & (day < self._planes.until)
        known = np.zeros(len(code), dtype=bool)
        days = self._planes.days
        known[inside] = days[row[inside] + 1, column[inside]] > days[row[inside], column[inside]]
        return _one_each(code[~known], day[~known])

    @cached_property
    def _fresh_user_days(self) -> Ledger:
        """The (user, day) pairs that are not in the planes."""
        users, fresh = self._planes.users, self._fresh_users
        assert users is not None
        row = fresh.occurred - self._planes.first + 1
        inside = (fresh.entity < len(users.code)) & (row >= 1) & (fresh.occurred < self._planes.until)
        known = np.zeros(len(row), dtype=bool)
        entity = fresh.entity[inside]
        known[inside] = (users.bits[row[inside], entity // 8] >> (7 - entity % 8)) & 1
        return _one_each(fresh.code[~known], fresh.occurred[~known])

    @cached_property
    def _fresh_users(self) -> Entities:
        """The days of users that are not in the planes, users numbered as there and new ones after them."""
        users, rows = self._planes.users, self._rollup.users
        assert users is not None
        assert rows is not None
        return self._numbered(users, rows["code"].to_numpy(), self._rollup.user_ids[rows["user"]], rows["occurred"])

    @cached_property
    def _fresh_kinds(self) -> Entities:
        kinds, rows = self._planes.kinds, self._rollup.kinds
        assert kinds is not None
        return self._numbered(kinds, rows["code"].to_numpy(), rows["kind"].to_numpy(dtype=object), rows["occurred"])

    def _numbered(self, known: Presence, code: Ints, label: npt.NDArray[np.object_], occurred: pd.Series) -> Entities:
        """Return active days of entities by their numbers in the planes; new ones are numbered on from there."""
        days, names = occurred.to_numpy(), pa.array(label, pa.string()).dictionary_encode()
        width = len(names.dictionary) + 1
        hit = pc.index_in(known.label, names.dictionary)
        at = np.flatnonzero(np.asarray(hit.is_valid()))
        place = known.code[at] * width + hit.drop_null().to_numpy()
        wanted = self._column[code].astype(np.int64) * width + names.indices.to_numpy()
        by_place = pd.Index(place).get_indexer(pd.Index(wanted))
        number = np.where(by_place >= 0, at[by_place] if len(at) else -1, -1).astype(np.int64)
        new = number < 0
        number[new] = len(known.code) + pd.MultiIndex.from_arrays([code[new], label[new]]).factorize()[0]
        return Entities(code, number, days, days)

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        return self._distinct("users", start, end)

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""
        return self._distinct("users", DAY_SPAN // 2, 0)

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        return self._distinct("kinds", start, end)

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""
        kinds = self._planes.kinds
        assert kinds is not None
        return self._count(kinds, self._fresh_kinds if self._fresh else None, start, end, slugs)

    def _distinct(self, name: str, start: int, end: int) -> Floats:
        if (name, start, end) in self._memory:
            return self._memory[name, start, end]
        presence: Presence | None = getattr(self._planes, name)
        assert presence is not None
        if self._many_dates and start < DAY_SPAN // 2:
            found = self._active_intervals(name).distinct(self.keys, start, end)
        else:
            fresh = (self._fresh_users if name == "users" else self._fresh_kinds) if self._fresh else None
            found = self._count(presence, fresh, start, end)
        self._memory[name, start, end] = found
        return found

    @cached_property
    def _many_dates(self) -> bool:
        return self._fresh is None and len(np.unique(self.keys.day)) > _MANY_DATES

    @cached_property
    def _key_code(self) -> Ints:
        """Position among the keys' accounts of each column of the planes; one past the end for those not asked for."""
        code = np.full(len(self._planes.accounts), len(self.keys.accounts))
        asked = self._column >= 0
        code[self._column[asked]] = np.flatnonzero(asked)
        return code

    def _count(
        self, presence: Presence, fresh: Entities | None, start: int, end: int, labels: frozenset[str] | None = None
    ) -> Floats:
        """Count date by date the entities of each account that were active in the window."""
        code = self._key_code[presence.code]
        counts = (
            np.ones(len(code), dtype=bool)
            if labels is None
            else np.asarray(pc.is_in(presence.label, pa.array(sorted(labels), pa.string())))
        )
        out = self.keys.full()
        for day, rows, _, _ in self._dates:
            low = self._planes.row(day - start) + 1 if start < DAY_SPAN // 2 else 0
            active = presence.active(low, self._planes.row(day - end) + 1) & counts
            found = np.bincount(code[active], minlength=len(self.keys.accounts) + 1)
            if fresh is not None:
                found += self._count_fresh(fresh, active, day - start, day - end, labels)
            out[rows] = found[self.keys.code[rows]]
        return out

    def _count_fresh(
        self, fresh: Entities, active: npt.NDArray[np.bool_], low: int, high: int, labels: frozenset[str] | None
    ) -> Ints:
        """Count the entities that are active in days ``[low, high)`` only by fresh events."""
        inside = (fresh.occurred >= low) & (fresh.occurred < high)
        if labels is not None:
            inside &= self._rollup.kinds["kind"].isin(labels).to_numpy()
        entity, position = np.unique(fresh.entity[inside], return_index=True)
        code = fresh.code[inside][position]
        other = np.ones(len(entity), dtype=bool)
        old = entity < len(active)
        other[old] = ~active[entity[old]]
        return np.bincount(code[other], minlength=len(self.keys.accounts) + 1)

    def _active_intervals(self, name: str) -> Entities:
        if name not in self._entities:
            presence: Presence = getattr(self._planes, name)
            entity, row = presence.places()
            code = self._key_code[presence.code][entity]
            asked = code < len(self.keys.accounts)
            day = self._planes.cuts[row[asked] - 1]
            self._entities[name] = Entities(code[asked], entity[asked], day, day)
        return self._entities[name]

    @cached_property
    def _entities(self) -> dict[str, Entities]:
        return {}

    @cached_property
    def first_day(self) -> Floats:
        """Day number of the first event known; NaN where none is."""
        first = np.append(self._planes.first_day, -1)[self._column][self.keys.code].astype(np.float64)
        first[(first < 0) | (first >= self.keys.day)] = np.nan
        return np.fmin(first, self._fresh.first_day) if self._fresh else first

    @cached_property
    def last_day(self) -> Floats:
        """Day number of the last event known; NaN where none is."""
        last = self._latest(self._planes.days, self._planes.day_row, self._planes.last_before)
        return np.fmax(last, self._fresh.last_day) if self._fresh else last

    @cached_property
    def last_login_day(self) -> Floats:
        """Day number of the last login known; NaN where none is."""
        planes = self._planes
        last = self._latest(planes.running["logins"], planes.row, planes.last_login_before)
        return np.fmax(last, self._fresh.last_login_day) if self._fresh else last

    def _latest(self, plane: npt.NDArray[Any], row: Callable[[int], int], before: Ints) -> Floats:
        """Walk once through the days, each with a row, and note at each `as_of` when an account was last active."""
        out, latest, done = self.keys.full(), before.astype(np.float64), 0
        for day, rows, column, real in self._dates:
            until = row(day)
            latest = self._last_change(plane, done, until, latest)
            done = max(done, until)
            out[rows] = np.where(real, latest[column], -1)
        return np.where(out < 0, np.nan, out)

    def _last_change(self, plane: npt.NDArray[Any], done: int, until: int, latest: Floats) -> Floats:
        """Return the last day with a change in rows ``(done, until]``, backwards in steps: most accounts are recent."""
        out, open_ = latest.copy(), np.arange(plane.shape[1])
        while until > done and len(open_):
            start = max(done, until - _STEP)
            rows = plane[start : until + 1] if len(open_) == plane.shape[1] else plane[start : until + 1, open_]
            active = rows[1:] > rows[:-1]
            found = active.any(axis=0)
            back = np.argmax(active[::-1], axis=0)
            out[open_[found]] = self._planes.first + until - 1 - back[found]
            open_, until = open_[~found], start
        return out

    @cached_property
    def _days(self) -> Entities:
        """Active days, for the silences between them."""
        asked = np.flatnonzero(self._column >= 0)
        columns = self._planes.days[:, self._column[asked]]
        code, row = np.nonzero((columns[1:] > columns[:-1]).T)
        code, day = asked[code], row + self._planes.first
        if self._fresh:
            fresh = self._rollup.kinds
            place = np.unique(
                np.concatenate([code * DAY_SPAN + day, fresh["code"].to_numpy() * DAY_SPAN + fresh["occurred"]])
            )
            code, day = place // DAY_SPAN, place % DAY_SPAN
        return Entities(code, code, day, day)


def _one_each(code: Ints, day: Ints) -> Ledger:
    return Ledger.of(code, day, day, {"days": np.ones(len(code), dtype=np.int64)})


def _nothing() -> Rollup:
    """Return the rollup of no events."""
    whole = np.zeros(0, dtype=np.int64)
    kinds = pd.DataFrame(dict.fromkeys(("code", "occurred", "visible", "events"), whole))
    kinds = kinds.assign(value=0.0, login=False, kind=pd.Categorical([], categories=[]))
    return Rollup(kinds, pd.DataFrame(dict.fromkeys(("code", "user", "occurred", "visible"), whole)))
