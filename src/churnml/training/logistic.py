"""The one logistic solver: a normal prior on every coefficient, bounds, weights; convex, so any start ends the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_expit

from churnml.training.threads import one_blas_thread

__all__ = ["LogisticProblem", "fit_logistic"]

Array = npt.NDArray[np.float64]
Design = npt.NDArray[np.floating[Any]]

_MOST_STEPS = 200
_ENOUGH = 1e-13
"""Mean loss that the last step was to gain; single precision tells no less than `_LAST_DIGIT` of their last digit."""
_LAST_DIGIT = 2.5e-4
_SUFFICIENT = 1e-4
_SHORTEST = 1e-6
_MOST_ROUNDS = 50
_LAST_SHARE = 1e-3
"""Of what a step gains, the share of a round after which no further one is worth its cost."""
_SLOW = 0.3
"""A step that has more than this share of the last one's gain still to come calls for the curvature where it ends."""
_CHUNK_ROWS = 8192


def fit_logistic(
    design: Design,
    y: Array,
    precision: float | Array,
    *,
    centre: Array | None = None,
    lower: Array | None = None,
    upper: Array | None = None,
    weights: Array | None = None,
    start: Array | None = None,
    intercept: bool = True,
) -> Array:
    """Return the most probable coefficients of a logistic regression under normal priors and bounds.

    Minimises ``Σ wᵢ·loss(yᵢ, xᵢθ) + ½ Σ precisionⱼ (θⱼ − centreⱼ)²``.

    Parameters
    ----------
    design : array of shape (n, k)
    y : array of shape (n,)
        Outcomes, 0 or 1; both must occur.
    precision : float or array of shape (k,)
        Inverse variance of each coefficient's prior; the same for all where it is one number.
    centre : array of shape (k,), optional
        Means of the priors; 0 by default.
    lower, upper : array of shape (k,), optional
        Bounds of the coefficients, ±inf where there is none.
    weights : array of shape (n,), optional
        Weight of each row; 1 by default.
    start : array, optional
        Where to begin, in the shape of the result.
    intercept : bool
        Add a free intercept, without prior or bounds.

    Returns
    -------
    array of shape (k + 1,) or (k,)
        Coefficients and, last, the intercept if there is one.

    See Also
    --------
    LogisticProblem : for several priors on the same rows.

    Examples
    --------
    >>> x = np.array([[-1.0], [-1.0], [1.0], [1.0], [1.0]])
    >>> theta = fit_logistic(x, np.array([0.0, 1.0, 1.0, 1.0, 0.0]), 1e-9)
    >>> theta.round(3).tolist()  # log-odds 0 on the left, ln 2 on the right
    [0.347, 0.347]
    >>> fit_logistic(x, np.array([0.0, 1.0, 1.0, 1.0, 0.0]), 1e-9, upper=np.zeros(1)).round(3).tolist()
    [0.0, 0.405]
    """
    problem = LogisticProblem(design, y, weights=weights, intercept=intercept)
    return problem.solve(precision, centre=centre, lower=lower, upper=upper, start=start)


class LogisticProblem:
    """Rows and outcomes that several logistic regressions are fitted to.

    Each is solved by Newton's method, bounds by projecting its steps. What takes long, the curvature of the loss, is
    kept from one step and one regression to the next for as long as it serves: it only shapes the steps, and where they
    end does not depend on it.

    Parameters
    ----------
    design : array of shape (n, k)
        In double or single precision; what is added up over rows is added up in its precision.
    y, weights, intercept
        As for `fit_logistic`.

    References
    ----------
    Bertsekas 1982, 10.1137/0320018 (projected Newton methods with simple constraints).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 2))
    >>> problem = LogisticProblem(x, (x[:, 0] > 0).astype(float))
    >>> strict, lenient = (problem.solve(precision) for precision in (100.0, 1.0))
    >>> bool(0 < strict[0] < lenient[0])
    True
    """

    def __init__(self, design: Design, y: Array, *, weights: Array | None = None, intercept: bool = True) -> None:
        mass = np.ones(len(y)) if weights is None else weights
        self._design, self._y, self._intercept = design, y, intercept
        self._total = float(mass.sum())
        self._share, self._sign = mass / self._total, 2.0 * y - 1.0
        self._columns = design.shape[1]
        self._curvature: Design | None = None
        self._sum: tuple[bytes, Design] | None = None
        self._factored: tuple[bytes, tuple[Design, bool]] | None = None
        self._noise = float(np.finfo(design.dtype).eps) * 0.1
        self._enough = max(_ENOUGH, float(np.finfo(design.dtype).eps) * _LAST_DIGIT)

    def solve(
        self,
        precision: float | Array,
        *,
        centre: Array | None = None,
        lower: Array | None = None,
        upper: Array | None = None,
        start: Array | None = None,
    ) -> Array:
        """Return the coefficients under one prior; see `fit_logistic` for the parameters."""
        k = self._columns
        mean = np.zeros(k) if centre is None else centre
        low = np.full(k, -np.inf) if lower is None else lower
        high = np.full(k, np.inf) if upper is None else upper
        strength = np.broadcast_to(np.asarray(precision, dtype=np.float64) / self._total, (k,))
        if start is None:
            rate = float(self._share @ self._y)
            start = np.append(mean, np.log(rate / (1.0 - rate))) if self._intercept else mean
        if self._intercept:
            mean, strength = np.append(mean, 0.0), np.append(strength, 0.0)
            low, high = np.append(low, -np.inf), np.append(high, np.inf)
        with one_blas_thread():
            return self._descend(np.clip(start, low, high), strength, mean, low, high)

    def log_odds(self, theta: Array, design: Design | None = None) -> Array:
        """Return the log-odds that coefficients give each row of the design, or of another one."""
        rows = self._design if design is None else design
        linear = (rows @ theta[: self._columns].astype(rows.dtype)).astype(np.float64)
        return np.asarray(linear + theta[-1] if self._intercept else linear)

    def _descend(self, theta: Array, strength: Array, mean: Array, low: Array, high: Array) -> Array:
        linear = self.log_odds(theta)
        value, last, fresh = self._value(linear, theta, strength, mean), np.inf, False
        for _ in range(_MOST_STEPS):
            slope = self._slope(linear, theta, strength, mean)
            if self._curvature is None:
                self._curvature, self._sum, fresh = self._curvature_at(linear), None, True
            step, gain = self._step(theta, slope, strength, low, high)
            if gain <= self._enough:
                return np.asarray(np.clip(theta + step, low, high))
            # Halve the step until the loss falls as it should, as far as a sum over the rows can tell.
            length = 1.0
            while length > _SHORTEST:
                moved = np.clip(theta + length * step, low, high)
                odds = self.log_odds(moved)
                after = self._value(odds, moved, strength, mean)
                if after <= value - 2.0 * _SUFFICIENT * length * gain + self._noise:
                    break
                length *= 0.5
            else:
                if fresh:
                    break
                self._curvature = None
                continue
            if gain > _SLOW * last:
                self._curvature = None
            theta, linear, value, last, fresh = moved, odds, after, gain, False
        return theta

    def _step(self, theta: Array, slope: Array, strength: Array, low: Array, high: Array) -> tuple[Array, float]:
        """Return the step to where a quadratic with this slope and the curvature at hand is least within the bounds.

        Each round solves for the coefficients that no bound holds and projects; it is shortened until the quadratic
        falls, so that no two rounds can undo one another. With the step comes by how much the quadratic falls.
        """
        bent = self._bent(strength)
        least, most = low - theta, high - theta
        bounded = self._bounded(low, high)
        step, pull, gained = np.zeros(len(theta)), slope, 0.0
        for _ in range(_MOST_ROUNDS):
            free = ~(((step <= least) & (pull > 0.0)) | ((step >= most) & (pull < 0.0)))
            if not free.any():
                break
            move = np.zeros(len(theta))
            move[free] = -cho_solve(self._factor(free), pull[free], check_finite=False)
            length, before = 1.0, gained
            while length > _SHORTEST:
                moved = np.clip(step + length * move, least, most)
                bend = bent @ moved
                fall = -float(slope @ moved) - 0.5 * float(moved @ bend)
                if fall > before:
                    step, pull, gained = moved, slope + bend, fall
                    break
                length *= 0.5
            if not bounded or gained - before <= _LAST_SHARE * gained:
                break
        return step, gained

    def _bent(self, strength: Array) -> Design:
        """Return the curvature of loss and prior together; the same array for as long as both are the same."""
        assert self._curvature is not None
        key = strength.tobytes()
        if self._sum is None or self._sum[0] != key:
            bent = self._curvature.copy()
            place = np.diag_indices_from(bent)
            # A trace of ridge: columns that say the same have no curvature between them.
            bent[place] += strength + 1e-9 * max(float(bent[place].mean()), 1e-12)
            self._sum, self._factored = (key, bent), None
        return self._sum[1]

    def _factor(self, free: npt.NDArray[np.bool_]) -> tuple[Design, bool]:
        """Return the Cholesky factor of the free coefficients' curvature; most steps have the last one's."""
        assert self._sum is not None
        key = free.tobytes()
        if self._factored is None or self._factored[0] != key:
            bent = self._sum[1]
            part = bent.copy() if free.all() else bent[np.ix_(free, free)]
            self._factored = key, cho_factor(part, lower=True, overwrite_a=True, check_finite=False)
        return self._factored[1]

    @staticmethod
    def _bounded(low: Array, high: Array) -> bool:
        return bool(np.isfinite(low).any() or np.isfinite(high).any())

    def _value(self, linear: Array, theta: Array, strength: Array, mean: Array) -> float:
        away = theta - mean
        return -float(self._share @ log_expit(self._sign * linear)) + 0.5 * float((strength * away) @ away)

    def _slope(self, linear: Array, theta: Array, strength: Array, mean: Array) -> Array:
        residual = -self._share * self._sign * expit(-self._sign * linear)
        # In sums over rows each residual is of the order of one, whatever the precision.
        summed = (self._design.T @ (residual * self._total).astype(self._design.dtype)).astype(np.float64) / self._total
        slope = np.append(summed, residual.sum()) if self._intercept else summed
        return np.asarray(slope + strength * (theta - mean))

    def _curvature_at(self, linear: Array) -> Design:
        """Return the second derivatives of the mean loss, in chunks of rows: a design is large."""
        p = expit(linear)
        root = np.sqrt(self._share * self._total * p * (1.0 - p)).astype(self._design.dtype)
        width = self._columns + int(self._intercept)
        summed = np.zeros((width, width), dtype=self._design.dtype)
        chunk = np.empty((min(_CHUNK_ROWS, len(p)), width), dtype=self._design.dtype)
        for at in range(0, len(p), _CHUNK_ROWS):
            own = root[at : at + _CHUNK_ROWS]
            part = chunk[: len(own)]
            np.multiply(self._design[at : at + len(own)], own[:, None], out=part[:, : self._columns])
            if self._intercept:
                part[:, -1] = own
            summed += part.T @ part
        return np.asarray(summed / self._design.dtype.type(self._total))
