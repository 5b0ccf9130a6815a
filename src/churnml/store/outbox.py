"""The outbox: a change notes in its own transaction that deliveries have to look at it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, delete, insert

from churnml.store.schema import OutboxRow

__all__ = ["Topic", "forget", "note"]

_RETENTION = timedelta(days=30)

Topic = Literal["snapshot", "alert", "task"]


def note(connection: Connection, config: str, topic: Topic, subject: int, at: datetime) -> None:
    """Note a change on the connection that makes it: kept with it, or not at all."""
    connection.execute(insert(OutboxRow), {"config": config, "topic": topic, "subject": subject, "at": at})


def forget(connection: Connection, config: str, now: datetime) -> None:
    """Drop changes that nobody has delivered for a month, as where there is no target; a new one begins afresh."""
    connection.execute(delete(OutboxRow).where(OutboxRow.config == config, OutboxRow.at < now - _RETENTION))
