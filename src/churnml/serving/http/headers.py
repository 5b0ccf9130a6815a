"""Headers that every answer has: what a browser may do with it, and what was put beside the request."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HeadersMiddleware", "headers_of"]

_HEADERS = "churnml.headers"
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def headers_of(scope: Scope) -> MutableMapping[str, str]:
    """Return the headers that the answer to a request will have, whatever answers it; entries may be added."""
    headers: MutableMapping[str, str] = scope[_HEADERS]
    return headers


class HeadersMiddleware:
    """Adds the security headers, and those of `headers_of`, where the answer does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[str, Any] = dict(_SECURITY)
        if scope.get("scheme") == "https":
            headers["Strict-Transport-Security"] = "max-age=31536000"
        scope[_HEADERS] = headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in headers.items():
                    answer.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
