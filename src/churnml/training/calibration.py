"""Calibration: a monotone map from raw log-odds to a probability, kept as plain JSON.

The map is fitted on predictions for rows that the trees did not see. How flexible it may be depends on how many
churners there are to learn it from: a straight line in log-odds for few, a beta curve for more, an isotonic one for
many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from churnml.errors import BundleError
from churnml.training.threads import one_blas_thread

__all__ = ["Calibrator", "calibrate", "method_for"]

Array = npt.NDArray[np.float64]
Method = Literal["none", "platt", "beta", "isotonic"]

_BETA_FROM = 300
_ISOTONIC_FROM = 3000
_EDGE = 1e-6


@dataclass(frozen=True)
class Calibrator:
    """A fitted calibration map.

    Parameters
    ----------
    method : {"none", "platt", "beta", "isotonic"}
        What was fitted.
    state : tuple of float
        platt: slope and intercept in log-odds. beta: a, b, c of ``a·ln p − b·ln(1 − p) + c``.
        isotonic: the knots' log-odds, then their probabilities.
    churners : int
        Churned rows it was fitted on.
    shift : float
        Added to the log-odds first.

    Examples
    --------
    >>> Calibrator("platt", (1.0, 0.0), 40)([0.0]).tolist()
    [0.5]
    """

    method: Method
    state: tuple[float, ...] = ()
    churners: int = 0
    shift: float = 0.0

    def __call__(self, log_odds: npt.ArrayLike) -> Array:
        """Return calibrated probabilities, in the order of `log_odds`; never falling as it rises."""
        z = np.asarray(log_odds, dtype=np.float64) + self.shift
        if self.method == "none":
            return cast(Array, expit(z))
        if self.method == "platt":
            slope, intercept = self.state
            return cast(Array, expit(slope * z + intercept))
        if self.method == "beta":
            a, b, c = self.state
            return cast(Array, expit(-a * np.logaddexp(0, -z) + b * np.logaddexp(0, z) + c))
        half = len(self.state) // 2
        return np.interp(z, self.state[:half], self.state[half:])

    def as_dict(self) -> dict[str, Any]:
        """Return the map as JSON-ready data."""
        return {
            "method": self.method,
            "state": list(self.state),
            "churners": self.churners,
            "shift": self.shift,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibrator:
        """Rebuild the map from `as_dict`.

        Raises
        ------
        BundleError
            The method is unknown, or its state has the wrong length.
        """
        method, state = data.get("method"), tuple(float(number) for number in data.get("state", ()))
        sizes = {"none": len(state) == 0, "platt": len(state) == 2, "beta": len(state) == 3}
        sizes["isotonic"] = len(state) >= 2 and len(state) % 2 == 0
        if not sizes.get(str(method), False):
            raise BundleError(
                "The model's calibration cannot be read",
                where="calibration",
                got=f"method {method!r} with {len(state)} numbers",
                expected="none (0), platt (2), beta (3) or isotonic (an even number)",
                code="bundle.calibration",
            )
        return cls(cast(Method, method), state, int(data.get("churners", 0)), float(data.get("shift", 0.0)))


def method_for(churners: int) -> Method:
    """Return the most flexible map that so many churners support.

    Examples
    --------
    >>> method_for(120), method_for(900), method_for(20_000)
    ('platt', 'beta', 'isotonic')
    """
    if churners >= _ISOTONIC_FROM:
        return "isotonic"
    return "beta" if churners >= _BETA_FROM else "platt"


def calibrate(
    log_odds: npt.ArrayLike,
    y: npt.ArrayLike,
    method: Literal["auto", "none", "platt", "beta", "isotonic"] = "auto",
    periods: npt.ArrayLike | None = None,
) -> Calibrator:
    """Fit a calibration map on predictions for rows the model was not trained on.

    Platt and beta start from the identity and are pulled towards it by a weak prior worth a handful of churners, so
    a small slice corrects the level long before it bends the curve. With one outcome only, the map is the identity.

    With `periods` the rows come from several models, each judged on its own later period, and each off by its own
    level. The shape is learnt from scores with those levels taken out. The level of the map is their mean, shrunk
    towards zero (James and Stein 1961) by how much the periods disagree: what one quarter was off by says little
    about the next one, what every quarter was off by says much.

    Parameters
    ----------
    log_odds : array of shape (n,)
        Raw log-odds.
    y : array of shape (n,)
        Outcomes, 0 or 1.
    method : str
        ``"auto"`` asks `method_for`.
    periods : array of shape (n,), optional
        Period of each row.

    References
    ----------
    Platt 1999; Kull, Silva Filho and Flach 2017 (beta calibration); Zadrozny and Elkan 2002 (isotonic);
    Oron and Flournoy 2017, 10.1080/19466315.2017.1286256 (centred isotonic, which does not tie neighbours).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=4000)
    >>> y = rng.random(4000) < expit(0.5 * z - 2.0)
    >>> slope, intercept = calibrate(z, y, "platt").state
    >>> bool(abs(slope - 0.5) < 0.15), bool(abs(intercept + 2.0) < 0.15)
    (True, True)
    """
    z, outcome = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    churners = int(outcome.sum())
    if churners == 0 or churners == len(outcome):
        return Calibrator("none")
    chosen = method_for(min(churners, len(outcome) - churners)) if method == "auto" else method
    if chosen == "none":
        return Calibrator("none")
    shift = 0.0
    if periods is not None:
        levels, shift = _levels(z, outcome, np.asarray(periods))
        z = z + levels
    state = _isotonic(z, outcome) if chosen == "isotonic" else _smooth(z, outcome, chosen)
    return Calibrator(chosen, state, churners, shift)


def _levels(z: Array, y: Array, periods: npt.NDArray[np.generic]) -> tuple[Array, float]:
    """Return, per row, what its period's log-odds are off by, and the shrunk mean over the periods."""
    names, index = np.unique(periods, return_inverse=True)
    if len(names) < 2:
        return np.zeros(len(z)), 0.0
    level = np.zeros(len(names))
    for number in range(len(names)):
        score, outcome = z[index == number], y[index == number]
        for _ in range(50):
            p = expit(score + level[number])
            # Half a churner and half a stayer keep a period with one outcome finite.
            step = (outcome.sum() - p.sum() + 0.5 - expit(level[number])) / ((p * (1 - p)).sum() + 0.25)
            level[number] += np.clip(step, -1.0, 1.0)
            if abs(step) < 1e-10:
                break
    mean, error = float(level.mean()), float(level.var(ddof=1) / len(names))
    return level[index], mean * max(0.0, 1.0 - error / mean**2) if mean else 0.0


def _smooth(z: Array, y: Array, method: Method) -> tuple[float, ...]:
    """Maximum a posteriori Platt or beta parameters."""
    left, right = -np.logaddexp(0, -z), np.logaddexp(0, z)
    columns = [z] if method == "platt" else [left, right]
    design = np.column_stack([*columns, np.ones(len(z))])
    start = np.array([1.0] * len(columns) + [0.0])
    # A normal prior around the identity: slopes within about ±0.3, the level within about ±3.
    precision = np.array([10.0] * len(columns) + [0.1])

    def loss(theta: Array) -> tuple[float, Array]:
        score = design @ theta
        value = np.logaddexp(0, score).sum() - (y * score).sum() + 0.5 * (precision * (theta - start) ** 2).sum()
        return float(value), design.T @ (expit(score) - y) + precision * (theta - start)

    bounds = [(1e-3, None)] * len(columns) + [(None, None)]
    with one_blas_thread():
        found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-8})
    return tuple(float(number) for number in found.x)


def _isotonic(z: Array, y: Array) -> tuple[float, ...]:
    """Centred isotonic knots: one at the mean log-odds of every isotonic block, straight lines between them."""
    values, inverse = np.unique(z, return_inverse=True)
    mass = np.bincount(inverse).astype(np.float64)
    rate = np.bincount(inverse, weights=y) / mass
    fit = isotonic_regression(rate, weights=mass)
    starts = np.asarray(fit.blocks)[:-1]
    centre = np.add.reduceat(values * mass, starts) / np.add.reduceat(mass, starts)
    # Every block is shrunk by one imagined row at the base rate, so that none claims certainty.
    size, base = np.add.reduceat(mass, starts), float(y.mean())
    level = np.maximum.accumulate((fit.x[starts] * size + base) / (size + 1.0))
    return (*(float(number) for number in centre), *(float(number) for number in level))
