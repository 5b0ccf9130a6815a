"""Health score: weighted measures and the churn model → one 0–100 score with band, coverage and reasons."""

from churnml.health.backtest import health_backtest
from churnml.health.backtest_report import HealthBacktest
from churnml.health.capacity import Proposal, propose_threshold, weeks_current
from churnml.health.composition import compositions
from churnml.health.fitted import fit_alpha, fit_weights
from churnml.health.history import Change, Reading, decompose, trend
from churnml.health.indicators import indicators
from churnml.health.phase import PHASES, phase
from churnml.health.recipe import HealthRecipe
from churnml.health.replay import Predicted, replay
from churnml.health.scale import HealthScale
from churnml.health.score import lift_score, measures, score_health
from churnml.health.sizing import BandEdges, size_bands
from churnml.health.verdict import HealthVerdict
from churnml.scorecard import Measure

__all__ = [
    "PHASES",
    "BandEdges",
    "Change",
    "HealthBacktest",
    "HealthRecipe",
    "HealthScale",
    "HealthVerdict",
    "Measure",
    "Predicted",
    "Proposal",
    "Reading",
    "compositions",
    "decompose",
    "fit_alpha",
    "fit_weights",
    "health_backtest",
    "indicators",
    "lift_score",
    "measures",
    "phase",
    "propose_threshold",
    "replay",
    "score_health",
    "size_bands",
    "trend",
    "weeks_current",
]
