"""Events read once, in the cheapest way that can answer."""

from __future__ import annotations

from functools import partial

from churnml.features.events.combined_measures import CombinedMeasures
from churnml.features.events.event_stream import planes_for
from churnml.features.events.ledger_measures import LedgerMeasures
from churnml.features.events.plane_measures import PlaneMeasures
from churnml.features.events.planes import Layout, Planes
from churnml.features.events.protocol import EventMeasures
from churnml.features.events.rollup import roll_up
from churnml.features.keys import Keys
from churnml.tables import Tables

__all__ = ["event_measures"]


def event_measures(
    tables: Tables, keys: Keys, layout: Layout, logins: tuple[str, ...], older: Planes | None = None
) -> EventMeasures:
    """Return the events' measures: from planes where these can answer, else from a ledger.

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
    valued = partial(roll_up, tables, keys, logins, valued_only=True)
    if older is not None and older.layout.covers(layout) and keys.day.min() - layout.reach >= older.first:
        if keys.day.min() == keys.day.max() >= older.until:
            news = roll_up(tables, keys, logins, since=older.until)
            measures = PlaneMeasures(older, keys, valued)
            return (
                CombinedMeasures(measures, news, partial(roll_up, tables, keys, logins))
                if len(news.kinds)
                else measures
            )
        if keys.day.max() <= older.until and not tables.has("events", "known_at"):
            return PlaneMeasures(older, keys, valued)
    planes = planes_for(tables, keys, layout)
    if planes is not None:
        return PlaneMeasures(planes, keys, valued)
    return LedgerMeasures(roll_up(tables, keys, logins), keys)
