"""Every page and form: who may come in, whose accounts they meet there, the token, and names that are traps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal, get_args

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from tests.pages.browsing import ANN, EVE, Browser, settings_of
from tests.pages.two_owners import DUE, SCRIPT, keep_company, publish

from churnml.serving.app import create_app
from churnml.serving.pages import ROUTERS
from churnml.serving.people.viewer import RIGHTS, Action, Role, Viewer
from churnml.serving.state import ServingState
from churnml.store import Store

MONTH = f"/company/renewals/{DUE:%Y-%m}"
ADMIN = Viewer("user:9", "Ada", "admin", RIGHTS["admin"])


@dataclass(frozen=True)
class Rule:
    """Who may use a route.

    `reads` are addresses that ask for as much as they can; with `shows` somebody who sees all finds what is hidden from
    others there. `others` are forms about an account of somebody else.
    """

    needs: Action | Literal["anybody"]
    reads: tuple[str, ...] = ()
    shows: bool = True
    others: tuple[dict[str, Any], ...] = ()
    at: str = ""
    given: dict[str, str] = field(default_factory=dict)


OPEN = Rule("anybody")
SETTINGS = Rule("administer")
RULES: dict[tuple[str, str], Rule] = {
    ("GET", "/static/{name}"): replace(OPEN, at="/static/pages.css"),
    ("GET", "/sign-in"): OPEN,
    ("POST", "/sign-in/mail"): OPEN,
    ("GET", "/sign-in/link"): OPEN,
    ("POST", "/sign-in/link"): OPEN,
    ("GET", "/sign-in/oidc"): OPEN,
    ("GET", "/sign-in/oidc/return"): OPEN,
    ("GET", "/sign-in/key"): OPEN,
    ("POST", "/language"): OPEN,
    ("GET", "/docs"): OPEN,
    ("POST", "/sign-out"): Rule("read"),
    ("GET", "/"): Rule(
        "read",
        ("/", "/?owner=*", "/?owner=bob", "/?done=called&done.alert={alert}", "/?done=noted&done.account=concealed"),
    ),
    ("GET", "/accounts"): Rule(
        "read",
        (
            "/accounts",
            "/accounts?owner=bob",
            "/accounts?owner=~",
            "/accounts?q=hidden",
            "/accounts?done=snoozed&done.alert={alert}",
            "/accounts?done=judged&done.account=concealed",
        ),
    ),
    ("GET", "/accounts.csv"): Rule("read", ("/accounts.csv", "/accounts.csv?owner=bob", "/accounts.csv?q=hidden")),
    ("GET", "/accounts/{account_id:path}"): Rule(
        "read",
        (
            "/accounts/concealed",
            "/accounts/concealed?view=brief",
            "/accounts/concealed?csv=history",
            "/accounts/concealed-hand",
            "/accounts/concealed-none",
            "/accounts/conceale",
            "/accounts/ann-1?done=noted&done.account=concealed",
        ),
        at="/accounts/ann-1",
    ),
    ("GET", "/company"): Rule("read", ("/company?by=owner", "/company?by=plan&group=ann"), shows=False),
    ("GET", "/company/accounts"): Rule(
        "read",
        tuple(
            f"/company/accounts?month={month}-01&kpi={kpi}{rest}"
            for month in ("2025-12", "2026-01")
            for kpi in ("mrr", "grr_ttm")
            for rest in ("", "&format=csv", "&by=owner&group=bob", "&by=owner&group=ann")
        ),
        at="/company/accounts?month=2025-12-01&kpi=mrr",
    ),
    ("GET", "/company/cohorts"): Rule("read", ("/company/cohorts",), shows=False),
    ("GET", "/company/journey"): Rule("read", ("/company/journey",), shows=False),
    ("GET", "/company/growth"): Rule("read", ("/company/growth",), shows=False),
    ("GET", "/company/list"): Rule(
        "read",
        tuple(
            f"/company/list?of={asked}{rest}"
            for asked in (
                "journey&phase=adoption",
                "stalled&phase=adoption",
                "rfm&recency=5&frequency=4",
                "moves&before=adoption&after=renewal",
                "past&month_on=2025-12-01",
                "cohort&quarter=2025Q1",
                "cohort&quarter=2025Q1&after=2",
            )
            for rest in ("", "&format=csv")
        ),
        at="/company/list?of=journey&phase=adoption",
    ),
    ("GET", "/company/renewals"): Rule("read", ("/company/renewals",), shows=False),
    ("GET", "/company/renewals/{year_month}"): Rule("read", (MONTH, f"{MONTH}?format=csv"), at=MONTH),
    ("POST", "/company/renewals/{year_month}"): Rule(
        "work",
        at=MONTH,
        others=tuple({"account_id": one, "arr": "1"} for one in ("concealed", "concealed-hand", "concealed-none")),
    ),
    ("GET", "/team"): Rule("read", ("/team", "/team?format=csv"), shows=False),
    ("POST", "/team/hand-over"): Rule("assign", others=({"from": "bob", "to": "ann"},)),
    ("GET", "/proof"): Rule("read", ("/proof",), shows=False),
    ("GET", "/proof/accounts"): Rule(
        "read",
        ("/proof/accounts?band=red", "/proof/accounts?band=red&churned=0&format=csv"),
        at="/proof/accounts?band=red",
    ),
    ("POST", "/actions/assign"): Rule(
        "assign", others=tuple({"owner": "ann", "account": one} for one in ("concealed", "concealed-hand", "given"))
    ),
    ("POST", "/actions/views"): Rule("read"),
    ("POST", "/actions/alerts"): Rule(
        "work",
        others=(
            {"do": "called"},
            {"do": "done"},
            {"do": "snooze"},
            {"do": "not_a_risk", "why": "x"},
            {"do": "reassign", "owner": "ann"},
            {"do": "done", "task": "{task}"},
            {"do": "called", "alert": ["{own}", "{alert}"]},
        ),
        given={"alert": "{alert}"},
    ),
    ("POST", "/actions/undo"): Rule(
        "work",
        others=({"done": "called"}, {"done": "reassigned", "was": "ann"}, {"done": "done", "task": "{task}"}),
        given={"alert": "{alert}"},
    ),
    ("POST", "/actions/tasks"): Rule(
        "work", others=({"do": "done"}, {"do": "skip", "note": "x"}, {"do": "reopen"}), given={"task": "{task}"}
    ),
    ("POST", "/actions/notes"): Rule("note", others=({"text": "x"},), given={"account": "concealed"}),
    ("POST", "/actions/feedback"): Rule(
        "note", others=({"comment": "x"}, {"comment": "x", "account": "concealed-hand"}), given={"account": "concealed"}
    ),
    ("POST", "/actions/judgement"): Rule(
        "work",
        others=({"band": "red", "reason": "x", "until": "2026-12-31"}, {"do": "end"}),
        given={"account": "concealed"},
    ),
    ("GET", "/settings"): SETTINGS,
    ("GET", "/settings/people"): SETTINGS,
    ("POST", "/settings/people"): SETTINGS,
    ("GET", "/settings/people/{user_id:int}"): replace(SETTINGS, at="/settings/people/1"),
    ("POST", "/settings/people/{user_id:int}"): replace(SETTINGS, at="/settings/people/1"),
    ("POST", "/settings/people/{user_id:int}/invite"): replace(SETTINGS, at="/settings/people/1/invite"),
    ("POST", "/settings/people/{user_id:int}/sign-out"): replace(SETTINGS, at="/settings/people/1/sign-out"),
    ("POST", "/settings/people/{user_id:int}/disable"): replace(SETTINGS, at="/settings/people/1/disable"),
    ("POST", "/settings/people/{user_id:int}/enable"): replace(SETTINGS, at="/settings/people/1/enable"),
    ("GET", "/settings/keys"): SETTINGS,
    ("POST", "/settings/keys"): SETTINGS,
    ("POST", "/settings/keys/{key_id}/revoke"): replace(SETTINGS, at="/settings/keys/k1/revoke"),
    ("GET", "/settings/rules"): SETTINGS,
    ("POST", "/settings/rules"): SETTINGS,
    ("GET", "/settings/names"): SETTINGS,
    ("GET", "/settings/deliveries"): SETTINGS,
    ("POST", "/settings/deliveries/resend"): SETTINGS,
    ("GET", "/settings/audit"): SETTINGS,
}
FORMS = [(path, rule) for (method, path), rule in RULES.items() if method == "POST"]
READS = [(path, rule) for (method, path), rule in RULES.items() if method == "GET" and rule.needs == "read"]


@dataclass
class House:
    """A service on the company's store, and the ids of what is in it."""

    portal: BlockingPortal
    state: ServingState
    app: Any
    ids: dict[str, str]

    def fill(self, text: str) -> str:
        return text.format(**self.ids) if text.startswith("{") else text.replace("{alert}", self.ids["alert"])

    def browser(self) -> Browser:
        return Browser(self.portal, self.state, self.app)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal, today: date) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("rights")
    with Store(settings_of(folder).store_url) as store:
        publish(store, today)
        keep_company(store, today)
        alerts = {one.account_id: str(one.id) for one, _ in store.alerts("acme").find(limit=10)}
        tasks = {one.account_id: str(one.id) for one, _ in store.tasks("acme", lambda *_: today).find(limit=10)}
    state = ServingState(settings_of(folder))
    state.start()
    try:
        ids = {"alert": alerts["concealed"], "own": alerts["ann-1"], "task": tasks["concealed"]}
        yield House(portal, state, create_app(state), ids)
    finally:
        state.stop()


@pytest.fixture
def come(house: House, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a browser of somebody."""

    def start(viewer: Viewer) -> Browser:
        made = replace(viewer, by="insecure")
        monkeypatch.setattr("churnml.serving.http.authentication.viewer_with_key", lambda *_args, **_named: made)
        return house.browser()

    return start


def _token(browser: Browser) -> str:
    """Return a token for the forms of who looks: that of the switch of languages, which is on every page."""
    page = browser.get("/team").text
    return page.partition('name="form_token" value="')[2].partition('"')[0]


def _text(page: httpx.Response) -> str:
    return page.content.decode("utf-8-sig")


def test_every_route_has_a_rule() -> None:
    found = [
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    ]
    assert sorted(found) == sorted(RULES), "say in RULES who may use a new page, and what it must keep from others"
    assert not [path for path, rule in READS if not rule.reads]
    about_accounts = [path for path, rule in FORMS if rule.needs in ("note", "work", "assign")]
    assert not [path for path, rule in FORMS if path in about_accounts and not rule.others]


def test_nobody_comes_in_without_signing_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.state, "settings", house.state.settings.model_copy(update={"insecure": False}))
    browser = house.browser()
    for (method, path), rule in RULES.items():
        answer = browser.request(method, rule.at or path, follow_redirects=False)
        if rule.needs == "anybody":
            assert answer.status_code != 401 or path == "/sign-in/key", path
        elif method == "GET":
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in"), path
        else:
            assert answer.status_code == 401, path


@pytest.mark.parametrize("role", get_args(Role))
def test_a_role_is_refused_in_words_and_before_its_form_is_read(house: House, come: Any, role: Role) -> None:
    browser = come(Viewer("user:5", "Somebody", role, RIGHTS[role]))
    token = _token(browser)
    for (method, path), rule in RULES.items():
        if rule.needs == "anybody":
            continue
        sent = {"data": {"form_token": token}} if method == "POST" else {}
        answer = browser.request(method, rule.at or path, follow_redirects=False, **sent)
        if path == "/sign-out":  # it ends the forms of before, too
            token = _token(browser)
        if rule.needs in RIGHTS[role]:
            assert answer.status_code not in (401, 403, 500), path
        else:
            assert answer.status_code == 403, path
            assert "This is not open to you" in answer.text, path
            assert {"csm": "CSM", "manager": "Manager", "data_scientist": "Data scientist"}[role] in answer.text, path


def test_no_form_is_taken_without_its_token(come: Any) -> None:
    browser = come(ADMIN)
    token = _token(browser)
    before = len(browser.state.store.audit(500))
    for path, rule in FORMS:
        for sent, headers in (
            ({}, {}),
            ({"form_token": "x"}, {}),
            ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}),
        ):
            answer = browser.request("POST", rule.at or path, data=sent, headers=headers, follow_redirects=False)
            assert answer.status_code == 403, path
            assert "form" in answer.text, path
    assert len(browser.state.store.audit(500)) == before


@pytest.mark.slow
@pytest.mark.parametrize("viewer", [ANN, replace(ANN, owner_id=None)], ids=["ann", "without accounts"])
def test_no_page_shows_an_account_of_somebody_else(house: House, come: Any, viewer: Viewer) -> None:
    browser = come(viewer)
    for path, rule in READS:
        for address in map(house.fill, rule.reads):
            page = browser.get(address)
            assert page.status_code in (200, 404), address
            assert "HIDDEN" not in _text(page), address
            assert "concealed" in address or "concealed" not in _text(page), address
            if address.startswith("/accounts/conceal"):
                assert page.status_code == 404, address
                # Nobody can tell an account of somebody else from one that is not there.
                plain = browser.get(address, headers={"Accept": "*/*"}).json()
                assert plain["detail"].endswith("among yours"), path
    assert 'href="/accounts?owner=bob"' not in browser.get("/team").text
    assert "bob" not in browser.get("/company?by=owner&format=csv").text


def test_who_sees_all_finds_there_what_others_do_not(house: House, come: Any) -> None:
    browser = come(EVE)
    for path, rule in READS:
        if rule.shows:
            texts = [_text(browser.get(house.fill(one))) for one in rule.reads]
            assert any("HIDDEN" in text or "concealed" in text for text in texts), path


def test_no_form_changes_an_account_of_somebody_else(house: House, come: Any) -> None:
    browser = come(ANN)
    token, before = _token(browser), len(browser.state.store.audit(500))
    for path, rule in FORMS:
        for other in rule.others:
            fields = {"form_token": token, **rule.given, **other}
            sent = {
                name: [house.fill(one) for one in value] if isinstance(value, list) else house.fill(value)
                for name, value in fields.items()
            }
            answer = browser.request("POST", rule.at or path, data=sent, follow_redirects=False)
            assert answer.status_code in (403, 404), (path, other)
            assert "HIDDEN" not in answer.text, (path, other)
    assert len(browser.state.store.audit(500)) == before


def test_who_was_given_work_on_an_account_sees_it_until_it_is_done(come: Any) -> None:
    browser = come(ANN)
    assert "Given to Ann" in browser.get("/").text
    assert browser.get("/accounts/given").status_code == 200
    assert "Given to Ann" not in browser.get("/accounts").text
    assert come(replace(ANN, owner_id="zoe")).get("/accounts/given").status_code == 404


class _Tags(HTMLParser):
    """What a trap would have made of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.traps: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        if tag == "img" or (tag == "script" and not (held.get("src") or "").startswith("/static/")):
            self.traps.append(f"{tag} {held}")
        if any(name.startswith("on") for name in held):
            self.traps.append(f"{tag} {held}")


def test_names_are_text_wherever_they_stand(house: House, come: Any) -> None:
    browser = come(EVE)
    shown = 0
    extra = ("/accounts/ann-1", "/accounts/ann-1?view=brief", f"/accounts?q={SCRIPT}", f"/?owner={SCRIPT}")
    for address in [*(one for _, rule in READS for one in rule.reads), *extra]:
        page = browser.get(house.fill(address))
        text = _text(page)
        if page.headers["content-type"].startswith("text/html"):
            assert _Tags(text).traps == [], address
            shown += "&lt;script&gt;alert(1)" in text
        else:
            assert page.headers["content-type"].startswith(("text/csv", "application/problem"))
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t", "\r")], address
    assert shown > 10
