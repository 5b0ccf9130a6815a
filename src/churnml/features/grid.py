"""The fast way for snapshots on a common grid: one row per account and bucket, one bit per user and bucket.

Time is cut at every window edge of every `as_of`, so a window is a run of whole buckets. Counts per account and
bucket are summed along time once; active days are the bits of a mask per bucket; a user is one mask of the buckets with
activity, and counts in a window when it shares a bit with it. Two grouped scans with few groups replace the day-by-day
ledger. Facts that can become known late need the ledger (`book.EventBook`), and so do measures by week or by day.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.book import EventBook
from churnml.features.keys import Floats, Ints, Keys
from churnml.features.rollup import account_codes, counted_events, slug
from churnml.tables import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["GridBook", "grid_offsets"]

_BITS = 62
_THURSDAY = 3
"""Weekday of 1970-01-01, Monday being 0."""
_MOST_DATES = 60
_MOST_CUTS = 3 * _BITS
_ONCE = re.compile(
    r"(?:events|logins|active_days|active_day_rate|weekday_share|active_users|events_per_user|events_per_seat"
    r"|events_per_mrr|seat_utilisation|silence_ratio|(?:events|share)_of_.+?)_(\d+)d"
)
_TWICE = re.compile(r"(?:(?:events|logins|active_days|active_users|events_of_.+)_trend|users_gained|users_lost)_(\d+)d")


def grid_offsets(tables: Tables, keys: Keys, wanted: frozenset[str]) -> tuple[int, ...] | None:
    """Return the window edges in days before `as_of` that the features need, or None where a grid cannot serve.

    Parameters
    ----------
    tables : Tables
        With `events`; a supplied ``known_at`` rules the grid out, and so does a backend without bit masks (Spark).
    keys : Keys
        The rows asked about; they must share few `as_of` dates.
    wanted : frozenset of str
        Names of the event features.
    """
    import ibis.expr.operations as ops

    dates = np.unique(keys.day)
    late = tables.has("events", "known_at")
    if late or len(dates) > _MOST_DATES or not tables.connection.has_operation(ops.BitOr):
        return None
    offsets = {0}
    for name in wanted - {"days_since_last_event"}:
        once, twice = _ONCE.fullmatch(name), _TWICE.fullmatch(name)
        if twice:
            offsets |= {int(twice.group(1)), 2 * int(twice.group(1))}
        elif once:
            offsets.add(int(once.group(1)))
        else:
            return None
    return tuple(sorted(offsets)) if len(_cuts(dates, tuple(offsets))) <= _MOST_CUTS else None


def _cuts(dates: Ints, offsets: tuple[int, ...]) -> Ints:
    """Return the days at which time is cut, no two of them further apart than a mask has bits."""
    edges = np.unique((dates[:, None] - np.array(offsets)[None, :]).ravel())
    between = [np.arange(low, high, _BITS) for low, high in pairwise(edges)]
    return np.unique(np.concatenate([*between, edges[-1:]]))


class GridBook(EventBook):
    """What the events say about rows on a common grid: the measures of `EventBook` that whole buckets can answer.

    `grid_offsets` tells beforehand whether these are all that is wanted; the others are not made here.

    Parameters
    ----------
    tables : Tables
        With `events` that are known when they occur.
    keys : Keys
        The n rows asked about.
    offsets : tuple of int
        From `grid_offsets`: the only window edges that can be asked for.
    kinds : tuple of str
        Slugs counted one by one.
    logins : tuple of str
        Event types that are logins.
    weekday : bool
        Whether events of weekdays are wanted.
    """

    def __init__(
        self,
        tables: Tables,
        keys: Keys,
        offsets: tuple[int, ...],
        kinds: tuple[str, ...],
        logins: tuple[str, ...],
        *,
        weekday: bool = True,
    ) -> None:
        self.keys = keys
        self._cuts = _cuts(np.unique(keys.day), offsets)
        self._rows = [np.flatnonzero(keys.day == day) for day in np.unique(keys.day)]
        events = _bucketed(tables, self._cuts)
        self._sums = self._per_account(tables, events, kinds, logins, weekday=weekday)
        self._masks: tuple[Ints, list[npt.NDArray[np.int64]]] | None = None
        if tables.has("events", "user_id"):
            self._masks = self._per_user(events)

    def _per_account(
        self, tables: Tables, events: ir.Table, kinds: tuple[str, ...], logins: tuple[str, ...], *, weekday: bool
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Sum up per account and bucket; return running sums, shape (buckets + 1, accounts)."""
        words = tables["events"].select("event_type").distinct().to_pandas()["event_type"] if kinds else []
        members = {kind: [word for word in words if slug(word) == kind] for kind in kinds}
        weighted = tables.has("events", "event_count")

        def count(where: ir.BooleanValue | None = None) -> ir.IntegerScalar:
            return events.event_count.sum(where=where) if weighted else events.count(where=where)

        wanted = {"events": count(), "first": events.occurred_at.min(), "last": events.occurred_at.max()}
        wanted["days"] = events.day_bit.bit_or()
        wanted |= {f"of_{kind}": count(_any_of(events.event_type, members[kind])) for kind in kinds}
        if logins:
            wanted["logins"] = count(events.event_type.isin(logins))
        if weekday:
            wanted["weekday"] = count(events.weekday)
        rows = events.group_by("account_id", "bucket").agg(**wanted).to_pyarrow()
        code = account_codes(rows, self.keys)
        bucket = rows.column("bucket").to_numpy().astype(np.int64)
        sums = {}
        for name in wanted:
            if name in ("first", "last"):
                sums[name] = self._extreme(code, bucket, _day_numbers(rows, name), name)
            else:
                values = rows.column(name).fill_null(0).to_numpy().astype(np.int64)
                amount = np.bitwise_count(values).astype(np.int64) if name == "days" else values
                sums[name] = self._running(code, bucket, amount)
        return sums

    def _running(self, code: Ints, bucket: Ints, amount: Ints) -> npt.NDArray[np.int64]:
        dense = np.zeros((len(self._cuts) + 2, len(self.keys.accounts)), dtype=np.int64)
        asked = code >= 0
        dense[bucket[asked] + 1, code[asked]] = amount[asked]
        return np.cumsum(dense, axis=0, out=dense)

    def _extreme(self, code: Ints, bucket: Ints, day: Ints, name: str) -> npt.NDArray[np.int64]:
        """Return the first or last day before each cut; −1 where there is none."""
        asked = code >= 0
        far = np.iinfo(np.int32).max
        dense = np.full((len(self._cuts) + 2, len(self.keys.accounts)), far if name == "first" else -1, dtype=np.int64)
        dense[bucket[asked] + 1, code[asked]] = day[asked]
        best: npt.NDArray[np.int64] = (np.minimum if name == "first" else np.maximum).accumulate(dense, axis=0)
        return np.where(best == far, -1, best)

    def _per_user(self, events: ir.Table) -> tuple[Ints, list[npt.NDArray[np.int64]]]:
        """Return each user's account and the masks of the buckets with activity, 62 buckets a word."""
        known = events.filter(events.user_id.notnull())
        masks = {name: known[name].bit_or() for name in events.columns if name.startswith("mask_")}
        rows: pa.Table = known.group_by("account_id", "user_id").agg(**masks).to_pyarrow()
        code = account_codes(rows, self.keys)
        asked = code >= 0
        return code[asked], [rows.column(name).to_numpy().astype(np.int64)[asked] for name in masks]

    def _window(self, name: str, start: int, end: int) -> Floats:
        out = self.keys.full()
        for rows in self._rows:
            low, high = self._bucket(rows, start), self._bucket(rows, end)
            sums = self._sums[name]
            out[rows] = (sums[high + 1] - sums[low + 1])[self.keys.code[rows]]
        return out

    def _bucket(self, rows: Ints, back: int) -> int:
        """Return the bucket that ends at ``as_of − back``."""
        day = self.keys.day[rows[0]] - back
        bucket = int(np.searchsorted(self._cuts, day))
        assert self._cuts[bucket] == day, f"time is not cut {back} days before as_of"
        return bucket

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""
        return self._window("events", start, end)

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""
        return self._window("logins", start, end)

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""
        return self._window("weekday", start, end)

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        return self._window("days", start, end)

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind."""
        return self._window(f"of_{slug}", start, end)

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""
        assert self._masks is not None
        code, masks = self._masks
        out = self.keys.full()
        for rows in self._rows:
            low, high = self._bucket(rows, start) + 1, self._bucket(rows, end)
            active = np.zeros(len(code), dtype=bool)
            for word, mask in enumerate(masks):
                bits = [bucket - word * _BITS for bucket in range(low, high + 1) if bucket // _BITS == word]
                if bits:
                    active |= (mask & sum(1 << bit for bit in bits)) != 0
            counts = np.bincount(code[active], minlength=len(self.keys.accounts))
            out[rows] = counts[self.keys.code[rows]]
        return out

    @cached_property
    def first_day(self) -> Floats:
        """Day number of the first event; NaN where none is."""
        return self._day("first")

    @cached_property
    def last_day(self) -> Floats:
        """Day number of the last event; NaN where none is."""
        return self._day("last")

    def _day(self, name: str) -> Floats:
        out = self.keys.full()
        for rows in self._rows:
            out[rows] = self._sums[name][self._bucket(rows, 0) + 1][self.keys.code[rows]]
        return np.where(out < 0, np.nan, out)


def _any_of(column: ir.StringColumn, words: list[str]) -> ir.BooleanValue:
    return column == words[0] if len(words) == 1 else column.isin(words)


def _day_numbers(rows: pa.Table, name: str) -> Ints:
    days: Ints = pc.cast(pc.cast(rows.column(name), pa.date32()), pa.int32()).to_numpy().astype(np.int64)
    return days


def _bucketed(tables: Tables, cuts: Ints) -> ir.Table:
    """Return the events before the last cut with what a calendar says of their day.

    Bucket ``k`` is the days from cut ``k − 1`` until before cut ``k``; all days before the first cut are bucket 0.
    ``day_bit`` is the bit of the day in its bucket, ``mask_…`` the bit of the bucket among all.
    """
    import ibis

    days = np.arange(cuts[0] - 1, cuts[-1])
    bucket = np.searchsorted(cuts, days, side="right")
    offset = days - np.concatenate([[cuts[0] - 1], cuts])[bucket]
    columns = {
        "slot": pd.Series(days.astype("datetime64[D]")).dt.date,
        "bucket": bucket,
        "weekday": (days + _THURSDAY) % 7 < 5,
        "day_bit": np.int64(1) << offset,
    }
    for word in range(len(cuts) // _BITS + 1):
        columns[f"mask_{word}"] = np.where(bucket // _BITS == word, np.int64(1) << (bucket % _BITS), 0)
    types: dict[str, str] = dict.fromkeys(columns, "int64") | {"slot": "date", "weekday": "boolean"}
    calendar = ibis.memtable(pd.DataFrame(columns), schema=ibis.schema(types))
    first, end = (pd.Timestamp(np.datetime64(int(day), "D")) for day in (cuts[0] - 1, cuts[-1]))
    events = counted_events(tables)
    events = events.filter(events.occurred_at < ibis.timestamp(end.isoformat()))
    slot = ibis.greatest(events.occurred_at.date(), ibis.date(first.date()))
    return events.mutate(slot=slot).join(calendar, "slot")
