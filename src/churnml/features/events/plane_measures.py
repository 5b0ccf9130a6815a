"""`EventMeasures` answered from planes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.events.activity_gaps import gap_squares, longest_silence
from churnml.features.events.answers import Answers
from churnml.features.events.ledger import Entities
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.planes import Planes, Presence
from churnml.features.events.rollup import Rollup
from churnml.features.keys import EVER, Floats, Ints, Keys

__all__ = ["PlaneMeasures"]

_STEP = 14
"""Days that are looked through at once for the last active one."""

_MANY_DATES = 60
"""From so many dates on, users are counted by their intervals of activity instead of date by date."""


class PlaneMeasures:
    """What the events say about every (account, as_of) row, from planes (see `EventMeasures`).

    Parameters
    ----------
    planes : Planes
        The events laid out. Their `until` is no later than any `as_of`, or nothing in them became known both after
        the first `as_of` and later than on its own day.
    keys : Keys
        The n rows asked about.
    valued : callable
        Gives the rollup of the events that carry a value; asked only when a value is.
    """

    def __init__(self, planes: Planes, keys: Keys, valued: Callable[[], Rollup]) -> None:
        self.keys = keys
        self.planes = planes
        self._valued = valued
        self._answers = Answers()
        self.column = pd.Index(planes.accounts).get_indexer(pd.Index(keys.accounts))
        """Column in the planes of each account asked about, −1 for a new one."""

    @cached_property
    def _dates(self) -> list[tuple[int, Ints, Ints, npt.NDArray[np.bool_]]]:
        """Each `as_of`: its day, its rows, their columns in the planes, and which of these are real."""
        by_day = np.argsort(self.keys.day, kind="stable")
        days, first = np.unique(self.keys.day[by_day], return_index=True)
        dates = []
        for day, rows in zip(days, np.split(by_day, first[1:]), strict=True):
            column = self.column[self.keys.code[rows]]
            dates.append((int(day), rows, column, column >= 0))
        return dates

    def _window(self, name: str, start: int, end: int) -> Floats:
        plane, row = self.planes.running[name], self.planes.row
        return self._answers.get(name, start, end, lambda: self._differences(plane, row, start, end))

    def _differences(self, plane: npt.NDArray[Any], row: Callable[[int], int], start: int, end: int) -> Floats:
        out = self.keys.full()
        for day, rows, column, real in self._dates:
            change = plane[row(day - end)] - plane[row(day - start)]
            out[rows] = np.where(real, change[column], 0)
        return out

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""
        return self._window("events", start, end)

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""
        return self._window("logins", start, end)

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""
        return self._window("weekday", start, end)

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind; 0 for a kind nobody ever used."""
        return self._window(f"of_{slug}", start, end)

    def value_of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Sum of the values of one kind."""
        return self._values.value_of_kind(slug, start, end)

    @cached_property
    def _values(self) -> LedgerMeasures:
        return LedgerMeasures(self._valued(), self.keys)

    def events_ever(self) -> Floats:
        """Events before `as_of`."""
        return self._until(self.planes.running["events"], self.planes.row)

    def value_ever(self) -> Floats:
        """Sum of the values of all events before `as_of`."""
        return self._values.value_ever()

    def active_days_ever(self) -> Floats:
        """Days with an event before `as_of`."""
        return self._until(self.planes.days, self.planes.day_row) + self.before("days_before")[self.keys.code]

    def gap_squares(self) -> Floats:
        """Sum of the squared days from each active day to the next, before `as_of`."""
        return gap_squares(self.keys, self.days, self.before("last_before", -1), self.before("squares_before"))

    def before(self, name: str, nothing: int = 0) -> Ints:
        """Return what the planes know of each account asked about from before their first cut."""
        known: Ints = np.append(getattr(self.planes, name), nothing)
        return known[self.column]

    def _until(self, plane: npt.NDArray[Any], row: Callable[[int], int]) -> Floats:
        """Return the running sum of all time before each `as_of`."""
        out = self.keys.full()
        for day, rows, column, real in self._dates:
            out[rows] = np.where(real, plane[row(day)][column], 0)
        return out

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        plane, row = self.planes.days, self.planes.day_row
        return self._answers.get("days", start, end, lambda: self._differences(plane, row, start, end))

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        return self._window("user_days", start, end)

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        return self._distinct("users", start, end)

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""
        return self._distinct("users", EVER, 0)

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        return self._distinct("kinds", start, end)

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""
        kinds = self.planes.kinds
        assert kinds is not None
        return self._count(kinds, start, end, slugs)

    def _distinct(self, name: str, start: int, end: int) -> Floats:
        presence: Presence | None = getattr(self.planes, name)
        assert presence is not None

        def count() -> Floats:
            if self.many_dates and start < EVER:
                return self.active_intervals(name).distinct(self.keys, start, end)
            return self._count(presence, start, end)

        return self._answers.get(name, start, end, count)

    @cached_property
    def many_dates(self) -> bool:
        """Users and kinds are counted by their intervals of activity instead of date by date."""
        return len(np.unique(self.keys.day)) > _MANY_DATES

    @cached_property
    def _key_code(self) -> Ints:
        """Position among the keys' accounts of each column of the planes; one past the end for those not asked for."""
        code = np.full(len(self.planes.accounts), len(self.keys.accounts))
        asked = self.column >= 0
        code[self.column[asked]] = np.flatnonzero(asked)
        return code

    def _count(self, presence: Presence, start: int, end: int, labels: frozenset[str] | None = None) -> Floats:
        out = self.keys.full()
        for rows, active in self.active(presence, start, end, labels):
            out[rows] = self.per_account(presence, active)[self.keys.code[rows]]
        return out

    def per_account(self, presence: Presence, active: npt.NDArray[np.bool_]) -> Ints:
        """Count the active entities of each account asked about; the last number is of all other accounts."""
        return np.bincount(self._key_code[presence.code][active], minlength=len(self.keys.accounts) + 1)

    def active(
        self, presence: Presence, start: int, end: int, labels: frozenset[str] | None = None
    ) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
        """Yield for each `as_of` its rows, and which entities were active in the window."""
        counts = (
            np.ones(len(presence.code), dtype=bool)
            if labels is None
            else np.asarray(pc.is_in(presence.label, pa.array(sorted(labels), pa.string())))
        )
        for day, rows, _, _ in self._dates:
            low = self.planes.row(day - start) + 1 if start < EVER else 0
            yield rows, presence.active(low, self.planes.row(day - end) + 1) & counts

    def active_intervals(self, name: str) -> Entities:
        """Return on which days each of the `users` or `kinds` was active, ascending, since the first cut."""
        if name not in self._entities:
            presence: Presence = getattr(self.planes, name)
            entity, row = presence.places()
            code = self._key_code[presence.code][entity]
            asked = code < len(self.keys.accounts)
            day = self.planes.cuts[row[asked] - 1]
            self._entities[name] = Entities(code[asked], entity[asked], day, day)
        return self._entities[name]

    @cached_property
    def _entities(self) -> dict[str, Entities]:
        return {}

    @cached_property
    def first_day(self) -> Floats:
        """Day number of the first event known; NaN where none is."""
        first = np.append(self.planes.first_day, -1)[self.column][self.keys.code].astype(np.float64)
        first[(first < 0) | (first >= self.keys.day)] = np.nan
        return first

    @cached_property
    def last_day(self) -> Floats:
        """Day number of the last event known; NaN where none is."""
        return self._latest(self.planes.days, self.planes.day_row, self.planes.last_before)

    @cached_property
    def last_login_day(self) -> Floats:
        """Day number of the last login known; NaN where none is."""
        return self._latest(self.planes.running["logins"], self.planes.row, self.planes.last_login_before)

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
            changed = active.any(axis=0)
            back = np.argmax(active[::-1], axis=0)
            out[open_[changed]] = self.planes.first + until - 1 - back[changed]
            open_, until = open_[~changed], start
        return out

    @cached_property
    def days(self) -> Entities:
        """Active days since the first cut, for the silences between them."""
        asked = np.flatnonzero(self.column >= 0)
        columns = self.planes.days[:, self.column[asked]]
        code, row = np.nonzero((columns[1:] > columns[:-1]).T)
        code, day = asked[code], row + self.planes.first
        return Entities(code, code, day, day)

    def longest_silence(self, window: int, since: Ints) -> Floats:
        """Most consecutive days without an event in the window, counted from day `since` on at most."""
        return longest_silence(self.keys, self.days, window, since)
