"""Hard facts that call for attention whatever the score says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.language import Quantity, Text

__all__ = ["indicators"]


@dataclass(frozen=True)
class _Indicator:
    code: str
    feature: str
    above: float
    unit: str = ""


_INDICATORS = (
    _Indicator("notice", "notice_given", 0),
    _Indicator("invoice_overdue", "invoices_overdue", 0, "invoices"),
    _Indicator("champion_left", r"champions_left_(\d+)d", 0, "contacts"),
    _Indicator("admin_left", r"admins_left_(\d+)d", 0, "contacts"),
    _Indicator("silence", "days_since_last_event", 27, "days"),
)

_CONTRACT_END = _Indicator("contract_end", "days_to_renewal", 0, "days")

_LONGEST_WINDOW = 91
_END_WITHIN_DAYS = 30
_LONG_TERM_DAYS = 180
"""A term that ends every month ends without news."""


def indicators(frame: pd.DataFrame) -> pd.DataFrame:
    """List the risk indicators of each account: notice, overdue invoices, champion or admin left, silence, an end.

    The end of a contract is told where it lies within 30 days, the term was half a year or longer, and the contract is
    known not to renew by itself.

    Parameters
    ----------
    frame : DataFrame
        Feature frame. What a company's data does not carry is not reported; of several windows the longest up to
        91 days is read.

    Returns
    -------
    DataFrame
        One row per (account_id, as_of, indicator) that holds: ``account_id, as_of, indicator, feature, value``
        and ``text``, what is to be said of it.

    Examples
    --------
    >>> from churnml.language import render
    >>> frame = pd.DataFrame({"account_id": ["a", "b"], "as_of": pd.Timestamp("2026-01-01"),
    ...                       "invoices_overdue": [2.0, 0.0]})
    >>> render(indicators(frame)["text"].iloc[0], "en")
    '2 invoices are overdue'
    """
    parts = [part for item in _INDICATORS if (part := _one(frame, item)) is not None]
    if (end := _contract_end(frame)) is not None:
        parts.append(end)
    columns = ["account_id", "as_of", "indicator", "feature", "value", "text"]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    return pd.concat(parts, ignore_index=True)[columns]


def _one(frame: pd.DataFrame, item: _Indicator) -> pd.DataFrame | None:
    feature, window = _feature(frame, item.feature)
    if feature is None:
        return None
    values = frame[feature].to_numpy(dtype=float, na_value=np.nan)
    rows = np.flatnonzero(values > item.above)
    return _indicator_rows(frame, item, feature, values, rows, Quantity(value=window, unit="days"))


def _contract_end(frame: pd.DataFrame) -> pd.DataFrame | None:
    needed = ("days_to_renewal", "term_days", "auto_renew")
    if not all(name in frame for name in needed):
        return None
    days, term, renews = (frame[name].to_numpy(dtype=float, na_value=np.nan) for name in needed)
    ends = (days >= 0) & (days <= _END_WITHIN_DAYS) & (term >= _LONG_TERM_DAYS) & (renews == 0)
    return _indicator_rows(
        frame, _CONTRACT_END, _CONTRACT_END.feature, days, np.flatnonzero(ends), Quantity(value=0, unit="days")
    )


def _indicator_rows(
    frame: pd.DataFrame,
    item: _Indicator,
    feature: str,
    values: npt.NDArray[np.float64],
    rows: npt.NDArray[np.intp],
    days: Quantity,
) -> pd.DataFrame | None:
    if rows.size == 0:
        return None
    return pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy()[rows],
            "as_of": frame["as_of"].to_numpy()[rows],
            "indicator": item.code,
            "feature": feature,
            "value": values[rows],
            "text": [
                Text.of(f"fact-{item.code}", n=Quantity(value=round(float(values[row])), unit=item.unit), days=days)
                for row in rows
            ],
        }
    )


def _feature(frame: pd.DataFrame, pattern: str) -> tuple[str | None, int]:
    """Return the column that matches, with its window; the longest window up to 91 days, else the shortest."""
    candidates = {
        int(match.group(1)) if match.groups() else 0: str(name)
        for name in frame.columns
        if (match := re.fullmatch(pattern, str(name)))
    }
    if not candidates:
        return None, 0
    fitting = [window for window in candidates if window <= _LONGEST_WINDOW]
    window = max(fitting) if fitting else min(candidates)
    return candidates[window], window
