"""The as-of dates of a spine."""

from __future__ import annotations

from datetime import date

import pandas as pd

from churnml.config import SnapshotConfig
from churnml.errors import TimelineError
from churnml.language import Text

__all__ = ["snapshot_dates"]

_WARM_UP_DAYS = 28


def snapshot_dates(config: SnapshotConfig, observed_from: date, observed_until: date) -> list[pd.Timestamp]:
    """Return the as-of dates on a regular grid, ascending.

    Parameters
    ----------
    config : SnapshotConfig
        ``every``: ``"month"`` (first days), ``"week"`` (Mondays) or a number of days counted back from the last.
    observed_from, observed_until : date
        The data covers ``[observed_from, observed_until)``. The first snapshot comes 28 days after it begins unless
        ``config.first`` says otherwise; the last one not after it ends.

    Raises
    ------
    TimelineError
        No date fits.

    Examples
    --------
    >>> grid = snapshot_dates(SnapshotConfig(), date(2026, 1, 1), date(2026, 4, 1))
    >>> [f"{day:%m-%d}" for day in grid]
    ['02-01', '03-01', '04-01']
    """
    start = pd.Timestamp(config.first or observed_from)
    if config.first is None:
        start += pd.Timedelta(days=_WARM_UP_DAYS)
    end = min(pd.Timestamp(config.last or observed_until), pd.Timestamp(observed_until))
    if config.every == "month":
        dates = pd.date_range(start, end, freq="MS")
    elif config.every == "week":
        dates = pd.date_range(start, end, freq="W-MON")
    else:
        dates = _stepped(start, end, config.every)
    if dates.empty:
        raise TimelineError(
            Text.of("fault-no_snapshot_date"),
            where="snapshots",
            got=Text.of("fault-no_snapshot_date.got", start=f"{start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}"),
            code="data.timeline.no_snapshot",
        )
    return [pd.Timestamp(day).as_unit("us") for day in dates]


def _stepped(start: pd.Timestamp, end: pd.Timestamp, days: int) -> pd.DatetimeIndex:
    if end < start:
        return pd.DatetimeIndex([])
    count = (end - start).days // days + 1
    return pd.date_range(end - pd.Timedelta(days=days * (count - 1)), periods=count, freq=f"{days}D")
