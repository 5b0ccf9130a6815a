"""What every family computes from: the rows, the tables as known at each row, and what could be observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnml.config import FeatureConfig
from churnml.features.events.protocol import EventMeasures
from churnml.features.events.rollup import slug
from churnml.features.keys import Floats, Ints, Keys
from churnml.features.visible import days_between, visible
from churnml.tables import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Columns", "Inputs", "NoInputs", "filled", "numbers", "ratio"]

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


class Inputs:
    """The n rows asked about and everything a feature may look at.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    config : FeatureConfig
        What is to be made.
    keys : Keys
        The rows.
    kinds : tuple of str
        Slugs of the event kinds counted one by one.
    events : EventMeasures, optional
        What the events say; None where there are none, or where nobody asks.
    """

    def __init__(
        self,
        tables: Tables,
        config: FeatureConfig,
        keys: Keys,
        *,
        kinds: tuple[str, ...] = (),
        events: EventMeasures | None = None,
    ) -> None:
        self.tables = tables
        self.config = config
        self.keys = keys
        self.kinds = kinds
        self.made: Columns = {}
        """The features made so far."""
        self._events = events
        self._rows: dict[str, ir.Table] = {}
        self._observable: dict[tuple[int, int], Floats] = {}

    @property
    def events(self) -> EventMeasures:
        """What the events say."""
        assert self._events is not None, "nobody said that events would be asked for"
        return self._events

    @property
    def core(self) -> frozenset[str]:
        """Slugs of the event kinds that show the product's core use; all that are counted where none are named."""
        return frozenset(slug(kind) for kind in self.config.core_features) or frozenset(self.kinds)

    def rows(self, name: str, make: Callable[[Inputs], ir.Table]) -> ir.Table:
        """Return the rows of that name, made when first asked for."""
        if name not in self._rows:
            self._rows[name] = make(self)
        return self._rows[name]

    @cached_property
    def started(self) -> Floats:
        """Day number of each account's first fact known at `as_of`; NaN where nothing is known."""
        candidates = [self.keys.full()]
        if self.tables.has("accounts", "created_on"):
            candidates.append(self._first("accounts", "created_on"))
        if "subscriptions" in self.tables:
            candidates.append(self._first("subscriptions", "started_on"))
        if "events" in self.tables:
            candidates.append(self.events.first_day)
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


class NoInputs(Inputs):
    """Inputs of no row at all: functions run on them only to show what they ask of the events."""

    def __init__(self, tables: Tables, config: FeatureConfig, kinds: tuple[str, ...], events: EventMeasures) -> None:
        super().__init__(tables, config, Keys.none(), kinds=kinds, events=events)
        self.made = _Empty()

    @cached_property
    def started(self) -> Floats:
        """No account."""
        return self.keys.full()

    @cached_property
    def observed_since(self) -> Ints:
        """No day."""
        return np.zeros(0, dtype=np.int64)


class _Empty(dict[str, np.ndarray]):
    def __missing__(self, name: str) -> np.ndarray:
        return np.zeros(0)
