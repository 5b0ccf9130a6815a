"""A scorecard meets a company: each rule becomes a measure on a feature that the data has, scaled by a cohort."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from churnml.features.spec import FeatureSet
from churnml.scorecard.card import Scorecard
from churnml.scorecard.measure import Measure
from churnml.scorecard.presets import COHORT_CURVE, Candidate, MeasureRule, Preset

__all__ = ["cohort_points", "fit_measure", "fit_scorecard"]


def fit_scorecard(chosen: Preset, frame: pd.DataFrame, feature_set: FeatureSet) -> Scorecard:
    """Return a preset's scorecard on the features that a company's data has.

    Parameters
    ----------
    chosen : Preset
        Rules and weights.
    frame : DataFrame
        The reference cohort: its features.
    feature_set : FeatureSet
        The features that the frame has.
    """
    measures = tuple(fit_measure(rule, frame, feature_set) for rule in chosen.rules)
    return Scorecard(measures=measures, weights=chosen.weights)


def fit_measure(rule: MeasureRule, frame: pd.DataFrame, feature_set: FeatureSet) -> Measure:
    """Return the measure on the first candidate that the data has; without one, a measure without a feature.

    Of windows the nearest to the rule's own comes first, then the shorter one.
    """
    fields: dict[str, Any] = {
        "name": rule.name,
        "group": rule.group,
        "weight": rule.weight,
        "age_feature": rule.age_feature,
        "valid_days": rule.valid_days,
    }
    windows = feature_set.windows_days or (rule.window_days,)
    for window in sorted(windows, key=lambda days: (abs(days - rule.window_days), days)):
        counts_when = rule.counts_when and (rule.counts_when[0].format(w=window), rule.counts_when[1])
        for candidate in rule.candidates:
            measure = Measure(
                **fields,
                feature=candidate.feature.format(w=window),
                per=candidate.per and candidate.per.format(w=window),
                points=candidate.points,
                counts_when=counts_when,
            )
            if _carried(measure, frame, feature_set):
                return _scaled(measure, candidate, frame)
    return Measure(**fields, feature=None, per=None, points=())


def cohort_points(values: np.ndarray, direction: int) -> tuple[tuple[float, float], ...]:
    """Return the scale that gives the typical value 75 and the worst fiftieth 0.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The reference cohort's values; NaN is left out.
    direction : {1, -1}
        +1: more is healthier.

    Returns
    -------
    tuple of (float, float)
        (value, score) by value. Tied quantiles share the mean of their scores, so equal values score equally.

    Examples
    --------
    >>> cohort_points(np.arange(101.0), 1)[3]
    (50.0, 75.0)
    >>> cohort_points(np.zeros(10), 1)
    ((0.0, 58.333333333333336),)
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return ()
    shares = [share if direction > 0 else 1.0 - share for share, _ in COHORT_CURVE]
    x = np.quantile(known, shares)
    pairs = pd.DataFrame({"x": x, "y": [score for _, score in COHORT_CURVE]})
    merged = pairs.groupby("x", sort=True)["y"].mean()
    return tuple((float(value), float(score)) for value, score in merged.items())  # type: ignore[arg-type]


def _carried(measure: Measure, frame: pd.DataFrame, feature_set: FeatureSet) -> bool:
    names = [name for name in (measure.feature, measure.per) if name is not None]
    if not all(name in feature_set.names and name in frame for name in names):
        return False
    return bool(np.isfinite(measure.value(frame)).any())


def _scaled(measure: Measure, candidate: Candidate, frame: pd.DataFrame) -> Measure:
    if candidate.points:
        return measure
    return replace(measure, points=cohort_points(measure.value(frame), candidate.direction))
