"""A scorecard as data: weighted measures, and the score that they give an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from churnml.scorecard.measure import Measure

__all__ = ["MeasureScores", "Scorecard", "measure_from_dict"]


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """Measures and the weights of their groups.

    Parameters
    ----------
    measures : tuple of Measure
        In display order.
    weights : mapping
        Group → weight.
    """

    measures: tuple[Measure, ...]
    weights: Mapping[str, float]

    @property
    def columns(self) -> list[str]:
        """The features that it reads, each once."""
        return list(dict.fromkeys(name for measure in self.measures for name in measure.columns))

    def group_weights(self, frame: pd.DataFrame, groups: list[str]) -> np.ndarray:
        """Return each row's group weights, shape (n, groups)."""
        return np.tile([float(self.weights.get(group, 0.0)) for group in groups], (len(frame), 1))

    def as_dict(self) -> dict[str, Any]:
        """Return the scorecard as JSON-ready data; numbers survive JSON to the last digit."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scorecard:
        """Rebuild a scorecard from `as_dict`, before or after a trip through JSON."""
        return Scorecard(measures=tuple(map(measure_from_dict, data["measures"])), weights=dict(data["weights"]))


def measure_from_dict(data: Mapping[str, Any]) -> Measure:
    """Rebuild a measure from its fields, before or after a trip through JSON."""
    fields = {**data, "points": tuple((float(value), float(score)) for value, score in data["points"])}
    if data["counts_when"] is not None:
        fields["counts_when"] = (str(data["counts_when"][0]), float(data["counts_when"][1]))
    return Measure(**fields)


class MeasureScores:
    """Values, scores and weights of a scorecard's measures, each of shape (n, measures).

    Parameters
    ----------
    frame : DataFrame
        Features, one row an account and date.
    card : Scorecard
        The measures and their weights.

    Attributes
    ----------
    raw, scores : ndarray
        Value and score 0–100; NaN where it is unknown, the score also where the fact is too old.
    stale, known : ndarray of bool
        The fact is too old to count; there is a score.
    nominal, effective : ndarray
        Share of the weight with all data present, and after missing measures have handed theirs on. Rows add up to
        1, `effective` to 0 where nothing is known.
    """

    def __init__(self, frame: pd.DataFrame, card: Scorecard) -> None:
        shape = (len(frame), len(card.measures))
        self.raw, self.scores = np.full(shape, np.nan), np.full(shape, np.nan)
        self.stale = np.zeros(shape, dtype=bool)
        for column, measure in enumerate(card.measures):
            values, stale = measure.value(frame), measure.stale(frame)
            self.raw[:, column] = values
            self.stale[:, column] = stale & ~np.isnan(values)
            self.scores[:, column] = measure.score(np.where(stale, np.nan, values))
        self.known = ~np.isnan(self.scores)
        self._weigh(frame, card)

    @property
    def weighted(self) -> np.ndarray:
        """The weighted score of each row, 0–100; NaN where nothing is known; shape (n,)."""
        known = self.effective.sum(axis=1) > 0
        total = np.nansum(self.effective * np.nan_to_num(self.scores), axis=1)
        return np.asarray(np.clip(np.where(known, total, np.nan), 0.0, 100.0), dtype=float)

    def _weigh(self, frame: pd.DataFrame, card: Scorecard) -> None:
        """Share each group's weight among its known measures, then all weight among the known groups."""
        groups = list(dict.fromkeys(measure.group for measure in card.measures))
        member = np.array([[measure.group == group for group in groups] for measure in card.measures], dtype=float)
        weight = np.array([measure.weight for measure in card.measures], dtype=float)
        group_weight = card.group_weights(frame, groups)
        full, known_weight = np.tile(weight, (len(frame), 1)), weight * self.known
        self.nominal = _shares(full, member, group_weight)
        self.effective = _shares(known_weight, member, group_weight)


def _shares(weight: np.ndarray, member: np.ndarray, group_weight: np.ndarray) -> np.ndarray:
    """Return the share of each measure, rows adding up to 1 where any weight is left, else to 0."""
    in_group = weight @ member
    share = np.divide(weight, in_group @ member.T, out=np.zeros_like(weight), where=in_group @ member.T > 0)
    shares = np.where(in_group > 0, group_weight, 0.0)
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    return np.asarray(share * (shares @ member.T))
