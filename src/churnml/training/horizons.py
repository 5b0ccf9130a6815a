"""Several horizons at once: a longer horizon never has a smaller probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["coherent"]


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
    kept = np.all(np.diff(p, axis=1) >= 0, axis=1)
    result[kept] = p[kept]
    monotone: npt.NDArray[np.float64] = np.maximum.accumulate(result, axis=1)
    return monotone
