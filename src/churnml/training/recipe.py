"""How an ensemble is to be fitted: its parts, and what is tried for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from churnml.training.linear import Strength
from churnml.training.trees import TreeSettings

__all__ = ["PENALTIES", "Recipe"]

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Inverse L2 strengths tried for the logistic part."""
_TRUSTING = 0.0001
"""Tried as well where the logistic part is pulled to other companies' coefficients, to stay nearer to them."""

_PRIOR = (0.5, 2.0)
"""Exponents of a Beta(1.5, 3) prior on the logistic part's weight: trees have the greater part until rows disagree."""
_INFORMED_PRIOR = (3.0, 1.0)
"""Of a Beta(4, 2) prior, where the logistic part knows what other companies' churn depended on."""


@dataclass(frozen=True)
class Recipe:
    """How to fit an ensemble.

    Parameters
    ----------
    kind : {"lightgbm", "logistic", "blend"}
        Which parts to fit; a blend weighs them by their loss on later rows.
    trees : tuple of TreeSettings
        Shapes of tree, the simplest first; a later one has to be better beyond noise.
    seeds : tuple of int
        One booster per seed.
    calibration : str
        As `churnml.training.calibration.calibrate` takes it.
    categorical : tuple of int
        Columns that hold word codes.
    monotone : tuple of int or None
        Declared direction per column.
    expected : tuple of float or None
        Other companies' coefficients per column, for the logistic part, as `churnml.training.linear.fit_linear` takes
        them.
    directions : tuple of int or None
        What domain knowledge says of each column, −1, 0 or 1: the logistic part keeps to it where that costs next to
        nothing on unseen rows.
    penalties : tuple of float
        Inverse L2 strengths to try for the logistic part.
    """

    kind: Literal["lightgbm", "logistic", "blend"]
    trees: tuple[TreeSettings, ...]
    seeds: tuple[int, ...]
    calibration: Literal["auto", "none", "platt", "beta", "isotonic"]
    categorical: tuple[int, ...]
    monotone: tuple[int, ...] | None
    expected: tuple[float, ...] | None = None
    directions: tuple[int, ...] | None = None
    penalties: tuple[float, ...] = PENALTIES

    @property
    def strengths(self) -> list[Strength]:
        """What the logistic part may be held by."""
        own = [Strength(penalty) for penalty in self.penalties]
        if self.expected is None:
            return own
        return [*own, *(Strength(penalty, 1.0) for penalty in (_TRUSTING, *self.penalties))]

    @property
    def usual(self) -> Strength:
        """What the logistic part is held by where no rows say which strength is best."""
        return Strength(PENALTIES[1]) if self.expected is None else Strength(PENALTIES[0], 1.0)

    @property
    def weight_prior(self) -> tuple[float, float]:
        """Exponents of the Beta prior on the logistic part's weight."""
        return _PRIOR if self.expected is None else _INFORMED_PRIOR
