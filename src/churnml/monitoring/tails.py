"""How improbable a day is: predictive probabilities of counts and shares, held against the series' own past.

A parametric probability alone is as wrong as its model: real feeds burst. So the standardised residual is also held
against the residuals that the same series had before, whose tail is extrapolated by a generalised Pareto distribution,
and the **larger** of the two probabilities counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "beta_binomial_tail", "empirical_tail", "negative_binomial_tail", "no_row_probability"]

Array = npt.NDArray[np.float64]

_ABOVE = 0.9
"""Quantile of the past residuals above which the tail is fitted."""
_LEAST_EXCESSES = 5
_STEEPEST = 0.5
_PRIOR_SHAPE, _PRIOR_WEIGHT = 0.15, 20
"""A few dozen excesses tell a shape to ±0.2; it is drawn towards one that is heavier than the normal's."""


def empirical_tail(past: npt.ArrayLike, value: float) -> float:
    """Return the probability of a value at least so large, going by past values of the same statistic.

    Up to the ninth decile it is the share of past values, above it a generalised Pareto distribution that is fitted by
    probability-weighted moments. Its shape is never lighter than exponential and is drawn towards a somewhat heavy one,
    because a budget of false alarms has to hold with a few dozen excesses.

    Parameters
    ----------
    past : array of shape (n,)
        Earlier values.
    value : float
        Today's.

    Returns
    -------
    float
        0 where the past has too few excesses to say anything: then the parametric probability alone counts.

    References
    ----------
    Pickands 1975, 10.1214/aos/1176343003 (peaks over threshold); Hosking and Wallis 1987,
    10.1080/00401706.1987.10488243 (moments); Siffer et al. 2017, 10.1145/3097983.3098144 (alarms from such tails).

    Examples
    --------
    >>> normal = np.random.default_rng(0).normal(size=400)
    >>> empirical_tail(normal, 1.0) > 0.1, empirical_tail(normal, 3.5) < 0.01, empirical_tail(normal, 12.0) < 0.0005
    (True, True, True)
    >>> empirical_tail(np.zeros(400), 3.0)
    0.0
    """
    known = np.asarray(past, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0
    from scipy import stats

    edge = float(np.quantile(known, _ABOVE))
    if value <= edge:
        return float((np.count_nonzero(known >= value) + 1) / (len(known) + 1))
    excess = np.sort(known[known > edge] - edge)
    if len(excess) < _LEAST_EXCESSES:
        return 0.0
    shape, scale = _pareto(excess)
    reached = (len(excess) + 1) / (len(known) + 1)
    return float(reached * stats.genpareto.sf(value - edge, shape, scale=scale))


def _pareto(excess: Array) -> tuple[float, float]:
    """Return shape and scale of a generalised Pareto distribution, the shape drawn towards a somewhat heavy one."""
    n = len(excess)
    mean = float(excess.mean())
    weighted = float(((n - np.arange(1, n + 1)) / (n - 1) * excess).mean())
    shape = 2.0 - mean / max(mean - 2.0 * weighted, 1e-12)
    shape = min((n * max(shape, 0.0) + _PRIOR_WEIGHT * _PRIOR_SHAPE) / (n + _PRIOR_WEIGHT), _STEEPEST)
    return shape, mean * (1.0 - min(shape, 0.9))


def negative_binomial_tail(count: float, expected: float, dispersion: float, *, fewer: bool) -> float:
    """Return the probability of a count so low or so high.

    Parameters
    ----------
    count, expected : float
        What there was, and what was expected; a sum over days may be expected to a fraction.
    dispersion : float
        Variance ÷ mean, at least 1; at 1 the counts are Poisson.
    fewer : bool
        Whether the lower tail is asked for.

    Examples
    --------
    >>> round(negative_binomial_tail(0, 3.0, 1.0, fewer=True), 4), negative_binomial_tail(0, 3.0, 4.0, fewer=True) > 0.2
    (0.0498, True)
    """
    if expected <= 0.0:
        return 1.0
    from scipy import stats  # takes a second to import, and pages that show kept outcomes need none of it

    if dispersion <= 1.0 + 1e-9:
        spread = stats.poisson(expected)
    else:
        spread = stats.nbinom(expected / (dispersion - 1.0), 1.0 / dispersion)
    return float(spread.cdf(count) if fewer else spread.sf(count - 1))


def no_row_probability(expected: float, dispersion: float) -> float:
    """Return the probability of no row at all where so many were expected."""
    return negative_binomial_tail(0.0, expected, dispersion, fewer=True)


def beta_binomial_tail(
    hits: float, of: float, past_hits: float, past_of: float, dispersion: float, *, fewer: bool
) -> float:
    """Return the probability of so many or so few hits among rows, given the hits among past rows.

    The predictive distribution under Jeffreys' prior. Rows that come in bursts count for less: both counts are divided
    by the dispersion.

    Examples
    --------
    >>> beta_binomial_tail(40, 100, 10, 10_000, 1.0, fewer=False) < 1e-9
    True
    >>> beta_binomial_tail(1, 100, 0, 100, 1.0, fewer=False) > 0.1
    True
    """
    scale = max(dispersion, 1.0)
    n, k = round(of / scale), hits / scale
    if n <= 0:
        return 1.0
    k = float(np.ceil(k - 1e-9) if fewer else np.floor(k + 1e-9))
    a, b = 0.5 + past_hits / scale, 0.5 + max(past_of - past_hits, 0.0) / scale
    from scipy import stats

    spread = stats.betabinom(n, a, b)
    return float(spread.cdf(k) if fewer else spread.sf(k - 1))
