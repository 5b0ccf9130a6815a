"""Is the data still what it was, is the model still right, and when does it have to learn anew: pure judgements."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.monitoring.alarms import ALARMS, Alarm, Budget
    from churnml.monitoring.data import DataHealth, DataMonitor, TableHealth, data_health
    from churnml.monitoring.feature_drift import Drift, drift, training_sample
    from churnml.monitoring.loads import LoadRecord
    from churnml.monitoring.performance import Performance, estimate, realised
    from churnml.monitoring.profiles import profile
    from churnml.monitoring.report import MonitoringReport
    from churnml.monitoring.retraining import RetrainingDecision, RetrainingReason

__all__ = [
    "ALARMS",
    "Alarm",
    "Budget",
    "DataHealth",
    "DataMonitor",
    "Drift",
    "LoadRecord",
    "MonitoringReport",
    "Performance",
    "RetrainingDecision",
    "RetrainingReason",
    "TableHealth",
    "data_health",
    "drift",
    "estimate",
    "profile",
    "realised",
    "training_sample",
]

# The service and every reader of the store name alarms; only a monitoring run computes with them.
__getattr__ = load_on_use(
    __name__,
    {
        "ALARMS": "alarms",
        "Alarm": "alarms",
        "Budget": "alarms",
        "DataHealth": "data",
        "DataMonitor": "data",
        "Drift": "feature_drift",
        "LoadRecord": "loads",
        "MonitoringReport": "report",
        "Performance": "performance",
        "RetrainingDecision": "retraining",
        "RetrainingReason": "retraining",
        "TableHealth": "data",
        "data_health": "data",
        "drift": "feature_drift",
        "estimate": "performance",
        "profile": "profiles",
        "realised": "performance",
        "training_sample": "feature_drift",
    },
)
