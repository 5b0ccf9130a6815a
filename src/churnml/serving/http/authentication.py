"""Who may call: API keys, looked up in the store; for pages also people, see `churnml.serving.people`."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from churnml.language import Text
from churnml.serving.http.buckets import Buckets
from churnml.serving.http.paths import is_page
from churnml.serving.http.problems import Problem
from churnml.serving.http.remembering import Memory
from churnml.serving.people.forms import VIEWER
from churnml.serving.people.sessions import People, key_for
from churnml.serving.people.viewer import viewer_with_key
from churnml.serving.state import ServingState
from churnml.serving.workers import WRONG_KEYS
from churnml.store import SCOPES, ApiKey

__all__ = ["BASIC", "KEY", "STATIC", "AuthenticationMiddleware", "KeyRing"]

KEY = "churnml.key"
"""Entry of the scope: the caller's `ApiKey`."""

_OPEN = frozenset(
    {
        "/healthz",
        "/livez",
        "/readyz",
        "/v1/healthz",
        "/v1/readyz",
        "/v1/openapi.json",
        "/openapi.json",
        "/docs",
        "/sign-in",
        "/language",
    }
)
"""Paths that need no key; none of them tells anything of an account."""

STATIC = "/static/"
"""Where the pages' style sheet and script are; they tell nothing of anybody."""
_WRONG_KEYS_PER_MINUTE = 60

BASIC = 'Basic realm="churnml", charset="UTF-8"'
"""What makes a browser ask for a name and a password."""

ANYONE = ApiKey("insecure", "insecure", frozenset(SCOPES), datetime(2020, 1, 1, tzinfo=UTC), None, None)
"""Who calls when the service asks for no key."""


class AuthenticationMiddleware:
    """Puts the caller's key, and of a page who is looking, into the scope; a path that needs none goes without."""

    def __init__(self, app: ASGIApp, keys: KeyRing, people: People) -> None:
        self._app = app
        self._keys = keys
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            await self._identify(scope)
        await self._app(scope, receive, send)

    async def _identify(self, scope: Scope) -> None:
        headers, path, client = Headers(scope=scope), scope["path"], scope.get("client")
        address, sent = client[0] if client else "", headers.get("authorization") or headers.get("x-api-key")
        if not is_page(path):
            if sent or path not in _OPEN:
                scope[KEY] = await self._keys.key_of(headers, address)
            return
        if path.startswith(STATIC):
            return
        insecure = self._keys.insecure
        if sent or insecure:
            key = await self._key_of_page(headers, address)
            scope[KEY], scope[VIEWER] = key, viewer_with_key(key, insecure=insecure)
        if not sent:
            viewer = await self._people.viewer(scope)
            if viewer is not None:
                scope[KEY], scope[VIEWER] = key_for(viewer), viewer
        if VIEWER not in scope and not _is_open(path):
            # A browser is led to the page for signing in; a program is told how it may say who it is.
            program = "text/html" not in headers.get("accept", "")
            raise Problem(
                "auth.missing", Text.of("detail-nobody"), headers={"WWW-Authenticate": BASIC} if program else None
            )

    async def _key_of_page(self, headers: Headers, address: str) -> ApiKey:
        try:
            return await self._keys.key_of(headers, address)
        except Problem as problem:
            if problem.status == 401:
                # A browser then asks for a name (any) and a password (the key).
                problem.headers["WWW-Authenticate"] = BASIC
            raise


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith("/sign-in/")


class KeyRing:
    """Checks keys against the store, remembering a good one for two seconds: a revocation takes that long at most."""

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._known: Memory[ApiKey] = Memory(trusting=True)
        shared = state.settings.shared
        self._wrong = Buckets(_WRONG_KEYS_PER_MINUTE, shared and shared / WRONG_KEYS)

    @property
    def insecure(self) -> bool:
        """Whether the service asks for no key."""
        return self._state.settings.insecure

    async def key_of(self, headers: Headers, address: str) -> ApiKey:
        """Return the caller's key.

        Parameters
        ----------
        headers : Headers
            ``Authorization``: ``Bearer <key>``, or from a browser ``Basic`` with the key as password. ``X-API-Key`` is
            for tools that cannot set the other.
        address : str
            The caller's address; of too many wrong keys from one the rest are refused, right ones never.

        Raises
        ------
        Problem
            ``auth.missing``, ``auth.invalid`` or ``auth.throttled``.
        """
        if self._state.settings.insecure:
            # A page in a browser of this machine may call under a name of its own that leads here, hence the host.
            name = _name(headers.get("host", ""))
            if not (_is_loopback(address) and (name == "localhost" or _is_loopback(name))):
                raise _unauthorized("auth.missing", Text.of("detail-own_machine"))
            return ANYONE
        secret = headers.get("x-api-key")
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            secret = _basic_password(token) if scheme.lower() == "basic" else token.strip()
            if scheme.lower() not in ("bearer", "basic"):
                secret = ""
        if secret is None:
            raise _unauthorized("auth.missing", Text.of("detail-send_key"))
        key = await self._find(secret, address)
        if not key.usable(datetime.now(UTC)):
            word = "revoked" if key.revoked_at else "expired"
            raise _unauthorized("auth.invalid", Text.of(f"detail-key.{word}", key=key.id))
        return key

    async def _find(self, secret: str, address: str) -> ApiKey:
        key = await self._known.get(secret, self._state.store.keys.find)
        if key is None:
            # Only a wrong key is slowed down: others may call from the same address, behind a proxy say.
            if self._wrong.take(address).wait_seconds:
                raise Problem("auth.throttled", Text.of("detail-wrong_keys"), headers={"Retry-After": "60"})
            raise _unauthorized("auth.invalid", Text.of("detail-unknown_key"))
        return key


def _name(host: str) -> str:
    """Return the name in a ``Host`` header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _basic_password(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _unauthorized(code: str, detail: Text) -> Problem:
    return Problem(code, detail, headers={"WWW-Authenticate": 'Bearer realm="churnml"'})
