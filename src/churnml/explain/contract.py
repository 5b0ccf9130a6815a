"""What explanations need of a model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.features.spec import FeatureSet
from churnml.training.facts import ModelInfo

__all__ = ["Explainable"]


class Explainable(Protocol):
    """What explanations need of a model; `churnml.training.ChurnModel` has it."""

    @property
    def features(self) -> FeatureSet:
        """Columns of the matrix, in order."""

    @property
    def base_rate(self) -> float:
        """Churn rate of the training rows."""

    @property
    def horizon_days(self) -> int:
        """Length of the label window."""

    @property
    def info(self) -> ModelInfo:
        """Facts; ``verdict`` is read."""

    def matrix(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the feature matrix (n, k)."""

    def log_odds(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return raw log-odds (n,)."""

    def contributions(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return contributions (n, k + 1), the expected value last."""

    def probability(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities (n,)."""

    def calibrated(self, log_odds: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the calibrated probability of raw log-odds."""
