"""Is the data still what it was, is the model still right, and when does it have to learn anew: pure judgements."""

from churnml.monitoring.alarms import ALARMS, Alarm, Budget
from churnml.monitoring.data import DataHealth, DataMonitor, TableHealth, data_health
from churnml.monitoring.drift import Drift, drift, training_sample
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
