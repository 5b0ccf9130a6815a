"""The complete recipe of a health score as data: it travels in the model bundle and scores one account as a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import HealthConfig, MeasureConfig
from churnml.config.needs import HealthSections
from churnml.errors import BundleError, ConfigError, UsageError, near_name
from churnml.features.spec import FeatureSet
from churnml.health.capacity import weeks_current
from churnml.health.fitted import fit_alpha, fit_weights
from churnml.health.phase import PHASES
from churnml.health.recipe import HealthRecipe
from churnml.health.score import score_health
from churnml.health.sizing import LEAST_CHURNERS, size_bands
from churnml.health.verdict import HealthVerdict
from churnml.language import Text, languages, one_of, render
from churnml.scorecard import Measure, fit_scorecard, preset
from churnml.scorecard.card import measure_from_dict

__all__ = ["HealthScale"]

_SEGMENT_COLUMNS = ("attr_segment", "segment", "attr_plan", "plan")
_FORMAT = 1
_RED_BELOW, _GREEN_FROM = 40.0, 70.0
_LEAST_FAR = 50
"""Fewer held-out readings of accounts far from their renewal tell nothing of the others."""


@dataclass(frozen=True, kw_only=True)
class HealthScale(HealthRecipe):
    """A recipe made from a company's features, which JSON can carry.

    Build one with `HealthScale.fit`; it keeps the reference cohort's distribution as points, so that an account is
    scored alone exactly as in a batch.
    """

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        config: HealthSections,
        feature_set: FeatureSet,
        *,
        scores: pd.DataFrame | None = None,
        held_out: pd.DataFrame | None = None,
        verdict: HealthVerdict = HealthVerdict.PUBLISHABLE,
        newest: pd.DataFrame | None = None,
    ) -> HealthScale:
        """Make the scale of a company from its features.

        Parameters
        ----------
        frame : DataFrame
            The reference cohort: the feature frame of the training snapshots. With the preset or the alpha
            ``fitted`` it must hold labels (``churned``) that the model's scores did not see in training.
        config : Config
            Any object with the sections `health`, which decides, `capacity`, `snapshots` and `model`.
        feature_set : FeatureSet
            The features that the frame has.
        scores : DataFrame, optional
            Churn probabilities that models gave to rows without having seen them; needed where alpha is ``fitted``, and
            what ``auto`` is learned from.
        held_out : DataFrame, optional
            The feature frame of those rows, labels null where they are not known yet; by default `frame`.
        verdict : HealthVerdict
            Of the model: where it has no part in the score, the bands are sized by the rules alone.
        newest : DataFrame, optional
            The feature frame of snapshots that the model in use has not learnt from, with its own
            ``churn_probability``: by these it is told which accounts far from their renewal are held back, by default
            by `scores`.

        Raises
        ------
        ConfigError
            A group without weight, an unknown group, a measure on a feature that does not exist.
        UsageError
            The cohort is empty, or alpha is ``fitted`` and no scores are given.
        """
        if frame.empty:
            raise UsageError(Text.of("fault-scale_empty"))
        health = config.health
        if health.alpha == "fitted" and scores is None:
            raise UsageError(Text.of("fault-scale_scores"))
        chosen = preset(health.preset, health.weights)
        measures = {measure.name: measure for measure in fit_scorecard(chosen, frame, feature_set).measures}
        for name, custom in health.measures.items():
            measures[name] = _custom(name, custom, feature_set)
        _check_groups(chosen.weights, measures.values(), health)
        _check_words(health, frame)
        scale: HealthScale = cls(
            preset=health.preset,
            measures=tuple(measures.values()),
            weights=chosen.weights,
            by_segment=health.by_segment,
            by_phase=health.by_phase,
            segment_column=next((name for name in _SEGMENT_COLUMNS if name in frame), None),
            alpha=0.5 if isinstance(health.alpha, str) else health.alpha,
            red_below=_RED_BELOW if health.red_below == "auto" else health.red_below,
            green_from=_GREEN_FROM if health.green_from == "auto" else health.green_from,
            min_coverage=health.min_coverage,
            far_days=float(health.far_days),
            fitted_on={
                "rows": len(frame),
                "as_of_from": str(frame["as_of"].min())[:10],
                "as_of_until": str(frame["as_of"].max())[:10],
            },
        )
        if health.preset == "fitted":
            scale = fit_weights(scale, frame, min_churners=config.model.min_churners)
        if scores is None or "churned" not in frame:
            return scale._in_order(health)
        rows = frame if held_out is None else held_out
        seen = rows.merge(scores[["account_id", "as_of"]], on=["account_id", "as_of"], how="inner")
        if health.alpha == "fitted" or (health.alpha == "auto" and seen["churned"].sum() >= LEAST_CHURNERS):
            scale = replace(scale, alpha=fit_alpha(scale, seen, scores))
        elif health.alpha == "auto":
            # So few churners cannot show that the rules do no harm to a model that passed its gate.
            scale = replace(scale, alpha=1.0)
        scale = replace(scale, far_above=_far_above(scale, seen, _chances(seen, scores), health.far_yellow))
        if len(seen) and "auto" in (health.red_below, health.green_from):
            base_rate = float(frame["churned"].mean())
            scored = score_health(seen, scores, scale=scale, base_rate=base_rate, verdict=verdict)
            outcome = seen.reindex(columns=["account_id", "as_of", "churned", "churn_on"])
            held = scale.at_most_yellow(seen, _chances(seen, scores)) & (scored["alpha"] > 0).to_numpy()
            scored = scored.assign(at_most_yellow=held)
            readings = scored[["account_id", "as_of", "health_score", "at_most_yellow"]].merge(
                outcome, on=["account_id", "as_of"]
            )
            readings = readings.assign(churn_on=pd.to_datetime(readings["churn_on"]))
            edges = size_bands(readings, config.capacity, weeks=weeks_current(config.snapshots.every))
            scale = replace(
                scale,
                red_below=edges.red_below if health.red_below == "auto" else scale.red_below,
                green_from=edges.green_from if health.green_from == "auto" else scale.green_from,
            )
        if newest is not None:
            # The models of the held-out readings are less sure of who stays than the one in use.
            own = _far_above(scale, newest, newest["churn_probability"].to_numpy(dtype=float), health.far_yellow)
            scale = scale if own is None else replace(scale, far_above=own)
        return scale._in_order(health)

    def _in_order(self, section: HealthConfig) -> HealthScale:
        """Let an edge that is not set give way to one that is."""
        if self.red_below < self.green_from:
            return self
        if section.green_from == "auto":
            return replace(self, green_from=min(self.red_below + 0.1, 100.0))
        return replace(self, red_below=max(self.green_from - 0.1, 0.0))

    def as_dict(self) -> dict[str, Any]:
        """Return the scale as JSON-ready data; numbers survive JSON to the last digit."""
        return {"format": _FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HealthScale:
        """Rebuild a scale from `as_dict`, before or after a trip through JSON.

        Raises
        ------
        BundleError
            The data is not a health scale of a format that this version reads.
        """
        try:
            fields = dict(data)
            if fields.pop("format") != _FORMAT:
                raise ValueError("another format")
            measures = tuple(map(measure_from_dict, fields.pop("measures")))
            return cls(measures=measures, **fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(
                Text.of("fault-scale_format", format=str(_FORMAT)), got=f"{type(error).__name__}: {error}"
            ) from error


def _chances(rows: pd.DataFrame, scores: pd.DataFrame) -> np.ndarray:
    """Return the churn probability of each row."""
    keys = ["account_id", "as_of"]
    matched = rows[keys].merge(scores[[*keys, "churn_probability"]], on=keys, how="left", validate="one_to_one")
    return matched["churn_probability"].to_numpy(dtype=float)


def _far_above(scale: HealthRecipe, rows: pd.DataFrame, probability: np.ndarray, share: float) -> float | None:
    """Return the probability above which so many of the accounts far from their renewal are; None: too few tell it."""
    far = probability[scale.far(rows)]
    far = far[~np.isnan(far)]
    return float(np.quantile(far, 1.0 - share)) if share > 0 and len(far) >= _LEAST_FAR else None


def _custom(name: str, custom: MeasureConfig, feature_set: FeatureSet) -> Measure:
    spec = feature_set.spec(custom.feature)
    if custom.age_feature is not None:
        feature_set.spec(custom.age_feature)
    values = [value for value, _ in custom.points]
    scores = [score for _, score in custom.points]
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise ConfigError(Text.of("fault-points_order"), where=f"health.measures.{name}.points", got=str(values))
    if min(scores) < 0 or max(scores) > 100 or sorted(scores) not in (scores, scores[::-1]):
        raise ConfigError(Text.of("fault-points_scores"), where=f"health.measures.{name}.points", got=str(scores))
    return Measure(
        name=name,
        group=custom.group,
        weight=custom.weight,
        own_label={language: render(spec.label, language) for language in languages()},
        feature=custom.feature,
        per=None,
        points=custom.points,
        age_feature=custom.age_feature,
        valid_days=custom.valid_days,
    )


def _check_groups(weights: Mapping[str, float], measures: Any, health: HealthConfig) -> None:
    groups = {measure.group for measure in measures}
    for group in sorted(groups - set(weights)):
        raise ConfigError(Text.of("fault-group_weight", group=repr(group), group2=group), where="health.weights")
    maps = {"health.weights": weights}
    maps |= {f"health.by_segment.{name}": item for name, item in health.by_segment.items()}
    maps |= {f"health.by_phase.{name}": item for name, item in health.by_phase.items()}
    for where, item in maps.items():
        for group, weight in item.items():
            if group not in groups:
                near = near_name(group, groups)
                raise ConfigError(
                    Text.of("fault-no_group", group=repr(group)), where=where, expected=one_of(sorted(groups), near)
                )
            if weight < 0:
                raise ConfigError(Text.of("fault-weight_negative"), where=f"{where}.{group}", got=str(weight))


def _check_words(health: HealthConfig, frame: pd.DataFrame) -> None:
    """Refuse weights per segment or phase that could never apply: they would be ignored in silence."""
    column = next((name for name in _SEGMENT_COLUMNS if name in frame), None)
    if health.by_segment and column is None:
        raise ConfigError(Text.of("fault-no_segments", names=", ".join(_SEGMENT_COLUMNS)), where="health.by_segment")
    words = set() if column is None else set(frame[column].dropna().astype("str"))
    for word in sorted(set(health.by_segment) - words):
        # A segment may be absent from an early fold; one that differs in case alone is a slip.
        twin = next((known for known in sorted(words) if known.lower() == word.lower()), None)
        if twin is not None:
            raise ConfigError(
                Text.of("fault-no_segment", word=repr(word), twin=repr(twin)), where=f"health.by_segment.{word}"
            )
    if "attr_phase" not in frame:
        for word in sorted(set(health.by_phase) - set(PHASES)):
            near = near_name(word, PHASES)
            raise ConfigError(
                Text.of("fault-no_phase", word=repr(word)),
                where=f"health.by_phase.{word}",
                expected=one_of(PHASES, near),
            )
