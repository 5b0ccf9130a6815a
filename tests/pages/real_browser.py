"""A service that listens on a port, and Chromium to look at it with."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from churnml.serving.app import create_app
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState


@contextmanager
def listening(settings: Settings) -> Iterator[tuple[str, ServingState]]:
    """Serve a store; yields the address, and the state behind it."""
    import uvicorn

    state = ServingState(settings)
    state.start()
    server = uvicorn.Server(uvicorn.Config(create_app(state), port=0, log_level="warning", lifespan="off"))
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", state
    finally:
        server.should_exit = True
        running.join(timeout=10)
        state.stop()


@contextmanager
def launched() -> Iterator[Any]:
    """Start Chromium; the test is left out where it is not installed."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
