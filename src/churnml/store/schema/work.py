"""What is done about a score: judgements, alerts, tasks, notes, experiments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ForeignKey,
    Index,
    Integer,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = [
    "AccountOwnerRow",
    "AlertEventRow",
    "AlertRankingRow",
    "AlertRow",
    "AssignmentRow",
    "EvaluationRow",
    "FeedbackRow",
    "NoteRow",
    "OverrideRow",
    "RenewalCallRow",
    "TaskEventRow",
    "TaskRow",
    "ViewRow",
]


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


class AccountOwnerRow(Base):
    """Who was chosen by hand to have an account; one row per config and account.

    It holds while the source names the owner that it named then, `source_owner`.
    """

    __tablename__ = "account_owners"

    config: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    source_owner: Mapped[str | None]
    by: Mapped[str]
    at: Mapped[datetime]


class ViewRow(Base):
    """A list that somebody has put together and named; one row per config, person, page and name."""

    __tablename__ = "views"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    user: Mapped[str]
    page: Mapped[str]
    name: Mapped[str]
    query: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "config", "user", "page", "name", unique=True),)


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


class AlertRankingRow(Base):
    """By what the alert budget ranks, as one experiment has shown; one row per decision, never changed."""

    __tablename__ = "alert_rankings"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    experiment: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    body: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "config", "experiment", "id"),)


class RenewalCallRow(Base):
    """What a CSM expects of the next renewal of an account; one row per account, the newest call."""

    __tablename__ = "renewal_calls"

    config: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    renewal_on: Mapped[date]
    arr: Mapped[float]
    author: Mapped[str]
    at: Mapped[datetime]
