"""People who look at the pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from churnml.config.sign_in import Role
from churnml.errors import StoreError, UsageError, near_name
from churnml.language import Text, languages
from churnml.store.schema import SessionRow, UserRow
from churnml.store.writes import Actor, reading, write

__all__ = ["User", "Users"]

_ADDRESS = re.compile(r"[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,190}")


@dataclass(frozen=True)
class User:
    """A person.

    Parameters
    ----------
    id : int
    email : str
        In small letters.
    name : str
    role : str
        ``csm``, ``manager``, ``data_scientist`` or ``admin``.
    owner_id : str or None
        The owner of accounts, as the accounts name them, that this person is.
    language : str or None
        What they have chosen.
    subject : str or None
        How the company's identity provider names them.
    created_at, disabled_at : datetime
    """

    id: int
    email: str
    name: str
    role: Role
    owner_id: str | None
    language: str | None
    subject: str | None
    created_at: datetime
    disabled_at: datetime | None

    @property
    def actor(self) -> str:
        """Name in the audit log."""
        return f"user:{self.id}"


USER = tuple(getattr(UserRow, name) for name in User.__dataclass_fields__)
"""The columns of a `User`."""


class Users:
    """The people of a store.

    Examples
    --------
    >>> from datetime import UTC
    >>> from churnml.store import Store
    >>> with Store("sqlite://") as store:
    ...     ann = store.users.add("Ann@example.com", Actor("cli", datetime(2026, 1, 5, tzinfo=UTC)), name="Ann")
    ...     (ann.email, ann.role, store.users.find("ann@example.com") == ann)
    ('ann@example.com', 'csm', True)
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        email: str,
        actor: Actor,
        *,
        name: str | None = None,
        role: str = "csm",
        owner_id: str | None = None,
        language: str | None = None,
        subject: str | None = None,
    ) -> User:
        """Add a person; by default they are called what stands before the @ of their address.

        Raises
        ------
        UsageError
            The address, the role or the language cannot be.
        StoreError
            ``users.known``: somebody has the address already.
        """
        address = _address(email)
        row: dict[str, Any] = {
            "email": address,
            "name": _name(name or address.partition("@")[0]),
            "role": _role(role),
            "owner_id": _owner(owner_id),
            "language": _language(language),
            "subject": subject,
            "created_at": actor.now,
        }

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            _refuse_known(connection, address)
            made = connection.execute(insert(UserRow).values(**row)).inserted_primary_key
            number = int(made[0]) if made is not None else 0
            return f"user:{number}", {**row, "id": number}

        answer, _ = write(self._engine, actor, "users.add", work)
        return self.get(int(answer["id"]))

    def list(self) -> list[User]:
        """Return everybody, by name."""
        with reading(self._engine) as connection:
            return [User(*row) for row in connection.execute(select(*USER).order_by(UserRow.name, UserRow.id))]

    def get(self, user_id: int) -> User:
        """Return a person by number.

        Raises
        ------
        StoreError
            ``users.unknown``: there is none.
        """
        user = self._one(UserRow.id == user_id)
        if user is None:
            raise self._unknown(str(user_id))
        return user

    def find(self, email: str) -> User | None:
        """Return the person with a mail address, or None."""
        address = email.strip().lower()
        return self._one(UserRow.email == address) if _ADDRESS.fullmatch(address) and address.isprintable() else None

    def named(self, email: str) -> User:
        """Return the person with a mail address.

        Raises
        ------
        StoreError
            ``users.unknown``: there is none; the message names the near address.
        """
        user = self.find(email)
        if user is None:
            raise self._unknown(email)
        return user

    def with_subject(self, subject: str) -> User | None:
        """Return the person whom the company's identity provider names so, or None."""
        return self._one(UserRow.subject == subject[:600])

    def change(self, user_id: int, actor: Actor, **fields: str | None) -> User:
        """Change what is known of a person.

        Parameters
        ----------
        fields : str or None
            Of ``email, name, role, owner_id, language, subject``.

        Raises
        ------
        UsageError
            A value cannot be.
        StoreError
            There is no such person, or somebody else has the address.
        """
        checks: dict[str, Any] = {
            "email": _address,
            "name": _name,
            "role": _role,
            "owner_id": _owner,
            "language": _language,
            "subject": lambda subject: subject,
        }
        values = {name: checks[name](value) for name, value in fields.items()}

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            if "email" in values:
                _refuse_known(connection, values["email"], but=user_id)
            self._update(connection, user_id, values)
            return f"user:{user_id}", values

        write(self._engine, actor, "users.change", work)
        return self.get(user_id)

    def disable(self, user_id: int, actor: Actor) -> User:
        """Let a person in no more, and end their sessions."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            self._update(connection, user_id, {"disabled_at": actor.now})
            open_ = update(SessionRow).where(SessionRow.user_id == user_id, SessionRow.ended_at.is_(None))
            ended = connection.execute(open_.values(ended_at=actor.now)).rowcount
            return f"user:{user_id}", {"disabled_at": actor.now, "sessions_ended": ended}

        write(self._engine, actor, "users.disable", work)
        return self.get(user_id)

    def enable(self, user_id: int, actor: Actor) -> User:
        """Let a person in again."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            self._update(connection, user_id, {"disabled_at": None})
            return f"user:{user_id}", {"disabled_at": None}

        write(self._engine, actor, "users.enable", work)
        return self.get(user_id)

    def _update(self, connection: Connection, user_id: int, values: dict[str, Any]) -> None:
        if values and connection.execute(update(UserRow).where(UserRow.id == user_id).values(**values)).rowcount != 1:
            raise StoreError(Text.of("error-no_person"), got=str(user_id), code="users.unknown")

    def _one(self, condition: ColumnElement[bool]) -> User | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(*USER).where(condition)).first()
        return None if row is None else User(*row)

    def _unknown(self, name: str) -> StoreError:
        with reading(self._engine) as connection:
            known = list(connection.execute(select(UserRow.email)).scalars())
        near = near_name(name.strip().lower(), known)
        return StoreError(
            Text.of("error-no_address", address=repr(name)),
            expected=f"{near}?" if near else None,
            code="users.unknown",
        )


def _refuse_known(connection: Connection, address: str, but: int | None = None) -> None:
    known_id = connection.execute(select(UserRow.id).where(UserRow.email == address)).scalar_one_or_none()
    if known_id is not None and known_id != but:
        raise StoreError(
            Text.of("error-address_taken"),
            got=address,
            code="users.known",
        )


def _address(email: str | None) -> str:
    address = (email or "").strip().lower()
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        raise UsageError(Text.of("error-mail"), got=address[:80], expected="name@example.com", code="users.email")
    return address


def _name(name: str | None) -> str:
    text = " ".join((name or "").split())
    if not text or len(text) > 200 or not text.isprintable():
        raise UsageError(Text.of("error-name"), got=text[:80], code="users.name")
    return text


def _role(role: str | None) -> str:
    known = get_args(Role)
    if role is None or role not in known:
        near = near_name(role or "", known)
        raise UsageError(
            Text.of("error-role", role=repr(role)),
            expected=f"{near}?" if near else " or ".join(known),
            code="users.role",
        )
    return role


def _owner(owner_id: str | None) -> str | None:
    if owner_id and (len(owner_id) > 255 or not owner_id.isprintable()):
        raise UsageError(Text.of("error-owner"), got=owner_id[:80], code="users.owner")
    return owner_id or None


def _language(language: str | None) -> str | None:
    if language and language not in languages():
        raise UsageError(
            Text.of("error-language", language=repr(language)), expected=" or ".join(languages()), code="usage.language"
        )
    return language or None
