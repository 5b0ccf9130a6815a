"""The operational store: scored snapshots, explanations, alerts, overrides, feedback, API keys and the audit log."""

from churnml.store.alerts import Alert, AlertEvent, Alerts, Outcome, State
from churnml.store.database import SCHEMA_VERSION
from churnml.store.deliveries import Change, Deliveries, Delivery, DeliveryOutcome, DeliveryState, TargetState, Wanted
from churnml.store.judgements import Judgements
from churnml.store.keys import Keys
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
from churnml.store.snapshot import Snapshot
from churnml.store.store import Store
from churnml.store.writes import Actor, IdempotencyKey

__all__ = [
    "BANDS",
    "SCHEMA_VERSION",
    "SCOPES",
    "AccountScore",
    "Alert",
    "AlertEvent",
    "Alerts",
    "Actor",
    "ApiKey",
    "AuditEntry",
    "Change",
    "Deliveries",
    "Delivery",
    "DeliveryOutcome",
    "DeliveryState",
    "Departed",
    "Feedback",
    "Judgements",
    "Keys",
    "IdempotencyKey",
    "Outcome",
    "Override",
    "Page",
    "ScoreFilter",
    "Snapshot",
    "SnapshotInfo",
    "State",
    "Store",
    "TargetState",
    "Wanted",
    "plain",
]
