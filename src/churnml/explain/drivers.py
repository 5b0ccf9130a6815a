"""Makes drivers: of a group of features that speaks once, the fact of the feature that says it best."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import DisplayConfig
from churnml.explain.driver import Driver
from churnml.explain.facts import Change, Facts, comparison, fact, moved
from churnml.explain.reference import ExplainReference
from churnml.explain.topics import DIRECTIONS, UNTOLD, topic
from churnml.features.events.rollup import slug
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.language import Argument, Text, Words

__all__ = ["DriverBuilder"]

_TELLABLE = {"level": 1.0, "age": 1.0, "flag": 1.0, "category": 1.0, "trend": 0.9, "peer": 0.6}
_COUNTS = 0.05
_WAS_USED = 3
_RELATIVE = {"mrr_change": "mrr", "seats_change": "seats", "price_change": "mrr_per_seat"}
_WHOLES = {
    "urgent_ticket_share": "tickets_opened",
    "ticket_resolution_rate": "tickets_opened",
    "seat_utilisation": "seats",
    "seat_activation": "seats",
}


class DriverBuilder:
    """Makes drivers of the features of a frame's rows.

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
    display : DisplayConfig, optional
        What event types, attributes and plans are called.
    core_features : sequence of str
        Event types that are the product's core use: less of them is never good news.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        feature_set: FeatureSet,
        reference: ExplainReference,
        previous: pd.DataFrame | None,
        currency: str,
        display: DisplayConfig | None = None,
        core_features: Sequence[str] = (),
    ) -> None:
        self._columns: Mapping[str, np.ndarray] = {
            name: frame[name].to_numpy() for name in frame.columns if name in feature_set.names
        }
        self.specs = {spec.name: spec for spec in feature_set}
        self._trends = {(spec.measure, spec.window_days): spec.name for spec in feature_set if _compares_windows(spec)}
        self._levels = {(spec.measure, spec.window_days): spec.name for spec in feature_set if spec.kind == "level"}
        self._reference, self._currency = reference, currency
        self._display = display or DisplayConfig()
        self._kinds = {slug(kind): self._display.words("event_types", kind) for kind in self._display.event_types}
        self._core = frozenset(slug(kind) for kind in core_features)
        column = reference.segment_column
        self._segments = frame[column].astype("str").to_numpy() if column is not None and column in frame else None
        self._earlier, self._earlier_row, self._earlier_on = _earlier(frame, previous, feature_set)

    def value(self, row: int, name: str) -> float | str | None:
        """Return a feature's value, None where it is missing."""
        raw = self._columns[name][row] if name in self._columns else None
        if raw is None or (isinstance(raw, float) and not math.isfinite(raw)) or raw is pd.NA:
            return None
        return str(raw) if self.specs[name].categorical else float(raw)

    def lead(
        self, row: int, names: list[str], contributions: np.ndarray, said: Collection[str] = ()
    ) -> tuple[Facts, Text] | None:
        """Return the fact that tells a group best, None where none supports its direction.

        Parameters
        ----------
        row : int
            Row of the frame.
        names : list of str
            Features of the group.
        contributions : ndarray
            Their contributions to the log-odds.
        said : collection of str
            Topics that are told already.
        """
        way = np.sign(contributions.sum()) or 1.0
        tellable = np.array([_TELLABLE[self.specs[name].kind] for name in names])
        weight = np.maximum(way * contributions, 0.0) * tellable
        for index in np.argsort(-weight, kind="stable"):
            if weight[index] <= _COUNTS * weight.max():
                break
            spec = self.specs[names[index]]
            if spec.measure in UNTOLD or topic(spec) in said:
                continue
            facts = self.facts(row, spec, raising=bool(way > 0))
            sentence = fact(facts) if facts is not None else None
            if facts is not None and sentence is not None:
                return facts, sentence
        return None

    def facts(self, row: int, spec: FeatureSpec, *, raising: bool, plain: bool = False) -> Facts | None:
        """Return what is known of a feature, told by the level behind it where it is a trend or a rank."""
        if spec.measure.startswith("share_of_"):
            # How often something is used says it better than its share of all use.
            count = self._levels.get((spec.measure.replace("share_of_", "events_of_", 1), spec.window_days))
            return self.facts(row, self.specs[count], raising=raising) if count else None
        toward = self._toward(row, spec, raising)
        if spec.kind == "peer" or _compares_windows(spec) or spec.measure in _RELATIVE or _from_peak(spec):
            return self._behind(row, spec, toward, raising)
        if spec.kind == "trend" and spec.measure != "nps_change":
            return None  # a slope says less than the window it ends in
        if spec.measure == "nps_change":
            return self._behind(row, spec, toward, raising)
        change = self._change(row, spec) if spec.kind == "level" else None
        return self._made(row, spec, toward, raising, change=change, plain=plain)

    def changed(self, row: int, spec: FeatureSpec) -> Facts | None:
        """Return what a level was at the earlier date; None for what is no level, and where nothing is known."""
        value = self.value(row, spec.name)
        if spec.kind != "level" or not isinstance(value, float):
            return None
        before = self._value_earlier(row, spec.name)
        if before is None:
            return None
        toward = 1 if value > before else -1
        change = Change(before, on=self._earlier_on[row])
        return self._made(row, spec, toward, raising=True, change=change, plain=True)

    def driver(
        self,
        row: int,
        facts: Facts,
        sentence: Text,
        *,
        family: str,
        group: str,
        effect_log_odds: float | None,
        effect_points: float,
        features: tuple[str, ...],
    ) -> Driver:
        """Return the driver that a fact tells."""
        spec, stick, value = facts.spec, facts.yardstick, facts.value
        number = value if isinstance(value, float) else None
        below, above = stick.shares(number) if stick and number is not None else (None, None)
        compared = comparison(facts)
        segment = str(self._segments[row]) if self._segments is not None else ""
        change = facts.change
        return Driver.model_construct(
            family=family,
            group=group,
            topic=topic(spec),
            feature=spec.name,
            label=facts.label,
            unit=spec.unit,
            value=value,
            previous=change.before if change else None,
            previous_on=(change.on or None) if change else None,
            percentile=None if below is None or above is None else round((below + 1.0 - above) / 2, 4),
            segment=segment if segment in self._reference.yardsticks else "",
            typical=stick.typical if stick else None,
            low=stick.low if stick and compared else None,
            middle=stick.middle if stick and compared else None,
            high=stick.high if stick and compared else None,
            effect_log_odds=effect_log_odds,
            effect_points=effect_points,
            actionable=spec.actionable,
            features=features,
            sentence=sentence,
            comparison=compared,
        )

    def _made(self, row: int, spec: FeatureSpec, toward: int, raising: bool, **more: Any) -> Facts:
        segment = str(self._segments[row]) if self._segments is not None else ""
        whole = _WHOLES.get(spec.measure)
        base: float | str | None = (
            float(len(self._core)) if spec.measure == "core_feature_share" and self._core else None
        )
        if whole is not None:
            name = self._levels.get((whole, spec.window_days), self._levels.get((whole, None)))
            base = self.value(row, name) if name else None
        term = self.value(row, "term_days") if "term_days" in self.specs else None
        return Facts(
            spec=spec,
            value=self.value(row, spec.name),
            toward=toward,
            raising=raising,
            yardstick=self._reference.yardstick(spec.name, segment),
            whole=base if isinstance(base, float) else None,
            term_days=term if isinstance(term, float) else None,
            kind=self._kind(spec),
            word=self._word(row, spec),
            currency=self._currency,
            **more,
        )

    def _behind(self, row: int, spec: FeatureSpec, toward: int, raising: bool) -> Facts | None:
        """Return the level behind a trend or a rank, with what the trend or the rank adds to it."""
        number = self.value(row, spec.name)
        if not isinstance(number, float):
            return None
        if spec.measure == "nps_change":
            last = self.value(row, "nps_last") if "nps_last" in self.specs else None
            if not isinstance(last, float):
                return None
            return self._made(row, self.specs["nps_last"], toward, raising, change=Change(last - number))
        measure = _RELATIVE.get(spec.measure, spec.measure)
        name = self._levels.get((measure, spec.window_days), self._levels.get((measure, None)))
        if spec.kind == "peer":
            ranked = [name for (of, _), name in self._levels.items() if of == measure]
            name = min(ranked, key=lambda one: abs((self.specs[one].window_days or 28) - 28)) if ranked else None
        level = self.value(row, name) if name else None
        if name is None or not isinstance(level, float):
            return None
        own = self.specs[name]
        if spec.kind == "peer":
            return self._made(row, own, toward, raising, rank=number)
        if _from_peak(spec):
            return self._made(row, own, -toward, raising, peak=level / (1 - number)) if number < 1 else None
        if spec.measure in _RELATIVE:
            change = Change(level / (1 + number), days=spec.window_days or 0) if number > -1 else None
            stem = spec.measure if spec.measure == "price_change" else ""
            return self._only_change(self._made(row, own, toward, raising, change=change, stem=stem))
        gone = level == 0 and number <= -1 and self._was_used(row, own)
        return self._only_change(self._made(row, own, toward, raising, change=_before(level, number), gone=gone))

    def _was_used(self, row: int, spec: FeatureSpec) -> bool:
        """Whether a longer window shows that what is 0 now was more than a trifle."""
        own = spec.window_days or 0
        longer = [days for of, days in self._levels if of == spec.measure and days is not None and days > own]
        if not longer:
            return False
        before = self.value(row, self._levels[(spec.measure, min(longer))])
        return isinstance(before, float) and before >= _WAS_USED

    @staticmethod
    def _only_change(facts: Facts) -> Facts | None:
        return facts if moved(facts) else None

    def _change(self, row: int, spec: FeatureSpec) -> Change | None:
        """Return the value before: solved from the trend of the same window, else from the earlier snapshot."""
        value = self.value(row, spec.name)
        trend = self._trends.get((spec.measure, spec.window_days))
        if trend is not None and isinstance(value, float):
            number = self.value(row, trend)
            if isinstance(number, float):
                return _before(value, number)
        before = self._value_earlier(row, spec.name)
        return None if before is None else Change(before, on=self._earlier_on[row])

    def _value_earlier(self, row: int, name: str) -> float | None:
        """Return a number of the earlier snapshot, None where it is missing."""
        if name not in self._earlier or not self._earlier_on[row]:
            return None
        before = float(self._earlier[name][self._earlier_row[row]])
        return before if math.isfinite(before) else None

    def _toward(self, row: int, spec: FeatureSpec, raising: bool) -> int:
        """Return +1 where a high value fits the effect, −1 where a low one does, 0 where nobody knows.

        What is declared of the measure counts; else what the accounts at low and at high risk show, where they differ
        by more than chance.
        """
        way = int(spec.risk_direction or spec.monotone)
        if not way and spec.measure in DIRECTIONS:
            way = DIRECTIONS[spec.measure]
            return way if raising else -way
        if not way and spec.measure.startswith("events_of_") and spec.measure.removeprefix("events_of_") in self._core:
            way = -1
        if not way and spec.categorical:
            value = self.value(row, spec.name)
            way = self._reference.words.get(spec.name, {}).get(str(value), 0)
            return way if (way > 0) == raising else 0
        if not way:
            stick = self._reference.yardstick(spec.name, None)
            if stick is not None and stick.clear and stick.low is not None and stick.high is not None:
                way = 1 if stick.high > stick.low else -1
        return way if raising else -way

    def _kind(self, spec: FeatureSpec) -> Argument | None:
        """Return a company's own word for what a feature counts, its raw name made readable where it has none."""
        for start in ("events_of_", "value_of_"):
            if spec.measure.startswith(start):
                name = spec.measure.removeprefix(start)
                return self._kinds.get(name) or self._display.words("event_types", name)
        if spec.measure.startswith("attr_"):
            name = spec.measure.removeprefix("attr_")
            known = name in self._display.attributes
            return self._display.words("attributes", name) if known else spec.label
        return self._display.words("features", spec.measure) if spec.measure in self._display.features else None

    def _word(self, row: int, spec: FeatureSpec) -> Words | None:
        """Return a company's own word for a value that is a word."""
        value = self.value(row, spec.name)
        if not isinstance(value, str):
            return None
        return self._display.words("plans" if spec.measure == "plan" else "segments", value)


def _before(value: float, trend: float) -> Change | None:
    """Return the window before, from (now − before) ÷ (now + before)."""
    if not -1 < trend <= 1 or value <= 0:
        return None
    before = value * (1 - trend) / (1 + trend)
    whole = math.isclose(value, round(value), abs_tol=1e-9)
    return Change(float(round(before)) if whole else before)


def _compares_windows(spec: FeatureSpec) -> bool:
    return spec.kind == "trend" and spec.name == f"{spec.measure}_trend_{spec.window_days}d"


def _from_peak(spec: FeatureSpec) -> bool:
    return spec.kind == "trend" and spec.name == f"{spec.measure}_from_peak_{spec.window_days}d"


def _earlier(
    frame: pd.DataFrame, previous: pd.DataFrame | None, feature_set: FeatureSet
) -> tuple[Mapping[str, np.ndarray], np.ndarray, list[str]]:
    """Return the earlier values, the row among them of each row of the frame, and its date ('' where there is none)."""
    if previous is None or previous.empty:
        return {}, np.zeros(len(frame), dtype=np.int64), [""] * len(frame)
    names = [spec.name for spec in feature_set if not spec.categorical and spec.name in previous]
    left = frame[["account_id", "as_of"]].assign(row=np.arange(len(frame)))
    right = previous[["account_id"]].assign(earlier_on=previous["as_of"], place=np.arange(len(previous)))
    both = left.merge(right, on="account_id", how="left")
    both = both[both["earlier_on"] < both["as_of"]].sort_values("earlier_on").drop_duplicates("row", keep="last")
    both = both.set_index("row").reindex(range(len(frame)))
    dates = ["" if pd.isna(day) else f"{day:%Y-%m-%d}" for day in both["earlier_on"]]
    values = {name: previous[name].to_numpy(dtype=float, na_value=np.nan) for name in names}
    return values, both["place"].fillna(0).to_numpy(dtype=np.int64), dates
