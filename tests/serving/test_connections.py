"""Connections: how many may be open, and that one which sends nothing is closed."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import uvicorn

from churnml.serving.http import connections
from churnml.serving.http.connections import LimitedProtocol

_MOST = 8


async def _app(scope: Any, _receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await asyncio.sleep(1.0 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that takes few connections and waits half a second for the head of a request."""
    monkeypatch.setattr(LimitedProtocol, "most", _MOST)
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.5)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(_app, http=LimitedProtocol, lifespan="off", log_level="error", timeout_keep_alive=30)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        end = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def _opened(port: int, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))


def _closed_by_the_server(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_one_connection_too_many_is_told_so_and_the_silent_ones_are_closed(port: int) -> None:
    with ExitStack() as stack:
        silent = [_opened(port, stack) for _ in range(_MOST)]
        time.sleep(0.1)
        refused = httpx.get(f"http://127.0.0.1:{port}/", timeout=10)
        assert (refused.status_code, refused.json()["code"]) == (503, "service.connections")
        assert refused.headers["retry-after"]
        assert all(_closed_by_the_server(connection) for connection in silent)
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=10).status_code == 200


def test_half_a_head_is_not_waited_for_for_ever(port: int) -> None:
    with ExitStack() as stack:
        first = _opened(port, stack)
        first.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert _closed_by_the_server(first)
        second = _opened(port, stack)
        second.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200" in second.recv(1000)
        second.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        while second.recv(1000):
            pass


def test_an_answer_that_takes_longer_than_a_head_is_given(port: int) -> None:
    assert httpx.get(f"http://127.0.0.1:{port}/slow", timeout=10).text == "ok"


def test_a_connection_kept_alive_is_used_again(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        assert client.get("/").text == "ok"
        time.sleep(0.8)
        assert client.get("/").text == "ok"


def test_some_file_handles_are_left_for_other_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (1024, 4096))
    assert connections.most_connections(5000) == 824
    assert connections.most_connections(100) == 100
