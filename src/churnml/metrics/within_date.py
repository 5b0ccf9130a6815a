"""Predictions compared within each snapshot date: ranking and proper score that no shift of the level can win.

The churn rate of a snapshot date moves for reasons that no account shows: the season, a price rise, a market. Over
several dates pooled, a score gains by knowing the date alone. Here every candidate is first brought to the same level
per date, so that what is left to gain is telling accounts of one date apart. Standard errors are robust to the rows of
one account hanging together and need no draws: nothing depends on a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtrit

from churnml.metrics.intervals import Interval
from churnml.metrics.predictions import Array, row_losses

__all__ = ["Estimate", "align", "aligned_gain", "aligned_log_loss", "concordance", "log_loss_gain"]

_CLOSEST = 1e-6
_WIDEST = 60.0
_HALVINGS = 80
_LEAST_CLUSTERS = 2


@dataclass(frozen=True)
class Estimate(Interval):
    """A value with a 95 % interval from a cluster-robust standard error.

    Parameters
    ----------
    value, low, high : float or None
        See `Interval`.
    error : float or None
        Standard error; rows of one account count as one draw.
    freedom : int
        Degrees of freedom of the t distribution: accounts of the rarer outcome, less one.
    """

    error: float | None = None
    freedom: int = 0

    @property
    def interval(self) -> Interval:
        """The value with its bounds alone."""
        return Interval(self.value, self.low, self.high)

    def exceeds(self, bound: float, alpha: float) -> bool:
        """Whether the value lies above `bound` beyond noise: a one-sided test at `alpha`.

        Examples
        --------
        >>> Estimate(0.2, 0.1, 0.3, error=0.05, freedom=30).exceeds(0.0, alpha=0.025)
        True
        """
        if self.value is None or self.error is None:
            return False
        return self.value - float(stdtrit(self.freedom, 1.0 - alpha)) * self.error > bound


def align(y: npt.ArrayLike, p: npt.ArrayLike, dates: npt.ArrayLike | None = None) -> Array:
    """Shift probabilities in log-odds, date by date, until their mean is that date's churn rate.

    Order and spread within a date stay; only the level is taken away, from every candidate alike. On a date where all
    or none churned there is nothing to tell apart, and the outcome itself is returned.

    Parameters
    ----------
    y : array of shape (n,)
        Outcomes, 0 or 1.
    p : array of shape (n,)
        Probabilities.
    dates : array of shape (n,), optional
        Snapshot of each row; without it all rows are of one date.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> align([0, 1, 0, 0], [0.6, 0.6, 0.6, 0.6]).round(6).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    date = _dates(dates, len(outcome))
    size = np.bincount(date)
    rate = np.bincount(date, weights=outcome) / size
    odds = logit(np.clip(score, _CLOSEST, 1.0 - _CLOSEST))
    low, high = np.full(len(size), -_WIDEST), np.full(len(size), _WIDEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        short = np.bincount(date, weights=expit(odds + middle[date])) / size < rate
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    mixed = (rate > 0.0) & (rate < 1.0)
    return np.asarray(np.where(mixed[date], expit(odds + ((low + high) / 2.0)[date]), outcome))


def aligned_log_loss(y: npt.ArrayLike, p: npt.ArrayLike, dates: npt.ArrayLike | None = None) -> float | None:
    """Mean log loss after `align`: a strictly proper score of what a prediction says within each date.

    None without rows.

    Examples
    --------
    >>> level, wrong = [0.25] * 4, [0.9] * 4
    >>> aligned_log_loss([0, 1, 0, 0], level) == aligned_log_loss([0, 1, 0, 0], wrong)
    True
    """
    outcome = np.asarray(y, dtype=np.float64)
    return float(row_losses(outcome, align(outcome, p, dates)).mean()) if len(outcome) else None


def aligned_gain(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    other: npt.ArrayLike,
    groups: npt.ArrayLike,
    dates: npt.ArrayLike | None = None,
) -> Estimate:
    """Return by how much the aligned log loss of `p` is below that of `other`, per row, with its standard error.

    The difference is paired by row and summed by account before its spread is taken. The shifts of `align` are the
    ones of lowest loss, so that they were estimated adds nothing to the error of first order.

    Parameters
    ----------
    y, p, dates
        As for `align`.
    other : array of shape (n,)
        Probabilities to compare with.
    groups : array of shape (n,)
        Account of each row.

    References
    ----------
    Liang and Zeger 1986, 10.1093/biomet/73.1.13 (cluster-robust error); Gneiting and Raftery 2007,
    10.1198/016214506000001437 (proper scores).

    Examples
    --------
    >>> y = np.array([0, 1, 0, 0, 1, 0] * 5)
    >>> aligned_gain(y, np.where(y == 1, 0.8, 0.1), np.full(30, 0.3), np.arange(30)).above_zero
    True
    """
    outcome = np.asarray(y, dtype=np.float64)
    if not len(outcome):
        return Estimate(None, None, None)
    ours, theirs = (row_losses(outcome, align(outcome, each, dates)) for each in (p, other))
    gained = theirs - ours
    value = float(gained.mean())
    return _estimate(value, gained - value, float(len(gained)), outcome, groups)


def log_loss_gain(y: npt.ArrayLike, p: npt.ArrayLike, other: npt.ArrayLike, groups: npt.ArrayLike) -> Estimate:
    """Return by how much the log loss of `p` as told, level and all, is below that of `other`; see `aligned_gain`.

    Examples
    --------
    >>> log_loss_gain([0, 1] * 9, [0.2, 0.8] * 9, [0.5, 0.5] * 9, range(18)).above_zero
    True
    """
    outcome = np.asarray(y, dtype=np.float64)
    if not len(outcome):
        return Estimate(None, None, None)
    ours, theirs = (row_losses(outcome, np.asarray(each, dtype=np.float64)) for each in (p, other))
    gained = theirs - ours
    value = float(gained.mean())
    return _estimate(value, gained - value, float(len(gained)), outcome, groups)


def concordance(
    y: npt.ArrayLike, p: npt.ArrayLike, groups: npt.ArrayLike, dates: npt.ArrayLike | None = None
) -> Estimate:
    """Return the chance that of a churner and a stayer **of one date** the churner has the higher score.

    Pairs of every date are pooled; a tie counts one half; 0.5 is chance at any drift of the churn rate, where a pooled
    AUC is not. The error is that of the two-sample U statistic with the rows of an account taken together.

    Parameters
    ----------
    y, p, dates, groups
        As for `aligned_gain`.

    Returns
    -------
    Estimate
        Value None where no date holds both outcomes.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson 1988, 10.2307/2531595; Obuchowski 1997, 10.2307/2533958 (clustered).

    Examples
    --------
    >>> concordance([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9], list("abcd"), [1, 1, 2, 2]).value
    1.0
    """
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    date = _dates(dates, len(outcome))
    won, faced = np.zeros(len(outcome)), np.zeros(len(outcome))
    for rows in np.split(np.argsort(date, kind="stable"), np.cumsum(np.bincount(date))[:-1]) if len(date) else []:
        churned = outcome[rows] == 1
        for side, sign in ((churned, 1.0), (~churned, -1.0)):
            mine, against = sign * score[rows[side]], np.sort(sign * score[rows[~side]])
            beaten = np.searchsorted(against, mine, "left") + np.searchsorted(against, mine, "right")
            won[rows[side]], faced[rows[side]] = beaten / 2.0, len(against)
    pairs = float(faced[outcome == 1].sum())
    if pairs == 0.0:
        return Estimate(None, None, None)
    value = float(won[outcome == 1].sum()) / pairs
    return _estimate(value, won - value * faced, pairs, outcome, groups)


def _dates(dates: npt.ArrayLike | None, rows: int) -> npt.NDArray[np.intp]:
    """Return the number of each row's date."""
    if dates is None:
        return np.zeros(rows, dtype=np.intp)
    return np.asarray(np.unique(np.asarray(dates), return_inverse=True)[1], dtype=np.intp)


def _estimate(value: float, influence: Array, total: float, outcome: Array, groups: npt.ArrayLike) -> Estimate:
    """Return a value with the error that the rows' influences, summed by account, give it."""
    accounts, account = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    left = np.unique(account[outcome == 1])
    # An account that leaves in the end counts as a churner only: its earlier rows are no evidence of stayers.
    freedom = min(len(left), len(accounts) - len(left)) - 1
    if freedom < _LEAST_CLUSTERS - 1:
        return Estimate(value, None, None, None, max(freedom, 0))
    sums = np.bincount(account, weights=influence)
    error = float(np.sqrt((sums**2).sum() * len(accounts) / (len(accounts) - 1)) / total)
    reach = float(stdtrit(freedom, 0.975)) * error
    return Estimate(value, value - reach, value + reach, error, freedom)
