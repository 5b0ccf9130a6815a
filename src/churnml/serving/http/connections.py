"""How many connections may be open, and how long one may take to send the head of a request.

An open connection costs a file handle, and without handles neither the store nor a new champion can be read. The limit
lies below the requests, in the server that BentoML runs (uvicorn): a connection that never sends one is no request.
"""

from __future__ import annotations

import asyncio
import json
import resource
from typing import Any

import uvicorn.config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from churnml.api.problems import CODES

__all__ = ["LimitedProtocol", "most_connections", "use_limited_protocol"]

_RESERVED = 200
"""File handles that connections leave to the store, the bundles and the log."""
_HEAD_SECONDS = 10.0


def most_connections(wanted: int) -> int:
    """Return how many connections may be open: as many as wanted, but some file handles are left for other things.

    Examples
    --------
    >>> most_connections(10)
    10
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _RESERVED))


def use_limited_protocol() -> None:
    """Let the server of this process, which is yet to start, speak the limited protocol."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedProtocol.__name__}"


class LimitedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection that is refused when too many are open, and closed when it sends no request."""

    most = 1000
    connections: set[Any]
    cycle: Any
    transport: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: Any) -> None:
        """Take the connection up, or refuse it with a problem."""
        if len(self.connections) >= self.most:
            self._refused = True
            transport.write(_refusal())
            transport.close()
            return
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Hand data on; between two requests the next head has its time too."""
        if self._refused:
            return
        super().data_received(data)
        if self._answering():
            self._head_is_here()
        elif self._head is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_is_here()
        if not self._refused:
            super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head = asyncio.get_running_loop().call_later(_HEAD_SECONDS, self._give_up)

    def _head_is_here(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()


def _refusal() -> bytes:
    code = "service.connections"
    status, title = CODES[code]
    problem = {"type": f"urn:churnml:{code}", "title": title, "status": status, "code": code}
    body = json.dumps({**problem, "detail": "Too many connections are open; try again in a moment", "errors": []})
    head = f"HTTP/1.1 {status} Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nRetry-After: 2\r\nConnection: close\r\n\r\n{body}".encode()
