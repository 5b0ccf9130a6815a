"""Metrics: plain functions of outcomes and probabilities, with intervals, and what a ranking earns."""

from churnml.metrics.intervals import Interval, clustered_bootstrap, interval, paired_gain
from churnml.metrics.predictions import (
    CalibrationBin,
    average_precision,
    brier,
    brier_decomposition,
    calibration_bins,
    ece,
    lift_at,
    log_loss,
    precision_at,
    recall_at,
    roc_auc,
    summary,
    weighted,
)
from churnml.metrics.profit import (
    area_under_profit_curve,
    expected_maximum_profit,
    maximum_profit,
    profit_curve,
)

__all__ = [
    "CalibrationBin",
    "Interval",
    "area_under_profit_curve",
    "average_precision",
    "brier",
    "brier_decomposition",
    "calibration_bins",
    "clustered_bootstrap",
    "ece",
    "expected_maximum_profit",
    "interval",
    "lift_at",
    "log_loss",
    "maximum_profit",
    "paired_gain",
    "precision_at",
    "profit_curve",
    "recall_at",
    "roc_auc",
    "summary",
    "weighted",
]
