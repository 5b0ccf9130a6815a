"""Signing in and Settings in a real browser: without JavaScript, on a telephone, and for everybody (axe)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.pages.real_browser import launched, listening
from tests.people.conftest import settings_of

from churnml.serving.pages.settings.common import SECTIONS
from churnml.store import Actor, Store

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """A service with one administrator: its address and its store."""
    settings = settings_of(tmp_path_factory.mktemp("served"), ask="it@example.com")
    settings = settings.model_copy(
        update={"targets": ("hubspot",), "playbooks": Path(__file__).parents[2] / "configs" / "playbooks.yaml"}
    )
    with listening(settings) as (address, state):
        state.store.users.add("ann@example.com", Actor("cli", datetime.now(UTC)), name="Ann", role="admin")
        yield address, state.store


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def _link(served: tuple[str, Store]) -> str:
    address, store = served
    link = store.sessions.invite(
        store.users.named("ann@example.com"), Actor("cli", datetime.now(UTC)), timedelta(hours=1)
    )
    return f"{address}/sign-in/link?token={link.token}"


def test_an_administrator_invites_somebody_without_javascript_on_a_telephone(
    served: tuple[str, Store], chromium: Any
) -> None:
    options = {"java_script_enabled": False, "viewport": {"width": 390, "height": 800}}
    page = chromium.new_context(base_url=served[0], **options).new_page()
    page.goto("/settings/people")
    assert "/sign-in?next=" in page.url
    page.goto(_link(served))
    page.get_by_role("button", name="Sign in").click()
    page.goto("/settings/people")
    page.get_by_label("Mail address").fill("bob@example.com")
    page.get_by_label("Role").select_option("manager")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Make a sign-in link").click()
    link = page.get_by_role("textbox", name="Sign-in link").input_value()
    other = chromium.new_context(base_url=served[0], **options).new_page()
    other.goto(link)
    other.get_by_role("button", name="Sign in").click()
    other.get_by_role("button", name="日本語").click()
    assert other.locator("html").get_attribute("lang") == "ja"
    assert served[1].users.named("bob@example.com").language == "ja"
    other.goto("/settings")
    assert "このページは開けません" in other.content()
    other.get_by_role("button", name="サインアウト").click()
    assert other.url.endswith("/sign-in")


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", pytest.param("ja", marks=pytest.mark.slow)])
def test_axe_finds_nothing_on_any_page(served: tuple[str, Store], chromium: Any, lang: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # The policy of the pages keeps axe's own script out.
    page = chromium.new_context(base_url=served[0], bypass_csp=True, viewport={"width": 1280, "height": 900}).new_page()
    found: dict[str, list[str]] = {}

    def look(path: str) -> None:
        page.goto(f"{path}{'&' if '?' in path else '?'}lang={lang}")
        told = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        found[path.partition("?")[0]] = [fault["id"] for fault in told]

    for path in ("/sign-in", "/sign-in/link?token=x", "/docs", _link(served).removeprefix(served[0])):
        look(path)
    page.locator("main button").click()
    for path in (*(f"/settings/{section}" for section in SECTIONS), "/settings/people/1"):
        look(path)
    assert {path: faults for path, faults in found.items() if faults} == {}
