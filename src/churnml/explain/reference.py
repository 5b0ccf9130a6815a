"""What is normal for this company: the yardstick that explanations measure an account against, as data."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from churnml.errors import BundleError, UsageError
from churnml.features.spec import FeatureSet

__all__ = ["ExplainReference", "Yardstick"]

_FORMAT = 1
_STEPS = 40
_MIN_SEGMENT = 30
_MAX_SEGMENTS = 8
_SAME = 0.35
_SAMPLE = 4000
_SEGMENT_COLUMNS = ("attr_segment", "segment", "attr_plan", "plan")


@dataclass(frozen=True)
class Yardstick:
    """Distribution of one feature in one segment.

    Parameters
    ----------
    quantiles : tuple of float
        Evenly spaced quantiles from minimum to maximum.
    low, middle, high : float
        Mean in the thirds of accounts with the lowest, middle and highest churn probability; None where unknown.
    """

    quantiles: tuple[float, ...]
    low: float | None
    middle: float | None
    high: float | None

    @property
    def typical(self) -> float:
        """The median."""
        return self.quantiles[len(self.quantiles) // 2]

    def shares(self, value: float) -> tuple[float, float]:
        """Return the shares of accounts strictly below and strictly above a value."""
        count = len(self.quantiles)
        return bisect_left(self.quantiles, value) / count, 1.0 - bisect_right(self.quantiles, value) / count


@dataclass(frozen=True)
class ExplainReference:
    """Yardsticks per feature and segment, groups of features that say the same, and the ranges seen in training.

    Parameters
    ----------
    segment_column : str or None
        Column that tells the segment.
    yardsticks : mapping
        Segment → feature → `Yardstick`; the segment ``""`` is the whole cohort.
    groups : mapping
        Feature → name of its group; features of a group move together and speak once.
    ranges : mapping
        Feature → (minimum, maximum) seen in the cohort.
    direction : mapping
        Feature → rank correlation with the churn probability: above 0, more of it goes with more risk.
    rows : int
        Rows of the cohort.
    """

    segment_column: str | None
    yardsticks: Mapping[str, Mapping[str, Yardstick]]
    groups: Mapping[str, str]
    ranges: Mapping[str, tuple[float, float]]
    direction: Mapping[str, float]
    rows: int

    @classmethod
    def fit(cls, frame: pd.DataFrame, feature_set: FeatureSet, probability: np.ndarray) -> Self:
        """Measure a reference cohort.

        Parameters
        ----------
        frame : DataFrame
            Feature frame of the cohort, usually the training snapshots; a large one is thinned evenly to
            4,000 rows for the correlations, never for ranges.
        feature_set : FeatureSet
            Features to measure; those not in the frame are left out.
        probability : ndarray, shape (n,)
            Churn probability of each row, which makes the thirds of risk.

        Raises
        ------
        UsageError
            The frame is empty, or the probabilities are not one per row.
        """
        if frame.empty or len(probability) != len(frame):
            raise UsageError(
                "An explanation's reference needs rows, each with a probability",
                got=f"{len(frame)} rows, {len(probability)} probabilities",
            )
        names = [spec.name for spec in feature_set if not spec.categorical and spec.name in frame]
        values = frame[names].to_numpy(dtype=float, na_value=np.nan, copy=True)
        values[~np.isfinite(values)] = np.nan
        column = next((name for name in _SEGMENT_COLUMNS if name in frame), None)
        words = frame[column].astype("str") if column is not None else None
        thirds = _thirds(probability)
        yardsticks = {"": _yardsticks(names, values, thirds)}
        if words is not None:
            for segment, rows in words.value_counts().head(_MAX_SEGMENTS).items():
                if rows >= _MIN_SEGMENT:
                    chosen = (words == segment).to_numpy()
                    yardsticks[str(segment)] = _yardsticks(names, values[chosen], thirds[chosen])
        thin = np.unique(np.linspace(0, len(frame) - 1, min(_SAMPLE, len(frame))).round().astype(int))
        ranks = _ranks(np.column_stack([values[thin], probability[thin]]))
        with_risk = ranks[:, :-1].T @ ranks[:, -1]
        return cls(
            segment_column=column,
            yardsticks=yardsticks,
            groups=_groups(feature_set, names, ranks[:, :-1]),
            ranges={
                name: (float(np.nanmin(values[:, index])), float(np.nanmax(values[:, index])))
                for index, name in enumerate(names)
                if np.isfinite(values[:, index]).any()
            },
            direction={name: round(float(with_risk[index]), 4) for index, name in enumerate(names)},
            rows=len(frame),
        )

    def yardstick(self, feature: str, segment: str | None) -> Yardstick | None:
        """Return a feature's yardstick in a segment; the whole cohort's where the segment is too small or unknown."""
        by_feature = self.yardsticks.get(segment or "", self.yardsticks[""])
        return by_feature.get(feature) or self.yardsticks[""].get(feature)

    def group(self, feature: str) -> str:
        """Return the group of a feature; a feature the cohort did not have is its own."""
        return self.groups.get(feature, feature)

    def as_dict(self) -> dict[str, Any]:
        """Return the reference as JSON-ready data."""
        return {"format": _FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a reference from `as_dict`, before or after a trip through JSON.

        Raises
        ------
        BundleError
            The data is not a reference of a format that this version reads.
        """
        try:
            fields = dict(data)
            if fields.pop("format") != _FORMAT:
                raise ValueError("another format")
            fields["yardsticks"] = {
                segment: {
                    name: Yardstick(**{**item, "quantiles": tuple(item["quantiles"])}) for name, item in items.items()
                }
                for segment, items in fields["yardsticks"].items()
            }
            fields["ranges"] = {name: (float(low), float(high)) for name, (low, high) in fields["ranges"].items()}
            return cls(**fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(
                "This is not an explanation reference that this version can read",
                got=f"{type(error).__name__}: {error}",
                expected=f"format {_FORMAT}, as ExplainReference.as_dict gives it",
                remedy="Train again, which writes a new bundle.",
            ) from error


def _thirds(probability: np.ndarray) -> np.ndarray:
    """Return 0, 1 or 2 per row by rank of risk; ties stay together."""
    lower, upper = np.quantile(probability, [1 / 3, 2 / 3])
    return np.asarray(np.where(probability <= lower, 0, np.where(probability <= upper, 1, 2)))


def _yardsticks(names: Sequence[str], values: np.ndarray, thirds: np.ndarray) -> dict[str, Yardstick]:
    found = {}
    for index, name in enumerate(names):
        column = values[:, index]
        known = ~np.isnan(column)
        if not known.any():
            continue
        means = [
            float(np.format_float_positional(column[known & (thirds == third)].mean(), precision=6, fractional=False))
            if (known & (thirds == third)).any()
            else None
            for third in range(3)
        ]
        quantiles = np.quantile(column[known], np.linspace(0, 1, _STEPS + 1))
        found[name] = Yardstick(tuple(float(value) for value in quantiles), *means)
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return unit-length centred ranks per column, so that a product is a rank correlation; NaN → the middle."""
    ranks = pd.DataFrame(values).rank().to_numpy()
    centred = ranks - np.nanmean(np.where(np.isnan(ranks).all(axis=0), 0.0, ranks), axis=0)
    centred = np.nan_to_num(centred)
    length = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 0))


def _groups(feature_set: FeatureSet, names: Sequence[str], ranks: np.ndarray) -> dict[str, str]:
    """Put features of one family that measure the same, or move together, into one group named by its first."""
    position = {name: index for index, name in enumerate(names)}
    groups = {spec.name: spec.name for spec in feature_set}
    families: dict[tuple[str, bool], list[str]] = {}
    for spec in feature_set:
        if spec.name in position:
            families.setdefault((spec.family, spec.actionable), []).append(spec.name)
    for members in families.values():
        if len(members) < 2:
            continue
        index = [position[name] for name in members]
        distance = 1.0 - np.abs(ranks[:, index].T @ ranks[:, index])
        measure = np.array([feature_set.spec(name).measure or name for name in members])
        distance[measure[:, None] == measure[None, :]] = 0.0
        distance = np.clip((distance + distance.T) / 2, 0.0, 1.0)
        np.fill_diagonal(distance, 0.0)
        labels = fcluster(linkage(squareform(distance), "average"), _SAME, "distance")
        first: dict[int, str] = {}
        for name, label in zip(members, labels, strict=True):
            groups[name] = first.setdefault(int(label), name)
    return groups
