"""What people say beside the system: overrides and feedback."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text, update

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.records import AccountScore, Feedback, Override
from churnml.store.schema import FeedbackRow, OverrideRow
from churnml.store.writes import Actor, IdempotencyKey, reading, write

__all__ = ["Judgements"]

_OVERRIDE = select(
    OverrideRow.id,
    OverrideRow.account_id,
    OverrideRow.band,
    OverrideRow.reason,
    OverrideRow.author,
    OverrideRow.system_band,
    OverrideRow.system_score,
    OverrideRow.created_at,
    OverrideRow.expires_at,
    OverrideRow.ended_at,
    OverrideRow.ended_by,
)
_FEEDBACK = select(
    FeedbackRow.id,
    FeedbackRow.account_id,
    FeedbackRow.kind,
    FeedbackRow.comment,
    FeedbackRow.author,
    FeedbackRow.created_at,
    FeedbackRow.snapshot_id,
)


class Judgements:
    """Overrides and feedback on the accounts of one config.

    Parameters
    ----------
    engine : Engine
    config : str
        The config's name.
    deadline : float, optional
        On the clock of `time.monotonic`: a change that is not made by then is not made at all.
    """

    def __init__(self, engine: Engine, config: str, deadline: float | None = None) -> None:
        self._engine = engine
        self._config = config
        self._deadline = deadline

    def override(
        self,
        account_id: str,
        band: str,
        reason: str,
        author: str,
        actor: Actor,
        *,
        valid_for: timedelta = timedelta(days=30),
        system_band: str | None = None,
        system_score: float | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """Set an override; one in force for the account ends.

        Returns
        -------
        tuple of dict and bool
            The override as JSON-ready data, and whether it is the replay of an earlier answer.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            self._one_at_a_time(connection, account_id)
            connection.execute(
                update(OverrideRow)
                .where(*self._in_force(actor.now), OverrideRow.account_id == account_id)
                .values(ended_at=actor.now, ended_by=author)
            )
            row = {
                "account_id": account_id,
                "band": band,
                "reason": reason,
                "author": author,
                "system_band": system_band,
                "system_score": system_score,
                "created_at": actor.now,
                "expires_at": actor.now + valid_for,
            }
            made = connection.execute(insert(OverrideRow).values(config=self._config, **row).returning(OverrideRow.id))
            return account_id, {"id": made.scalar_one(), **row}

        return write(self._engine, actor, "overrides.create", work, idempotency, self._deadline)

    def end_override(
        self, account_id: str, author: str, actor: Actor, *, idempotency: IdempotencyKey | None = None
    ) -> tuple[Override, bool]:
        """End the override in force.

        Returns
        -------
        tuple of Override and bool
            The override that was ended, and whether this is the replay of an earlier answer.

        Raises
        ------
        StoreError
            None is in force.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            ended = connection.execute(
                update(OverrideRow)
                .where(*self._in_force(actor.now), OverrideRow.account_id == account_id)
                .values(ended_at=actor.now, ended_by=author)
                .returning(OverrideRow.id)
            ).scalar()
            if ended is None:
                raise StoreError(
                    Text.of("error-no_override", account=repr(account_id)), code="store.no_override", where=account_id
                )
            return account_id, {"id": ended, "ended_by": author}

        answer, replayed = write(self._engine, actor, "overrides.end", work, idempotency, self._deadline)
        with reading(self._engine) as connection:
            return Override(*connection.execute(_OVERRIDE.where(OverrideRow.id == answer["id"])).one()), replayed

    def override_of(self, account_id: str, now: datetime) -> Override | None:
        """Return the override in force for an account, if any."""
        with reading(self._engine) as connection:
            row = connection.execute(
                _OVERRIDE.where(*self._in_force(now), OverrideRow.account_id == account_id)
                .order_by(OverrideRow.id.desc())
                .limit(1)
            ).first()
        return None if row is None else Override(*row)

    def overrides(self, now: datetime, account_ids: list[str] | None = None) -> dict[str, Override]:
        """Return the overrides in force, by account."""
        query = _OVERRIDE.where(*self._in_force(now)).order_by(OverrideRow.id)
        if account_ids is not None:
            query = query.where(OverrideRow.account_id.in_(account_ids))
        with reading(self._engine) as connection:
            return {row.account_id: Override(*row) for row in connection.execute(query)}

    def applied(self, accounts: Sequence[AccountScore], now: datetime) -> list[AccountScore]:
        """Return accounts with the band that a CSM sees: that of the override in force, else the system's."""
        judged = self.overrides(now)
        return [
            replace(account, band=judged[account.account_id].band, overridden_by=judged[account.account_id].author)
            if account.account_id in judged
            else account
            for account in accounts
        ]

    def override_history(self, account_id: str) -> list[Override]:
        """Return all overrides an account ever had, newest first."""
        of_account = (OverrideRow.config == self._config, OverrideRow.account_id == account_id)
        query = _OVERRIDE.where(*of_account).order_by(OverrideRow.id.desc())
        with reading(self._engine) as connection:
            return [Override(*row) for row in connection.execute(query)]

    def give_feedback(
        self,
        account_id: str,
        kind: str,
        comment: str | None,
        author: str,
        actor: Actor,
        *,
        snapshot_id: int | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """Record feedback; returns it as JSON-ready data, and whether it is the replay of an earlier answer."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            row = {
                "account_id": account_id,
                "kind": kind,
                "comment": comment,
                "author": author,
                "created_at": actor.now,
                "snapshot_id": snapshot_id,
            }
            made = connection.execute(insert(FeedbackRow).values(config=self._config, **row).returning(FeedbackRow.id))
            return account_id, {"id": made.scalar_one(), **row}

        return write(self._engine, actor, "feedback.create", work, idempotency, self._deadline)

    def feedback(self, account_id: str | None = None) -> list[Feedback]:
        """Return the feedback on one account or on all, newest first."""
        query = _FEEDBACK.where(FeedbackRow.config == self._config).order_by(FeedbackRow.id.desc())
        if account_id is not None:
            query = query.where(FeedbackRow.account_id == account_id)
        with reading(self._engine) as connection:
            return [Feedback(*row) for row in connection.execute(query)]

    def _one_at_a_time(self, connection: Connection, account_id: str) -> None:
        """Make others who judge the same account wait, so that one override is in force whoever comes first.

        SQLite has one writer at a time by itself.
        """
        if connection.dialect.name == "postgresql":
            digest = hashlib.sha256(f"{self._config}\0{account_id}".encode()).digest()
            number = int.from_bytes(digest[:8], signed=True)
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

    def _in_force(self, now: datetime) -> tuple[Any, ...]:
        return (
            OverrideRow.config == self._config,
            OverrideRow.ended_at.is_(None),
            OverrideRow.expires_at > now,
        )
