"""The tables of the operational store, as SQLAlchemy typed models.

A snapshot and what belongs to it is written in chunks, becomes visible when it is complete, and is never changed after,
so a reader that knows a snapshot's id sees one whole snapshot whatever is published meanwhile.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

__all__ = [
    "AlertEventRow",
    "AlertRow",
    "ApiKeyRow",
    "AssignmentRow",
    "AuditRow",
    "Base",
    "DeliveryRow",
    "DeliveryTargetRow",
    "DepartureRow",
    "EvaluationRow",
    "ExplanationRow",
    "FeaturesRow",
    "FeedbackRow",
    "IdempotencyRow",
    "KeyFiguresRow",
    "NoteRow",
    "OutboxRow",
    "OverrideRow",
    "ScoreRow",
    "SnapshotRow",
    "TaskEventRow",
    "TaskRow",
    "UtcDateTime",
]


class UtcDateTime(TypeDecorator[datetime]):
    """A time with a zone, kept as UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone; hand UTC to the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs its zone: {value.isoformat()}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with UTC as its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of the store's tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        datetime: UtcDateTime,
        date: Date,
        float: Float(53),
        dict[str, Any]: JSON,
        str: String(255),
    }


class SnapshotRow(Base):
    """One scoring run; one row per snapshot.

    While it is not `complete` no reader sees it, and `published_at` says when its publisher was last at work on it.
    `feature_names` are the columns that its packed features hold, in order; `thinned` says what has been forgotten of
    it, see `retention`.
    """

    __tablename__ = "snapshots"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    as_of: Mapped[date]
    scored_at: Mapped[datetime]
    published_at: Mapped[datetime]
    model_version: Mapped[str]
    config_hash: Mapped[str]
    accounts: Mapped[int]
    coverage: Mapped[float | None]
    info: Mapped[dict[str, Any]]
    complete: Mapped[bool] = mapped_column(Boolean, server_default=true())
    feature_names: Mapped[list[str] | None] = mapped_column(JSON)
    thinned: Mapped[int] = mapped_column(Integer, server_default="0")

    __table_args__ = (Index(None, "config", "as_of", "id"),)


class ScoreRow(Base):
    """One account's score; one row per snapshot and account."""

    __tablename__ = "scores"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    name: Mapped[str | None] = mapped_column(Text)
    churn_probability: Mapped[float]
    health_score: Mapped[float | None]
    band: Mapped[str]
    coverage: Mapped[float | None]
    arr: Mapped[float | None]
    expected_loss: Mapped[float | None]
    owner: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)
    days_to_renewal: Mapped[float | None]
    details: Mapped[dict[str, Any]]

    __table_args__ = (
        Index(None, "snapshot_id", "position", unique=True),
        Index(None, "account_id", "snapshot_id"),
    )


class FeaturesRow(Base):
    """What an account was scored from; one row per snapshot and account, kept for the newest snapshots only.

    `features` holds the words, `numbers` the rest (see `packing`); older rows hold all in `features`.
    """

    __tablename__ = "features"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    features: Mapped[dict[str, Any]]
    numbers: Mapped[bytes | None] = mapped_column(LargeBinary)


class ExplanationRow(Base):
    """Why an account scored as it did; one row per snapshot and account.

    `packed` holds it (see `packing`); older rows hold it in `body`.
    """

    __tablename__ = "explanations"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    packed: Mapped[bytes | None] = mapped_column(LargeBinary)


class DepartureRow(Base):
    """Why an account is scored no more, as the newest snapshot knows it; one row per config and account."""

    __tablename__ = "departures"

    config: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    last_as_of: Mapped[date]
    why: Mapped[str]
    since: Mapped[date | None]


class OverrideRow(Base):
    """A CSM's own judgement beside the system's; one row per override, never deleted."""

    __tablename__ = "overrides"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    account_id: Mapped[str]
    band: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str]
    system_band: Mapped[str | None]
    system_score: Mapped[float | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    __table_args__ = (Index(None, "config", "account_id", "expires_at"),)


class FeedbackRow(Base):
    """What a user says of a score or an explanation; one row per feedback."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    account_id: Mapped[str]
    snapshot_id: Mapped[int | None]
    kind: Mapped[str]
    comment: Mapped[str | None] = mapped_column(Text)
    author: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "config", "account_id", "created_at"),)


class AlertRow(Base):
    """One episode of one alert rule on one account, in its newest state; one row per episode."""

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    account_id: Mapped[str]
    kind: Mapped[str]
    episode: Mapped[int]
    state: Mapped[str]
    owner: Mapped[str]
    opened_on: Mapped[date]
    held_back: Mapped[bool]
    held_out: Mapped[bool] = mapped_column(Boolean, server_default=false())
    avoidable_loss: Mapped[float | None]
    changed_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]

    __table_args__ = (
        Index(None, "config", "account_id", "kind", "episode", unique=True),
        Index(None, "config", "state", "owner"),
        Index(None, "config", "changed_at"),
    )


class AlertEventRow(Base):
    """What happened to an alert; one row per event, never changed."""

    __tablename__ = "alert_events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]


class OutboxRow(Base):
    """A change that deliveries have not looked at yet; one row per change, written in the change's own transaction.

    `topic` is ``snapshot`` or ``alert``, `subject` the id of what changed.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    topic: Mapped[str]
    subject: Mapped[int]
    at: Mapped[datetime]

    __table_args__ = (Index(None, "config", "id"),)


class DeliveryRow(Base):
    """What a target is to hold under a key, and what became of it; one row per config, target and key.

    `wanted` is what the target should hold, in its `version`; `tried_version` the one that was sent last, and `held`
    what it has accepted.
    """

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    target: Mapped[str]
    key: Mapped[str] = mapped_column(String(300))
    topic: Mapped[str]
    account_id: Mapped[str | None]
    state: Mapped[str]
    version: Mapped[int]
    wanted: Mapped[dict[str, Any]]
    held: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    remote_id: Mapped[str | None]
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    tried_version: Mapped[int | None]
    held_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    said: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index(None, "config", "target", "key", unique=True),
        Index(None, "config", "target", "topic", "state", "due_at"),
    )


class DeliveryTargetRow(Base):
    """How it stands with a target: its pause, its failures in a row, its calls of the day; one row per target.

    The row without a target's name says which process is delivering.
    """

    __tablename__ = "delivery_targets"

    config: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str | None]
    until: Mapped[datetime | None]
    failures: Mapped[int]
    why: Mapped[str | None] = mapped_column(Text)
    day: Mapped[date | None]
    calls: Mapped[int]
    allowed: Mapped[int | None]


class EvaluationRow(Base):
    """That the alert rules went over a snapshot; one row per config and `as_of`."""

    __tablename__ = "alert_evaluations"

    config: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    body: Mapped[dict[str, Any]]


class TaskRow(Base):
    """One step of a playbook that an alert has begun, in its newest state; one row per alert and step."""

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    account_id: Mapped[str]
    playbook: Mapped[str]
    step: Mapped[str]
    owner: Mapped[str]
    state: Mapped[str]
    due_on: Mapped[date]
    changed_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]

    __table_args__ = (
        Index(None, "alert_id", "step", unique=True),
        Index(None, "config", "state", "owner"),
        Index(None, "config", "account_id"),
        Index(None, "config", "changed_at"),
    )


class TaskEventRow(Base):
    """What happened to a task; one row per event, never changed."""

    __tablename__ = "task_events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]


class NoteRow(Base):
    """What somebody wrote down on an account, an alert or a task; one row per note, never changed."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    account_id: Mapped[str]
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    author: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]

    __table_args__ = (Index(None, "config", "account_id", "at"), Index(None, "config", "at"))


class AssignmentRow(Base):
    """To which arm of an experiment chance has sent an account; one row per experiment, account and episode."""

    __tablename__ = "experiment_assignments"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    experiment: Mapped[str]
    account_id: Mapped[str]
    episode: Mapped[int]
    arm: Mapped[str]
    assigned_on: Mapped[date]
    ended_on: Mapped[date | None]
    body: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "config", "experiment", "account_id", "episode", unique=True),)


class ApiKeyRow(Base):
    """An API key, of which only the hash is kept; one row per key."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    hash: Mapped[str]
    scopes: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Who changed what; one row per change, written in the change's own transaction."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    request_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "at"),)


class IdempotencyRow(Base):
    """The answer given to a write with an idempotency key; one row per actor and key."""

    __tablename__ = "once"

    actor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class KeyFiguresRow(Base):
    """The KPI report of a config's newest scoring."""

    __tablename__ = "key_figures"

    config: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[date]
    published_at: Mapped[datetime]
    report: Mapped[dict[str, Any]]
