"""One way to change the store: the change, its audit row and its idempotent answer in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.database import is_busy
from churnml.store.plain import plain
from churnml.store.schema import AuditRow, IdempotencyRow

__all__ = ["Actor", "IdempotencyKey", "changing", "reading", "record", "write"]

_RETENTION = timedelta(hours=24)


@dataclass(frozen=True)
class Actor:
    """Who writes and when: a key's id or ``cli``, the time of the write, and the request's id if there is one."""

    name: str
    now: datetime
    request_id: str | None = None


@dataclass(frozen=True)
class IdempotencyKey:
    """An idempotency key, and a fingerprint of the request that came with it."""

    key: str
    fingerprint: str


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection to read with; a failing database becomes a `StoreError`."""
    with _translated(), engine.connect() as connection:
        yield connection


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that writes; a failing database becomes a `StoreError`."""
    with _translated(), engine.execution_options(write=True).begin() as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if is_busy(error):
            raise busy() from error
        raise StoreError(
            Text.of("error-store_failed"),
            got=str(getattr(error, "orig", error)).strip(),
            code="store.failed",
        ) from error


def write(
    engine: Engine,
    actor: Actor,
    action: str,
    work: Callable[[Connection], tuple[str, dict[str, Any]]],
    idempotency: IdempotencyKey | None = None,
    deadline: float | None = None,
) -> tuple[dict[str, Any], bool]:
    """Run a change in one transaction with its audit row.

    Parameters
    ----------
    work : callable
        Makes the change; returns its subject (for the audit) and a JSON-ready answer.
    idempotency : IdempotencyKey, optional
        With a key that was used before by the same actor, nothing is changed and the first answer comes back.
    deadline : float, optional
        On the clock of `time.monotonic`: after it nothing is kept any more, as nobody waits for the answer.

    Returns
    -------
    tuple of dict and bool
        The answer, and whether it is the replay of an earlier one.

    Raises
    ------
    StoreError
        ``store.once_mismatch`` when the key came with another request before; ``store.busy`` when other writers kept
        the database, or the deadline had passed; ``store.failed`` when the database refused. Nothing is kept then.
    """
    try:
        return _write(engine, actor, action, work, idempotency, deadline)
    except IntegrityError:
        if idempotency is None:
            raise
        # On PostgreSQL the same key may commit in another transaction between our look and our insert.
        return _write(engine, actor, action, work, idempotency, deadline)


def _write(
    engine: Engine,
    actor: Actor,
    action: str,
    work: Callable[[Connection], tuple[str, dict[str, Any]]],
    idempotency: IdempotencyKey | None,
    deadline: float | None,
) -> tuple[dict[str, Any], bool]:
    _refuse_after(deadline)
    with _translated_but_integrity(), engine.execution_options(write=True).begin() as connection:
        if idempotency is not None:
            connection.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < actor.now - _RETENTION))
            earlier = connection.execute(
                select(IdempotencyRow.fingerprint, IdempotencyRow.answer).where(
                    IdempotencyRow.actor == actor.name, IdempotencyRow.key == idempotency.key
                )
            ).first()
            if earlier is not None:
                if earlier.fingerprint != idempotency.fingerprint:
                    raise StoreError(
                        Text.of("error-once"),
                        where="Idempotency-Key",
                        got=idempotency.key,
                        code="store.once_mismatch",
                    )
                return dict(earlier.answer), True
        subject, answer = work(connection)
        answer = plain(answer)
        record(connection, actor, action, subject, answer)
        if idempotency is not None:
            row = {
                "actor": actor.name,
                "key": idempotency.key,
                "fingerprint": idempotency.fingerprint,
                "answer": answer,
            }
            connection.execute(insert(IdempotencyRow), [row | {"created_at": actor.now}])
        _refuse_after(deadline)
    return answer, False


def record(connection: Connection, actor: Actor, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Note in the audit log who changed what, on the connection that makes the change."""
    audit = {
        "at": actor.now,
        "actor": actor.name,
        "action": action,
        "subject": subject[:255],
        "request_id": actor.request_id,
        "detail": plain(detail),
    }
    connection.execute(insert(AuditRow), [audit])


def _refuse_after(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise busy()


def busy() -> StoreError:
    """Return the error that says that others kept the store."""
    return StoreError(
        Text.of("error-store_busy"),
        code="store.busy",
    )


@contextmanager
def _translated_but_integrity() -> Iterator[None]:
    try:
        with _translated():
            yield
    except StoreError as error:
        if isinstance(error.__cause__, IntegrityError):
            raise error.__cause__ from None
        raise
