"""Several horizons at once: a longer horizon never has a smaller probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["anchored", "coherent"]


def coherent(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the closest probabilities that never fall as the horizon grows.

    Models of different horizons are fitted apart and may contradict one another. Each row is replaced by its isotonic
    regression over the horizons: contradicting neighbours meet at their mean, all others stay as they are.

    Parameters
    ----------
    probabilities : array of shape (n, h)
        One column per horizon, the shortest first.

    Returns
    -------
    array of shape (n, h)

    References
    ----------
    Robertson, Wright and Dykstra 1988, theorem 1.4.4 (the min–max formula of isotonic regression).

    Examples
    --------
    >>> coherent([[0.1, 0.3, 0.2], [0.1, 0.2, 0.3]]).round(12).tolist()
    [[0.1, 0.25, 0.25], [0.1, 0.2, 0.3]]
    """
    p = np.atleast_2d(np.asarray(probabilities, dtype=np.float64))
    rows, horizons = p.shape
    sums = np.concatenate([np.zeros((rows, 1)), np.cumsum(p, axis=1)], axis=1)
    result = np.empty_like(p)
    for j in range(horizons):
        low = np.full(rows, -np.inf)
        for start in range(j + 1):
            means = [(sums[:, stop] - sums[:, start]) / (stop - start) for stop in range(j + 1, horizons + 1)]
            low = np.maximum(low, np.min(means, axis=0))
        result[:, j] = low
    # A mean of equal numbers may come out a rounding above them.
    result = np.clip(result, p.min(axis=1, keepdims=True), p.max(axis=1, keepdims=True))
    rising = np.all(np.diff(p, axis=1) >= 0, axis=1)
    result[rising] = p[rising]
    monotone: npt.NDArray[np.float64] = np.maximum.accumulate(result, axis=1)
    return monotone


def anchored(probabilities: npt.ArrayLike, fixed: int) -> npt.NDArray[np.float64]:
    """Return the closest probabilities that never fall as the horizon grows and keep one horizon's as they are.

    The primary horizon's probability must not move when another horizon is asked for: its explanation adds up to it,
    health and ranking are made of it, and its calibration was measured on it. So the others give way: the shorter
    ones are made coherent among themselves and capped at it, the longer ones are made coherent and raised to it. A
    bounded isotonic regression is the unbounded one, clipped, so nothing coherent with the fixed column lies closer.

    Parameters
    ----------
    probabilities : array of shape (n, h)
        One column per horizon, the shortest first.
    fixed : int
        Column that stays.

    Returns
    -------
    array of shape (n, h)

    References
    ----------
    Barlow, Bartholomew, Bremner and Brunk 1972, *Statistical inference under order restrictions* (bounds).

    Examples
    --------
    >>> anchored([[0.3, 0.2, 0.1], [0.1, 0.2, 0.4]], fixed=1).tolist()
    [[0.2, 0.2, 0.2], [0.1, 0.2, 0.4]]
    """
    p = np.atleast_2d(np.asarray(probabilities, dtype=np.float64))
    anchor = p[:, fixed : fixed + 1]
    result = p.copy()
    if fixed:
        result[:, :fixed] = np.minimum(coherent(p[:, :fixed]), anchor)
    if fixed + 1 < p.shape[1]:
        result[:, fixed + 1 :] = np.maximum(coherent(p[:, fixed + 1 :]), anchor)
    return result
