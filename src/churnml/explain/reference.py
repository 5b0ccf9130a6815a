"""What is normal for this company: the yardstick that explanations measure an account against, as data."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from churnml.errors import BundleError, UsageError
from churnml.features.spec import FeatureSet
from churnml.language import Text
from churnml.parallel import side_by_side

__all__ = ["ExplainReference", "Yardstick"]

_FORMATS = (1, 2)
_STEPS = 40
_MIN_SEGMENT = 30
_MAX_SEGMENTS = 8
_SAME = 0.35
_SAMPLE = 4000
_SURE = 1.96
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
    some_low, some_high : float
        Share of accounts with more than 0 in the lowest and the highest third.
    clear : bool
        The lowest and the highest third differ by more than chance: the 95 % interval of the difference of their
        means, with accounts and not their readings counted, leaves 0 out.
    """

    quantiles: tuple[float, ...]
    low: float | None
    middle: float | None
    high: float | None
    some_low: float | None = None
    some_high: float | None = None
    clear: bool = False

    @property
    def typical(self) -> float:
        """The median."""
        return self.quantiles[len(self.quantiles) // 2]

    def supports(self, value: float, *, raising: bool) -> bool:
        """Tell whether a value does not stand with the accounts of the opposite risk.

        Examples
        --------
        >>> stick = Yardstick((0.0, 5.0, 10.0), low=8.0, middle=5.0, high=2.0, clear=True)
        >>> stick.supports(3.0, raising=True), stick.supports(7.0, raising=True)
        (True, False)
        """
        if self.low is None or self.high is None or not self.clear:
            return True
        to_low, to_high = abs(value - self.low), abs(value - self.high)
        return to_high < to_low if raising else to_low < to_high

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
    words : mapping
        Feature of words → word → +1 where it goes with more risk by more than chance, −1 with less; others are left
        out.
    """

    segment_column: str | None
    yardsticks: Mapping[str, Mapping[str, Yardstick]]
    groups: Mapping[str, str]
    ranges: Mapping[str, tuple[float, float]]
    direction: Mapping[str, float]
    rows: int
    words: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

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
                Text.of("fault-reference_rows"),
                got=Text.of("fault-reference_rows.got", rows=len(frame), chances=len(probability)),
            )
        names = [spec.name for spec in feature_set if not spec.categorical and spec.name in frame]
        column = next((name for name in _SEGMENT_COLUMNS if name in frame), None)
        thirds = _thirds(probability)
        accounts = pd.factorize(frame["account_id"])[0] if "account_id" in frame else np.arange(len(frame))
        cohorts = {"": _Cohort(slice(None), thirds, accounts)}
        if column is not None:
            words = frame[column].astype("str")
            for segment, rows in words.value_counts().head(_MAX_SEGMENTS).items():
                if rows >= _MIN_SEGMENT:
                    chosen = (words == segment).to_numpy()
                    cohorts[str(segment)] = _Cohort(chosen, thirds[chosen], accounts[chosen])
        thin = np.unique(np.linspace(0, len(frame) - 1, min(_SAMPLE, len(frame))).round().astype(int))
        sample = np.empty((len(thin), len(names) + 1))
        sample[:, -1] = probability[thin]
        yardsticks: dict[str, dict[str, Yardstick]] = {segment: {} for segment in cohorts}
        ranges = {}
        measured = side_by_side([partial(_measured, frame[name], cohorts, thin) for name in names])
        for index, (name, (own, by_cohort)) in enumerate(zip(names, measured, strict=True)):
            sample[:, index] = own
            for segment, yardstick in by_cohort.items():
                yardsticks[segment][name] = yardstick
            if "" in by_cohort:
                ranges[name] = (by_cohort[""].quantiles[0], by_cohort[""].quantiles[-1])
        ranks = _ranks(sample)
        with_risk = ranks[:, :-1].T @ ranks[:, -1]
        return cls(
            segment_column=column,
            yardsticks=yardsticks,
            groups=_groups(feature_set, names, ranks[:, :-1]),
            ranges=ranges,
            direction={name: round(float(with_risk[index]), 4) for index, name in enumerate(names)},
            rows=len(frame),
            words={
                spec.name: _telling_words(frame[spec.name], thirds, accounts)
                for spec in feature_set
                if spec.categorical and spec.name in frame
            },
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
        return {"format": _FORMATS[-1], **asdict(self)}

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
            if fields.pop("format") not in _FORMATS:
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
                Text.of("fault-reference_format", format=str(_FORMATS[-1])), got=f"{type(error).__name__}: {error}"
            ) from error


def _thirds(probability: np.ndarray) -> np.ndarray:
    """Return 0, 1 or 2 per row by rank of risk; ties stay together."""
    lower, upper = np.quantile(probability, [1 / 3, 2 / 3])
    return np.asarray(np.where(probability <= lower, 0, np.where(probability <= upper, 1, 2)))


@dataclass(frozen=True)
class _Cohort:
    """Rows that a yardstick is made of: which, and the third of risk and the account of each."""

    rows: slice | npt.NDArray[np.bool_]
    thirds: np.ndarray
    accounts: np.ndarray

    def yardstick(self, values: np.ndarray) -> Yardstick | None:
        """Measure a feature, given its values in the whole frame; None where nobody has one."""
        column = values[self.rows]
        known = ~np.isnan(column)
        if not known.any():
            return None
        in_third = [known & (self.thirds == third) for third in range(3)]
        parts = [column[rows] for rows in in_third]
        means = [_short(part.mean()) if part.size else None for part in parts]
        some = [_short((parts[third] > 0).mean()) if parts[third].size else None for third in (0, 2)]
        counted = [int(np.count_nonzero(np.bincount(self.accounts[in_third[third]]))) for third in (0, 2)]
        quantiles = np.quantile(column[known], np.linspace(0, 1, _STEPS + 1))
        return Yardstick(
            quantiles=tuple(float(value) for value in quantiles),
            low=means[0],
            middle=means[1],
            high=means[2],
            some_low=some[0],
            some_high=some[1],
            clear=_apart(parts[0], parts[2], *counted),
        )


def _measured(
    column: pd.Series, cohorts: Mapping[str, _Cohort], thin: npt.NDArray[np.intp]
) -> tuple[np.ndarray, dict[str, Yardstick]]:
    """Return the thinned values of a feature, and the yardstick of each cohort in which somebody has one."""
    values = column.to_numpy(dtype=float, na_value=np.nan, copy=True)
    values[~np.isfinite(values)] = np.nan
    each = {name: cohort.yardstick(values) for name, cohort in cohorts.items()}
    return values[thin], {name: yardstick for name, yardstick in each.items() if yardstick is not None}


def _short(value: float) -> float:
    return float(np.format_float_positional(value, precision=6, fractional=False))


def _apart(low: np.ndarray, high: np.ndarray, low_accounts: int, high_accounts: int) -> bool:
    """Tell whether two means differ by more than chance, by Welch's interval with accounts as the sample."""
    if low_accounts < 2 or high_accounts < 2:
        return False
    error = np.sqrt(low.var() / low_accounts + high.var() / high_accounts)
    return bool(abs(high.mean() - low.mean()) > _SURE * error)


def _telling_words(column: pd.Series, thirds: np.ndarray, accounts: np.ndarray) -> dict[str, int]:
    """Return the words that stand more often in one outer third than in the other by more than chance."""
    directions = {}
    words = column.astype("str").to_numpy()
    sizes = [len(np.unique(accounts[thirds == third])) for third in (0, 2)]
    for word in np.unique(words[column.notna().to_numpy()]):
        shares = [float((words[thirds == third] == word).mean()) if sizes[0] and sizes[1] else 0.0 for third in (0, 2)]
        error = np.sqrt(sum(share * (1 - share) / max(size, 1) for share, size in zip(shares, sizes, strict=True)))
        if abs(shares[1] - shares[0]) > _SURE * error and error > 0:
            directions[str(word)] = 1 if shares[1] > shares[0] else -1
    return directions


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
