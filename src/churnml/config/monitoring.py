"""The section `monitoring`: how many false alarms there may be, what holds publishing back, when a model is due."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnml.config.section import Section, Share

__all__ = ["MonitoringConfig"]


class MonitoringConfig(Section):
    """Watching the data, the model and its performance."""

    false_alarms_per_month: float = Field(
        1.0, gt=0, le=100, description="False alarms a month to expect at most, of all tables, features and metrics"
    )
    publish_if: Literal["always", "no_severe_alarm", "no_alarm"] = Field(
        "always",
        description="When a scoring may be published: always; unless an alarm on the data is severe (a feed stopped, "
        "ids do not meet, a column is empty); only without any alarm on the data",
    )
    drift_rate: Share = Field(
        0.05, description="Share of the features named as drifted that may be named by chance (Benjamini–Hochberg)"
    )
    least_effect: Share = Field(
        0.1, description="Change of the mean prediction, as a share of it, from which a drifted feature is an alarm"
    )
    retrain_after_days: int | None = Field(
        None, ge=7, description="Age at which a model is due; default: as the backtest's decay by age says, else 182"
    )
    recalibrate: bool = Field(
        True,
        description="Whether probabilities are moved to the newest mature churn rate when they are off beyond noise",
    )
