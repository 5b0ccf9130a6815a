"""The recipe of a health score: what to measure, how to weigh it and where the bands begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from churnml.health.phase import phase
from churnml.language import Text, words

__all__ = ["HealthRecipe", "Measure"]


@dataclass(frozen=True)
class Measure:
    """One measure with everything that is needed to score it.

    Parameters
    ----------
    name, group : str
        The measure and the group whose weight it shares.
    weight : float
        Weight inside the group.
    own_label : mapping, optional
        Language → what to call a measure of the company's own; the catalogue has words for the others.
    feature, per : str or None
        Feature, and the one it is divided by. No feature: the company's data cannot carry the measure.
    points : tuple of (float, float)
        (value, score) by value; straight lines between, flat outside.
    age_feature, valid_days : optional
        Age of the fact, and for how many days it counts.
    counts_when : tuple of (feature, float), optional
        The measure counts only where that feature is above the number.
    """

    name: str
    group: str
    weight: float
    feature: str | None
    per: str | None
    points: tuple[tuple[float, float], ...]
    age_feature: str | None = None
    valid_days: int | None = None
    counts_when: tuple[str, float] | None = None
    own_label: Mapping[str, str] | None = None

    @property
    def label(self) -> Text:
        """What to call it."""
        return Text.of(f"measure-{self.name}|words", words=words(self.own_label or {"en": self.name}))

    def value(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the measure's value per row, NaN where it is unknown; shape (n,)."""
        if self.feature is None:
            return np.full(len(frame), np.nan)
        values = _column(frame, self.feature)
        if self.per is not None:
            below = _column(frame, self.per)
            values = np.divide(values, below, out=np.full(len(frame), np.nan), where=below > 0)
        if self.counts_when is not None and self.counts_when[0] in frame:
            values = np.where(_column(frame, self.counts_when[0]) <= self.counts_when[1], np.nan, values)
        return values

    def stale(self, frame: pd.DataFrame) -> np.ndarray:
        """Return per row whether the fact is too old to count; shape (n,)."""
        if self.valid_days is None or self.age_feature is None or self.age_feature not in frame:
            return np.zeros(len(frame), dtype=bool)
        return np.asarray(_column(frame, self.age_feature) > self.valid_days)

    def score(self, values: np.ndarray) -> np.ndarray:
        """Return the 0–100 score of each value, NaN for NaN."""
        x, y = zip(*self.points, strict=True) if self.points else ((0.0,), (np.nan,))
        scores = np.interp(values, x, y)
        return np.asarray(np.where(np.isnan(values), np.nan, scores), dtype=float)


@dataclass(frozen=True)
class HealthRecipe:
    """Measures, weights, blend and bands of a health score.

    All that scoring an account needs; `churnml.health.HealthScale` adds how a recipe is made and kept.

    Parameters
    ----------
    preset : str
        Where the weights started from.
    measures : tuple of Measure
        In display order.
    weights : mapping
        Group → weight.
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
    """

    preset: str
    measures: tuple[Measure, ...]
    weights: Mapping[str, float]
    by_segment: Mapping[str, Mapping[str, float]]
    by_phase: Mapping[str, Mapping[str, float]]
    segment_column: str | None
    alpha: float
    red_below: float
    green_from: float
    min_coverage: float
    fitted_on: Mapping[str, Any]

    def group_weights(self, frame: pd.DataFrame, groups: list[str]) -> np.ndarray:
        """Return each row's group weights, shape (n, groups), by segment and phase where the scale says so."""
        base = np.tile([float(self.weights.get(group, 0.0)) for group in groups], (len(frame), 1))
        if self.by_segment and self.segment_column is not None and self.segment_column in frame:
            _override(base, frame[self.segment_column], self.by_segment, groups)
        if self.by_phase:
            _override(base, phase(frame), self.by_phase, groups)
        return base


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=float, na_value=np.nan)


def _override(
    base: np.ndarray, words: pd.Series, overrides: Mapping[str, Mapping[str, float]], groups: list[str]
) -> None:
    for word, weights in overrides.items():
        rows = (words.astype("string") == word).fillna(False).to_numpy(dtype=bool)
        for group, weight in weights.items():
            base[rows, groups.index(group)] = weight
