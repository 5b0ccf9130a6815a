"""Services on a store that was filled by hand: no model is trained for a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from churnml.serving.app import create_app
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState


class Browser:
    """A person's browser without JavaScript: it keeps cookies and follows where it is sent."""

    def __init__(self, portal: Any, state: ServingState) -> None:
        self._portal = portal
        self.state = state
        transport = httpx.ASGITransport(create_app(state), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers={"Accept": "text/html"}, follow_redirects=True
        )

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self._portal.call(lambda: self._client.get(path, **rest))

    def post(self, path: str, data: dict[str, Any] | None = None, **rest: Any) -> httpx.Response:
        return self._portal.call(lambda: self._client.post(path, data=data or {}, **rest))


def settings_of(folder: Path, **fields: Any) -> Settings:
    given = {
        "name": "acme",
        "bundles_dir": folder / "models",
        "registered_model": "acme",
        "store_url": f"sqlite:///{folder / 'store.db'}",
        "config_version": "0f0f0f0f0f0f",
        "currency": "EUR",
        "insecure": True,
        **fields,
    }
    return Settings.model_validate(given)


@pytest.fixture(scope="session")
def nothing_scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A service before the first scoring."""
    state = ServingState(settings_of(tmp_path_factory.mktemp("empty")))
    state.start()
    try:
        with start_blocking_portal() as portal:
            yield Browser(portal, state)
    finally:
        state.stop()
