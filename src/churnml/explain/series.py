"""What an account did week by week: the series that a reader sees behind a reason."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd

from churnml.tables import Tables, knowledge

__all__ = ["SERIES", "series_of", "weekly"]

SERIES = ("events", "users", "tickets")
"""Events, people who acted, and tickets opened, each per week."""
_OF_TOPIC = {"use": "events", "features": "events", "users": "users", "tickets": "tickets", "escalation": "tickets"}


def series_of(topic: str) -> str | None:
    """Return the series that shows what a reason is about, or None.

    Examples
    --------
    >>> series_of("users"), series_of("price")
    ('users', None)
    """
    return "events" if topic.startswith("kind:") else _OF_TOPIC.get(topic)


def weekly(tables: Tables, as_of: date, weeks: int = 26) -> dict[str, dict[str, list[float]]]:
    """Return each account's weeks before a date.

    Parameters
    ----------
    tables : Tables
    as_of : date
        Only facts known before it count; the last week ends on the day before.
    weeks : int
        How many.

    Returns
    -------
    dict
        Account → name of the series (`SERIES`) → one number a week, oldest first. A week before the data begins is
        left out at the front; a series of nothing but zeros too.

    Examples
    --------
    >>> events = pd.DataFrame({"account_id": "a", "user_id": ["1", "2", "1"], "event_type": "open",
    ...                        "occurred_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-09"])})
    >>> first, last = date(2026, 2, 24), date(2026, 3, 10)
    >>> tables = Tables.from_pandas({"events": events}, observed_from=first, observed_until=last)
    >>> weekly(tables, date(2026, 3, 10))
    {'a': {'events': [2.0, 1.0], 'users': [2.0, 1.0]}}
    """
    covered = max(1, min(weeks, (as_of - tables.observed_from).days // 7))
    series: dict[str, dict[str, list[float]]] = {}
    for table, column in (("events", "occurred_at"), ("tickets", "opened_at")):
        if table in tables:
            _count(tables, table, column, as_of, covered, series)
    return series


def _count(
    tables: Tables,
    table: str,
    column: str,
    as_of: date,
    weeks: int,
    series_by_account: dict[str, dict[str, list[float]]],
) -> None:
    import ibis

    rows = knowledge.rows_known_before(tables[table], table, as_of)
    when = rows[column].cast("timestamp")
    start = ibis.timestamp(pd.Timestamp(as_of - timedelta(weeks=weeks)))
    rows = rows.filter(when >= start)
    days = (rows[column].cast("timestamp").epoch_seconds() - start.epoch_seconds()) // 86400
    rows = rows.mutate(week_=(days // 7).cast("int64"), account_=rows.account_id.cast("string"))
    if table == "events":
        counts: dict[str, Any] = {"events": rows.event_count.fill_null(1).sum(), "users": rows.user_id.nunique()}
    else:
        counts = {"tickets": rows.count()}
    frame = rows.group_by("account_", "week_").aggregate(**counts).to_pandas()
    for name in counts:
        for account, week, count in zip(frame["account_"], frame["week_"], frame[name], strict=True):
            if count:
                series = series_by_account.setdefault(str(account), {}).setdefault(name, [0.0] * weeks)
                series[int(week)] = float(count)
