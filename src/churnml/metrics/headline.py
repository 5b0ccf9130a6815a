"""The headline metrics of one set of predictions, together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.metrics.predictions import (
    Array,
    average_precision,
    brier,
    caught,
    checked,
    lift_at,
    log_loss,
    precision_at,
    recall_at,
    roc_auc,
)
from churnml.metrics.reliability import ece

__all__ = ["Summary", "summary"]


@dataclass(frozen=True)
class Summary:
    """The headline metrics of one set of predictions; None where undefined.

    Parameters
    ----------
    n, positives : int
        Rows, and rows that churned.
    churn_rate, mean_probability : float or None
        What happened and what was told, 0–1.
    roc_auc, average_precision, log_loss, brier, ece : float or None
        See the functions of these names.
    lift_at_10, recall_at_10, precision_at_10 : float or None
        Of the riskiest tenth of all rows.
    recall_at_capacity, revenue_recall_at_capacity : float or None
        Share of churners, and of their ARR, among those that can be contacted per snapshot.
    """

    n: int
    positives: int
    churn_rate: float | None
    mean_probability: float | None
    roc_auc: float | None
    average_precision: float | None
    log_loss: float | None
    brier: float | None
    ece: float | None
    lift_at_10: float | None
    recall_at_10: float | None
    precision_at_10: float | None
    recall_at_capacity: float | None
    revenue_recall_at_capacity: float | None


def summary(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    *,
    share: float = 0.1,
    value: npt.ArrayLike | None = None,
    dates: npt.ArrayLike | None = None,
) -> Summary:
    """Return every headline metric of one set of predictions.

    Parameters
    ----------
    y, p : arrays of shape (n,)
        Outcomes and probabilities.
    share : float
        Share of accounts that can be contacted per snapshot (``*_at_capacity``).
    value : array of shape (n,), optional
        ARR of each row, for ``revenue_recall_at_capacity``.
    dates : array of shape (n,), optional
        ``as_of`` of each row. The capacity then holds per date, as a team works, not over all dates at once.

    Examples
    --------
    >>> summary([0, 1], [0.2, 0.9]).roc_auc
    1.0
    """
    outcome, score, _ = checked(y, p, None)
    worth = None if value is None else np.nan_to_num(np.asarray(value, dtype=np.float64))
    n, positives = len(outcome), int(outcome.sum())
    return Summary(
        n=n,
        positives=positives,
        churn_rate=positives / n if n else None,
        mean_probability=float(score.mean()) if n else None,
        roc_auc=roc_auc(outcome, score),
        average_precision=average_precision(outcome, score),
        log_loss=log_loss(outcome, score),
        brier=brier(outcome, score),
        ece=ece(outcome, score),
        lift_at_10=lift_at(outcome, score, share=0.1),
        recall_at_10=recall_at(outcome, score, share=0.1),
        precision_at_10=precision_at(outcome, score, share=0.1),
        recall_at_capacity=_recall_by_date(outcome, score, share, None, dates),
        revenue_recall_at_capacity=None
        if worth is None or not worth.any()
        else _recall_by_date(outcome, score, share, worth, dates),
    )


def _recall_by_date(y: Array, p: Array, share: float, worth: Array | None, dates: npt.ArrayLike | None) -> float | None:
    """Recall when each date has its own capacity of `share` of its rows."""
    gain = y if worth is None else y * worth
    total = float(gain.sum())
    if total <= 0:
        return None
    if dates is None:
        return round(caught(gain, p, np.ones(len(y)), share * len(y)) / total, 12)
    _, group = np.unique(np.asarray(dates), return_inverse=True)
    sum_ = 0.0
    for index in range(int(group.max()) + 1):
        rows = group == index
        sum_ += caught(gain[rows], p[rows], np.ones(int(rows.sum())), share * float(rows.sum()))
    return round(sum_ / total, 12)
