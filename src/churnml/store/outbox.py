"""The outbox: a change notes in its own transaction that deliveries have to look at it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert

from churnml.store.schema import OutboxRow

__all__ = ["Topic", "note"]

Topic = Literal["snapshot", "alert"]


def note(connection: Connection, config: str, topic: Topic, subject: int, at: datetime) -> None:
    """Note a change on the connection that makes it: kept with it, or not at all."""
    connection.execute(insert(OutboxRow).values(config=config, topic=topic, subject=subject, at=at))
