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
from churnml.metrics.within_date import Estimate, aligned_gain, aligned_log_loss, concordance

__all__ = [
    "CalibrationBin",
    "Estimate",
    "Interval",
    "aligned_gain",
    "aligned_log_loss",
    "area_under_profit_curve",
    "average_precision",
    "brier",
    "brier_decomposition",
    "calibration_bins",
    "clustered_bootstrap",
    "concordance",
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
