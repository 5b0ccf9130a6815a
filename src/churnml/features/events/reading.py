"""Events read once, in the cheapest way that can answer."""

from __future__ import annotations

from functools import partial

from churnml.engine import memory_limit
from churnml.features.events.combined_measures import CombinedMeasures
from churnml.features.events.event_stream import planes_for
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.plane_measures import PlaneMeasures
from churnml.features.events.planes import Layout, Planes
from churnml.features.events.protocol import EventMeasures
from churnml.features.events.rollup import counted_events, roll_up
from churnml.features.keys import Keys
from churnml.tables import Tables

__all__ = ["event_measures"]

_BYTES_OF_EVENT = 400
"""Memory of the ledger per event, at most: sums by kind and by user, sorted, with what is derived from them."""

_BYTES_OF_VALUE = 150
"""Memory per event that carries a value, where values are summed."""


def event_measures(
    tables: Tables, keys: Keys, layout: Layout, logins: tuple[str, ...], older: Planes | None = None
) -> EventMeasures | int:
    """Return the events' measures: from planes where these can answer, else from a ledger.

    Either keeps to the engine's memory limit: where it would not, the number is returned of the parts in which the
    accounts fit, to be asked for one after the other.

    Parameters
    ----------
    tables : Tables
        With `events`.
    keys : Keys
        The rows asked about.
    layout : Layout
        What will be asked of them.
    logins : tuple of str
        Event types that are logins.
    older : Planes, optional
        The events up to an earlier date; only what became known since is read where they hold what is wanted.
    """
    valued, whole = (partial(roll_up, tables, keys, logins, valued_only=only) for only in (True, False))
    if older is not None and older.layout.covers(layout) and keys.day.min() - layout.reach >= older.first:
        if keys.day.min() == keys.day.max() >= older.until:
            news = roll_up(tables, keys, logins, since=older.until)
            measures = PlaneMeasures(older, keys, valued)
            return CombinedMeasures(measures, news, whole) if len(news.kinds) else measures
        if keys.day.max() <= older.until and not tables.has("events", "known_at"):
            return PlaneMeasures(older, keys, valued)
    limit = memory_limit(tables.connection)
    planes = planes_for(tables, keys, layout, limit)
    if isinstance(planes, Planes):
        parts = _parts(_events(tables, valued=True) * _BYTES_OF_VALUE, limit, keys) if layout.values else 1
        return PlaneMeasures(planes, keys, valued) if parts == 1 else parts
    if planes is not None:
        return planes
    parts = _parts(_events(tables) * _BYTES_OF_EVENT, limit, keys)
    return LedgerMeasures(whole(), keys) if parts == 1 else parts


def _parts(size: int, limit: int, keys: Keys) -> int:
    """Return in how many parts of accounts something fits; keys that are a part already are taken as they come."""
    return 1 if keys.part else min(max(-(-size // limit), 1), len(keys.accounts))


def _events(tables: Tables, *, valued: bool = False) -> int:
    events = counted_events(tables)
    return int((events.filter(events["value"].notnull()) if valued else events).count().execute())
