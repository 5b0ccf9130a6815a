"""The pages in a real browser: a morning's work, by keyboard, without JavaScript, on a telephone, and for everybody."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.companies.scored import fill
from tests.pages.browsing import settings_of
from tests.pages.real_browser import launched, listening
from tests.pages.two_owners import DUE, keep_company

from churnml.store import Actor, Store

pytestmark = pytest.mark.browser
# Of what is in order axe would write as long a report.
_AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
_MANAGERS = (
    "/company?by=owner", "/company/renewals", f"/company/renewals/{DUE:%Y-%m}", "/company/cohorts", "/company/journey",
    "/company/growth", "/company/list?of=journey&phase=adoption", "/team", "/proof",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(today: date, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service for whoever sits at this machine; its accounts are few, since axe looks at every row."""
    settings = settings_of(tmp_path_factory.mktemp("served"))
    with Store(settings.store_url) as store:
        fill(store, "acme", 40, today, weeks=6)
        keep_company(store, today)
    with listening(settings) as (found, _):
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def open_page(chromium: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open a page in a fresh profile; a message of the console or an error of a script fails the test."""
    contexts, faults = [], []

    def opened(path: str, **options: Any) -> Any:
        context = chromium.new_context(base_url=address, **{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def test_a_card_is_snoozed_without_a_page_load_and_taken_back_by_key(open_page: Any) -> None:
    page = open_page("/?owner=ann")
    page.evaluate("window.still = true")
    card = page.locator("[data-item]").first
    name = card.locator("h3").inner_text()
    card.get_by_text("Snooze").first.click()
    card.get_by_role("button", name="Snooze").click()
    page.get_by_text(f"Snoozed {name}.").wait_for()
    assert page.evaluate("window.still")
    assert name not in page.locator("[data-item] h3").all_inner_texts()
    page.keyboard.press("u")
    page.get_by_text("Taken back.").wait_for()
    assert name in page.locator("[data-item] h3").all_inner_texts()


def test_a_csm_signs_in_by_a_link_works_and_signs_out(filled: Path, tmp_path: Path, chromium: Any) -> None:
    shutil.copytree(filled, tmp_path / "store")
    with listening(settings_of(tmp_path / "store", insecure=False, sign_in={"csm_sees": "own"})) as (found, state):
        cli = Actor("cli", datetime.now(UTC))
        ann = state.store.users.add("ann@example.com", cli, name="Ann", owner_id="ann", language="en")
        link = state.store.sessions.invite(ann, cli, timedelta(hours=1)).token
        context = chromium.new_context(base_url=found)
        page = context.new_page()
        page.goto("/accounts")
        assert "/sign-in" in page.url
        page.goto(f"/sign-in/link?token={link}")
        page.locator("main button").click()
        page.get_by_role("heading", name="Today").wait_for()
        page.locator("[data-item]").first.get_by_role("button", name="Called").click()
        page.get_by_text("Called ", exact=False).first.wait_for()
        page.get_by_role("button", name="日本語").click()
        page.get_by_role("heading", name="今日").wait_for()
        page.goto("/accounts?q=acc")
        assert page.locator("#list tbody tr").count() == 30
        assert set(page.locator("#list tbody tr").all_inner_texts()[0].split()) & {"ann"}
        page.get_by_role("button", name="サインアウト").click()
        page.goto("/accounts")
        assert "/sign-in" in page.url
        context.close()


def test_by_keyboard_alone(open_page: Any) -> None:
    page = open_page("/?owner=bob")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("[data-item]").nth(1)
    assert second.evaluate("item => item.contains(document.activeElement)")
    name = second.locator("h3").inner_text()
    page.keyboard.press("c")
    page.get_by_text(f"Called {name}.").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/accounts")
    page.keyboard.press("/")
    page.keyboard.type("hayabusa?")
    page.get_by_text("No account fits").wait_for()
    assert page.evaluate("document.activeElement.name") == "q"


def test_a_search_finds_as_one_types(open_page: Any) -> None:
    page = open_page("/accounts")
    page.locator("#list-search").fill("ﾊﾔﾌﾞｻ")
    page.wait_for_url("**q=*")
    page.wait_for_function("!document.body.hasAttribute('aria-busy')")
    names = page.locator("#list tbody th").all_inner_texts()
    assert names
    assert all("ハヤブサ" in name for name in names)
    page.locator("select[name=band]").select_option("red")
    page.wait_for_url("**band=red**")


def test_everything_works_without_javascript(open_page: Any) -> None:
    page = open_page("/?owner=chie", java_script_enabled=False)
    card = page.locator("[data-item]").first
    name = card.locator("h3").inner_text()
    card.locator("summary", has_text="Not a risk").click()
    card.get_by_label("Why not?").fill("They moved to another team.")
    card.get_by_role("button", name="Not a risk").click()
    assert page.get_by_text(f"{name} is no risk").is_visible()
    page.get_by_role("button", name="Undo").click()
    assert page.get_by_text("Taken back.").is_visible()
    page.goto("/accounts")
    page.locator("#list-search").fill("acc-00007")
    page.get_by_role("button", name="Show").first.click()
    assert page.locator("#list tbody tr").count() == 1
    page.locator("#list tbody th a").click()
    page.get_by_label("Write a note").fill("Without scripts.")
    page.get_by_role("button", name="Keep").first.click()
    assert page.locator("#timeline").get_by_text("Without scripts.").is_visible()


def test_no_page_is_wider_than_its_window(open_page: Any) -> None:
    page = open_page("/", viewport={"width": 390, "height": 800})
    for path in ("/", "/accounts", "/accounts/acc-00007", "/accounts/acc-00007?view=brief"):
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(path)
        for width in (390, 768, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, (path, width)


def test_a_page_prints_without_what_only_a_screen_needs(open_page: Any) -> None:
    page = open_page("/accounts/acc-00007?view=brief")
    page.emulate_media(media="print")
    assert not page.locator(".top").is_visible()
    assert page.locator("h1").is_visible()
    sheets = re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4"))
    assert len(sheets) == 1


def test_keys_can_be_turned_off(open_page: Any) -> None:
    page = open_page("/")
    page.keyboard.press("?")
    page.get_by_label("Use these keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") != "find"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "scheme"),
    [
        ("en", "light"),
        ("ja", "dark"),
        pytest.param("en", "dark", marks=pytest.mark.slow),
        pytest.param("ja", "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_wrong(open_page: Any, locale: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page("about:blank", locale=locale, color_scheme=scheme, bypass_csp=True)
    for path in ("/", "/accounts", "/accounts?q=nobody", "/accounts/acc-00007", "/accounts/acc-00007?view=brief"):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        found = axe.run(page, options=_AXE)
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found.response["violations"]]
        assert told == [], path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "scheme", "width"), [("en", "light", 1280), pytest.param("ja", "dark", 390, marks=pytest.mark.slow)]
)
def test_axe_finds_nothing_wrong_with_what_managers_see(open_page: Any, locale: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"locale": locale, "color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    page = open_page("about:blank", bypass_csp=True, **options)
    found: list[Any] = []
    for path in _MANAGERS:
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [(path, "is wider than its window")] if wide else []
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        told = axe.run(page, options=_AXE).response["violations"]
        found += [(path, one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in told]
    assert found == []
