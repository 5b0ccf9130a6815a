"""Health score: weighted measures and the churn model → one 0–100 score with band, coverage and reasons."""

from churnml.health.fitted import fit_alpha, fit_weights
from churnml.health.indicators import indicators
from churnml.health.phase import PHASES, phase
from churnml.health.scale import HealthScale, Measure
from churnml.health.score import health, lift_score, measures

__all__ = [
    "PHASES",
    "HealthScale",
    "Measure",
    "fit_alpha",
    "fit_weights",
    "health",
    "indicators",
    "lift_score",
    "measures",
    "phase",
]
