"""Scorecards: measures with scales, weighed in groups; what a health score is made of and what a model must beat."""

from churnml.scorecard.card import MeasureScores, Scorecard
from churnml.scorecard.cohort import cohort_points, fit_measure, fit_scorecard
from churnml.scorecard.measure import Measure, MeasureTerms
from churnml.scorecard.presets import PRESETS, Candidate, MeasureRule, Preset, preset

__all__ = [
    "PRESETS",
    "Candidate",
    "Measure",
    "MeasureRule",
    "MeasureScores",
    "MeasureTerms",
    "Preset",
    "Scorecard",
    "cohort_points",
    "fit_measure",
    "fit_scorecard",
    "preset",
]
