"""Reliability of probabilities: bins of its diagram, their expected error, and the parts of the Brier score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.metrics.predictions import Array, checked, tied

__all__ = ["BrierParts", "CalibrationBin", "brier_decomposition", "calibration_bins", "ece"]


@dataclass(frozen=True)
class CalibrationBin:
    """One bin of a reliability diagram: mean probability, observed rate, weight in it."""

    predicted: float
    observed: float
    weight: float


@dataclass(frozen=True)
class BrierParts:
    """The Brier score as miscalibration − discrimination + uncertainty."""

    miscalibration: float
    discrimination: float
    uncertainty: float


def calibration_bins(
    y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None, bins: int = 10
) -> list[CalibrationBin]:
    """Cut the scores into at most `bins` bins of equal mass; equal scores always share a bin.

    Examples
    --------
    >>> calibration_bins([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2])
    [CalibrationBin(predicted=0.2, observed=0.5, weight=4.0)]
    """
    values, mass, hits = tied(*checked(y, p, weights))
    filled = mass > 0
    values, mass, hits = values[filled], mass[filled], hits[filled]
    if not len(values):
        return []
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    bin_of = np.minimum((middle * bins).astype(int), bins - 1)
    weight = np.bincount(bin_of, weights=mass, minlength=bins)
    predicted = np.bincount(bin_of, weights=mass * values, minlength=bins)
    observed = np.bincount(bin_of, weights=hits, minlength=bins)
    return [
        CalibrationBin(float(predicted[i] / weight[i]), float(observed[i] / weight[i]), float(weight[i]))
        for i in range(bins)
        if weight[i] > 0
    ]


def ece(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None, bins: int = 10) -> float | None:
    """Return the expected calibration error over bins of equal mass: the weighted mean of |observed − predicted|.

    References
    ----------
    Naeini, Cooper and Hauskrecht 2015; equal mass and ties kept together, after Nguyen and O'Connor 2015.

    Examples
    --------
    >>> ece([0, 1, 0, 1], [0.25, 0.25, 0.25, 0.25])
    0.25
    """
    cut = calibration_bins(y, p, weights, bins)
    if not cut:
        return None
    total = sum(part.weight for part in cut)
    return float(sum(part.weight * abs(part.observed - part.predicted) for part in cut) / total)


def brier_decomposition(y: npt.ArrayLike, p: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> BrierParts | None:
    """Split the Brier score into miscalibration − discrimination + uncertainty.

    The CORP decomposition: the recalibrated score is the isotonic regression of `y` on `p`, so there are no bins to
    choose; ``brier == miscalibration − discrimination + uncertainty`` exactly.

    References
    ----------
    Murphy 1973, 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; Dimitriadis, Gneiting and Jordan 2021,
    10.1073/pnas.2016191118.

    Examples
    --------
    >>> brier_decomposition([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    BrierParts(miscalibration=0.0, discrimination=0.0, uncertainty=0.25)
    """
    from scipy.optimize import isotonic_regression

    values, mass, hits = tied(*checked(y, p, weights))
    filled = mass > 0
    values, mass, hits = values[filled], mass[filled], hits[filled]
    total = mass.sum()
    if total <= 0:
        return None
    rate = hits / mass
    fitted = isotonic_regression(rate, weights=mass).x
    base = hits.sum() / total

    def mean_square(of: Array) -> float:
        # E[(y − of)²] within tied scores: y² = y for outcomes 0 and 1.
        return float((hits * (1 - 2 * of) + mass * of**2).sum() / total)

    uncertainty = float(base * (1 - base))
    recalibrated = mean_square(fitted)
    return BrierParts(mean_square(values) - recalibrated, uncertainty - recalibrated, uncertainty)
