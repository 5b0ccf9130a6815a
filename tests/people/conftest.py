"""A service on a small store, and a browser that keeps cookies, follows links and fills in forms."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from churnml.config.sign_in import SignInConfig
from churnml.serving.app import create_app
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.store import Actor, Store


class Form(HTMLParser):
    """The forms of a page: their address, and the fields with what they hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((held.get("action", ""), {}))
        if not self.forms:
            return
        fields = self.forms[-1][1]
        if tag == "input" and held.get("name") and (held.get("type") != "checkbox" or "checked" in held):
            fields[held["name"]] = held.get("value", "")
        if tag == "select":
            self._select = held.get("name", "")
        if tag == "option" and ("selected" in held or self._select not in fields):
            fields[self._select] = held.get("value", "")


class Browser:
    """Calls the application in this process, as a browser without scripts would."""

    def __init__(
        self, portal: BlockingPortal, app: Any, *, address: str = "127.0.0.1", url: str = "http://127.0.0.1"
    ) -> None:
        self._portal = portal
        self._app = app
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1234))
        self._client = httpx.AsyncClient(transport=transport, base_url=url, headers={"Accept": "text/html"})
        self.cookies = self._client.cookies

    def another(self, **options: Any) -> Browser:
        """Somebody else's browser."""
        return Browser(self._portal, self._app, **options)

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.request, method, path, **rest))

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, data: dict[str, str] | None = None, **rest: Any) -> httpx.Response:
        return self.request("POST", path, data=data or {}, **rest)

    def send(
        self, page: httpx.Response, action: str, *, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Fill in the form of a page that goes to `action`, and send it."""
        found = [held for where, held in Form(page.text).forms if where == action]
        assert found, f"{page.url} has no form to {action}"
        return self.post(action, {**found[0], **fields}, headers=headers)


def settings_of(folder: Path, **sign_in: Any) -> Settings:
    """Settings on a store in a folder, without a model."""
    return Settings(
        name="acme",
        bundles_dir=folder / "models",
        registered_model="acme",
        store_url=f"sqlite:///{folder / 'store.db'}",
        config_version="0f0f0f0f0f0f",
        refresh_seconds=60,
        sign_in=SignInConfig.model_validate(sign_in),
    )


@contextmanager
def serving(settings: Settings) -> Iterator[Browser]:
    state = ServingState(settings)
    state.start()
    try:
        with start_blocking_portal() as portal:
            yield Browser(portal, create_app(state))
    finally:
        state.stop()


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "store.db")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Start a service with some settings and return a browser on it."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(*, insecure: bool = False, **sign_in: Any) -> Browser:
            settings = settings_of(tmp_path, **sign_in).model_copy(update={"insecure": insecure})
            return stack.enter_context(serving(settings))

        yield start


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The service's store."""
    with Store(settings_of(tmp_path).store_url) as opened:
        yield opened


@pytest.fixture
def now() -> Actor:
    return Actor("cli", datetime.now(UTC))
