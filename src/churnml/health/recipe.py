"""The recipe of a health score: what to measure, how to weigh it and where the bands begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from churnml.health.phase import phase
from churnml.scorecard.card import Scorecard

__all__ = ["HealthRecipe"]


@dataclass(frozen=True, kw_only=True)
class HealthRecipe(Scorecard):
    """Measures, weights, blend and bands of a health score.

    All that scoring an account needs; `churnml.health.HealthScale` adds how a recipe is made and kept.

    Parameters
    ----------
    preset : str
        Where the weights started from.
    by_segment, by_phase : mapping
        Segment or phase → group → weight, where they weigh otherwise. The phase wins over the segment.
    segment_column : str or None
        Column that tells the segment.
    alpha : float
        Share of the model in the blend.
    red_below, green_from : float
        Red under the first, green from the second.
    min_coverage : float
        Less covered weight than this: band unknown.
    fitted_on : mapping
        What the cohort scales were made from.
    far_days : float
        A renewal is far that lies more than so many days ahead.
    far_above : float or None
        An account far from its renewal is yellow at most above this churn probability, 0–1; None: none is.
    """

    preset: str
    by_segment: Mapping[str, Mapping[str, float]]
    by_phase: Mapping[str, Mapping[str, float]]
    segment_column: str | None
    alpha: float
    red_below: float
    green_from: float
    min_coverage: float
    fitted_on: Mapping[str, Any]
    far_days: float = 90.0
    far_above: float | None = None

    def far(self, frame: pd.DataFrame) -> np.ndarray:
        """Tell of each row whether its renewal is far, shape (n,); where no end of a contract is known it is not."""
        if "days_to_renewal" not in frame:
            return np.zeros(len(frame), dtype=bool)
        return np.asarray(frame["days_to_renewal"].to_numpy(dtype=float) > self.far_days)

    def at_most_yellow(self, frame: pd.DataFrame, probability: np.ndarray) -> np.ndarray:
        """Tell of each row whether it is far from its renewal and among the likeliest to leave of those, shape (n,).

        Before its renewal is near hardly any account is likely to leave, however badly it does: against all accounts
        it would be green.
        """
        if self.far_above is None:
            return np.zeros(len(frame), dtype=bool)
        return np.asarray(self.far(frame) & (np.nan_to_num(probability) > self.far_above))

    def group_weights(self, frame: pd.DataFrame, groups: list[str]) -> np.ndarray:
        """Return each row's group weights, shape (n, groups), by segment and phase where the scale says so."""
        base = super().group_weights(frame, groups)
        if self.by_segment and self.segment_column is not None and self.segment_column in frame:
            _override(base, frame[self.segment_column], self.by_segment, groups)
        if self.by_phase:
            _override(base, phase(frame), self.by_phase, groups)
        return base


def _override(
    base: np.ndarray, words: pd.Series, overrides: Mapping[str, Mapping[str, float]], groups: list[str]
) -> None:
    for word, weights in overrides.items():
        rows = (words.astype("string") == word).fillna(False).to_numpy(dtype=bool)
        for group, weight in weights.items():
            base[rows, groups.index(group)] = weight
