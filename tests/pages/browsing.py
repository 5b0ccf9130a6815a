"""A browser without JavaScript, who looks with it, and the settings of the service that it looks at."""

from __future__ import annotations

from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal

from churnml.serving.app import create_app
from churnml.serving.people.viewer import RIGHTS, Viewer
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState

ANN = Viewer("user:1", "Ann", "csm", RIGHTS["csm"], owner_id="ann", sees_all=False)
EVE = Viewer("user:2", "Eve", "manager", RIGHTS["manager"])
DAVE = Viewer("user:3", "Dave", "data_scientist", RIGHTS["data_scientist"])


class _Forms(HTMLParser):
    """The forms of a page: address, buttons' values, and fields with what they hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str]], set[str]]] = []
        self._open = False
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((held.get("action", ""), [], set()))
            self._open = True
        if not self._open:
            return
        _, fields, buttons = self.forms[-1]
        if tag == "button" and held.get("name"):
            buttons.add(f"{held['name']}={held.get('value', '')}")
        if tag == "input" and held.get("name") and (held.get("type") != "checkbox" or "checked" in held):
            fields.append((held["name"], held.get("value", "")))
        if tag == "select":
            self._select = held.get("name", "")
        if tag == "option" and self._select:
            known = [name for name, _ in fields]
            if self._select not in known:
                fields.append((self._select, held.get("value", "")))
            elif "selected" in held:
                fields[known.index(self._select)] = (self._select, held.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        if tag == "select":
            self._select = ""


class Browser:
    """A person's browser without JavaScript: it keeps cookies, fills in forms and follows where it is sent."""

    def __init__(self, portal: BlockingPortal, state: ServingState, app: Any = None) -> None:
        self._portal = portal
        self.state = state
        transport = httpx.ASGITransport(app or create_app(state), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers={"Accept": "text/html"}, follow_redirects=True
        )

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.request, method, path, **rest))

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def press(self, page: httpx.Response, action: str, button: str = "", **fields: str) -> httpx.Response:
        """Fill in the first form of a page that goes to `action` and has the button, and send it."""
        for where, held, buttons in _Forms(page.text).forms:
            if where == action and (not button or button in buttons):
                sent: dict[str, Any] = {}
                for name, value in held:
                    sent.setdefault(name, []).append(value)
                if button:
                    name, _, value = button.partition("=")
                    sent[name] = value
                return self.request("POST", action.partition("#")[0], data={**sent, **fields})
        raise AssertionError(f"{page.url} has no form to {action} with {button}")


def settings_of(folder: Path, **fields: Any) -> Settings:
    given = {
        "name": "acme",
        "bundles_dir": folder / "models",
        "registered_model": "acme",
        "store_url": f"sqlite:///{folder / 'store.db'}",
        "config_version": "0f0f0f0f0f0f",
        "currency": "EUR",
        "insecure": True,
        "refresh_seconds": 60,
        **fields,
    }
    return Settings.model_validate(given)
