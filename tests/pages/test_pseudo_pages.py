"""Every page in a made-up language: what a person reads on it is the language's own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from tests.companies.scored import OWN_WORDS
from tests.language.pseudo import LANGUAGE, page_leaks, pseudo
from tests.pages.browsing import Browser, settings_of
from tests.pages.two_owners import keep_company

from churnml.api.problems import CODES
from churnml.config import DisplayConfig
from churnml.config.deliveries import EmailTarget
from churnml.config.sign_in import SignInConfig
from churnml.language import catalogue, languages
from churnml.serving.pages.frame import Frame, environment
from churnml.serving.pages.notices import DONE
from churnml.serving.pages.problems import meaning_of
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.store import Actor, DeliveryOutcome, Store, TargetState, Wanted

__all__ = ["pseudo"]

CLI = Actor("cli", datetime.now(UTC))
PAGES = (
    "/", "/accounts", "/accounts?q=zzz", "/team", "/company", "/company?by=plan", "/company/renewals",
    "/company/renewals/2026-03", "/company/cohorts", "/company/cohorts?by=mrr", "/company/journey", "/company/growth",
    "/proof", "/docs", "/nothing", "/accounts/nobody",
    *(f"/settings/{name}" for name in ("people", "people/1", "keys", "rules", "names", "deliveries", "audit")),
    *(f"/?done={done}&done.alert=1" for done in DONE),
)  # fmt: skip
DATA = "|".join(
    (
        r"Pro Plan|OpenAPI|\S+@\S+|https?://\S+|churnml_\w+|[0-9a-f]{16}",
        *map(re.escape, sorted(OWN_WORDS, key=len, reverse=True)),
        r"acc-\d+|concealed(-\w+)?|given|odd|HIDDEN( (of|by)( \w+)?)?|Call [\w-]+|Given to Ann",
        r"(GET|POST|PUT|DELETE) /\S*|MRR|NPS|AUC|hubspot|score:1|pro\b",
    )
)


REFUSED: tuple[tuple[str, dict[str, str]], ...] = (
    ("/actions/alerts", {"do": "fly", "alert": "1"}),
    ("/actions/alerts", {"do": "called"}),
    ("/actions/alerts", {"do": "called", "alert": "x"}),
    ("/actions/alerts", {"do": "snooze", "alert": "1", "until": "soon"}),
    ("/actions/alerts", {"do": "not_a_risk", "alert": "1"}),
    ("/actions/alerts", {"do": "called", "alert": "1", "note": "x" * 2001}),
    ("/actions/alerts", {"do": "called", "alert": "1", "note": "\0"}),
    ("/actions/alerts", {"do": "called", "alert": "99999"}),
    ("/actions/assign", {"owner": "bob"}),
    ("/team/hand-over", {"from": "ann", "to": "ann"}),
    ("/settings/deliveries/resend", {}),
)


class Seen(dict[str, list[str]]):
    """The templates that were shown, each with the words that leaked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        rendered = Frame.render

        def render(frame: Frame, template: str, **given: Any) -> str:
            page = rendered(frame, template, **given)
            models = "|".join(one.name for one in given.get("models", ()))
            self.setdefault(template, []).extend(page_leaks(page, f"{models}|{DATA}" if models else DATA))
            return page

        monkeypatch.setattr(Frame, "render", render)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, pseudo: None) -> Seen:
    return Seen(monkeypatch)


def settings(folder: Path) -> Settings:
    playbooks = folder / "playbooks.yaml"
    step = {"ja": "案内", "en": "Acme", "key": "a_b"}
    playbook = {"name": "acme", "title": {"en": "Acme", "ja": "案内"}, "when": {"alerts": ["silence"]}}
    playbook |= {"owner": "csm", "due_days": 2, "steps": [step]}
    playbooks.write_text(json.dumps({"playbooks": [playbook]}), encoding="utf-8")
    signing = {"url": "http://127.0.0.1", "ask": "Ann"}
    return settings_of(folder).model_copy(
        update={
            "targets": ("hubspot",), "display": DisplayConfig(plans={"pro": "Pro Plan"}), "playbooks": playbooks,
            "language": LANGUAGE, "sign_in": SignInConfig.model_validate(signing),
        }
    )  # fmt: skip


@pytest.fixture
def state(filled: Path, tmp_path: Path, today: date, seen: Seen) -> Iterator[ServingState]:
    """A service on a copy of the company's store, with figures, people, a key and a delivery that was refused."""
    shutil.copytree(filled, tmp_path / "store")
    given = settings(tmp_path / "store")
    with Store(given.store_url) as store:
        keep_company(store, today)
        store.users.add("ann@example.com", CLI, name="Ann", role="admin", owner_id="ann")
        store.users.disable(store.users.add("bob@example.com", CLI, name="bob", role="manager").id, CLI)
        store.keys.create("ann", ["read", "write"], CLI)
        deliveries = store.deliveries("acme")
        deliveries.plan("hubspot", [Wanted("score:1", "score", {"health": 1}, "acc-00001")], CLI.now)
        due = deliveries.begin(deliveries.due("hubspot", "score", CLI.now, 10), CLI.now)
        refused = DeliveryOutcome("refused", "no_record", "404")
        deliveries.end([(one, refused) for one in due], "hubspot", TargetState(), CLI.now)
    running = ServingState(given)
    running.start()
    yield running
    running.stop()


@pytest.mark.slow
def test_no_page_of_the_service_leaks(state: ServingState, portal: BlockingPortal, seen: Seen) -> None:
    browser = Browser(portal, state)
    shown = {path: browser.get(path) for path in PAGES}
    accounts = re.findall(r'href="(/accounts/acc-[^"?]+)"', shown["/"].text)
    company = "".join(page.text for page in shown.values())
    lists = set(re.findall(r'href="(/(?:company/accounts|company/list|proof/accounts)\?[^"]+)"', company))
    for path in (*accounts[:3], f"{accounts[0]}?view=brief", f"{accounts[0]}?all=1", *sorted(lists)[::9]):
        assert browser.get(path.replace("&amp;", "&")).status_code == 200, path
    for action, button, fields in (
        ("/settings/people", "", {"email": "nobody"}), ("/settings/keys", "", {"name": ""}),
        ("/settings/keys", "", {"name": "ann"}), ("/settings/people/1/invite", "", {}),
    ):  # fmt: skip
        browser.press(shown["/settings/people/1" if "invite" in action else action], action, button, **fields)
    signed_out(state, portal)
    assert {name: words for name, words in seen.items() if words} == {}
    templates = environment()
    pages = {name for name in templates.list_templates() if "{% extends" in _source(name)} - {"settings_base.html.j2"}
    assert pages - set(seen) == {"company_nothing.html.j2"}


def _source(name: str) -> str:
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), name)[0]


def signed_out(state: ServingState, portal: BlockingPortal) -> None:
    """Look at the pages of signing in, with a wrong and a right link."""
    mail = EmailTarget(host="smtp.example.com", security="none", sender="a@example.com", to=("b@example.com",))
    locked = ServingState(state.settings.model_copy(update={"insecure": False, "mail": mail}))
    locked.start()
    try:
        browser = Browser(portal, locked)
        sign_in = browser.get("/sign-in")
        assert browser.press(sign_in, "/sign-in/mail", email="nobody@example.com").status_code == 200
        assert browser.get("/sign-in/link?token=x").status_code == 403
        user = locked.store.users.named("ann@example.com")
        link = locked.store.sessions.invite(user, CLI, timedelta(hours=1))
        assert browser.get(f"/sign-in/link?token={link.token}").status_code == 200
    finally:
        locked.stop()
    proxied(state, portal)


def proxied(state: ServingState, portal: BlockingPortal) -> None:
    """Look at where somebody whom a proxy signed in signs out."""
    proxy = {"addresses": ["127.0.0.1/32"], "header": "X-Forwarded-User", "sign_out_url": "https://proxy.example/out"}
    section = SignInConfig.model_validate({"url": "http://127.0.0.1", "proxy": proxy})
    behind = ServingState(state.settings.model_copy(update={"insecure": False, "sign_in": section}))
    behind.start()
    try:
        browser, who = Browser(portal, behind), {"X-Forwarded-User": "ann@example.com"}
        token = re.search(r'name="form_token" value="([^"]+)"', browser.get("/team", headers=who).text)
        assert token is not None
        assert browser.request("POST", "/sign-out", data={"form_token": token[1]}, headers=who).status_code == 200
    finally:
        behind.stop()


def test_before_anything_is_scored_no_page_leaks(nothing_scored: Browser, seen: Seen) -> None:
    for path in ("/", "/accounts", "/company", "/company/renewals", "/team", "/proof"):
        nothing_scored.get(f"{path}?lang={LANGUAGE}")
    assert "company_nothing.html.j2" in seen
    assert {name: words for name, words in seen.items() if words} == {}


@pytest.mark.usefixtures("pseudo")
def test_a_refused_form_says_why_in_the_language(look: Callable[..., Browser]) -> None:
    browser = look()
    page = browser.get("/", headers={"Accept-Language": LANGUAGE})
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert token is not None
    texts = set()
    for path, fields in REFUSED:
        answer = browser.request(
            "POST", path, data={"form_token": token[1], **fields}, headers={"Accept-Language": LANGUAGE}
        )
        assert answer.status_code in (404, 422), (path, fields, answer.status_code)
        assert page_leaks(answer.text, DATA) == [], (path, fields)
        texts.add(re.search(r"<h1>.*?</h1>\s*<p>(.*?)</p>", answer.text, re.DOTALL)[1])  # type: ignore[index]
    assert len(texts) == len(REFUSED)


def test_every_code_of_the_api_has_words_for_a_person() -> None:
    for language in languages():
        assert {meaning_of(code).code for code in CODES} == {
            code for code in catalogue(language).codes if code.startswith("problem-")
        }
    assert {code: str(meaning_of(code)) for code in CODES} == {code: words for code, (_, words) in CODES.items()}
