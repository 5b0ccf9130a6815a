"""Tells from the days of the facts which period the data covers, and which days lie astray."""

from __future__ import annotations

from datetime import date

import pandas as pd

__all__ = ["plausible_days"]

_GAP_DAYS = 60
_STRAY_SHARE = 1e-4
_FAR_GAP_DAYS = 1000
_FAR_STRAY_SHARE = 0.01


def plausible_days(rows: pd.Series) -> tuple[date, date]:
    """Return the first and the last day that are not astray.

    Days at either end are astray when a gap of more than 60 days parts them from the rest and they hold less than
    0.01 % of the rows, or when the gap exceeds 1,000 days and they hold at most 1 % or a single row: the marks that
    broken clocks (1970-01-01) and typing errors (2204 for 2024) leave.

    Parameters
    ----------
    rows : Series of int
        Rows per day, indexed by day, sorted, not empty.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=30)
    >>> rows = pd.Series(100, index=days)
    >>> rows[pd.Timestamp("1970-01-01")] = 1
    >>> plausible_days(rows.sort_index())
    (datetime.date(2026, 1, 1), datetime.date(2026, 1, 30))
    """
    days = pd.DatetimeIndex(rows.index)
    gaps = (days[1:] - days[:-1]).days.to_numpy()
    until = rows.to_numpy().cumsum()
    total = int(until[-1])
    wide = [int(position) for position in (gaps > _GAP_DAYS).nonzero()[0]]
    first, last = 0, len(until) - 1
    for position in wide:
        if _astray(int(until[position]), total, int(gaps[position])):
            first = position + 1
    for position in reversed(wide):
        if position >= first and _astray(total - int(until[position]), total, int(gaps[position])):
            last = position
    return days[first].date(), days[last].date()


def _astray(rows: int, total: int, gap: int) -> bool:
    if rows * 2 >= total or gap <= _GAP_DAYS:
        return False
    if rows < total * _STRAY_SHARE:
        return True
    return gap > _FAR_GAP_DAYS and rows <= max(total * _FAR_STRAY_SHARE, 1)
