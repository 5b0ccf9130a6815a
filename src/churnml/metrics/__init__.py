"""Metrics: plain functions of outcomes and probabilities, with intervals, and what a ranking earns."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.metrics.calibration import (
        RiskLevel,
        beyond_noise,
        calibration_error,
        calibration_slope,
        expected_over_observed,
        risk_levels,
    )
    from churnml.metrics.headline import summary
    from churnml.metrics.intervals import Interval, clustered_bootstrap, interval, paired_gain
    from churnml.metrics.predictions import (
        average_precision,
        brier,
        lift_at,
        log_loss,
        precision_at,
        recall_at,
        roc_auc,
        weighted,
    )
    from churnml.metrics.profit import area_under_profit_curve, expected_maximum_profit, maximum_profit, profit_curve
    from churnml.metrics.reliability import CalibrationBin, brier_decomposition, calibration_bins, ece
    from churnml.metrics.within_date import Estimate, aligned_gain, aligned_log_loss, concordance, log_loss_gain
else:
    __getattr__ = load_on_use(
        __name__,
        {
            "CalibrationBin": "reliability",
            "Estimate": "within_date",
            "RiskLevel": "calibration",
            "beyond_noise": "calibration",
            "calibration_error": "calibration",
            "calibration_slope": "calibration",
            "expected_over_observed": "calibration",
            "risk_levels": "calibration",
            "log_loss_gain": "within_date",
            "Interval": "intervals",
            "aligned_gain": "within_date",
            "aligned_log_loss": "within_date",
            "concordance": "within_date",
            "area_under_profit_curve": "profit",
            "average_precision": "predictions",
            "brier": "predictions",
            "brier_decomposition": "reliability",
            "calibration_bins": "reliability",
            "clustered_bootstrap": "intervals",
            "ece": "reliability",
            "expected_maximum_profit": "profit",
            "interval": "intervals",
            "lift_at": "predictions",
            "log_loss": "predictions",
            "maximum_profit": "profit",
            "paired_gain": "intervals",
            "precision_at": "predictions",
            "profit_curve": "profit",
            "recall_at": "predictions",
            "roc_auc": "predictions",
            "summary": "headline",
            "weighted": "predictions",
        },
    )

__all__ = [
    "CalibrationBin",
    "Estimate",
    "RiskLevel",
    "beyond_noise",
    "calibration_error",
    "calibration_slope",
    "expected_over_observed",
    "risk_levels",
    "log_loss_gain",
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
