"""Who is signed in: links that sign in once, and the sessions that they and the identity provider begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.schema import SessionRow, SignInLinkRow, UserRow
from churnml.store.tokens import is_hash_of, new_token, token_id
from churnml.store.users import USER, User
from churnml.store.writes import Actor, changing, reading, write

__all__ = ["SESSION_KIND", "Link", "Session", "Sessions"]

_LINK, SESSION_KIND = "link", "session"
_RETENTION = timedelta(days=30)
"""What has ended is forgotten after so long."""
_SEEN_EVERY = timedelta(minutes=10)
"""How exactly is known when a session was last used: a page must not cost a write."""


@dataclass(frozen=True)
class Link:
    """A link that signs somebody in once: its secret, which is not kept, and when it ends."""

    token: str
    user: User
    expires_at: datetime


@dataclass(frozen=True)
class Session:
    """Somebody signed in with one browser; `by` is ``link`` or ``oidc``."""

    id: str
    user_id: int
    by: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    def usable(self, now: datetime, idle: timedelta) -> bool:
        """Tell whether it is in force: not ended, not expired, and used within `idle`."""
        return self.ended_at is None and now < self.expires_at and now < self.seen_at + idle + _SEEN_EVERY


_SESSION = tuple(getattr(SessionRow, name) for name in Session.__dataclass_fields__)


class Sessions:
    """The sessions of a store, and the links that begin one.

    Examples
    --------
    >>> from datetime import UTC
    >>> from churnml.store import Store
    >>> cli = Actor("cli", datetime(2026, 1, 5, tzinfo=UTC))
    >>> with Store("sqlite://") as store:
    ...     ann = store.users.add("ann@example.com", cli)
    ...     link = store.sessions.invite(ann, cli, timedelta(hours=1))
    ...     first = store.sessions.use(link.token, cli.now)
    ...     (first.email, store.sessions.use(link.token, cli.now))
    ('ann@example.com', None)
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # -- links -------------------------------------------------------------------------------------------------------

    def invite(self, user: User, actor: Actor, valid_for: timedelta) -> Link:
        """Make a link for a person. Earlier ones stay good, or asking for one would take somebody's away.

        Raises
        ------
        StoreError
            ``users.disabled``: they are not let in.
        """
        if user.disabled_at is not None:
            raise StoreError(
                Text.of("error-disabled"),
                got=user.email,
                code="users.disabled",
            )
        token, ends = new_token(_LINK), actor.now + valid_for
        row = {"id": token.id, "user_id": user.id, "hash": token.hash, "created_at": actor.now, "expires_at": ends}

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            connection.execute(delete(SignInLinkRow).where(SignInLinkRow.expires_at < actor.now - _RETENTION))
            connection.execute(insert(SignInLinkRow).values(**row))
            return user.actor, {"link": token.id, "expires_at": ends}

        write(self._engine, actor, "users.invite", work)
        return Link(token.text, user, ends)

    def links_since(self, user: User, since: datetime) -> int:
        """Return how many links were made for a person since a time."""
        query = select(SignInLinkRow.id).where(SignInLinkRow.user_id == user.id, SignInLinkRow.created_at >= since)
        with reading(self._engine) as connection:
            return len(connection.execute(query).all())

    def whose(self, token: str, now: datetime) -> User | None:
        """Return whom a link would sign in, without using it; None where it signs nobody in (any more)."""
        name = token_id(_LINK, token)
        if name is None:
            return None
        query = select(SignInLinkRow.hash, SignInLinkRow.expires_at, SignInLinkRow.used_at, *USER)
        query = query.join(UserRow, UserRow.id == SignInLinkRow.user_id).where(SignInLinkRow.id == name)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None or not is_hash_of(row[0], token) or row[2] is not None or now >= row[1]:
            return None
        user = User(*row[3:])
        return user if user.disabled_at is None else None

    def use(self, token: str, now: datetime) -> User | None:
        """Use a link, which it can be once, and return whom it signs in; None where it signs nobody in (any more)."""
        user = self.whose(token, now)
        if user is None:
            return None
        # Of two that use it at once, one marks it.
        mark = update(SignInLinkRow).where(SignInLinkRow.id == token_id(_LINK, token), SignInLinkRow.used_at.is_(None))
        with changing(self._engine) as connection:
            return user if connection.execute(mark.values(used_at=now)).rowcount == 1 else None

    # -- sessions ----------------------------------------------------------------------------------------------------

    def begin(self, user: User, by: str, actor: Actor, valid_for: timedelta) -> str:
        """Begin a session and return its secret, which is not kept."""
        token = new_token(SESSION_KIND)
        row = {
            "id": token.id,
            "user_id": user.id,
            "hash": token.hash,
            "by": by,
            "created_at": actor.now,
            "seen_at": actor.now,
            "expires_at": actor.now + valid_for,
        }

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            connection.execute(delete(SessionRow).where(SessionRow.expires_at < actor.now - _RETENTION))
            connection.execute(insert(SessionRow).values(**row))
            return user.actor, {"session": token.id, "by": by, "expires_at": row["expires_at"]}

        write(self._engine, actor, "sessions.begin", work)
        return token.text

    def find(self, secret: str) -> tuple[Session, User] | None:
        """Return the session of a secret with its person; whether they may look is for the caller to ask."""
        name = token_id(SESSION_KIND, secret)
        if name is None:
            return None
        query = select(SessionRow.hash, *_SESSION, *USER).join(UserRow, UserRow.id == SessionRow.user_id)
        with reading(self._engine) as connection:
            row = connection.execute(query.where(SessionRow.id == name)).first()
        if row is None or not is_hash_of(row[0], secret):
            return None
        middle = 1 + len(_SESSION)
        return Session(*row[1:middle]), User(*row[middle:])

    def seen(self, session: Session, now: datetime) -> None:
        """Note that a session was used, where that was not noted minutes ago."""
        if now - session.seen_at < _SEEN_EVERY:
            return
        with changing(self._engine) as connection:
            connection.execute(update(SessionRow).where(SessionRow.id == session.id).values(seen_at=now))

    def end(self, secret: str, actor: Actor) -> None:
        """End the session of a secret, if there is one."""
        pair = self.find(secret)
        if pair is None or pair[0].ended_at is not None:
            return
        session, user = pair

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            connection.execute(update(SessionRow).where(SessionRow.id == session.id).values(ended_at=actor.now))
            return user.actor, {"session": session.id}

        write(self._engine, actor, "sessions.end", work)

    def end_all(self, user: User, actor: Actor) -> int:
        """End every session of a person and return how many there were; their unused links end too."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            running = update(SessionRow).where(SessionRow.user_id == user.id, SessionRow.ended_at.is_(None))
            ended = connection.execute(running.values(ended_at=actor.now)).rowcount
            unused = update(SignInLinkRow).where(SignInLinkRow.user_id == user.id, SignInLinkRow.used_at.is_(None))
            connection.execute(unused.values(used_at=actor.now))
            return user.actor, {"sessions_ended": ended}

        answer, _ = write(self._engine, actor, "users.sign_out", work)
        return int(answer["sessions_ended"])

    def in_force(self, now: datetime) -> list[Session]:
        """Return the sessions that have not ended, the one last used first."""
        query = select(*_SESSION).where(SessionRow.ended_at.is_(None), SessionRow.expires_at > now)
        with reading(self._engine) as connection:
            return [Session(*row) for row in connection.execute(query.order_by(SessionRow.seen_at.desc()))]
