"""The one logistic solver: a normal prior on every coefficient, bounds, weights; convex, so any start ends the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from churnml.training.threads import one_blas_thread

__all__ = ["fit_logistic"]

Array = npt.NDArray[np.float64]


def fit_logistic(
    design: Array,
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

    Examples
    --------
    >>> x = np.array([[-1.0], [-1.0], [1.0], [1.0], [1.0]])
    >>> theta = fit_logistic(x, np.array([0.0, 1.0, 1.0, 1.0, 0.0]), 1e-9)
    >>> theta.round(3).tolist()  # log-odds 0 on the left, ln 2 on the right
    [0.347, 0.347]
    >>> fit_logistic(x, np.array([0.0, 1.0, 1.0, 1.0, 0.0]), 1e-9, upper=np.zeros(1)).round(3).tolist()
    [0.0, 0.405]
    """
    k = design.shape[1]
    mean = np.zeros(k) if centre is None else centre
    low = np.full(k, -np.inf) if lower is None else lower
    high = np.full(k, np.inf) if upper is None else upper
    weight = np.ones(len(y)) if weights is None else weights
    total = float(weight.sum())
    strength, share, sign = precision / total, weight / total, 2.0 * y - 1.0

    def loss(theta: Array) -> tuple[float, Array]:
        linear = design @ theta[:k]
        margin = sign * (linear + theta[k] if intercept else linear)
        away = theta[:k] - mean
        pull = strength * away
        residual = -share * sign * expit(-margin)
        slope = design.T @ residual + pull
        value = -float(share @ log_expit(margin)) + 0.5 * float(pull @ away)
        return value, np.append(slope, residual.sum()) if intercept else slope

    if start is None:
        start = np.clip(mean, low, high)
        if intercept:
            rate = float(share @ y)
            start = np.append(start, np.log(rate / (1.0 - rate)))
    bounds = [
        (float(least) if np.isfinite(least) else None, float(most) if np.isfinite(most) else None)
        for least, most in zip(low, high, strict=True)
    ]
    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-6}
    with one_blas_thread():
        solved = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[*bounds, (None, None)] if intercept else bounds,
            options=options,
        )
    return np.asarray(solved.x)
