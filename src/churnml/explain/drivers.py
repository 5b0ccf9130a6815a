"""From contributions to drivers: groups of features that speak once, each led by the feature that says it best."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from churnml.explain.reference import ExplainReference
from churnml.explain.sentences import Facts, sentence_en, sentence_ja
from churnml.features.spec import FeatureSet, FeatureSpec

__all__ = ["Driver", "Teller", "group_columns"]

_TREND = re.compile(r"^(?P<measure>.+)_trend_(?P<window>\d+)d$")
_TELLABLE = {"level": 1.0, "age": 1.0, "flag": 1.0, "category": 1.0, "trend": 0.9, "peer": 0.6}
_MISSING_TELLS = 0.5


@dataclass(frozen=True)
class Driver:
    """One reason why an account's risk is what it is: a group of features, told by its leading one.

    Parameters
    ----------
    family : str
        Family of the group.
    group : str
        Name of the group: its first feature, or the measure when the drivers come from the health score.
    feature : str
        The leading feature.
    label_en, label_ja, unit : str
        What it is called and counted in.
    value : float, str or None
        The account's value; None is missing.
    previous : float or None
        The value before: of the window before, or of the earlier snapshot `previous_on`.
    previous_on : str or None
        ISO date.
    percentile : float or None
        Share of comparable accounts below, 0–1, ties counted half.
    segment : str
        Comparable accounts; empty for all.
    typical, low, middle, high : float or None
        Their median, and means in the thirds of lowest, middle and highest risk.
    effect_log_odds : float or None
        The group's contribution to the log-odds of churn, above 0 raising; None when told from rules.
    effect_points : float
        Model: change of the churn probability in percentage points against an account where the group is neutral.
        Rules: change of the health score in points, sign turned so that above 0 is worse.
    actionable : bool
        A CSM can act on it; otherwise it is context.
    features : tuple of str
        All features of the group that count, largest first.
    sentence_en, sentence_ja : str
        The fact in words.
    """

    family: str
    group: str
    feature: str
    label_en: str
    label_ja: str
    unit: str
    value: float | str | None
    previous: float | None
    previous_on: str | None
    percentile: float | None
    segment: str
    typical: float | None
    low: float | None
    middle: float | None
    high: float | None
    effect_log_odds: float | None
    effect_points: float
    actionable: bool
    features: tuple[str, ...]
    sentence_en: str
    sentence_ja: str

    def as_dict(self) -> dict[str, Any]:
        """Return the driver as JSON-ready data."""
        return {**asdict(self), "features": list(self.features)}


def group_columns(feature_set: FeatureSet, reference: ExplainReference) -> dict[tuple[str, str, bool], list[int]]:
    """Return (family, group, actionable) → columns of the model's matrix; each column is in exactly one group.

    A rank among peers speaks with the measure that it ranks.
    """
    ranked: dict[tuple[str, str], tuple[str, bool]] = {}
    for spec in feature_set:
        if spec.kind != "peer" and spec.measure:
            ranked.setdefault((spec.family, spec.measure), (reference.group(spec.name), spec.actionable))
    found: dict[tuple[str, str, bool], list[int]] = {}
    for column, spec in enumerate(feature_set):
        own = (reference.group(spec.name), spec.actionable)
        group, actionable = ranked.get((spec.family, spec.measure), own) if spec.kind == "peer" else own
        found.setdefault((spec.family, group, actionable), []).append(column)
    return found


class Teller:
    """Tells features of a frame's rows as drivers.

    Parameters
    ----------
    frame : DataFrame
        Feature frame.
    feature_set : FeatureSet
        What its columns mean.
    reference : ExplainReference
        What is normal.
    previous : DataFrame, optional
        Earlier rows of the same accounts; of each account the last one before the row's ``as_of`` is read.
    currency : str
        ISO code.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        feature_set: FeatureSet,
        reference: ExplainReference,
        previous: pd.DataFrame | None,
        currency: str,
    ) -> None:
        self._columns: Mapping[str, np.ndarray] = {
            name: frame[name].to_numpy() for name in frame.columns if name in feature_set.names
        }
        self._specs = {spec.name: spec for spec in feature_set}
        self._trends = {
            (match["measure"], int(match["window"])): spec.name
            for spec in feature_set
            if (match := _TREND.match(spec.name))
        }
        self._levels = {
            (spec.measure, spec.window_days): spec.name for spec in feature_set if spec.name == _level_name(spec)
        }
        self._reference, self._currency = reference, currency
        column = reference.segment_column
        self._segments = frame[column].astype("str").to_numpy() if column is not None and column in frame else None
        self._earlier, self._earlier_on = _earlier(frame, previous, feature_set)

    def lead(self, row: int, names: list[str], contributions: np.ndarray) -> str:
        """Return the feature that tells a group best: the largest in the group's direction, missing values last."""
        way = np.sign(contributions.sum()) or 1.0
        weight = np.empty(len(names))
        for index, name in enumerate(names):
            tells = _TELLABLE[self._specs[name].kind]
            if self.value(row, name) is None:
                tells *= _MISSING_TELLS
            weight[index] = max(way * contributions[index], 0.0) * tells
        return names[int(weight.argmax())]

    def value(self, row: int, name: str) -> float | str | None:
        """Return a feature's value, None where it is missing."""
        raw = self._columns[name][row] if name in self._columns else None
        if raw is None or (isinstance(raw, float) and not math.isfinite(raw)) or raw is pd.NA:
            return None
        return str(raw) if self._specs[name].categorical else float(raw)

    def tell(
        self,
        row: int,
        lead: str,
        *,
        family: str,
        group: str,
        raising: bool,
        effect_log_odds: float | None,
        effect_points: float,
        features: tuple[str, ...],
    ) -> Driver:
        """Return the driver that a leading feature tells."""
        spec = self._told_by(row, lead)
        value = self.value(row, spec.name)
        segment = str(self._segments[row]) if self._segments is not None else ""
        yardstick = self._reference.yardstick(spec.name, segment)
        if segment not in self._reference.yardsticks:
            segment = ""
        number = value if isinstance(value, float) else None
        previous, previous_on = self._previous(row, spec, number)
        below, above = yardstick.shares(number) if yardstick and number is not None else (None, None)
        facts = Facts(
            spec=spec,
            value=value,
            previous=previous,
            previous_on=previous_on,
            typical=yardstick.typical if yardstick else None,
            below=below,
            above=above,
            toward=self._toward(spec, raising),
            currency=self._currency,
        )
        return Driver(
            family=family,
            group=group,
            feature=spec.name,
            label_en=spec.label_en,
            label_ja=spec.label_ja,
            unit=spec.unit,
            value=value,
            previous=previous,
            previous_on=previous_on,
            percentile=None if below is None or above is None else round((below + 1.0 - above) / 2, 4),
            segment=segment,
            typical=yardstick.typical if yardstick else None,
            low=yardstick.low if yardstick else None,
            middle=yardstick.middle if yardstick else None,
            high=yardstick.high if yardstick else None,
            effect_log_odds=effect_log_odds,
            effect_points=effect_points,
            actionable=spec.actionable,
            features=features,
            sentence_en=sentence_en(facts),
            sentence_ja=sentence_ja(facts),
        )

    def _told_by(self, row: int, lead: str) -> FeatureSpec:
        """Return the level behind a trend where that tells the same with the account's own numbers."""
        match = _TREND.match(lead)
        level = self._levels.get((match["measure"], int(match["window"]))) if match else None
        trend, now = self.value(row, lead), self.value(row, level) if level else None
        if level and isinstance(trend, float) and isinstance(now, float) and now > 0:
            return self._specs[level]
        return self._specs[lead]

    def _previous(self, row: int, spec: FeatureSpec, value: float | None) -> tuple[float | None, str | None]:
        """Return the value before: solved from the trend of the same window, else from the earlier snapshot."""
        if spec.categorical or spec.kind != "level":
            return None, None
        trend_name = self._trends.get((spec.measure, spec.window_days or 0))
        if spec.name in self._levels.values() and trend_name is not None and value is not None:
            trend = self.value(row, trend_name)
            if isinstance(trend, float) and -1 < trend <= 1 and value > 0:
                before = value * (1 - trend) / (1 + trend)
                whole = math.isclose(value, round(value), abs_tol=1e-9)
                return (float(round(before)) if whole else before), None
        if self._earlier is not None and spec.name in self._earlier and self._earlier_on[row]:
            before = self._earlier[spec.name][row]
            if isinstance(before, float | np.floating) and math.isfinite(before):
                return float(before), self._earlier_on[row]
        return None, None

    def _toward(self, spec: FeatureSpec, raising: bool) -> int:
        """Return +1 where a high value fits the effect, −1 where a low one does, 0 where nobody knows."""
        way = spec.monotone or int(np.sign(_clear(self._reference.direction.get(spec.name, 0.0))))
        return way if raising else -way


def _clear(correlation: float) -> float:
    return correlation if abs(correlation) >= 0.1 else 0.0


def _level_name(spec: FeatureSpec) -> str:
    return f"{spec.measure}_{spec.window_days}d" if spec.kind == "level" and spec.window_days else ""


def _earlier(
    frame: pd.DataFrame, previous: pd.DataFrame | None, feature_set: FeatureSet
) -> tuple[Mapping[str, np.ndarray] | None, list[str]]:
    """Return the earlier values aligned with the frame's rows, and their dates ('' where there is none)."""
    if previous is None or previous.empty:
        return None, [""] * len(frame)
    names = [spec.name for spec in feature_set if not spec.categorical and spec.name in previous]
    left = frame[["account_id", "as_of"]].assign(row=np.arange(len(frame)))
    right = previous[["account_id", "as_of", *names]].rename(columns={"as_of": "earlier_on"})
    both = left.merge(right, on="account_id", how="left")
    both = both[both["earlier_on"] < both["as_of"]].sort_values("earlier_on").drop_duplicates("row", keep="last")
    both = both.set_index("row").reindex(range(len(frame)))
    dates = ["" if pd.isna(day) else f"{day:%Y-%m-%d}" for day in both["earlier_on"]]
    return {name: both[name].to_numpy(dtype=float, na_value=np.nan) for name in names}, dates
