"""Metrics of churn probabilities, as plain functions of outcomes, probabilities and weights.

Ties and undefined cases are explicit: tied scores count at their expected value, so no metric depends on the order of
the rows, and a metric that needs both outcomes is None when only one is present.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "Metric",
    "average_precision",
    "brier",
    "caught",
    "checked",
    "lift_at",
    "log_loss",
    "precision_at",
    "recall_at",
    "roc_auc",
    "row_losses",
    "tied",
    "weighted",
]

Array = npt.NDArray[np.float64]
Metric = Callable[[Array, Array, "Array | None"], "float | None"]

_TINY = 1e-15


def checked(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Array, Array, Array]:
    """Return outcomes, scores and weights as arrays of one length.

    Raises
    ------
    ValueError
        The lengths differ, or an outcome or a score is NaN.
    """
    outcome = np.asarray(y, dtype=np.float64)
    score = np.asarray(p, dtype=np.float64)
    weight = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(outcome) == len(score) == len(weight):
        raise ValueError(f"lengths differ: y {len(outcome)}, p {len(score)}, weights {len(weight)}")
    if np.isnan(outcome).any() or np.isnan(score).any():
        raise ValueError("y and p must not contain NaN")
    return outcome, score, weight


def tied(y: Array, p: Array, weight: Array) -> tuple[Array, Array, Array]:
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
    _, mass, hits = tied(*checked(y, p, weights))
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
    _, mass, hits = tied(*checked(y, p, weights))
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
    outcome, score, weight = checked(y, p, weights)
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
    outcome, score, weight = checked(y, p, weights)
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
    outcome, score, ones = checked(y, p, None)
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


def caught(y: Array, p: Array, weight: Array, capacity: float) -> float:
    """Churned weight expected in the `capacity` highest scores; a tie group at the edge counts by its share."""
    _, mass, hits = tied(y, p, weight)
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
    outcome, score, weight = checked(y, p, weights)
    capacity = _capacity(float(weight.sum()), share, k)
    if capacity <= 0:
        return None
    return round(caught(outcome, score, weight, capacity) / capacity, 12)


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
    outcome, score, weight = checked(y, p, weights)
    worth = np.ones(len(outcome)) if value is None else np.nan_to_num(np.asarray(value, dtype=np.float64))
    total = float((weight * outcome * worth).sum())
    if total <= 0:
        return None
    capacity = _capacity(float(weight.sum()), share, k)
    return round(caught(outcome * worth, score, weight, capacity) / total, 12)


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
    outcome, score, weight = checked(y, p, weights)
    total, churned = float(weight.sum()), float((weight * outcome).sum())
    if churned <= 0 or share <= 0:
        return None
    capacity = share * total
    return round(caught(outcome, score, weight, capacity) / capacity / (churned / total), 12)
