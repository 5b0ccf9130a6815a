"""API keys: made once, shown once, kept as a hash."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from churnml.errors import StoreError, UsageError, near_name
from churnml.language import Text
from churnml.store.records import SCOPES, ApiKey
from churnml.store.schema import ApiKeyRow
from churnml.store.tokens import is_hash_of, new_token, token_id
from churnml.store.writes import Actor, reading, write

__all__ = ["Keys"]

_KIND = "churnml"
_LONGEST_NAME = 100


class Keys:
    """The API keys of a store.

    A key reads ``churnml_<id>_<secret>``, see `churnml.store.tokens`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self, name: str, scopes: Iterable[str], actor: Actor, valid_for: timedelta | None = None
    ) -> tuple[str, ApiKey]:
        """Make a key.

        Returns
        -------
        tuple of str and ApiKey
            The key itself, which is not kept and cannot be shown again, and its record.

        Raises
        ------
        UsageError
            The name is empty or too long, a scope is not one, no scope is given, or the key would be expired already.
        """
        name, wanted = name.strip(), frozenset(scopes)
        if not 0 < len(name) <= _LONGEST_NAME:
            raise UsageError(
                Text.of("error-key_name", most=str(_LONGEST_NAME)),
                got=repr(name) if len(name) <= _LONGEST_NAME else Text.of("error-key_name.long", n=len(name)),
                code="keys.name",
            )
        for scope in sorted(wanted):
            if scope not in SCOPES:
                near = near_name(scope, SCOPES)
                raise UsageError(
                    Text.of("error-key_scope", scope=repr(scope)),
                    expected=near or ", ".join(SCOPES),
                    code="keys.unknown_scope",
                )
        if not wanted:
            raise UsageError(Text.of("error-key_no_scope"), expected=", ".join(SCOPES), code="keys.no_scope")
        if valid_for is not None and valid_for <= timedelta(0):
            raise UsageError(Text.of("error-key_time"), got=str(valid_for), code="keys.expired")
        token = new_token(_KIND, id_bytes=6)
        record = ApiKey(token.id, name, wanted, actor.now, actor.now + valid_for if valid_for else None, None)

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            row = {
                "id": record.id,
                "name": name,
                "hash": token.hash,
                "scopes": " ".join(sorted(wanted)),
                "created_at": record.created_at,
                "expires_at": record.expires_at,
            }
            connection.execute(insert(ApiKeyRow), [row])
            return token.id, {"name": name, "scopes": sorted(wanted), "expires_at": record.expires_at}

        write(self._engine, actor, "keys.create", work)
        return token.text, record

    def list(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(_SELECT.order_by(ApiKeyRow.created_at, ApiKeyRow.id))]

    def revoke(self, key_id: str, actor: Actor) -> ApiKey:
        """Revoke a key at once; revoking it again changes nothing.

        Raises
        ------
        StoreError
            No key has this id.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            known = connection.execute(select(ApiKeyRow.id)).scalars().all()
            if key_id not in known:
                near = near_name(key_id, known)
                raise StoreError(
                    Text.of("error-no_key", key=repr(key_id)),
                    expected=near,
                    code="keys.unknown",
                )
            change = update(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
            connection.execute(change.values(revoked_at=actor.now))
            return key_id, {"revoked_at": actor.now}

        write(self._engine, actor, "keys.revoke", work)
        with reading(self._engine) as connection:
            return _record(connection.execute(_SELECT.where(ApiKeyRow.id == key_id)).one())

    def find(self, secret: str) -> ApiKey | None:
        """Return the record of a key as a client sent it, or None if there is no such key.

        Whether it may still be used is for the caller to ask: `ApiKey.usable`.
        """
        key_id = token_id(_KIND, secret)
        if key_id is None:
            return None
        with reading(self._engine) as connection:
            row = connection.execute(_SELECT.add_columns(ApiKeyRow.hash).where(ApiKeyRow.id == key_id)).first()
        if row is None or not is_hash_of(row.hash, secret):
            return None
        return _record(row)


_SELECT = select(
    ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.scopes, ApiKeyRow.created_at, ApiKeyRow.expires_at, ApiKeyRow.revoked_at
)


def _record(row: Row[*tuple[Any, ...]]) -> ApiKey:
    created: datetime = row.created_at
    return ApiKey(row.id, row.name, frozenset(row.scopes.split()), created, row.expires_at, row.revoked_at)
