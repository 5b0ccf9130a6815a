"""How well a ranking finds the accounts that a contact saves: the Qini curve and its coefficient, with intervals.

A contact avoids churn where the held-out churn and the contacted do not. No account is seen both ways, so a ranking is
judged by what differs between the arms among the accounts that it puts first.

References
----------
Radcliffe 2007, Using control groups to target on predicted lift (Qini curve).
Yadlowsky, Fleming, Shah, Brunskill and Wager 2025, 10.1080/01621459.2024.2393466 (rank-weighted effects with
regression-adjusted scores, and their intervals with the ranking taken as given).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.metrics.intervals import Interval

__all__ = ["QiniCurve", "adjusted_effects", "qini", "qini_curve", "qini_gain", "qini_interval"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class QiniCurve:
    """Churn avoided by contacting the accounts that a ranking puts first.

    Parameters
    ----------
    rows : array
        0, and the number of rows down to each distinct score.
    avoided : array
        Churners avoided among these, were all of them contacted as those of the contacted arm were.
    """

    rows: Array
    avoided: Array

    @property
    def coefficient(self) -> float:
        """Area between the curve and the straight line to its end, both as shares of the rows."""
        total = float(self.rows[-1])
        return float(np.trapezoid(self.avoided, self.rows) / total**2 - self.avoided[-1] / total / 2)


def qini_curve(score: npt.ArrayLike, churned: npt.ArrayLike, contacted: npt.ArrayLike) -> QiniCurve:
    """Return the Qini curve of a ranking, unadjusted.

    Down to each distinct score, churners among the held-out, scaled to as many accounts as were contacted, less
    churners among the contacted. Rows with equal scores come all at once, so no order among them counts.

    Parameters
    ----------
    score : array of shape (n,)
        The largest first.
    churned : array of shape (n,)
        1 or 0.
    contacted : array of shape (n,)
        True for the contacted, False for the held-out.

    Notes
    -----
    Radcliffe 2007: ``Q(k) = R_t(k) − R_c(k) · N_t(k) / N_c(k)``, with those who stayed as responses. As nobody is held
    out above the first held-out account, the curve is 0 there.

    Examples
    --------
    >>> curve = qini_curve([4, 3, 2, 1], [0, 1, 1, 0], [True, False, True, False])
    >>> curve.rows.tolist(), curve.avoided.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 1.0, 0.0])
    >>> curve.coefficient
    0.125
    """
    order = np.argsort(-np.asarray(score, dtype=np.float64), kind="stable")
    ends = _ends(np.asarray(score, dtype=np.float64)[order])
    left = np.asarray(churned, dtype=np.float64)[order]
    arm = np.asarray(contacted, dtype=np.float64)[order]
    n_t, n_c = np.cumsum(arm)[ends], np.cumsum(1.0 - arm)[ends]
    left_t, left_c = np.cumsum(left * arm)[ends], np.cumsum(left * (1.0 - arm))[ends]
    avoided = np.where(n_c > 0, left_c * n_t / np.maximum(n_c, 1.0) - left_t, 0.0)
    return QiniCurve(np.concatenate([[0.0], ends + 1.0]), np.concatenate([[0.0], avoided]))


def adjusted_effects(
    outcome: npt.ArrayLike,
    contacted: npt.ArrayLike,
    share_held_out: npt.ArrayLike,
    if_contacted: npt.ArrayLike,
    if_held_out: npt.ArrayLike,
) -> Array:
    """Return one unbiased, noisy reading a row of what a contact avoids, adjusted by regressions.

    Parameters
    ----------
    outcome : array of shape (n,)
        Churned (1 or 0), or any loss.
    contacted : array of shape (n,)
        True or False.
    share_held_out : array of shape (n,)
        Chance with which the row was held out, above 0 and below 1.
    if_contacted, if_held_out : array of shape (n,)
        Expected outcome in either arm, from a regression that has not seen the row.

    Notes
    -----
    The augmented inverse-propensity score (Robins, Rotnitzky and Zhao 1994, 10.1080/01621459.1994.10476818). The shares
    are known, as chance decided; so its mean is the effect however wrong the regressions are, and they only take noise
    out.

    Examples
    --------
    >>> adjusted_effects([1.0, 0.0], [False, True], [0.5, 0.5], [0.25, 0.25], [0.5, 0.5]).tolist()
    [1.25, 0.75]
    """
    y, arm = np.asarray(outcome, dtype=np.float64), np.asarray(contacted, dtype=np.float64)
    held, m1, m0 = (np.asarray(one, dtype=np.float64) for one in (share_held_out, if_contacted, if_held_out))
    effects: Array = (m0 - m1) + (1.0 - arm) * (y - m0) / held - arm * (y - m1) / (1.0 - held)
    return effects


def qini(score: npt.ArrayLike, effects: npt.ArrayLike) -> float:
    """Return the Qini coefficient of a ranking from readings of `adjusted_effects`, in their unit a row.

    It is what the accounts that are put first avoid beyond as many accounts drawn at random, meant over every number
    of accounts that could be contacted. 0: no better than chance.

    Examples
    --------
    >>> qini([2, 1], [1.0, 0.0]), qini([1, 2], [1.0, 0.0]), qini([1, 1], [1.0, 0.0])
    (0.125, -0.125, 0.0)
    """
    values = np.asarray(effects, dtype=np.float64)
    return float(_coefficients(_Ordered(score), values, np.ones((1, len(values))))[0])


def qini_interval(
    score: npt.ArrayLike, effects: npt.ArrayLike, draws: Sequence[Array], level: float = 0.95
) -> Interval:
    """Return `qini` with its bootstrap interval, the ranking taken as given.

    Parameters
    ----------
    score, effects : array of shape (n,)
    draws : sequence of arrays of shape (n,)
        From `churnml.metrics.intervals.clustered_bootstrap`, by account.
    level : float

    Examples
    --------
    >>> from churnml.metrics.intervals import clustered_bootstrap
    >>> found = qini_interval([4, 3, 2, 1], [1.0, 1.0, 0.0, 0.0], clustered_bootstrap([1, 2, 3, 4], 99, seed=0))
    >>> found.value, found.low <= found.value <= found.high
    (0.125, True)
    """
    values = np.asarray(effects, dtype=np.float64)
    return _interval(qini(score, values), _coefficients(_Ordered(score), values, np.asarray(draws)), level)


def qini_gain(
    score: npt.ArrayLike, other: npt.ArrayLike, effects: npt.ArrayLike, draws: Sequence[Array], level: float = 0.95
) -> Interval:
    """Return ``qini(score) − qini(other)`` with its interval; both are judged on the same draws of accounts.

    Examples
    --------
    >>> from churnml.metrics.intervals import clustered_bootstrap
    >>> qini_gain([2, 1], [1, 2], [1.0, 0.0], clustered_bootstrap([1, 2], 99, seed=0)).value
    0.25
    """
    values, weights = np.asarray(effects, dtype=np.float64), np.asarray(draws)
    ours, theirs = (_coefficients(_Ordered(one), values, weights) for one in (score, other))
    return _interval(qini(score, values) - qini(other, values), ours - theirs, level)


class _Ordered:
    """Rows in the order of a ranking, and where its distinct scores end."""

    def __init__(self, score: npt.ArrayLike) -> None:
        values = np.asarray(score, dtype=np.float64)
        self.rows = np.argsort(-values, kind="stable")
        self.ends = _ends(values[self.rows])


def _coefficients(ordered: _Ordered, effects: Array, weights: Array) -> Array:
    """Return the coefficient under each draw's weights, shape (draws,)."""
    drawn = weights[:, ordered.rows]
    n = np.cumsum(drawn, axis=1)[:, ordered.ends]
    avoided = np.cumsum(drawn * effects[ordered.rows], axis=1)[:, ordered.ends]
    start = np.zeros((len(weights), 1))
    n, avoided = np.hstack([start, n]), np.hstack([start, avoided])
    total = np.maximum(n[:, -1], 1.0)
    area: Array = np.trapezoid(avoided, n, axis=1) / total**2 - avoided[:, -1] / total / 2
    return area


def _ends(ordered: Array) -> npt.NDArray[np.intp]:
    """Return the last place of each distinct score."""
    return np.flatnonzero(np.append(np.diff(ordered) != 0, [True] * bool(len(ordered))))


def _interval(value: float, drawn: Array, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
