"""Who is looking, by the session's cookie or by a proxy in front that says so."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

from churnml.config.sign_in import SignInConfig, inside
from churnml.errors import StoreError, UsageError
from churnml.language import languages
from churnml.serving.http.peer import peer_of
from churnml.serving.http.problems import Problem
from churnml.serving.http.remembering import Memory
from churnml.serving.people.cookies import FORM, LANGUAGE, SESSION, cookie, drop_cookie, set_cookie
from churnml.serving.people.viewer import RIGHTS, Action, Viewer
from churnml.serving.state import ServingState
from churnml.store import Actor, ApiKey, Session, User

__all__ = ["People", "begin_session", "end_session", "key_for", "viewer_for"]

_SCOPES: dict[Action, tuple[str, ...]] = {"read": ("read",), "work": ("write", "score"), "administer": ("admin",)}


class People:
    """Finds out who is looking, remembering it for two seconds."""

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._sessions: Memory[tuple[Session, User]] = Memory(trusting=True)
        self._named: Memory[User] = Memory(trusting=False)

    async def viewer(self, scope: Scope) -> Viewer | None:
        """Return who sent a request, or None where it says nothing of that.

        Raises
        ------
        Problem
            ``auth.stranger``: the proxy names somebody whom churnml does not know or does not let in.
        """
        config = self._state.settings.sign_in
        named = _named_by_proxy(scope, config)
        if named is not None:
            return viewer_for(await self._of_proxy(named), config, by="proxy")
        secret = cookie(scope, SESSION)
        if secret is None:
            return None
        user = await self._of_session(secret)
        return None if user is None else viewer_for(user, config, by="session")

    async def _of_session(self, secret: str) -> User | None:
        held = await self._sessions.get(secret, self._session)
        if held is None:
            return None
        session, user = held
        moment, idle = datetime.now(UTC), timedelta(hours=self._state.settings.sign_in.idle_hours)
        return user if session.usable(moment, idle) and user.disabled_at is None else None

    def _session(self, secret: str) -> tuple[Session, User] | None:
        """Return the session of a secret as the store has it, noting that it is used."""
        sessions = self._state.store.sessions
        session = sessions.find(secret)
        if session is not None:
            # Where the store is busy with others the next page notes it.
            with suppress(StoreError):
                sessions.seen(session[0], datetime.now(UTC))
        return session

    async def _of_proxy(self, email: str) -> User:
        user = await self._named.get(email.strip().lower(), self._known_to_proxy)
        if user is None or user.disabled_at is not None:
            raise Problem("auth.stranger", "You are not let in any more")
        return user

    def _known_to_proxy(self, email: str) -> User:
        store, proxy = self._state.store, self._state.settings.sign_in.proxy
        user = store.users.find(email)
        if user is not None:
            return user
        if proxy is None or proxy.default_role is None:
            raise Problem("auth.stranger", f"Nobody here has the address {email[:80]!r}")
        try:
            return store.users.add(email, Actor("proxy", datetime.now(UTC)), role=proxy.default_role)
        except UsageError as error:
            raise Problem("auth.stranger", f"{error.what}: {email[:80]!r}") from error


def _named_by_proxy(scope: Scope, config: SignInConfig) -> str | None:
    """Return the person whom a trusted proxy names; whoever else sends the header is not believed."""
    if config.proxy is None or not inside(peer_of(scope), config.proxy.addresses):
        return None
    named = Headers(scope=scope).getlist(config.proxy.header)
    # A proxy that adds its header to one that came from outside leaves two: neither is believed.
    return named[0] if len(named) == 1 and named[0].strip() else None


def viewer_for(user: User, config: SignInConfig, *, by: Literal["session", "proxy"]) -> Viewer:
    """Return how a person looks at the pages."""
    return Viewer(
        user_id=user.actor,
        name=user.name,
        role=user.role,
        rights=RIGHTS[user.role],
        owner_id=user.owner_id,
        sees_all=user.role != "csm" or config.csm_sees == "all",
        language=user.language if user.language in languages() else None,
        email=user.email,
        by=by,
    )


def key_for(viewer: Viewer) -> ApiKey:
    """Return the key under which the requests of a person are counted and logged; it opens pages only."""
    scopes = frozenset(scope for action in viewer.rights for scope in _SCOPES.get(action, ()))
    return ApiKey(viewer.user_id, viewer.name, scopes, datetime(2020, 1, 1, tzinfo=UTC), None, None)


def begin_session(scope: Scope, state: ServingState, user: User, by: str, request_id: str | None) -> None:
    """Sign a person in with this browser: always a new session, and the one before ends."""
    config, actor = state.settings.sign_in, Actor(user.actor, datetime.now(UTC), request_id)
    before = cookie(scope, SESSION)
    if before is not None:
        state.store.sessions.end(before, actor)
    secret = state.store.sessions.begin(user, by, actor, timedelta(days=config.session_days))
    set_cookie(scope, SESSION, secret, config.session_days * 86_400)
    drop_cookie(scope, FORM)
    if user.language is not None:
        drop_cookie(scope, LANGUAGE)


def end_session(scope: Scope, state: ServingState, viewer: Viewer, request_id: str | None) -> str | None:
    """Sign a person out of this browser; returns how its session had begun, see `Session.by`."""
    secret, by = cookie(scope, SESSION), None
    if secret is not None:
        held = state.store.sessions.find(secret)
        by = held[0].by if held is not None else None
        state.store.sessions.end(secret, Actor(viewer.user_id, datetime.now(UTC), request_id))
    drop_cookie(scope, SESSION)
    drop_cookie(scope, FORM)
    return by
