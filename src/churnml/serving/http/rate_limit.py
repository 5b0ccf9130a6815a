"""Each API key may send so many requests a minute, over all processes of a service."""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from churnml.language import Text
from churnml.serving.http.authentication import KEY
from churnml.serving.http.buckets import Buckets
from churnml.serving.http.headers import headers_of
from churnml.serving.http.problems import Problem

__all__ = ["RateLimitMiddleware"]


class RateLimitMiddleware:
    """Counts the requests of the key in the scope; one too many is ``rate.limited``.

    Parameters
    ----------
    app : ASGI app
    per_minute : int
        Requests a minute.
    path : Path, optional
        File in which several processes count together.
    """

    def __init__(self, app: ASGIApp, per_minute: int, path: Path | None = None) -> None:
        self._app = app
        self._requests = Buckets(per_minute, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and KEY in scope:
            self._count(scope)
        await self._app(scope, receive, send)

    def _count(self, scope: Scope) -> None:
        allowance = self._requests.take(scope[KEY].id)
        if allowance.wait_seconds:
            wait = str(max(1, round(allowance.wait_seconds + 0.5)))
            raise Problem(
                "rate.limited",
                Text.of("detail-rate", limit=str(allowance.limit), wait=wait),
                headers={"Retry-After": wait},
            )
        headers = headers_of(scope)
        headers["X-RateLimit-Limit"] = str(allowance.limit)
        headers["X-RateLimit-Remaining"] = str(allowance.remaining)
