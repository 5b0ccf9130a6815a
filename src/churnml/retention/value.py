"""What a customer is worth: lifetime value where customers churn at different rates, and RFM scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, digamma

__all__ = ["ChurnMix", "churn_mix", "churn_mixes", "lifetime_value", "rfm"]

_MONTH_DAYS = 365.25 / 12
_HORIZON_MONTHS = 1200
_LEAST_CHURNERS = 20
_NOTICEABLE = 3.841
"""Twice the log-likelihood that the second parameter must gain (95 % of a chi-squared with one degree of freedom)."""

Floats = npt.NDArray[np.float64]


def lifetime_value(
    arpa: float | Floats | None,
    churn_rate: float | Floats | None,
    *,
    gross_margin: float,
    yearly_discount: float = 0.0,
) -> float | None:
    """Return the expected gross profit of an account over its life, ``margin × ARPA ÷ churn rate``.

    The simple contractual formula (e.g. Skok, *SaaS metrics 2.0*): constant hazard, profit rather than revenue. Where
    accounts churn at different rates, give the rate of each: the mean of ``1 ÷ rate`` counts, and it is more than
    one over the mean rate, for those who hardly ever leave stay for long (Fader & Hardie 2010, 10.1287/mksc.1080.0482).

    Parameters
    ----------
    arpa : float, ndarray or None
        Revenue per account and month: the average, or that of each account.
    churn_rate : float, ndarray or None
        Monthly churn, 0–1, of all accounts or of each.
    gross_margin : float
        Share of revenue left after the cost of serving it, 0–1.
    yearly_discount : float
        What a year's wait costs, 0.1 = 10 %.

    Returns
    -------
    float or None
        Currency; None where a rate is zero and nothing is discounted, or where either part is unknown.

    Examples
    --------
    >>> lifetime_value(500.0, 0.02, gross_margin=0.8)
    20000.0
    >>> lifetime_value(500.0, 0.0, gross_margin=0.8) is None
    True

    Half of the accounts leave at 1 % a month, half at 9 %; on average 5 % leave:

    >>> round(lifetime_value(100.0, np.array([0.01, 0.09]), gross_margin=0.8))
    4444
    >>> round(lifetime_value(100.0, 0.05, gross_margin=0.8))
    1600
    """
    if arpa is None or churn_rate is None:
        return None
    monthly, rates = np.broadcast_arrays(np.asarray(arpa, dtype=float), np.asarray(churn_rate, dtype=float))
    discount = _monthly(yearly_discount)
    if not rates.size or (rates + discount <= 0).any():
        return None
    return float(np.mean(gross_margin * monthly * ((1 + discount) / (discount + rates))))


@dataclass(frozen=True)
class ChurnMix:
    """How monthly churn differs between customers: a beta distribution over them (shifted-beta-geometric).

    Fader & Hardie 2007, *How to project customer retention*, 10.1002/dir.20074.

    Parameters
    ----------
    mean_rate : float
        Churned accounts ÷ account months, 0–1.
    alpha, beta : float
        Of the beta distribution; infinite where nothing speaks for a difference between customers.
    """

    mean_rate: float
    alpha: float = math.inf
    beta: float = math.inf

    def survival(self, months: int) -> Floats:
        """Return the share of new customers that are still there after 0, 1, … `months` months."""
        elapsed = np.arange(months + 1, dtype=float)
        if math.isinf(self.alpha):
            return np.asarray((1.0 - self.mean_rate) ** elapsed, dtype=np.float64)
        return np.asarray(np.exp(betaln(self.alpha, self.beta + elapsed) - betaln(self.alpha, self.beta)))

    def lifetime_months(self, *, yearly_discount: float) -> float:
        """Return the months that a new customer is expected to pay, later ones counting less by the discount.

        The *discounted expected lifetime* of Fader & Hardie 2010; a century ahead nothing counts any more.
        """
        elapsed = np.arange(_HORIZON_MONTHS + 1)
        return float((self.survival(_HORIZON_MONTHS) / (1.0 + _monthly(yearly_discount)) ** elapsed).sum())


def churn_mix(spells: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> ChurnMix | None:
    """Fit how churn differs between customers to those who were there in ``(start, end]``.

    A customer that was there before `start` counts from its tenure then on, one that has not left by `end` as still
    there. The second parameter is used where it makes the data noticeably likelier, and 20 accounts churned.

    Parameters
    ----------
    spells : DataFrame
        From `churnml.snapshots.spells`.
    start, end : Timestamp

    Returns
    -------
    ChurnMix or None
        None where nobody churned.
    """
    return churn_mixes(spells, start, end, np.zeros(len(spells), dtype=np.int64), 1)[0]


def churn_mixes(
    spells: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, group: npt.NDArray[np.int64], groups: int
) -> list[ChurnMix | None]:
    """Return `churn_mix` of each group of spells.

    Parameters
    ----------
    spells, start, end
        As in `churn_mix`.
    group : ndarray of int
        The group of each spell, 0 … `groups` − 1; −1 counts nowhere.
    groups : int
        How many groups there are.
    """
    begun, ended = (spells[name].to_numpy().astype("datetime64[us]") for name in ("started_on", "ended_on"))
    first, last = start.to_datetime64(), end.to_datetime64()
    there = (begun < last) & (ended > first) & (group >= 0)
    begun, ended, group = begun[there], ended[there], group[there]
    churned = spells["churned"].to_numpy(dtype=bool)[there] & (ended <= last)
    entered = _months(begun, np.maximum(begun, first))
    left = _months(begun, np.minimum(ended, last))
    left = np.where(churned, np.maximum(left, entered + 1), left)
    size = int(left.max(initial=0)) + 1

    def tally(months: npt.NDArray[np.int64], counted_in: npt.NDArray[np.bool_] | slice) -> Floats:
        """Return how many of each group were so many months old."""
        counted = np.bincount(group[counted_in] * size + months[counted_in], minlength=groups * size)
        return counted.reshape(groups, size).astype(float)

    tallies = zip(tally(entered, slice(None)), tally(left, churned), tally(left, ~churned), strict=True)
    return [_fitted(*each) for each in tallies]


def _fitted(entered: Floats, gone: Floats, there: Floats) -> ChurnMix | None:
    """Fit a mix to how many accounts entered, churned and were still there at an age of 0, 1, … months."""
    ages, churned = np.arange(len(entered), dtype=float), float(gone.sum())
    exposure = float(((gone + there - entered) * ages).sum())
    if not churned:
        return None
    rate = min(churned / exposure, 1.0)
    if churned < _LEAST_CHURNERS or rate >= 1.0:
        return ChurnMix(rate)
    lived = ages[1:]

    def loss(logs: Floats) -> tuple[float, Floats]:
        """Return minus the log-likelihood, and how it changes with the logs of both parameters."""
        alpha, beta = np.exp(logs)
        survives, ends = betaln(alpha, beta + ages), betaln(alpha + 1, beta + lived - 1)
        value = ((there - entered) * survives).sum() + (gone[1:] * ends).sum()
        # The derivative of betaln(a, b) by a is digamma(a) − digamma(a + b).
        both, both_gone = digamma(alpha + beta + ages), digamma(alpha + beta + lived)
        of_alpha = ((there - entered) * (digamma(alpha) - both)).sum()
        of_alpha += (gone[1:] * (digamma(alpha + 1) - both_gone)).sum()
        of_beta = ((there - entered) * (digamma(beta + ages) - both)).sum()
        of_beta += (gone[1:] * (digamma(beta + lived - 1) - both_gone)).sum()
        return -float(value), -np.array([alpha * of_alpha, beta * of_beta])

    begin = np.log([rate * 10, (1 - rate) * 10])
    optimum = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(-7.0, 9.0), (-7.0, 12.0)])
    alike = -churned * math.log(rate) - (exposure - churned) * math.log1p(-rate)
    if 2 * (alike - float(optimum.fun)) < _NOTICEABLE:
        return ChurnMix(rate)
    alpha, beta = np.exp(optimum.x)
    return ChurnMix(rate, float(alpha), float(beta))


def _months(begun: npt.NDArray[np.datetime64], until: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """Return the whole months of tenure, rounded."""
    days = np.floor((until - begun) / np.timedelta64(1, "D"))
    return np.round(days / _MONTH_DAYS).astype(np.int64)


def _monthly(yearly_discount: float) -> float:
    return float((1.0 + yearly_discount) ** (1 / 12) - 1.0)


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
