"""Bootstrap intervals that draw whole accounts, for one metric and for the difference of two predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.metrics.predictions import Metric, weighted

__all__ = ["Interval", "clustered_bootstrap", "interval", "paired_gain"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with a bootstrap interval; the bounds are None where the value is undefined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low is not None and self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high is not None and self.high < 0

    def __neg__(self) -> Interval:
        """Return the interval of the difference the other way round."""
        if self.value is None:
            return self
        # 0.0 − x, so that no gain at all is not written as a negative zero.
        if self.low is None or self.high is None:
            return Interval(0.0 - self.value, None, None)
        return Interval(0.0 - self.value, 0.0 - self.high, 0.0 - self.low)


def clustered_bootstrap(groups: npt.ArrayLike, repeats: int, seed: int) -> Sequence[Array]:
    """Draw accounts with replacement and return each draw as row weights.

    Rows of one account are drawn together, so intervals do not shrink because an account is asked about every month.

    Parameters
    ----------
    groups : array of shape (n,)
        Account of each row.
    repeats : int
        Number of draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    sequence of arrays of shape (n,)

    References
    ----------
    Field and Welsh 2007, 10.1111/j.1467-9868.2007.00593.x (cluster bootstrap).

    Examples
    --------
    >>> draw, = clustered_bootstrap(["a", "a", "b"], 1, seed=0)
    >>> bool(draw[0] == draw[1])
    True
    """
    _, index = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    count = int(index.max()) + 1 if len(index) else 0
    generator = np.random.default_rng(seed)
    draws = (np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(repeats))
    return [drawn[index].astype(np.float64) for drawn in draws]


def interval(
    metric: Metric,
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    draws: Sequence[Array],
    level: float = 0.95,
) -> Interval:
    """Return a metric with its percentile bootstrap interval over `draws` of `clustered_bootstrap`.

    Examples
    --------
    >>> from churnml.metrics.predictions import roc_auc
    >>> draws = clustered_bootstrap([1, 2, 3, 4], 50, seed=0)
    >>> interval(roc_auc, [0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], draws).low
    1.0
    """
    of = weighted(metric, y, p)
    return _bounds(of(None), [of(draw) for draw in draws], level)


def paired_gain(
    metric: Metric,
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    other: npt.ArrayLike,
    draws: Sequence[Array],
    level: float = 0.95,
) -> Interval:
    """Return ``metric(p) − metric(other)`` with its interval; both are judged on the same draws of accounts.

    Examples
    --------
    >>> from churnml.metrics.predictions import brier
    >>> draws = clustered_bootstrap([1, 2, 3, 4], 50, seed=0)
    >>> paired_gain(brier, [0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], [0.5] * 4, draws).high < 0
    True
    """
    ours_of, theirs_of = weighted(metric, y, p), weighted(metric, y, other)

    def gain(draw: Array | None) -> float | None:
        ours, theirs = ours_of(draw), theirs_of(draw)
        return None if ours is None or theirs is None else ours - theirs

    return _bounds(gain(None), [gain(draw) for draw in draws], level)


def _bounds(value: float | None, values: Sequence[float | None], level: float) -> Interval:
    defined = np.array([one for one in values if one is not None])
    if value is None or len(defined) < 2:
        return Interval(value, None, None)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
