"""Cookies: read by one name on http and https, and set on whatever answers the request."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Literal

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["FORM", "LANGUAGE", "ATTEMPT", "SESSION", "CookiesMiddleware", "cookie", "drop_cookie", "set_cookie"]

SESSION = "churnml_session"
"""Cookie: the secret of a session."""
FORM = "churnml_form"
"""Cookie: what form tokens are made from where there is no session."""
LANGUAGE = "churnml_language"
"""Cookie: the language that somebody without an account has chosen."""
ATTEMPT = "churnml_attempt"
"""Cookie: the secret of an attempt to sign in by OpenID Connect."""

_COOKIES, _SECURE = "churnml.cookies", "churnml.secure"
_MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class _Wanted:
    name: str
    value: str
    seconds: int
    same_site: Literal["lax", "strict"]


def cookie(scope: Scope, name: str) -> str | None:
    """Return what a cookie of ours holds; None where there is none, or none that we could have set."""
    value = HTTPConnection(scope).cookies.get(_named(scope, name), "")
    return value if 0 < len(value) <= _MOST_CHARACTERS and value.isascii() else None


def set_cookie(
    scope: Scope, name: str, value: str, seconds: int, *, same_site: Literal["lax", "strict"] = "lax"
) -> None:
    """Set a cookie on the answer, whatever answers: for no script, for this host, and by https only where it is used.

    Parameters
    ----------
    scope : Scope
        The request's.
    seconds : int
        How long the browser keeps it.
    same_site : str
        ``lax``: sent when somebody follows a link from elsewhere; ``strict``: not even then.
    """
    scope[_COOKIES][name] = _Wanted(name, value, seconds, same_site)


def drop_cookie(scope: Scope, name: str) -> None:
    """Let the browser forget a cookie."""
    set_cookie(scope, name, "", 0)


def _named(scope: Scope, name: str) -> str:
    """Return the name in the browser: with https one that no other host, and no page on http, can set."""
    return f"__Host-{name}" if scope.get(_SECURE) else name


class CookiesMiddleware:
    """Puts the cookies that were set in the scope on the answer.

    Parameters
    ----------
    app : ASGI app
    https : bool
        People reach the pages by https even if a proxy hands the requests on without.
    """

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted: dict[str, _Wanted] = {}
        scope[_COOKIES] = wanted
        scope[_SECURE] = self._https or scope.get("scheme") == "https"

        async def send_with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for one in wanted.values():
                    headers.append("Set-Cookie", _header(scope, one))
            await send(message)

        await self._app(scope, receive, send_with_cookies)


def _header(scope: Scope, wanted: _Wanted) -> str:
    jar: SimpleCookie = SimpleCookie()
    name = _named(scope, wanted.name)
    jar[name] = wanted.value
    for attribute, value in (("path", "/"), ("max-age", wanted.seconds), ("samesite", wanted.same_site)):
        jar[name][attribute] = str(value)
    jar[name]["httponly"] = True
    if scope.get(_SECURE):
        jar[name]["secure"] = True
    return jar.output(header="").strip()
