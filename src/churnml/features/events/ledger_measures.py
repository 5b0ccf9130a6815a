"""`EventMeasures` answered from sums by day."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from churnml.features.events.ledger import Entities, Ledger
from churnml.features.events.rollup import Rollup
from churnml.features.keys import DAY_SPAN, Floats, Ints, Keys

__all__ = ["LedgerMeasures", "longest_silence"]

_THURSDAY = 3
"""Weekday of 1970-01-01, Monday being 0."""


class LedgerMeasures:
    """What the events say about every (account, as_of) row, from a rollup (see `EventMeasures`).

    Parameters
    ----------
    rollup : Rollup
        Events summed by day.
    keys : Keys
        The n rows asked about.
    """

    def __init__(self, rollup: Rollup, keys: Keys) -> None:
        self.keys = keys
        self._rollup = rollup
        self._memory: dict[tuple[str, int, int], Floats] = {}

    def _remember(self, name: str, start: int, end: int, make: Ledger, column: str) -> Floats:
        start = min(start, max(self._span, end))
        if (name, start, end) not in self._memory:
            self._memory[name, start, end] = make.window(self.keys, column, start, end)
        return self._memory[name, start, end]

    @cached_property
    def _span(self) -> int:
        """Days from the first event to the last `as_of`: all longer windows hold the same."""
        occurred = self._rollup.kinds["occurred"]
        return int(self.keys.day.max() - occurred.min()) if len(occurred) else 0

    @cached_property
    def _totals(self) -> Ledger:
        kinds = self._rollup.kinds
        weekday = (kinds["occurred"] + _THURSDAY) % 7 < 5
        frame = pd.DataFrame(
            {
                "code": kinds["code"],
                "occurred": kinds["occurred"],
                "visible": kinds["visible"],
                "events": kinds["events"],
                "logins": kinds["events"].where(kinds["login"], 0),
                "weekday": kinds["events"].where(weekday, 0),
            }
        )
        sums = frame.groupby(["code", "occurred", "visible"], as_index=False, sort=True).sum()
        amounts = {name: sums[name].to_numpy() for name in ("events", "logins", "weekday")}
        return Ledger.of(*_places(sums), amounts)

    @cached_property
    def _kinds(self) -> dict[str, Ledger]:
        ledgers = {}
        for kind, rows in self._rollup.kinds.groupby("kind", observed=True, sort=False):
            amounts = {"events": rows["events"].to_numpy(), "value": rows["value"].fillna(0.0).to_numpy()}
            ledgers[str(kind)] = Ledger.of(*_places(rows), amounts)
        return ledgers

    @cached_property
    def _days(self) -> Entities:
        """Active days: an account's event days, visible from the first event of the day that is."""
        return self._active_days(self._rollup.kinds)

    @cached_property
    def _login_days(self) -> Entities:
        return self._active_days(self._rollup.kinds[self._rollup.kinds["login"]])

    def _active_days(self, rows: pd.DataFrame) -> Entities:
        days = rows.groupby(["code", "occurred"], as_index=False, sort=True)[["visible"]].min()
        return Entities(days["code"].to_numpy(), days["code"].to_numpy(), *_dates(days))

    @cached_property
    def _day_ledger(self) -> Ledger:
        days = self._days
        return Ledger.of(days.code, days.occurred, days.visible, {"days": np.ones(len(days.code), dtype=np.int64)})

    @cached_property
    def _users(self) -> Entities:
        users = self._rollup.users
        assert users is not None
        return Entities.of(users["code"].to_numpy(), users["user"].to_numpy(), *_dates(users))

    @cached_property
    def _user_days(self) -> Ledger:
        users = self._users
        return Ledger.of(users.code, users.occurred, users.visible, {"days": np.ones(len(users.code), dtype=np.int64)})

    @cached_property
    def _kind_days(self) -> tuple[Entities, np.ndarray, list[str]]:
        rows = self._rollup.kinds
        label = rows["kind"].cat.codes.rename("label").astype("int64")
        days = (
            pd.concat([rows[["code", "occurred", "visible"]], label], axis=1)
            .groupby(["code", "label", "occurred"], as_index=False, sort=True)[["visible"]]
            .min()
        )
        words = [str(word) for word in rows["kind"].cat.categories]
        width = len(words) + 1
        entity = days["code"].to_numpy() * width + days["label"].to_numpy()
        return Entities(days["code"].to_numpy(), entity, *_dates(days)), days["label"].to_numpy(), words

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""
        return self._remember("events", start, end, self._totals, "events")

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""
        return self._remember("logins", start, end, self._totals, "logins")

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""
        return self._remember("weekday", start, end, self._totals, "weekday")

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        return self._remember("active_days", start, end, self._day_ledger, "days")

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        return self._remember("user_days", start, end, self._user_days, "days")

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        if ("users", start, end) not in self._memory:
            self._memory["users", start, end] = self._users.distinct(self.keys, start, end)
        return self._memory["users", start, end]

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""
        return self._users.ever(self.keys)

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        if ("kinds", start, end) not in self._memory:
            self._memory["kinds", start, end] = self._kind_days[0].distinct(self.keys, start, end)
        return self._memory["kinds", start, end]

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""
        entities, label, words = self._kind_days
        wanted = [index for index, word in enumerate(words) if word in slugs]
        return entities.subset(np.isin(label, wanted)).distinct(self.keys, start, end)

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind; 0 for a kind nobody ever used."""
        ledger = self._kinds.get(slug)
        return self._remember(f"of_{slug}", start, end, ledger, "events") if ledger else self.keys.full(0.0)

    def value_of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Sum of the values of one kind."""
        ledger = self._kinds.get(slug)
        return ledger.window(self.keys, "value", start, end) if ledger else self.keys.full(0.0)

    @cached_property
    def first_day(self) -> Floats:
        """Day number of the first event known; NaN where none is."""
        return -_latest(self.keys, self._days, sign=-1)

    @cached_property
    def last_day(self) -> Floats:
        """Day number of the last event known; NaN where none is."""
        return _latest(self.keys, self._days)

    @cached_property
    def last_login_day(self) -> Floats:
        """Day number of the last login known; NaN where none is."""
        return _latest(self.keys, self._login_days)

    def longest_silence(self, window: int, since: Ints) -> Floats:
        """Most consecutive days without an event in the window, counted from day `since` on at most."""
        return longest_silence(self.keys, self._days, window, since)


def longest_silence(keys: Keys, days: Entities, window: int, since: Ints) -> Floats:
    """Return the most consecutive days without activity in a window, counted from day `since` on at most.

    Parameters
    ----------
    keys : Keys
        The n rows asked about.
    days : Entities
        The active days of each account, ascending.
    window : int
        Days before `as_of`.
    since : ndarray of int, shape (n,)
        First day that counts.
    """
    begins = np.maximum(keys.day - window, since)
    prompt = _silence_on_time(keys, days, begins)
    if not days.late:
        return prompt
    tardy = np.isin(keys.code, np.unique(days.code[days.visible > days.occurred]))
    prompt[tardy] = _silence_late(keys, days, begins, np.flatnonzero(tardy))
    return prompt


def _places(rows: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    return rows["code"].to_numpy(), rows["occurred"].to_numpy(), rows["visible"].to_numpy()


def _dates(rows: pd.DataFrame) -> tuple[Ints, Ints]:
    return rows["occurred"].to_numpy(), rows["visible"].to_numpy()


def _latest(keys: Keys, days: Entities, sign: int = 1) -> Floats:
    """Return the greatest ``sign * occurred`` among the days visible before each `as_of`; NaN where none is."""
    if not len(days.code):
        return keys.full()
    order = np.argsort(days.code * DAY_SPAN + days.visible, kind="stable")
    code, value = days.code[order], sign * days.occurred[order]
    best = np.maximum.accumulate(code * (4 * DAY_SPAN) + value) - code * (4 * DAY_SPAN)
    place = code * DAY_SPAN + days.visible[order]
    high = np.searchsorted(place, keys.code * DAY_SPAN + keys.day)
    low = np.searchsorted(place, keys.code * DAY_SPAN)
    return np.asarray(np.where(high > low, best[np.maximum(high - 1, 0)], np.nan), dtype=np.float64)


def _silence_on_time(keys: Keys, days: Entities, begins: Ints) -> Floats:
    length = np.maximum(keys.day - begins, 0)
    place = days.code * DAY_SPAN + days.occurred
    low = np.searchsorted(place, keys.code * DAY_SPAN + np.minimum(begins, keys.day))
    high = np.searchsorted(place, keys.code * DAY_SPAN + keys.day)
    active = high > low
    if not active.any():
        return np.asarray(length, dtype=np.float64)
    first = days.occurred[np.minimum(low, len(place) - 1)] - begins
    last = keys.day - days.occurred[np.maximum(high - 1, 0)] - 1
    gaps = np.append(np.diff(days.occurred) - 1, 0)
    inner = np.maximum.reduceat(np.append(gaps, 0), np.column_stack([low, np.maximum(high - 1, 0)]).ravel())[::2]
    inner = np.where(high - low > 1, inner, 0)
    longest = np.maximum(np.maximum(first, last), inner)
    return np.asarray(np.where(active, longest, length), dtype=np.float64)


def _silence_late(keys: Keys, days: Entities, begins: Ints, rows: Ints) -> Floats:
    """Do the same day by day for accounts with late facts, whose gaps depend on what was known."""
    place = days.code * DAY_SPAN + days.occurred
    begin, as_of, base = begins[rows], keys.day[rows], keys.code[rows] * DAY_SPAN
    low = np.searchsorted(place, base + np.minimum(begin, as_of))
    count = np.searchsorted(place, base + as_of) - low
    owner = np.repeat(np.arange(len(rows)), count)
    position = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - low, count)
    known = days.visible[position] < as_of[owner]
    owner, active = owner[known], days.occurred[position[known]]
    before = np.concatenate([[0], active[:-1]])
    opening = np.concatenate([[True], owner[1:] != owner[:-1]])[: len(owner)]
    before = np.where(opening, begin[owner] - 1, before[: len(owner)])
    longest = np.zeros(len(rows), dtype=np.int64)
    np.maximum.at(longest, owner, active - before - 1)
    last = begin - 1
    last[owner] = active
    return np.asarray(np.maximum(longest, as_of - last - 1).clip(0), dtype=np.float64)
