"""What every family computes from: the rows, the tables as known at each row, and what could be observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.features.events.event_stream import planes_for
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.plane_measures import PlaneMeasures
from churnml.features.events.planes import Layout, Planes
from churnml.features.events.rollup import roll_up
from churnml.features.keys import Floats, Ints, Keys
from churnml.features.visible import days_between, visible
from churnml.tables import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Columns", "Inputs", "Recipes", "filled", "numbers", "ratio"]

Columns = dict[str, np.ndarray]
"""Feature name → one value per key."""


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Return ``top / bottom``, NaN where the bottom is 0 or missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def numbers(values: pd.Series) -> Floats:
    """Return a column as float64, NaN for nulls."""
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def filled(values: pd.Series) -> Floats:
    """Return a column as float64, 0 for nulls: for counts over rows that may not exist."""
    return np.nan_to_num(numbers(values), nan=0.0)


Recipes = dict[str, Callable[[], Floats]]
"""Feature name → how to make it, so that only what is wanted is made."""


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
    kinds : tuple of str
        Slugs of the event kinds counted one by one.
    wanted : frozenset of str
        Names of the features made from events.
    kept : Planes, optional
        The events up to an earlier date.
    """

    def __init__(
        self,
        tables: Tables,
        config: Config,
        keys: Keys,
        *,
        logins: tuple[str, ...] = (),
        kinds: tuple[str, ...] = (),
        wanted: frozenset[str] = frozenset(),
        kept: Planes | None = None,
    ) -> None:
        self.tables = tables
        self.config = config
        self.keys = keys
        self.logins = logins
        self.kinds = kinds
        self.wanted = wanted
        self._kept = kept
        self._observable: dict[tuple[int, int], Floats] = {}

    @property
    def layout(self) -> Layout:
        """What planes must hold for what is wanted."""
        return Layout.of(self.wanted, self.kinds, self.logins)

    @cached_property
    def book(self) -> LedgerMeasures:
        """The events, read once: laid out in planes where these can answer, else rolled up to a ledger."""
        valued = partial(roll_up, self.tables, self.keys, self.logins, valued_only=True)
        kept = self._kept
        if kept is not None and kept.layout.covers(self.layout) and self._after_first(kept):
            if self.keys.day.min() == self.keys.day.max() >= kept.until:
                fresh = roll_up(self.tables, self.keys, self.logins, since=kept.until)
                return PlaneMeasures(kept, self.keys, valued, fresh)
            if self.keys.day.max() <= kept.until and not self.tables.has("events", "known_at"):
                return PlaneMeasures(kept, self.keys, valued)
        planes = planes_for(self.tables, self.keys, self.layout)
        if planes is not None:
            return PlaneMeasures(planes, self.keys, valued)
        return LedgerMeasures(roll_up(self.tables, self.keys, self.logins), self.keys)

    def _after_first(self, kept: Planes) -> bool:
        """Whether no window asked for begins before the first cut of the planes."""
        return bool(self.keys.day.min() - self.layout.reach >= kept.first)

    @cached_property
    def started(self) -> Floats:
        """Day number of each account's first fact known at `as_of`; NaN where nothing is known."""
        candidates = [self.keys.full()]
        if self.tables.has("accounts", "created_on"):
            candidates.append(self._first("accounts", "created_on"))
        if "subscriptions" in self.tables:
            candidates.append(self._first("subscriptions", "started_on"))
        if "events" in self.tables:
            candidates.append(self.book.first_day)
        started: Floats = np.fmin.reduce(candidates)
        return started

    def _first(self, table: str, column: str) -> Floats:
        """Return the day number of the earliest day known before each `as_of`."""
        rows = self.known(table)
        rows = rows.filter(rows[column].cast("timestamp(6)") < rows.as_of)
        age = self.gather(rows, {"age": days_between(rows[column], rows.as_of).max()})["age"]
        return np.asarray(self.keys.day - numbers(age))

    @cached_property
    def observed_since(self) -> Ints:
        """First day number on which each account could be observed: the data's start or the account's own."""
        begin = int(np.datetime64(self.tables.observed_from, "D").astype(np.int64))
        return np.fmax(self.started, begin).astype(np.int64)

    def known(self, table: str) -> ir.Table:
        """Return a table once per row asked about, cut to what was known then (see `visible`)."""
        return visible(self.tables, table, self.keys)

    def gather(self, rows: ir.Table, wanted: Mapping[str, ir.Value]) -> pd.DataFrame:
        """Aggregate rows that carry ``key_code``; one line per key, nulls for keys without rows."""
        return self.aligned(rows.group_by("key_code").agg(**wanted).to_pandas())

    def aligned(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with ``key_code`` as one line per key, in order, nulls for keys it lacks."""
        return frame.set_index("key_code").reindex(np.arange(len(self.keys)))

    def observable_days(self, start: int, end: int = 0) -> Floats:
        """Return how many days of ``[as_of − start, as_of − end)`` the data and the account's life cover."""
        if (start, end) not in self._observable:
            until = int(np.datetime64(self.tables.observed_until, "D").astype(np.int64))
            last = np.minimum(self.keys.day - end, until)
            first = np.maximum(self.keys.day - start, self.observed_since)
            self._observable[start, end] = np.maximum(last - first, 0).astype(np.float64)
        return self._observable[start, end]

    def counted(self, values: Floats, window: int) -> Floats:
        """Return counts over a window, NaN where not a single day of it could be observed."""
        return np.where(self.observable_days(window) > 0, values, np.nan)

    def whole(self, start: int, end: int = 0) -> np.ndarray:
        """Tell where the window was observable from its first day to its last."""
        return np.asarray(self.observable_days(start, end) >= start - end)
