"""One measure of a scorecard: a feature, its scale and for how long it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.language import Text, words

__all__ = ["Measure", "MeasureTerms"]


@dataclass(frozen=True, kw_only=True)
class MeasureTerms:
    """What a measure is called, how much it weighs and when it counts, whatever feature carries it.

    Parameters
    ----------
    name, group : str
        The measure and the group whose weight it shares.
    weight : float
        Weight inside the group.
    age_feature, valid_days : optional
        Age of the fact, and for how many days it counts.
    counts_when : tuple of (feature, float), optional
        The measure counts only where that feature is above the number: without a ticket there is nothing to judge.
    """

    name: str
    group: str
    weight: float
    age_feature: str | None = None
    valid_days: int | None = None
    counts_when: tuple[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Measure(MeasureTerms):
    """One measure with everything that is needed to score it.

    Parameters
    ----------
    feature, per : str or None
        Feature, and the one it is divided by. No feature: the company's data cannot carry the measure.
    points : tuple of (float, float)
        (value, score) by value; straight lines between, flat outside.
    own_label : mapping, optional
        Language → what to call a measure of the company's own; the catalogue has words for the others.
    """

    feature: str | None
    per: str | None
    points: tuple[tuple[float, float], ...]
    own_label: Mapping[str, str] | None = None

    @property
    def label(self) -> Text:
        """What to call it."""
        return Text.of(f"measure-{self.name}|words", words=words(self.own_label or {"en": self.name}))

    @property
    def columns(self) -> list[str]:
        """The features it reads."""
        read = (self.feature, self.per, self.age_feature, self.counts_when[0] if self.counts_when else None)
        return [] if self.feature is None else [name for name in read if name is not None]

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


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=float, na_value=np.nan)
