"""Keys, the audit log, and the answers to writes that may be repeated."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Index,
    Integer,
)
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = ["ApiKeyRow", "AuditRow", "IdempotencyRow"]


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
