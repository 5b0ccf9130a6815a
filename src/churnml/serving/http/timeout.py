"""An answer takes no longer than the settings allow."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from churnml.serving.http.problems import Problem

__all__ = ["TimeoutMiddleware"]


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
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, send)
        except TimeoutError:
            raise Problem("service.timeout", "The service did not answer in time") from None
