"""What is to be written to other systems, and what became of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Index,
    Integer,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = ["DeliveryRow", "DeliveryTargetRow", "OutboxRow"]


class OutboxRow(Base):
    """A change that deliveries have not looked at yet; one row per change, written in the change's own transaction.

    `topic` is ``snapshot``, ``alert`` or ``task``, `subject` the id of what changed.
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
