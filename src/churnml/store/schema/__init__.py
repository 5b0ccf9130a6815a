"""The tables of the operational store, as SQLAlchemy typed models.

A snapshot and what belongs to it is written in chunks, becomes visible when it is complete, and is never changed after,
so a reader that knows a snapshot's id sees one whole snapshot whatever is published meanwhile.
"""

from churnml.store.schema.access import ApiKeyRow, AuditRow, IdempotencyRow
from churnml.store.schema.base import Base, UtcDateTime
from churnml.store.schema.monitoring import (
    MaturedRow,
    MonitorAlarmRow,
    MonitoringRow,
    RetrainingRow,
    TableProfileRow,
)
from churnml.store.schema.outbox import DeliveryRow, DeliveryTargetRow, OutboxRow
from churnml.store.schema.people import SessionRow, SignInLinkRow, UserRow
from churnml.store.schema.runs import RunRow, RunStageRow
from churnml.store.schema.snapshots import (
    CurveRow,
    DepartureRow,
    ExplanationRow,
    FeaturesRow,
    KeyFigureRowsRow,
    KeyFiguresRow,
    ScoreRow,
    SnapshotRow,
)
from churnml.store.schema.work import (
    AccountOwnerRow,
    AlertEventRow,
    AlertRow,
    AssignmentRow,
    EvaluationRow,
    FeedbackRow,
    NoteRow,
    OverrideRow,
    RenewalCallRow,
    TaskEventRow,
    TaskRow,
    ViewRow,
)

__all__ = [
    "AccountOwnerRow",
    "AlertEventRow",
    "AlertRow",
    "ApiKeyRow",
    "AssignmentRow",
    "AuditRow",
    "Base",
    "CurveRow",
    "DeliveryRow",
    "DeliveryTargetRow",
    "DepartureRow",
    "EvaluationRow",
    "ExplanationRow",
    "FeaturesRow",
    "FeedbackRow",
    "IdempotencyRow",
    "KeyFigureRowsRow",
    "KeyFiguresRow",
    "MaturedRow",
    "MonitorAlarmRow",
    "MonitoringRow",
    "NoteRow",
    "OutboxRow",
    "OverrideRow",
    "RetrainingRow",
    "RenewalCallRow",
    "RunRow",
    "RunStageRow",
    "ScoreRow",
    "SessionRow",
    "SignInLinkRow",
    "SnapshotRow",
    "TableProfileRow",
    "TaskEventRow",
    "TaskRow",
    "UserRow",
    "UtcDateTime",
    "ViewRow",
]
