"""What a customer is worth: lifetime value, and recency–frequency–monetary scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["lifetime_value", "rfm"]


def lifetime_value(arpa: float | None, churn_rate: float | None, *, gross_margin: float) -> float | None:
    """Return the expected gross profit of an account over its life, ``margin × ARPA ÷ churn rate``.

    The simple contractual formula (e.g. Skok, *SaaS metrics 2.0*): constant hazard, no discounting. It is undefined
    without churn, and profit rather than revenue.

    Parameters
    ----------
    arpa : float or None
        Average revenue per account and month.
    churn_rate : float or None
        Monthly logo churn; a trailing mean of six months is steadier than one month.
    gross_margin : float
        Share of revenue left after the cost of serving it, 0–1.

    Returns
    -------
    float or None
        Currency; None at zero churn or where either part is unknown.

    Examples
    --------
    >>> lifetime_value(500.0, 0.02, gross_margin=0.8)
    20000.0
    >>> lifetime_value(500.0, 0.0, gross_margin=0.8) is None
    True
    """
    if arpa is None or not churn_rate:
        return None
    return gross_margin * arpa / churn_rate


def rfm(accounts: pd.DataFrame) -> pd.DataFrame:
    """Score recency, frequency and monetary value 1–5, 5 being best (Hughes 1994).

    Parameters
    ----------
    accounts : DataFrame
        One row per account: ``account_id, days_since_use`` (NaN = never), ``uses, amount``.

    Returns
    -------
    DataFrame
        ``account_id, recency, frequency, monetary`` (1–5, by fifths of the mean rank: equal values get equal
        scores, whatever the row order) and ``rfm`` such as ``"543"``. A missing value scores 1.

    Examples
    --------
    >>> rfm(pd.DataFrame({"account_id": list("abcde"), "days_since_use": [1, 2, 3, 40, None],
    ...                   "uses": [9, 9, 9, 1, 0], "amount": [500.0, 400.0, 300.0, 200.0, 100.0]}))["rfm"].to_list()
    ['545', '444', '343', '222', '111']
    """
    out = pd.DataFrame({"account_id": accounts["account_id"]})
    out["recency"] = _fifth(-accounts["days_since_use"].astype("float64"))
    out["frequency"] = _fifth(accounts["uses"].astype("float64"))
    out["monetary"] = _fifth(accounts["amount"].astype("float64"))
    text = out[["recency", "frequency", "monetary"]].astype("str")
    out["rfm"] = text["recency"] + text["frequency"] + text["monetary"]
    return out


def _fifth(values: pd.Series) -> pd.Series:
    """Return 1–5 by the mean rank of each value among all; missing ranks below everything."""
    rank = values.fillna(-np.inf).rank(method="average")
    score = np.clip(np.ceil(5 * rank.to_numpy() / max(len(values), 1)), 1, 5)
    return pd.Series(np.where(values.notna(), score, 1), index=values.index).astype("int64")
