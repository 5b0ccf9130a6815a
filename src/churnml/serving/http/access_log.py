"""One line in the log and one count in the metrics for each request."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from churnml.serving.http.authentication import KEY
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.metrics import observe

__all__ = ["AccessLogMiddleware"]

_LOG = logging.getLogger("churnml.access")


class AccessLogMiddleware:
    """Notes the route's template, never the path, which may hold an account's id; neither bodies nor keys."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    @staticmethod
    def _note(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        observe(scope["method"], route, status, seconds)
        key = scope.get(KEY)
        line = {
            "request_id": scope[REQUEST_ID],
            "key": key.id if key else None,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
        }
        _LOG.info("request", extra={"fields": line})
