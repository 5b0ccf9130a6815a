"""Where a request comes from: the program that is connected, and whom it says it speaks for."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

__all__ = ["PeerMiddleware", "peer_of"]

_PEER = "churnml.peer"


def peer_of(scope: Scope) -> str:
    """Return the address of the program that is connected: of a proxy, where there is one in front."""
    return str(scope.get(_PEER, ""))


class PeerMiddleware:
    """Notes who is connected, and takes client and scheme from the headers of the proxies that are trusted with that.

    Parameters
    ----------
    app : ASGI app
    proxies : tuple of str
        Addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
    """

    def __init__(self, app: ASGIApp, proxies: tuple[str, ...]) -> None:
        self._app = app
        self._forwarded: Any = ProxyHeadersMiddleware(app, trusted_hosts=list(proxies))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            client = scope.get("client")
            scope[_PEER] = client[0] if client else ""
        await self._forwarded(scope, receive, send)
