"""Events read once, in the cheapest way that can answer."""

from __future__ import annotations

from functools import cached_property, partial

from churnml.engine import memory_limit
from churnml.features.events.combined_measures import CombinedMeasures
from churnml.features.events.event_stream import EventStream
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.plane_measures import PlaneMeasures
from churnml.features.events.planes import Layout, Planes
from churnml.features.events.protocol import EventMeasures
from churnml.features.events.rollup import Rollup, counted_events, roll_up
from churnml.features.keys import Keys
from churnml.tables import Tables, knowledge

__all__ = ["EventReading"]

_BYTES_OF_EVENT = 400
"""Memory of the ledger per event, at most: sums by kind and by user, sorted, with what is derived from them."""

_BYTES_OF_VALUE = 150
"""Memory per event that carries a value, where values are summed."""

_MOST_LATE = 0.2
"""Where a larger share of the events becomes known on a later day, the ledger holds them all."""


class EventReading:
    """How the events are read: into planes where these can answer, else into a ledger.

    What is known on its own day, or before the first `as_of`, goes into planes; what becomes known later, where that is
    little, into a ledger on top of them.

    Parameters
    ----------
    tables : Tables
        With `events`.
    keys : Keys
        All rows asked about.
    layout : Layout
        What will be asked of the events.
    logins : tuple of str
        Event types that are logins.
    older : Planes, optional
        The events up to an earlier date; only what became known since is read where they hold what is wanted.
    beside : int
        Bytes of what is held beside the events, which leave the less to them; half of the limit at least.
    """

    def __init__(
        self,
        tables: Tables,
        keys: Keys,
        layout: Layout,
        logins: tuple[str, ...],
        older: Planes | None = None,
        *,
        beside: int = 0,
    ) -> None:
        self._tables = tables
        self._keys = keys
        self._layout = layout
        self._logins = logins
        self._older = older
        limit = memory_limit(tables.connection)
        self._limit = max(limit - beside, limit // 2)

    def measures(self, keys: Keys) -> EventMeasures | int:
        """Return the measures of all rows asked about, or of a part of them.

        Either way keeps to the engine's memory limit: where it would not, the number is returned of the parts in which
        the accounts fit, to be asked for one after the other.
        """
        tables, older, layout = self._tables, self._older, self._layout
        whole = partial(roll_up, tables, login_events=self._logins)
        valued = partial(whole, keys, valued_only=True)
        if older is not None and older.layout.covers(layout) and keys.day.min() - layout.reach >= older.first:
            if keys.day.min() == keys.day.max() >= older.until:
                return self._with_news(PlaneMeasures(older, keys, valued), whole(keys, since=older.until))
            if keys.day.max() <= older.until and not tables.has("events", "known_at"):
                return PlaneMeasures(older, keys, valued)
        if self._in_planes:
            share = len(keys.accounts) / len(self._keys.accounts)
            planes = planes_for(self._stream, keys, self._limit, int(self._late * _BYTES_OF_EVENT * share))
            if not isinstance(planes, Planes):
                return planes
            parts = self._parts(_values(tables, layout) * _BYTES_OF_VALUE, keys)
            if parts > 1:
                return parts
            measures = PlaneMeasures(planes, keys, valued)
            since = int(self._keys.day.min())
            return self._with_news(measures, whole(keys, late_since=since)) if self._late else measures
        parts = self._parts(self._events * _BYTES_OF_EVENT, keys)
        return LedgerMeasures(whole(keys), keys) if parts == 1 else parts

    def _with_news(self, measures: PlaneMeasures, news: Rollup) -> EventMeasures:
        whole = partial(roll_up, self._tables, login_events=self._logins)
        return CombinedMeasures(measures, news, whole) if len(news.kinds) else measures

    def _parts(self, size: int, keys: Keys) -> int:
        """Return in how many parts of accounts something fits; keys that are a part already are taken as they come."""
        return 1 if keys.part else min(max(-(-size // self._limit), 1), len(keys.accounts))

    @cached_property
    def _in_planes(self) -> bool:
        """Planes can answer: they are made on DuckDB only, and few events may be known late."""
        on_duckdb = self._tables.connection.name == "duckdb"
        return on_duckdb and (self._late == 0 or self._late <= self._events * _MOST_LATE)

    @cached_property
    def _stream(self) -> EventStream:
        return EventStream.before(self._tables, self._keys, self._layout)

    @cached_property
    def _events(self) -> int:
        return int(counted_events(self._tables).count().execute())

    @cached_property
    def _late(self) -> int:
        """How many events become known on a later day than they occur, between the first `as_of` and the last."""
        if not self._tables.has("events", "known_at") or self._keys.day.min() == self._keys.day.max():
            return 0
        events = counted_events(self._tables)
        first, last = self._keys.as_of.min().item(), self._keys.as_of.max().item()
        late = knowledge.rows_known_late(events, "events", first) & knowledge.rows_are_known(events, "events", last)
        return int(events.filter(late).count().execute())


def planes_for(stream: EventStream, keys: Keys, limit: int, beside: int) -> Planes | int:
    """Return planes that answer for some rows, or in how many parts their accounts fit; see `EventStream.lay_out`."""
    return stream.lay_out(keys.accounts, limit, beside)


def _values(tables: Tables, layout: Layout) -> int:
    """Return how many events carry a value that is asked for."""
    if not layout.values:
        return 0
    events = counted_events(tables)
    return int(events.filter(events["value"].notnull()).count().execute())
