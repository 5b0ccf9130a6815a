"""Is the data still what it was, is the model still right, and when does it have to learn anew: pure judgements."""

from churnml.monitoring.alarms import ALARMS, Alarm, Budget
from churnml.monitoring.data import DataHealth, DataMonitor, TableHealth, data_health
from churnml.monitoring.loads import LoadRecord
from churnml.monitoring.profiles import profile
from churnml.monitoring.report import MonitoringReport
from churnml.monitoring.retraining import RetrainingDecision, RetrainingReason

__all__ = [
    "ALARMS",
    "Alarm",
    "Budget",
    "DataHealth",
    "DataMonitor",
    "LoadRecord",
    "MonitoringReport",
    "RetrainingDecision",
    "RetrainingReason",
    "TableHealth",
    "data_health",
    "profile",
]
