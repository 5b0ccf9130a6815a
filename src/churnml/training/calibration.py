"""Calibration: a monotone map from raw log-odds to a probability, kept as plain JSON.

The map is fitted on predictions for rows that the trees did not see. How flexible it may be depends on how many
churners there are to learn it from: a straight line in log-odds for few, a beta curve for more, an isotonic one for
many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from churnml.errors import BundleError
from churnml.language import Text
from churnml.training.level import Level
from churnml.training.logistic import fit_logistic

__all__ = ["Calibrator", "calibrate", "calibrate_level", "method_for"]

Array = npt.NDArray[np.float64]
Method = Literal["none", "platt", "beta", "isotonic"]

_BETA_FROM = 300
_ISOTONIC_FROM = 3000
_ORDER = 0.05
"""Share of the logistic curve in an isotonic map, whose level blocks would tie rows that the scores tell apart."""


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
    prior_shift : float
        Added to the log-odds of the probability last: from the training rows' base rate to the population's.

    Examples
    --------
    >>> Calibrator("platt", (1.0, 0.0), 40)([0.0]).tolist()
    [0.5]
    """

    method: Method
    state: tuple[float, ...] = ()
    churners: int = 0
    shift: float = 0.0
    prior_shift: float = 0.0

    def __call__(self, log_odds: npt.ArrayLike) -> Array:
        """Return calibrated probabilities, in the order of `log_odds`; rising wherever it rises."""
        p = self._map(np.asarray(log_odds, dtype=np.float64) + self.shift)
        return p if self.prior_shift == 0.0 else cast(Array, expit(logit(p) + self.prior_shift))

    def _map(self, z: Array) -> Array:
        if self.method == "none":
            return cast(Array, expit(z))
        if self.method == "platt":
            slope, intercept = self.state
            return cast(Array, expit(slope * z + intercept))
        if self.method == "beta":
            a, b, c = self.state
            return cast(Array, expit(-a * np.logaddexp(0, -z) + b * np.logaddexp(0, z) + c))
        half = len(self.state) // 2
        stepped = np.interp(z, self.state[:half], self.state[half:])
        return cast(Array, (1.0 - _ORDER) * stepped + _ORDER * expit(z))

    def as_dict(self) -> dict[str, Any]:
        """Return the map as JSON-ready data."""
        return {
            "method": self.method,
            "state": list(self.state),
            "churners": self.churners,
            "shift": self.shift,
            "prior_shift": self.prior_shift,
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
                Text.of("fault-calibration"),
                where="calibration",
                got=Text.of("fault-calibration.got", method=repr(method), n=len(state)),
                code="bundle.calibration",
            )
        shifts = (float(data.get(name, 0.0)) for name in ("shift", "prior_shift"))
        return cls(cast(Method, method), state, int(data.get("churners", 0)), *shifts)


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
    weights: npt.ArrayLike | None = None,
) -> Calibrator:
    """Fit a calibration map on predictions for rows the model was not trained on.

    Platt and beta start from the identity and are pulled towards it by a weak prior worth a handful of churners, so
    a small slice corrects the level long before it bends the curve. With one outcome only, the map is the identity.

    Parameters
    ----------
    log_odds : array of shape (n,)
        Raw log-odds.
    y : array of shape (n,)
        Outcomes, 0 or 1.
    method : str
        ``"auto"`` asks `method_for`.
    weights : array of shape (n,), optional
        Weight of each row.

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
    mass = np.ones(len(z)) if weights is None else np.asarray(weights, dtype=np.float64)
    chosen = _chosen(outcome, method)
    if chosen == "none":
        return Calibrator("none")
    state = _isotonic(z, outcome, mass) if chosen == "isotonic" else _smooth(z, outcome, mass, chosen)
    return Calibrator(chosen, state, int(outcome.sum()))


def calibrate_level(
    level: Level,
    y_judged: Array,
    fitted: Array,
    y: Array,
    method: Literal["auto", "none", "platt", "beta", "isotonic"] = "auto",
    *,
    judged_weights: Array,
    weights: Array,
) -> Calibrator:
    """Fit a map whose shape is learnt within dates and whose level is the training rate, moved by the drift.

    Parameters
    ----------
    level : Level
        From `churnml.training.level.find_level`.
    y_judged : array of shape (judged rows,)
        Outcomes of the judged rows.
    fitted : array of shape (n,)
        Raw log-odds of the training rows by the final model, the season added.
    y : array of shape (n,)
        Outcomes of the training rows.
    method : str
        As for `calibrate`.
    judged_weights, weights : array
        Weights of the judged rows and of the training rows.
    """
    chosen = _chosen(y_judged, method)
    if chosen == "none":
        return Calibrator("none")
    if chosen == "platt":
        state: tuple[float, ...] = (level.slope, 0.0)
    elif chosen == "beta":
        state = _smooth(level.levelled, y_judged, judged_weights, "beta")
    else:
        state = _isotonic(level.levelled, y_judged, judged_weights)
    shape = Calibrator(chosen, state, int(y_judged.sum()))
    wanted = float(expit(logit(np.average(y, weights=weights)) + level.drift))
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if np.average(shape(fitted + middle), weights=weights) < wanted else (low, middle)
    return replace(shape, shift=(low + high) / 2.0)


def _chosen(outcome: Array, method: str) -> Method:
    churners = int(outcome.sum())
    if churners in (0, len(outcome)):
        return "none"
    if method == "auto":
        return method_for(min(churners, len(outcome) - churners))
    return cast(Method, method)


def _smooth(z: Array, y: Array, weights: Array, method: Method) -> tuple[float, ...]:
    """Return the most probable Platt or beta parameters.

    The priors are normal around the identity: slopes within about ±0.3, the level within about ±3.
    """
    columns = [z] if method == "platt" else [-np.logaddexp(0, -z), np.logaddexp(0, z)]
    slopes = len(columns)
    solved = fit_logistic(
        np.column_stack([*columns, np.ones(len(z))]),
        y,
        np.array([10.0] * slopes + [0.1]),
        centre=np.array([1.0] * slopes + [0.0]),
        lower=np.array([1e-3] * slopes + [-np.inf]),
        weights=weights,
        intercept=False,
    )
    return tuple(float(number) for number in solved)


def _isotonic(z: Array, y: Array, weights: Array) -> tuple[float, ...]:
    """Centred isotonic knots: one at the mean log-odds of every isotonic block, straight lines between them."""
    values, inverse = np.unique(z, return_inverse=True)
    mass = np.bincount(inverse, weights=weights)
    rate = np.bincount(inverse, weights=weights * y) / mass
    fit = isotonic_regression(rate, weights=mass)
    starts = np.asarray(fit.blocks)[:-1]
    centre = np.add.reduceat(values * mass, starts) / np.add.reduceat(mass, starts)
    # Every block is shrunk by one imagined row at the base rate, so that none claims certainty.
    size, base = np.add.reduceat(mass, starts), float(np.average(y, weights=weights))
    level = np.maximum.accumulate((fit.x[starts] * size + base) / (size + 1.0))
    return (*(float(number) for number in centre), *(float(number) for number in level))
