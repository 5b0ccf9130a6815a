"""`EventMeasures` answered from sums by day."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from churnml.features.events.activity_gaps import gap_squares, longest_silence
from churnml.features.events.answers import Answers
from churnml.features.events.ledger import Entities, Ledger
from churnml.features.events.rollup import Rollup
from churnml.features.keys import DAY_SPAN, EVER, Floats, Ints, Keys

__all__ = ["LedgerMeasures", "event_days"]

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
        self._answers = Answers()

    def _remember(self, name: str, start: int, end: int, make: Ledger, column: str) -> Floats:
        start = min(start, max(self._span, end))
        return self._answers.get(name, start, end, lambda: make.window(self.keys, column, start, end))

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
        return event_days(self._rollup.kinds)

    @cached_property
    def _login_days(self) -> Entities:
        return event_days(self._rollup.kinds[self._rollup.kinds["login"]])

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

    def events_ever(self) -> Floats:
        """Events before `as_of`."""
        return self.events(EVER)

    def value_ever(self) -> Floats:
        """Sum of the values of all events before `as_of`, kind after kind so that every engine adds alike."""
        total = self.keys.full(0.0)
        for slug in sorted(self._kinds):
            total = total + self.value_of_kind(slug, EVER)
        return total

    def active_days_ever(self) -> Floats:
        """Days with an event before `as_of`."""
        return self.active_days(EVER)

    def gap_squares(self) -> Floats:
        """Sum of the squared days from each active day to the next, before `as_of`."""
        return gap_squares(self.keys, self._days)

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        return self._remember("active_days", start, end, self._day_ledger, "days")

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        return self._remember("user_days", start, end, self._user_days, "days")

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        return self._answers.get("users", start, end, lambda: self._users.distinct(self.keys, start, end))

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""
        return self._users.ever(self.keys)

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        return self._answers.get("kinds", start, end, lambda: self._kind_days[0].distinct(self.keys, start, end))

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


def event_days(rows: pd.DataFrame) -> Entities:
    """Return the days with an event in a rollup's rows, visible from the first event of the day that is."""
    days = rows.groupby(["code", "occurred"], as_index=False, sort=True)[["visible"]].min()
    return Entities(days["code"].to_numpy(), days["code"].to_numpy(), *_dates(days))


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
