"""Each request has an id: the caller's own, if it can be one, else a new one."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["REQUEST_ID", "RequestIdMiddleware"]

REQUEST_ID = "churnml.request_id"
"""Entry of the scope: the request's id."""

_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class RequestIdMiddleware:
    """Names the request in its scope and in the answer's ``X-Request-ID``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if _ID.fullmatch(sent) else uuid.uuid4().hex[:16]
        scope[REQUEST_ID] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message.setdefault("headers", [])).setdefault("X-Request-ID", request_id)
            await send(message)

        await self._app(scope, receive, send_with_id)
