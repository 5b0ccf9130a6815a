"""What an account did week by week: the series that a reader sees behind a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.tables import Tables, knowledge

__all__ = ["SERIES", "Weeks", "series_of", "weekly"]

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


class Weeks(Mapping[str, dict[str, list[float]]]):
    """Account → name of the series (`SERIES`) → one number a week, oldest first; held as one matrix a series.

    Parameters
    ----------
    weeks : int
        How many.
    """

    def __init__(self, weeks: int) -> None:
        self._weeks = weeks
        self._series: dict[str, tuple[dict[str, int], npt.NDArray[np.float64]]] = {}

    def add(self, name: str, accounts: pd.Series, week: pd.Series, counts: pd.Series) -> None:
        """Add a series: one row an account and week, in any order; what is not there is 0."""
        counted = (counts != 0).to_numpy(dtype=bool)
        place, known = pd.factorize(accounts[counted].astype("str"))
        matrix = np.zeros((len(known), self._weeks))
        matrix[place, week[counted].to_numpy(dtype=np.int64)] = counts[counted].to_numpy(dtype=np.float64)
        self._series[name] = ({str(account): at for at, account in enumerate(known)}, matrix)

    def __getitem__(self, account_id: str) -> dict[str, list[float]]:
        own = {
            name: matrix[row].tolist()
            for name, (rows, matrix) in self._series.items()
            if (row := rows.get(account_id)) is not None
        }
        if not own:
            raise KeyError(account_id)
        return own

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(account for rows, _ in self._series.values() for account in rows))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def weekly(tables: Tables, as_of: date, weeks: int = 26) -> Weeks:
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
    Weeks
        Weeks before the data begins are left out at the front; series of nothing but zeros too.

    Examples
    --------
    >>> events = pd.DataFrame({"account_id": "a", "user_id": ["1", "2", "1"], "event_type": "open",
    ...                        "occurred_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-09"])})
    >>> first, last = date(2026, 2, 24), date(2026, 3, 10)
    >>> tables = Tables.from_pandas({"events": events}, observed_from=first, observed_until=last)
    >>> dict(weekly(tables, date(2026, 3, 10)))
    {'a': {'events': [2.0, 1.0], 'users': [2.0, 1.0]}}
    """
    covered = max(1, min(weeks, (as_of - tables.observed_from).days // 7))
    series = Weeks(covered)
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
    series: Weeks,
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
        series.add(name, frame["account_"], frame["week_"], frame[name])
