"""Metrics of churn probabilities, as plain functions of outcomes, probabilities and weights.

Ties and undefined cases are explicit: tied scores count at their expected value, so no metric depends on the order of
the rows, and a metric that needs both outcomes is None when only one is present.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "BrierParts",
    "CalibrationBin",
    "Summary",
    "average_precision",
    "brier",
    "brier_decomposition",
    "calibration_bins",
    "ece",
    "lift_at",
    "log_loss",
    "precision_at",
    "recall_at",
    "roc_auc",
    "summary",
    "weighted",
]

Array = npt.NDArray[np.float64]
Metric = Callable[[Array, Array, "Array | None"], "float | None"]

_TINY = 1e-15


def _columns(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Array, Array, Array]:
    outcome = np.asarray(y, dtype=np.float64)
    score = np.asarray(p, dtype=np.float64)
    weight = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(outcome) == len(score) == len(weight):
        raise ValueError(f"lengths differ: y {len(outcome)}, p {len(score)}, weights {len(weight)}")
    if np.isnan(outcome).any() or np.isnan(score).any():
        raise ValueError("y and p must not contain NaN")
    return outcome, score, weight


def _groups(y: Array, p: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Return distinct scores in ascending order with the weight and the churned weight of each."""
    values, inverse = np.unique(p, return_inverse=True)
    mass: Array = np.bincount(inverse, weights=weight, minlength=len(values)).astype(np.float64)
    hits: Array = np.bincount(inverse, weights=weight * y, minlength=len(values)).astype(np.float64)
    return values, mass, hits


def roc_auc(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float | None:
    """Area under the ROC curve: the chance that a churner scores above a stayer, a tie counting one half.

    Parameters
    ----------
    y : array of shape (n,)
        Outcomes, 1 churned and 0 stayed.
    p : array of shape (n,)
        Scores; higher means riskier.
    weights : array of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float or None
        None when only one outcome is present.

    References
    ----------
    Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> roc_auc([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.4])
    0.875
    """
    _, mass, hits = _groups(*_columns(y, p, weights))
    return _area(mass, hits)


def _area(mass: Array, hits: Array) -> float | None:
    """Return the ROC AUC from the weight and the churned weight at each distinct score, ascending."""
    misses = mass - hits
    positives, negatives = hits.sum(), misses.sum()
    if positives <= 0 or negatives <= 0:
        return None
    below = np.cumsum(misses) - misses
    return float((hits * (below + 0.5 * misses)).sum() / (positives * negatives))


def average_precision(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float | None:
    """Average precision: precision at each distinct threshold, weighted by the recall it adds.

    A constant score has the base rate. None when nobody churned.

    References
    ----------
    Davis and Goadrich 2006, 10.1145/1143844.1143874; step-wise, without interpolation.

    Examples
    --------
    >>> average_precision([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    0.5
    """
    _, mass, hits = _groups(*_columns(y, p, weights))
    positives = hits.sum()
    if positives <= 0:
        return None
    mass, hits = mass[::-1], hits[::-1]
    seen = np.cumsum(mass)
    precision = np.divide(np.cumsum(hits), seen, out=np.zeros_like(seen), where=seen > 0)
    return float((precision * hits).sum() / positives)


def log_loss(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float | None:
    """Mean negative log-likelihood in nats. None without rows.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    outcome, score, weight = _columns(y, p, weights)
    return _mean(row_losses(outcome, score), weight)


def row_losses(outcome: Array, score: Array) -> Array:
    """Return each row's negative log-likelihood in nats; probabilities of 0 and 1 are moved a hair inwards."""
    score = np.clip(score, _TINY, 1 - _TINY)
    return -(outcome * np.log(score) + (1 - outcome) * np.log1p(-score))


def _mean(each: Array, weight: Array) -> float | None:
    return float((weight * each).sum() / weight.sum()) if weight.sum() > 0 else None


def brier(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float | None:
    """Mean squared error of the probability (Brier 1950). None without rows.

    Examples
    --------
    >>> brier([0, 1], [0.5, 0.5])
    0.25
    """
    outcome, score, weight = _columns(y, p, weights)
    return _mean((outcome - score) ** 2, weight)


def weighted(metric: Metric, y: npt.ArrayLike, p: npt.ArrayLike) -> Callable[[Array | None], float | None]:
    """Return a metric of some predictions as a function of the rows' weights alone: the same numbers, many times over.

    What does not depend on the weights (sorting, each row's loss) is done once, for the metrics that allow it.

    Examples
    --------
    >>> auc = weighted(roc_auc, [0, 1, 0, 1], [0.1, 0.9, 0.4, 0.4])
    >>> auc(None), auc(np.array([1.0, 1.0, 0.0, 1.0]))
    (0.875, 1.0)
    """
    outcome, score, ones = _columns(y, p, None)
    if metric is log_loss or metric is brier:
        each = row_losses(outcome, score) if metric is log_loss else (outcome - score) ** 2
        return lambda weights: _mean(each, ones if weights is None else weights)
    if metric is roc_auc:
        values, place = np.unique(score, return_inverse=True)

        def area(weights: Array | None) -> float | None:
            weight = ones if weights is None else weights
            mass, hits = (np.asarray(np.bincount(place, of, len(values)), float) for of in (weight, weight * outcome))
            return _area(mass, hits)

        return area
    return lambda weights: metric(outcome, score, weights)


@dataclass(frozen=True)
class CalibrationBin:
    """One bin of a reliability diagram: mean probability, observed rate, weight in it."""

    predicted: float
    observed: float
    weight: float


@dataclass(frozen=True)
class BrierParts:
    """The Brier score as miscalibration − discrimination + uncertainty."""

    miscalibration: float
    discrimination: float
    uncertainty: float


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


def calibration_bins(
    y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None, bins: int = 10
) -> list[CalibrationBin]:
    """Cut the scores into at most `bins` bins of equal mass; equal scores always share a bin.

    Examples
    --------
    >>> calibration_bins([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2])
    [CalibrationBin(predicted=0.2, observed=0.5, weight=4.0)]
    """
    values, mass, hits = _groups(*_columns(y, p, weights))
    kept = mass > 0
    values, mass, hits = values[kept], mass[kept], hits[kept]
    if not len(values):
        return []
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    bin_of = np.minimum((middle * bins).astype(int), bins - 1)
    weight = np.bincount(bin_of, weights=mass, minlength=bins)
    predicted = np.bincount(bin_of, weights=mass * values, minlength=bins)
    observed = np.bincount(bin_of, weights=hits, minlength=bins)
    return [
        CalibrationBin(float(predicted[i] / weight[i]), float(observed[i] / weight[i]), float(weight[i]))
        for i in range(bins)
        if weight[i] > 0
    ]


def ece(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None, bins: int = 10) -> float | None:
    """Return the expected calibration error over bins of equal mass: the weighted mean of |observed − predicted|.

    References
    ----------
    Naeini, Cooper and Hauskrecht 2015; equal mass and ties kept together, after Nguyen and O'Connor 2015.

    Examples
    --------
    >>> ece([0, 1, 0, 1], [0.25, 0.25, 0.25, 0.25])
    0.25
    """
    cut = calibration_bins(y, p, weights, bins)
    if not cut:
        return None
    total = sum(part.weight for part in cut)
    return float(sum(part.weight * abs(part.observed - part.predicted) for part in cut) / total)


def brier_decomposition(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> BrierParts | None:
    """Split the Brier score into miscalibration − discrimination + uncertainty.

    The CORP decomposition: the recalibrated score is the isotonic regression of `y` on `p`, so there are no bins to
    choose; ``brier == miscalibration − discrimination + uncertainty`` exactly.

    References
    ----------
    Murphy 1973, 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; Dimitriadis, Gneiting and Jordan 2021,
    10.1073/pnas.2016191118.

    Examples
    --------
    >>> brier_decomposition([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    BrierParts(miscalibration=0.0, discrimination=0.0, uncertainty=0.25)
    """
    from scipy.optimize import isotonic_regression

    values, mass, hits = _groups(*_columns(y, p, weights))
    kept = mass > 0
    values, mass, hits = values[kept], mass[kept], hits[kept]
    total = mass.sum()
    if total <= 0:
        return None
    rate = hits / mass
    fitted = isotonic_regression(rate, weights=mass).x
    base = hits.sum() / total

    def mean_square(of: Array) -> float:
        # E[(y − of)²] within tied scores: y² = y for outcomes 0 and 1.
        return float((hits * (1 - 2 * of) + mass * of**2).sum() / total)

    uncertainty = float(base * (1 - base))
    recalibrated = mean_square(fitted)
    return BrierParts(mean_square(values) - recalibrated, uncertainty - recalibrated, uncertainty)


def _caught(y: Array, p: Array, weight: Array, capacity: float) -> float:
    """Churned weight expected in the `capacity` highest scores; a tie group at the edge counts by its share."""
    _, mass, hits = _groups(y, p, weight)
    mass, hits = mass[::-1], hits[::-1]
    before = np.cumsum(mass) - mass
    taken = np.clip(capacity - before, 0.0, mass)
    part = np.divide(taken, mass, out=np.zeros_like(mass), where=mass > 0)
    return float((part * hits).sum())


def _capacity(total: float, share: float | None, k: float | None) -> float:
    if (share is None) == (k is None):
        raise ValueError("give exactly one of share and k")
    return min(float(k), total) if k is not None else float(share or 0.0) * total


def precision_at(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    share: float | None = None,
    k: float | None = None,
) -> float | None:
    """Churn rate among the riskiest `share` of rows, or the riskiest `k`. None without rows or capacity.

    Examples
    --------
    >>> precision_at([1, 0, 0, 1], [0.9, 0.8, 0.1, 0.2], k=2)
    0.5
    """
    outcome, score, weight = _columns(y, p, weights)
    capacity = _capacity(float(weight.sum()), share, k)
    if capacity <= 0:
        return None
    return round(_caught(outcome, score, weight, capacity) / capacity, 12)


def recall_at(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    share: float | None = None,
    k: float | None = None,
    value: npt.ArrayLike | None = None,
) -> float | None:
    """Share of churners among the riskiest rows; with `value`, the share of churned value (ARR) caught.

    Rows whose value is unknown count with value 0. None when nothing churned.

    Examples
    --------
    >>> recall_at([1, 0, 0, 1], [0.9, 0.8, 0.1, 0.2], k=2)
    0.5
    >>> recall_at([1, 0, 0, 1], [0.9, 0.8, 0.1, 0.2], k=2, value=[300.0, 50.0, 50.0, 100.0])
    0.75
    """
    outcome, score, weight = _columns(y, p, weights)
    worth = np.ones(len(outcome)) if value is None else np.nan_to_num(np.asarray(value, dtype=np.float64))
    total = float((weight * outcome * worth).sum())
    if total <= 0:
        return None
    capacity = _capacity(float(weight.sum()), share, k)
    return round(_caught(outcome * worth, score, weight, capacity) / total, 12)


def lift_at(
    y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, share: float = 0.1
) -> float | None:
    """Churn rate among the riskiest `share` of rows ÷ churn rate overall; 1 for a constant score.

    References
    ----------
    Neslin et al. 2006, 10.1509/jmkr.43.2.204 (top-decile lift).

    Examples
    --------
    >>> lift_at([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0.5] * 10)
    1.0
    """
    outcome, score, weight = _columns(y, p, weights)
    total, churned = float(weight.sum()), float((weight * outcome).sum())
    if churned <= 0 or share <= 0:
        return None
    capacity = share * total
    return round(_caught(outcome, score, weight, capacity) / capacity / (churned / total), 12)


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
    outcome, score, _ = _columns(y, p, None)
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
        return round(_caught(gain, p, np.ones(len(y)), share * len(y)) / total, 12)
    _, group = np.unique(np.asarray(dates), return_inverse=True)
    caught = 0.0
    for index in range(int(group.max()) + 1):
        rows = group == index
        caught += _caught(gain[rows], p[rows], np.ones(int(rows.sum())), share * float(rows.sum()))
    return round(caught / total, 12)
