"""An answer takes no longer than the settings allow."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from churnml.language import Text
from churnml.serving.http.problems import Problem

__all__ = ["DEADLINE", "TimeoutMiddleware"]

DEADLINE = "churnml.deadline"
"""Entry of the scope: when the request is given up, on the clock of `time.monotonic`."""


class TimeoutMiddleware:
    """Gives a request up after so many seconds, with the problem ``service.timeout``."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[DEADLINE] = time.monotonic() + self._seconds
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, send)
        except TimeoutError:
            reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
            late = Text.of("problem-service-timeout" if reads else "detail-late_write")
            raise Problem("service.timeout", late) from None
