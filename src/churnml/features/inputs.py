"""What every family computes from: the rows, the tables as known at each row, and what could be observed."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.features.book import EventBook
from churnml.features.keys import Floats, Ints, Keys, day_numbers
from churnml.features.rollup import roll_up
from churnml.features.visible import visible
from churnml.tables import Tables

__all__ = ["Columns", "Inputs", "ratio"]

Columns = dict[str, np.ndarray]
"""Feature name → one value per key."""


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Return ``top / bottom``, NaN where the bottom is 0 or missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


class Inputs:
    """The n rows asked about and everything a family may look at.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    config : Config
        The config.
    keys : Keys
        The rows.
    logins : tuple of str
        Event types that are logins.
    """

    def __init__(self, tables: Tables, config: Config, keys: Keys, logins: tuple[str, ...]) -> None:
        self.tables = tables
        self.config = config
        self.keys = keys
        self.logins = logins

    @cached_property
    def book(self) -> EventBook:
        """The events, rolled up once."""
        return EventBook(roll_up(self.tables, self.keys, self.logins), self.keys)

    @cached_property
    def started(self) -> Floats:
        """Day number of each account's first fact known at `as_of`; NaN where nothing is known."""
        candidates = [self.keys.full()]
        if self.tables.has("accounts", "created_on"):
            accounts = self.tables["accounts"]
            created = accounts.group_by("account_id").agg(day=accounts.created_on.min()).to_pandas().dropna()
            days = pd.Series(day_numbers(created["day"]), index=created["account_id"].astype("object"))
            day = days.reindex(self.keys.accounts).to_numpy(dtype=np.float64)[self.keys.code]
            candidates.append(np.where(day < self.keys.day, day, np.nan))
        if "subscriptions" in self.tables:
            rows = visible(self.tables, "subscriptions", self.keys)
            first = rows.group_by("key_code").agg(day=rows.started_on.min()).to_pandas()
            column = self.keys.full()
            column[first["key_code"].to_numpy()] = day_numbers(first["day"])
            candidates.append(column)
        if "events" in self.tables:
            candidates.append(self.book.first_day)
        started: Floats = np.fmin.reduce(candidates)
        return started

    @cached_property
    def observed_since(self) -> Ints:
        """First day number on which each account could be observed: the data's start or the account's own."""
        begin = int(np.datetime64(self.tables.observed_from, "D").astype(np.int64))
        return np.fmax(self.started, begin).astype(np.int64)

    def observable_days(self, start: int, end: int = 0) -> Floats:
        """Return how many days of ``[as_of − start, as_of − end)`` the data and the account's life cover."""
        until = int(np.datetime64(self.tables.observed_until, "D").astype(np.int64))
        last = np.minimum(self.keys.day - end, until)
        first = np.maximum(self.keys.day - start, self.observed_since)
        return np.asarray(np.maximum(last - first, 0), dtype=np.float64)

    def counted(self, values: Floats, window: int) -> Floats:
        """Return counts over a window, NaN where not a single day of it could be observed."""
        return np.where(self.observable_days(window) > 0, values, np.nan)

    def whole(self, start: int, end: int = 0) -> np.ndarray:
        """Tell where the window was observable from its first day to its last."""
        return np.asarray(self.observable_days(start, end) >= start - end)
