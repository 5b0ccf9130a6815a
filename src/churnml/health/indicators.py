"""Hard facts that call for attention whatever the score says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["indicators"]


@dataclass(frozen=True)
class _Indicator:
    code: str
    feature: str
    above: float
    singular_en: str
    plural_en: str
    ja: str


_INDICATORS = (
    _Indicator("notice", "notice_given", 0, "Notice has been given", "Notice has been given", "解約通知あり"),
    _Indicator(
        "invoice_overdue",
        "invoices_overdue",
        0,
        "{n} invoice is overdue",
        "{n} invoices are overdue",
        "支払い遅延の請求書が{n}件",
    ),
    _Indicator(
        "champion_left",
        r"champions_left_(\d+)d",
        0,
        "{n} champion left within {w} days",
        "{n} champions left within {w} days",
        "過去{w}日間に推進担当者{n}人が離脱",
    ),
    _Indicator(
        "admin_left",
        r"admins_left_(\d+)d",
        0,
        "{n} admin left within {w} days",
        "{n} admins left within {w} days",
        "過去{w}日間に管理者{n}人が離脱",
    ),
    _Indicator(
        "silence",
        "days_since_last_event",
        27,
        "No use for {n} day",
        "No use for {n} days",
        "{n}日間利用なし",
    ),
)

_LONGEST_WINDOW = 91


def indicators(frame: pd.DataFrame) -> pd.DataFrame:
    """List the risk indicators of each account: notice, overdue invoices, champion or admin left, silence.

    Parameters
    ----------
    frame : DataFrame
        Feature frame. What a company's data does not carry is not reported; of several windows the longest up to
        91 days is read.

    Returns
    -------
    DataFrame
        One row per (account_id, as_of, indicator) that holds: ``account_id, as_of, indicator, feature, value,
        text_en, text_ja``.

    Examples
    --------
    >>> frame = pd.DataFrame({"account_id": ["a", "b"], "as_of": pd.Timestamp("2026-01-01"),
    ...                       "invoices_overdue": [2.0, 0.0]})
    >>> indicators(frame)["text_en"].tolist()
    ['2 invoices are overdue']
    """
    parts = [part for item in _INDICATORS if (part := _one(frame, item)) is not None]
    columns = ["account_id", "as_of", "indicator", "feature", "value", "text_en", "text_ja"]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    return pd.concat(parts, ignore_index=True)[columns]


def _one(frame: pd.DataFrame, item: _Indicator) -> pd.DataFrame | None:
    feature, window = _feature(frame, item.feature)
    if feature is None:
        return None
    values = frame[feature].to_numpy(dtype=float, na_value=np.nan)
    rows = np.flatnonzero(values > item.above)
    if rows.size == 0:
        return None
    counts = [round(float(values[row])) for row in rows]
    english = [(item.singular_en if count == 1 else item.plural_en).format(n=count, w=window) for count in counts]
    return pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy()[rows],
            "as_of": frame["as_of"].to_numpy()[rows],
            "indicator": item.code,
            "feature": feature,
            "value": values[rows],
            "text_en": english,
            "text_ja": [item.ja.format(n=count, w=window) for count in counts],
        }
    )


def _feature(frame: pd.DataFrame, pattern: str) -> tuple[str | None, int]:
    """Return the column that matches, with its window; the longest window up to 91 days, else the shortest."""
    found = {
        int(match.group(1)) if match.groups() else 0: str(name)
        for name in frame.columns
        if (match := re.fullmatch(pattern, str(name)))
    }
    if not found:
        return None, 0
    fitting = [window for window in found if window <= _LONGEST_WINDOW]
    window = max(fitting) if fitting else min(found)
    return found[window], window
