"""What every request passes: id, key, limits, time-out, headers, one log line, metrics, and no fault let out."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from churnml.errors import ChurnmlError
from churnml.serving.access import Access
from churnml.serving.live import Live
from churnml.serving.metrics import observe
from churnml.serving.problems import Problem, problem_of

__all__ = ["KEY", "REQUEST_ID", "Guard"]

KEY = "churnml.key"
"""Entry of the scope: the caller's `ApiKey`."""
REQUEST_ID = "churnml.request_id"
"""Entry of the scope: the request's id."""

_LOG = logging.getLogger("churnml.access")
_ERRORS = logging.getLogger("churnml.serving")
_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_BODY_SECONDS = 10.0
_OPEN = frozenset(
    {"/healthz", "/livez", "/readyz", "/v1/healthz", "/v1/readyz", "/v1/openapi.json", "/openapi.json", "/docs"}
)
"""Paths that need no key; none of them tells anything of an account."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around the whole API.

    Parameters
    ----------
    app : ASGI app
        The API.
    live : Live
        State and settings.
    """

    def __init__(self, app: ASGIApp, live: Live) -> None:
        self._app = app
        self._settings = live.settings
        self._access = Access(live)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        began = time.perf_counter()
        sent = headers.get("x-request-id", "")
        request_id = sent if _ID.fullmatch(sent) else uuid.uuid4().hex[:16]
        scope[REQUEST_ID] = request_id
        answer = _Answer(send, request_id, secure=scope.get("scheme") == "https")
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                await self._serve(scope, headers, receive, answer)
        except Problem as problem:
            if problem.status == 401 and (scope["path"] == "/" or scope["path"].startswith("/accounts/")):
                # A browser then asks for a name (any) and a password (the key).
                problem.headers["WWW-Authenticate"] = 'Basic realm="churnml", charset="UTF-8"'
            await answer.problem(problem, scope, receive)
        except ChurnmlError as error:
            _ERRORS.error("request %s: %s", request_id, error, exc_info=error)
            await answer.problem(problem_of(error), scope, receive)
        except TimeoutError:
            await answer.problem(Problem("service.timeout", "The service did not answer in time"), scope, receive)
        except Exception:
            _ERRORS.exception("request %s failed", request_id)
            await answer.problem(Problem("service.error", "The service failed; its log says why"), scope, receive)
        seconds = time.perf_counter() - began
        self._note(scope, answer.status, seconds, request_id)

    async def _serve(self, scope: Scope, headers: Headers, receive: Receive, answer: _Answer) -> None:
        keyed = headers.get("authorization") or headers.get("x-api-key")
        if keyed or scope["path"] not in _OPEN:
            client = scope.get("client")
            key = await self._access.key_of(headers, client[0] if client else "")
            scope[KEY] = key
            allowance = self._access.count(key)
            answer.extra["X-RateLimit-Limit"] = str(allowance.limit)
            answer.extra["X-RateLimit-Remaining"] = str(allowance.remaining)
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, answer)
            return
        body = await self._body(headers, receive)
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and media != "application/json" and not media.endswith("+json"):
            got = f"got {media[:80]!r}" if media else "got none"
            raise Problem("request.media_type", f"Send the body with Content-Type: application/json; {got}")
        await self._app(scope, _replay(body, receive), answer)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Read the whole body, no more than allowed and no longer than it may take."""
        most = self._settings.limits.max_body_bytes
        too_large = Problem("request.too_large", f"A body may have {most} bytes", headers={"Connection": "close"})
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise too_large
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem("request.timeout", "The connection was closed before the body had arrived")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            raise Problem("request.timeout", f"The body did not arrive within {_BODY_SECONDS:.0f} s") from None
        return b"".join(parts)

    @staticmethod
    def _note(scope: MutableMapping[str, Any], status: int, seconds: float, request_id: str) -> None:
        """Write one log line and count: the route's template, never the path, which may hold an account's id."""
        route = getattr(scope.get("route"), "path", "unmatched")
        observe(scope["method"], route, status, seconds)
        key = scope.get(KEY)
        line = {
            "request_id": request_id,
            "key": key.id if key else None,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
        }
        _LOG.info("request", extra={"fields": line})


class _Answer:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str, secure: bool) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.extra = {**_HEADERS, "X-Request-ID": request_id}
        if secure:
            self.extra["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in self.extra.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def problem(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Send a problem, unless the answer has begun already."""
        if not self.status:
            await problem.response(self._request_id)(scope, receive, self)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive that hands out a body already read, then goes on as before."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
