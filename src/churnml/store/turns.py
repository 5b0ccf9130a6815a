"""One writer at a time, where two that read first and write then would undo each other's change."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, text

__all__ = ["one_at_a_time"]


def one_at_a_time(connection: Connection, *what: str) -> None:
    """Make others who are about to change the same thing wait until this transaction ends.

    SQLite has one writer at a time by itself.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes.
    what : str
        Names of the thing, e.g. the config and ``alerts``.
    """
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256("\0".join(what).encode()).digest()
        number = int.from_bytes(digest[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
