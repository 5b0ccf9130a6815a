"""The operational store: scored snapshots, explanations, alerts, overrides, feedback, API keys and the audit log."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use
from churnml.store.alerts import Alert, AlertEvent, Alerts, Arm, Outcome, State
from churnml.store.database import SCHEMA_VERSION
from churnml.store.deliveries import ERASURE, Deliveries
from churnml.store.delivery import Change, Delivery, DeliveryOutcome, DeliveryState, TargetState, Wanted
from churnml.store.documents import Documents
from churnml.store.erasure import ERASED, Traces, pattern_of
from churnml.store.evaluations import Assignment, Decided, Evaluations, Known
from churnml.store.judgements import Judgements
from churnml.store.keys import Keys
from churnml.store.listing import SORTS, AccountLine, AccountList, BandMove, ListFilter, Lists
from churnml.store.notes import Note, Notes
from churnml.store.outlooks import Outlook, Outlooks
from churnml.store.oversight import AuditPage, Opened, Oversight
from churnml.store.owners import Owners
from churnml.store.plain import plain
from churnml.store.records import (
    BANDS,
    SCOPES,
    AccountScore,
    ApiKey,
    AuditEntry,
    Departed,
    Feedback,
    Override,
    Page,
    ScoreFilter,
    SnapshotInfo,
)
from churnml.store.renewal_calls import RenewalCall, RenewalCalls
from churnml.store.runs import Run, Runs, RunStage
from churnml.store.sessions import Link, Session, Sessions
from churnml.store.snapshot import Snapshot
from churnml.store.store import Store
from churnml.store.task import Task, TaskEvent, TaskState
from churnml.store.tasks import Calendar, Tasks
from churnml.store.users import User, Users
from churnml.store.views import View, Views
from churnml.store.writes import Actor, IdempotencyKey

if TYPE_CHECKING:
    from churnml.store.monitoring import AlarmEpisode, Monitoring, Retraining

# They speak of numbers that only a monitoring run has, and load numpy; no other reader of the store waits for it.
__getattr__ = load_on_use(
    __name__, {"AlarmEpisode": "monitoring", "Monitoring": "monitoring", "Retraining": "monitoring"}
)

__all__ = [
    "BANDS",
    "ERASED",
    "ERASURE",
    "SCHEMA_VERSION",
    "SCOPES",
    "SORTS",
    "AccountLine",
    "AccountList",
    "BandMove",
    "ListFilter",
    "Lists",
    "Owners",
    "View",
    "Views",
    "AccountScore",
    "AlarmEpisode",
    "Alert",
    "AlertEvent",
    "Alerts",
    "Actor",
    "ApiKey",
    "Arm",
    "Assignment",
    "AuditEntry",
    "AuditPage",
    "Change",
    "Deliveries",
    "Delivery",
    "DeliveryOutcome",
    "DeliveryState",
    "Calendar",
    "Decided",
    "Departed",
    "Documents",
    "Evaluations",
    "Feedback",
    "Judgements",
    "Keys",
    "Known",
    "Monitoring",
    "Link",
    "Note",
    "Notes",
    "IdempotencyKey",
    "Opened",
    "Outcome",
    "Outlook",
    "Outlooks",
    "Override",
    "Oversight",
    "Page",
    "Retraining",
    "RenewalCall",
    "RenewalCalls",
    "Run",
    "RunStage",
    "Runs",
    "ScoreFilter",
    "Session",
    "Sessions",
    "Snapshot",
    "SnapshotInfo",
    "State",
    "Store",
    "TargetState",
    "Traces",
    "Wanted",
    "Task",
    "TaskEvent",
    "TaskState",
    "Tasks",
    "pattern_of",
    "User",
    "Users",
    "plain",
]
