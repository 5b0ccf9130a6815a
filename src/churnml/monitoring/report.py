"""What one monitoring came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from churnml.monitoring.alarms import Alarm
from churnml.monitoring.data import TableHealth
from churnml.monitoring.feature_drift import Drift
from churnml.monitoring.performance import Performance
from churnml.monitoring.retraining import RetrainingDecision

__all__ = ["MonitoringReport"]


@dataclass(frozen=True)
class MonitoringReport:
    """What one monitoring came to.

    Parameters
    ----------
    config : str
        Name of the company.
    as_of : date
        The day before it is the newest that was judged.
    checked_at : datetime
    model_version : str or None
        The champion; None where there is none yet.
    tables : tuple of TableHealth
    alarms : tuple of Alarm
        In force, the severe ones first.
    new : tuple of str
        Keys of the alarms that were not in force before.
    tests : int
        Tests of the data of that day, among which the budget of false alarms was divided.
    unjudged : tuple of str
        Tables whose history is too short.
    retraining : RetrainingDecision
    held : bool
        Whether these alarms hold publishing back, see ``monitoring.publish_if``.
    drift : Drift or None
        None without a model, its sample of the training window, or a scoring.
    performance : Performance or None
        None without a model or a scoring.
    """

    config: str
    as_of: date
    checked_at: datetime
    model_version: str | None
    tables: tuple[TableHealth, ...]
    alarms: tuple[Alarm, ...]
    new: tuple[str, ...]
    tests: int
    unjudged: tuple[str, ...]
    retraining: RetrainingDecision
    held: bool = False
    drift: Drift | None = None
    performance: Performance | None = None
