"""Told against happened: ratio, slope, and a calibration error that few accounts do not inflate, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri, stdtr, stdtrit

from churnml.metrics.intervals import Interval
from churnml.metrics.predictions import Array
from churnml.metrics.within_date import Estimate

__all__ = [
    "RiskLevel",
    "beyond_noise",
    "calibration_error",
    "calibration_slope",
    "expected_over_observed",
    "risk_levels",
]

_DRAWS = 2000
_STEPS = 60
_CLOSEST = 1e-9


@dataclass(frozen=True)
class RiskLevel:
    """Rows of one level of risk: what was told, what happened, and their ratio with its interval."""

    name: str
    n: int
    told: float
    happened: float
    expected_over_observed: Estimate


def expected_over_observed(y: npt.ArrayLike, p: npt.ArrayLike, groups: npt.ArrayLike) -> Estimate:
    """Return churners told ÷ churners that there were; 1 is calibrated in the large, 2 told twice as many.

    The interval is symmetric on the log scale, an account being one draw. None where nobody churned.

    Examples
    --------
    >>> expected_over_observed([0, 1, 0, 0], [0.5] * 4, list("abcd")).value
    2.0
    """
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if outcome.sum() == 0 or score.sum() == 0:
        return Estimate(None, None, None)
    value = float(score.sum() / outcome.sum())
    error, freedom = _clustered(score / score.sum() - outcome / outcome.sum(), outcome, groups)
    if error is None:
        return Estimate(value, None, None, None, freedom)
    reach = float(np.exp(stdtrit(freedom, 0.975) * error))
    return Estimate(value, value / reach, value * reach, value * error, freedom)


def calibration_slope(y: npt.ArrayLike, p: npt.ArrayLike, groups: npt.ArrayLike) -> Estimate:
    """Return the slope of a logistic regression of outcomes on told log-odds; below 1 the extremes are too extreme.

    None where only one outcome or one score is present, or where the scores separate the outcomes.

    References
    ----------
    Cox 1958, 10.1093/biomet/45.3-4.562; Van Calster et al. 2019, 10.1186/s12916-019-1466-7.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> p = rng.uniform(0.05, 0.6, 4000)
    >>> found = calibration_slope((rng.random(4000) < p).astype(float), p, np.arange(4000))
    >>> bool(found.low < 1 < found.high)
    True
    """
    outcome = np.asarray(y, dtype=np.float64)
    odds = logit(np.clip(np.asarray(p, dtype=np.float64), _CLOSEST, 1 - _CLOSEST))
    if len(np.unique(outcome)) < 2 or np.ptp(odds) < 1e-9:
        return Estimate(None, None, None)
    X = np.column_stack([np.ones(len(odds)), odds])
    beta = np.array([0.0, 1.0])
    for _ in range(_STEPS):
        fitted = expit(X @ beta)
        information = (X * (fitted * (1 - fitted))[:, None]).T @ X
        if np.linalg.cond(information) > 1e12:
            return Estimate(None, None, None)
        step = np.linalg.solve(information, X.T @ (outcome - fitted))
        beta = beta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return Estimate(None, None, None)
    influence = ((X * (outcome - expit(X @ beta))[:, None]) @ np.linalg.inv(information))[:, 1]
    error, freedom = _clustered(influence, outcome, groups)
    value = float(beta[1])
    if error is None:
        return Estimate(value, None, None, None, freedom)
    reach = float(stdtrit(freedom, 0.975)) * error
    return Estimate(value, value - reach, value + reach, error, freedom)


def calibration_error(
    y: npt.ArrayLike, p: npt.ArrayLike, groups: npt.ArrayLike, bins: int = 10, seed: int = 0
) -> Interval:
    """Return the mean gap between told and happened over bins of equal mass, freed from what chance alone adds to it.

    Even perfect probabilities have gaps in finite bins, so that the plain error (`churnml.metrics.ece`) is too high and
    its bootstrap interval does not hold the truth. Here the gaps' noise is drawn from its covariance, accounts being
    drawn whole, and the value is the error of equal gaps under which one would expect the gaps seen. The interval holds
    every error under which they would be no surprise, whichever way it lies over the bins: at its upper end in all bins
    alike, at its lower end in one. It covers at least 95 %.

    Parameters
    ----------
    y, p, groups : arrays of shape (n,)
        Outcomes, probabilities, and the account of each row.
    bins : int
        At most so many; equal scores share a bin.
    seed : int
        Of the draws of noise.

    References
    ----------
    Bröcker 2012, 10.1007/s00382-011-1191-1 and Roelofs et al. 2022, AISTATS (the bias of binned calibration errors).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.05, 0.3, 100)
    >>> calibration_error((rng.random(100) < p).astype(float), p, np.arange(100)).low
    0.0
    """
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if not len(outcome):
        return Interval(None, None, None)
    place = _bins(score, bins)
    count = int(place.max()) + 1
    mass = np.bincount(place, minlength=count) / len(outcome)
    gap = np.bincount(place, weights=outcome - score, minlength=count) / len(outcome)
    seen = float(np.abs(gap).sum())
    _, account = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    own = np.zeros((int(account.max()) + 1, count))
    np.add.at(own, (account, place), (outcome - score - (gap / np.maximum(mass, 1e-12))[place]) / len(outcome))
    # The bins' own means were taken off, and the spread itself comes from few accounts.
    within = np.array([len(np.unique(account[place == number])) for number in range(count)])
    grown = np.sqrt(within / np.maximum(within - 1.0, 1.0))
    left = len(np.unique(account[outcome == 1]))
    freedom = max(min(left, len(own) - left) - 1, 1)
    covariance = own.T @ own * np.outer(grown, grown) * float(stdtrit(freedom, 0.975) / ndtri(0.975)) ** 2
    least = np.bincount(place, weights=score * (1 - score), minlength=count) / len(outcome) ** 2
    scale = np.sqrt(np.maximum(1.0, least / np.maximum(np.diag(covariance), 1e-300)))
    covariance = covariance * np.outer(scale, scale) + np.diag(np.where(np.diag(covariance) == 0, least, 0.0))
    noise = np.random.default_rng(seed).multivariate_normal(np.zeros(count), covariance, _DRAWS, method="svd")

    def alike(error: float) -> Array:
        return np.asarray(np.abs(error * mass * np.sign(gap + (gap == 0)) + noise).sum(axis=1))

    quietest = int(np.argmin(np.diag(covariance)))

    def alone(error: float) -> Array:
        shifted = noise.copy()
        shifted[:, quietest] += error
        return np.asarray(np.abs(shifted).sum(axis=1))

    value = _root(lambda error: float(alike(error).mean()), seen)
    high = _root(lambda error: float(np.quantile(alike(error), 0.025)), seen)
    low = _root(lambda error: float(np.quantile(alone(error), 0.975)), seen)
    return Interval(value, min(low, value), max(high, value))


def risk_levels(
    y: npt.ArrayLike, p: npt.ArrayLike, groups: npt.ArrayLike, names: npt.ArrayLike | None = None
) -> tuple[RiskLevel, ...]:
    """Return told and happened per level of risk, the safest first.

    Parameters
    ----------
    y, p, groups : arrays of shape (n,)
        Outcomes, probabilities, and the account of each row.
    names : array of shape (n,), optional
        Level of each row, e.g. its health band; by default tenths by probability, ``"tenth 1"`` the safest.

    Examples
    --------
    >>> levels = risk_levels([0, 1] * 50, np.linspace(0.01, 0.99, 100), np.arange(100))
    >>> levels[-1].name, round(levels[-1].told, 3), levels[-1].happened
    ('tenth 10', 0.945, 0.5)
    """
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    account = np.asarray(groups).astype(str)
    if names is None:
        place = _bins(score, 10)
        words = np.array([f"tenth {number + 1}" for number in range(10)], dtype=object)[place]
    else:
        words = np.asarray(names, dtype=object)
    levels = []
    for name in dict.fromkeys(words[np.argsort(score, kind="stable")]):
        rows = words == name
        levels.append(
            RiskLevel(
                str(name),
                int(rows.sum()),
                float(score[rows].mean()),
                float(outcome[rows].mean()),
                expected_over_observed(outcome[rows], score[rows], account[rows]),
            )
        )
    return tuple(sorted(levels, key=lambda level: level.told))


def beyond_noise(levels: Sequence[RiskLevel], alpha: float = 0.05) -> tuple[RiskLevel, ...]:
    """Return the levels at which told and happened differ by more than chance would make any of them differ.

    The log of told ÷ happened is tested against 0, two-sided, at `alpha` ÷ the number of levels (Bonferroni): of ten
    calibrated tenths one in two-and-a-half times lies outside its own 95 % interval.

    Examples
    --------
    >>> outcome, chance, name = [0, 1, 0, 0, 1, 1] * 50, [0.2, 0.3, 0.4, 0.1, 0.2, 0.3] * 50, [*"aaabbb"] * 50
    >>> levels = risk_levels(outcome, chance, np.arange(300), name)
    >>> [level.name for level in beyond_noise(levels)]
    ['b']
    """
    apart = []
    for level in levels:
        ratio = level.expected_over_observed
        if not ratio.value or not ratio.error:
            continue
        size = abs(float(np.log(ratio.value))) / (ratio.error / ratio.value)
        if 2.0 * float(stdtr(ratio.freedom, -size)) < alpha / len(levels):
            apart.append(level)
    return tuple(apart)


def _bins(score: Array, bins: int) -> npt.NDArray[np.intp]:
    """Return the bin of each row: equal mass, equal scores together, numbered by risk."""
    values, inverse = np.unique(score, return_inverse=True)
    mass = np.bincount(inverse, minlength=len(values))
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    return np.asarray(np.minimum((middle * bins).astype(np.intp), bins - 1)[inverse])


def _root(of: Callable[[float], float], target: float) -> float:
    """Return the smallest error at which an increasing function reaches the target; 0 where it begins above."""
    if of(0.0) >= target:
        return 0.0
    low, high = 0.0, 2.0
    for _ in range(_STEPS // 2):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) < target else (low, middle)
    return (low + high) / 2


def _clustered(influence: Array, outcome: Array, groups: npt.ArrayLike) -> tuple[float | None, int]:
    """Return the error of a sum of influences, accounts being drawn whole, and its degrees of freedom."""
    accounts, account = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    left = len(np.unique(account[outcome == 1]))
    freedom = min(left, len(accounts) - left) - 1
    if freedom < 1:
        return None, max(freedom, 0)
    sums = np.bincount(account, weights=influence)
    return float(np.sqrt((sums**2).sum() * len(accounts) / (len(accounts) - 1))), freedom
