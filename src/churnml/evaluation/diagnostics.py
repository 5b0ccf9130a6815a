"""What a backtest says beyond one number: segments, stability, lead time, decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from churnml.language import Argument, Text
from churnml.metrics.intervals import Interval, clustered_bootstrap, interval, paired_gain
from churnml.metrics.predictions import lift_at, log_loss, roc_auc
from churnml.metrics.reliability import ece

__all__ = ["Decay", "LeadTime", "MonthsSince", "by_segment", "decay", "lead_time", "ranking_stability", "segments_of"]

_REPEATS = 200
_MOST_VALUES = 12
_DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class LeadTime:
    """How long before churn accounts were first at alert level.

    Parameters
    ----------
    churners, alerted : int
        Accounts that left, and how many were at alert level before.
    alerted_share : float or None
        0–1.
    lower_quartile_days, median_days, upper_quartile_days : float or None
        Of the days between the first alert and the churn.
    share_30_days : float or None
        Share of the alerted with 30 days or more.
    """

    churners: int
    alerted: int
    alerted_share: float | None
    lower_quartile_days: float | None
    median_days: float | None
    upper_quartile_days: float | None
    share_30_days: float | None


@dataclass(frozen=True)
class MonthsSince:
    """The oldest fold's model so many months after its training, and what it loses against newer ones on these rows."""

    months: int
    n: int
    positives: int
    roc_auc: float | None
    log_loss: float | None
    log_loss_excess: Interval


@dataclass(frozen=True)
class Decay:
    """How a model falls behind newer ones, month by month; when to retrain, months; the same in words."""

    months: tuple[MonthsSince, ...]
    retrain_every_months: int
    reason: Argument


def segments_of(rows: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """Return the segments of some rows: their words, thirds of ARR and the first year of tenure.

    Parameters
    ----------
    rows : DataFrame
        Spine and features.
    words : sequence of str
        Categorical columns; those with more than 12 values are left out.

    Examples
    --------
    >>> rows = pd.DataFrame({"plan": ["pro", "free"], "arr": [1.0, 9.0], "tenure_days": [20.0, 900.0]})
    >>> segments_of(rows, ["plan"])["tenure"].tolist()
    ['first year', 'later']
    """
    segments = pd.DataFrame(index=rows.index)
    for name in words:
        if rows[name].astype("object").nunique() <= _MOST_VALUES:
            segments[name] = rows[name].astype("object")
    if rows["arr"].notna().sum() >= 3 and rows["arr"].nunique() >= 3:
        place = rows["arr"].rank(pct=True)
        third = np.select([place <= 1 / 3, place <= 2 / 3], ["low", "middle"], "high")
        segments["arr"] = pd.Series(third, index=rows.index, dtype="object").where(place.notna())
    if "tenure_days" in rows and rows["tenure_days"].notna().any():
        young = np.where(rows["tenure_days"] < 365, "first year", "later")
        segments["tenure"] = pd.Series(young, index=rows.index, dtype="object").where(rows["tenure_days"].notna())
    return segments.reset_index(drop=True)


def by_segment(predictions: pd.DataFrame, segments: pd.DataFrame, seed: int, min_rows: int = 50) -> pd.DataFrame:
    """Return the model's metrics within each value of each segment.

    Parameters
    ----------
    predictions : DataFrame
        account_id, churned and p_model, one row per prediction.
    segments : DataFrame
        One column of words per segmentation, in the rows of `predictions`.
    seed : int
        Seed of the bootstrap.
    min_rows : int
        Smaller segments are left out.

    Returns
    -------
    DataFrame
        segment, value, n, positives, churn_rate, mean_probability, roc_auc with its 95 % interval (roc_auc_low,
        roc_auc_high), log_loss, ece, lift_at_10; undefined metrics are missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": ["a", "b"], "churned": [0.0, 1.0], "p_model": [0.1, 0.8]})
    >>> by_segment(rows, pd.DataFrame({"plan": ["pro", "pro"]}), seed=0, min_rows=1)["roc_auc"].tolist()
    [1.0]
    """
    metrics: list[dict[str, Any]] = []
    for name in segments.columns:
        words = segments[name].astype("object").reset_index(drop=True)
        for value in sorted(words.dropna().unique(), key=str):
            rows = predictions[(words == value).to_numpy(dtype=bool)]
            if len(rows) < min_rows:
                continue
            y, p = rows["churned"].to_numpy(), rows["p_model"].to_numpy()
            draws = clustered_bootstrap(rows["account_id"], _REPEATS, seed)
            auc = interval(roc_auc, y, p, draws)
            metrics.append(
                {
                    "segment": name,
                    "value": str(value),
                    "n": len(rows),
                    "positives": int(y.sum()),
                    "churn_rate": float(y.mean()),
                    "mean_probability": float(p.mean()),
                    "roc_auc": auc.value,
                    "roc_auc_low": auc.low,
                    "roc_auc_high": auc.high,
                    "log_loss": log_loss(y, p),
                    "ece": ece(y, p),
                    "lift_at_10": lift_at(y, p),
                }
            )
    return pd.DataFrame(metrics)


def ranking_stability(predictions: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return how alike the rankings of consecutive snapshots are, per fold.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, fold and p_model.
    share : float
        Share of accounts at the top, for ``kept``.

    Returns
    -------
    DataFrame
        fold, as_of, next_as_of, accounts (in both), spearman (rank correlation of the probabilities), kept (share of
        the riskiest `share` of accounts in the first that are among the riskiest `share` in the second).

    Examples
    --------
    >>> rows = pd.DataFrame({"fold": "fold 1", "as_of": pd.to_datetime(["2024-01-01"] * 3 + ["2024-02-01"] * 3),
    ...                      "account_id": list("abcabc"), "p_model": [0.1, 0.2, 0.3, 0.2, 0.3, 0.9]})
    >>> ranking_stability(rows, share=0.3)["spearman"].tolist()
    [1.0]
    """
    pairs = []
    for fold, rows in predictions.groupby("fold", sort=False):
        dates = sorted(rows["as_of"].unique())
        for first, second in pairwise(dates):
            a, b = (rows[rows["as_of"] == day].set_index("account_id")["p_model"] for day in (first, second))
            both = a.index.intersection(b.index)
            if len(both) < 3:
                continue
            a, b = a[both].rank(), b[both].rank()
            varied = a.std() > 0 and b.std() > 0
            edge = (1.0 - share) * len(both)
            top = a > edge
            pairs.append(
                {
                    "fold": fold,
                    "as_of": first,
                    "next_as_of": second,
                    "accounts": len(both),
                    "spearman": float(np.corrcoef(a, b)[0, 1]) if varied else None,
                    "kept": float((b[top] > edge).mean()) if top.any() else None,
                }
            )
    return pd.DataFrame(pairs, columns=["fold", "as_of", "next_as_of", "accounts", "spearman", "kept"])


def lead_time(predictions: pd.DataFrame, share: float) -> LeadTime:
    """Return how long before churn an account is first among the riskiest `share` of its snapshot.

    Only snapshots of the test periods count, so a lead time is at most as long as they allow.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, fold, churned, churn_on and p_model.
    share : float
        Share of accounts that can be contacted per snapshot: the alert level.

    Returns
    -------
    LeadTime

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": ["a", "b"], "as_of": pd.to_datetime(["2024-01-01"] * 2), "fold": "fold 1",
    ...                      "churned": [1.0, 0.0], "churn_on": pd.to_datetime(["2024-02-10", None]),
    ...                      "p_model": [0.9, 0.1]})
    >>> lead_time(rows, share=0.5).median_days
    40.0
    """
    rank = predictions.groupby(["fold", "as_of"])["p_model"].rank(method="average", pct=False)
    size = predictions.groupby(["fold", "as_of"])["p_model"].transform("size")
    lost = predictions[(predictions["churned"] == 1) & predictions["churn_on"].notna()]
    alerts = lost[(rank > (1.0 - share) * size)[lost.index]]
    churners = len(lost[["account_id", "churn_on"]].drop_duplicates())
    first = alerts.groupby(["account_id", "churn_on"])["as_of"].min().reset_index()
    days = (first["churn_on"] - first["as_of"]).dt.days.to_numpy(dtype=np.float64)
    quartiles = [float(value) for value in np.quantile(days, [0.25, 0.5, 0.75])] if len(days) else [None] * 3
    return LeadTime(
        churners=churners,
        alerted=len(days),
        alerted_share=len(days) / churners if churners else None,
        lower_quartile_days=quartiles[0],
        median_days=quartiles[1],
        upper_quartile_days=quartiles[2],
        share_30_days=float((days >= 30).mean()) if len(days) else None,
    )


def decay(stale: pd.DataFrame, seed: int) -> Decay:
    """Return how a model loses against newer ones with the months since its training, and when to retrain.

    Parameters
    ----------
    stale : DataFrame
        account_id, churned, days (between the model's last training snapshot and the row's), p_old (the oldest
        model) and p_model (the model of the row's own fold).
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Decay
        ``months`` hold the old model's metrics and what it loses against the newer one on the same rows
        (``log_loss_excess`` with its 95 % interval); ``retrain_every_months`` is the last month before the loss
        exceeds noise, or the last one looked at.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": ["a", "b"], "churned": [0.0, 1.0], "days": [91, 91],
    ...                      "p_old": [0.2, 0.6], "p_model": [0.2, 0.6]})
    >>> decay(rows, seed=0).retrain_every_months
    3
    """
    month = (stale["days"] / _DAYS_A_MONTH).round().astype(int)
    table: list[MonthsSince] = []
    worse: list[int] = []
    for months, rows in stale.groupby(month):
        y, old, new = (rows[name].to_numpy() for name in ("churned", "p_old", "p_model"))
        excess = paired_gain(log_loss, y, old, new, clustered_bootstrap(rows["account_id"], _REPEATS, seed))
        table.append(MonthsSince(int(str(months)), len(rows), int(y.sum()), roc_auc(y, old), log_loss(y, old), excess))
        if excess.above_zero:
            worse.append(int(str(months)))
    seen = [month.months for month in table]
    if not worse:
        return Decay(tuple(table), seen[-1], Text.of("decay-none", months=seen[-1]))
    earlier = [months for months in seen if months < worse[0]]
    reason = Text.of("decay-from", months=worse[0])
    return Decay(tuple(table), earlier[-1] if earlier else worse[0], reason)
