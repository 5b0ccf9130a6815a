"""Settings: people, keys, rules, names, deliveries and the audit log, for administrators only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.people.conftest import Browser, serving, settings_of

from churnml.config import DisplayConfig
from churnml.config.deliveries import EmailTarget
from churnml.serving.pages.settings.common import SECTIONS
from churnml.store import Actor, DeliveryOutcome, Snapshot, Store, TargetState, Wanted

NOW = datetime.now(UTC)
CLI = Actor("cli", NOW)


@pytest.fixture
def admin(tmp_path: Path, store: Store) -> Iterator[Browser]:
    """An administrator's browser on a service with two owners, a target, and names."""
    accounts = [f"a{number}" for number in range(5)]
    scores = pd.DataFrame(
        {
            "account_id": accounts,
            "churn_probability": 0.2,
            "health_score": 60.0,
            "band": "yellow",
            "coverage": 1.0,
            "owner": ["ann", "ann", "ann", "bob", None],
        }
    )
    store.publish(Snapshot("acme", date.today() - timedelta(days=1), NOW, "1", "0f0f", scores))
    ann = store.users.add("ann@example.com", CLI, name="Ann", role="admin", owner_id="ann")
    settings = settings_of(tmp_path, url="http://127.0.0.1").model_copy(
        update={
            "targets": ("hubspot",),
            "display": DisplayConfig(plans={"pro_v2": "Pro"}),
            "playbooks": Path(__file__).parents[2] / "configs" / "playbooks.yaml",
        }
    )
    with serving(settings) as browser:
        link = store.sessions.invite(ann, CLI, timedelta(hours=1))
        page = browser.get(f"/sign-in/link?token={link.token}")
        assert browser.send(page, "/sign-in/link").status_code == 303
        yield browser


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_page_opens_in_each_language(admin: Browser, lang: str) -> None:
    for section in SECTIONS:
        page = admin.get(f"/settings/{section}?lang={lang}")
        assert page.status_code == 200, section
        assert f'<html lang="{lang}">' in page.text
        assert 'aria-current="page"' in page.text
        assert "style=" not in page.text
    assert admin.get("/settings").status_code == 200


def test_nobody_else_comes_in(admin: Browser, store: Store) -> None:
    for role in ("csm", "manager", "data_scientist"):
        user = store.users.add(f"{role}@example.com", CLI, role=role)
        other = admin.another()
        link = store.sessions.invite(user, CLI, timedelta(hours=1))
        other.send(other.get(f"/sign-in/link?token={link.token}"), "/sign-in/link")
        for section in SECTIONS:
            assert other.get(f"/settings/{section}").status_code == 403
        assert "This is not open to you" in other.get("/settings").text
        assert other.post("/settings/people", {"email": "eve@example.com", "role": "admin"}).status_code == 403
    assert admin.another().get("/settings").status_code == 303
    secret, _ = store.keys.create("reader", ["read", "write"], CLI)
    assert admin.another().get("/settings", auth=("x", secret)).status_code == 403
    assert store.users.find("eve@example.com") is None


def test_somebody_is_added_invited_changed_and_let_in_no_more(admin: Browser, store: Store) -> None:
    page = admin.get("/settings/people")
    assert "Owners without a person" in page.text
    assert re.search(r"<td>bob</td><td class=\"n\">1</td>", page.text)
    added = admin.send(page, "/settings/people", email="Bob@Example.com", name="", role="csm", owner_id="bob")
    assert added.status_code == 303
    bob = store.users.named("bob@example.com")
    person = admin.get(added.headers["location"])
    assert "Added. Make their sign-in link below." in person.text
    invited = admin.send(person, f"/settings/people/{bob.id}/invite")
    link = re.search(r"http://127\.0\.0\.1(/sign-in/link\?token=[\w-]+)", invited.text)
    assert link is not None
    assert link[1] not in admin.get(f"/settings/people/{bob.id}").text
    other = admin.another()
    assert other.send(other.get(link[1]), "/sign-in/link").status_code == 303
    changed = admin.send(person, f"/settings/people/{bob.id}", role="manager", language="ja", name="Bob B.")
    assert changed.status_code == 303
    assert (store.users.get(bob.id).role, store.users.get(bob.id).language) == ("manager", "ja")
    assert "Bob B." in admin.get("/settings/people").text
    admin.send(person, f"/settings/people/{bob.id}/sign-out")
    assert store.sessions.in_force(datetime.now(UTC))[0].user_id != bob.id
    admin.send(person, f"/settings/people/{bob.id}/disable")
    after = admin.get(f"/settings/people/{bob.id}")
    assert "Not let in since" in after.text
    admin.send(after, f"/settings/people/{bob.id}/enable")
    assert store.users.get(bob.id).disabled_at is None
    audit = [(entry.actor, entry.action) for entry in store.audit() if entry.subject == f"user:{bob.id}"]
    assert {action for actor, action in audit if actor == "user:1"} == {
        "users.add", "users.invite", "users.change", "users.sign_out", "users.disable", "users.enable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("email", "said"),
    [("nobody", "This is no mail address."), ("ANN@example.com", "Somebody has this address already.")],
)
def test_a_wrong_form_says_so_and_keeps_what_was_written(admin: Browser, email: str, said: str) -> None:
    answer = admin.send(admin.get("/settings/people"), "/settings/people", email=email, name="Bob <b>")
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="Bob &lt;b&gt;"' in answer.text


def test_an_administrator_always_stays(admin: Browser, store: Store) -> None:
    page = admin.get("/settings/people/1")
    assert "/settings/people/1/disable" not in page.text
    assert admin.send(page, "/settings/people/1", role="csm").status_code == 422
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    assert admin.post("/settings/people/1/disable", {"form_token": token}).status_code == 422
    assert (store.users.get(1).role, store.users.get(1).disabled_at) == ("admin", None)


@pytest.mark.parametrize(
    "path", ["/settings/people/99", "/settings/people/999999999999999999999", "/settings/people/0"]
)
def test_somebody_who_is_not_there_is_a_page_with_a_way_back(admin: Browser, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_a_link_is_mailed_where_smtp_is_set_and_a_fault_of_it_is_told(
    tmp_path: Path, admin: Browser, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import smtplib

    def away(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError("refused")

    section = EmailTarget(
        host="smtp.example.com", security="none", sender="churnml@example.com", to=("cs@example.com",)
    )
    monkeypatch.setattr(smtplib, "SMTP", away)
    with serving(settings_of(tmp_path, url="http://127.0.0.1").model_copy(update={"mail": section})) as browser:
        for cookie in admin.cookies.jar:
            browser.cookies.jar.set_cookie(cookie)
        answer = browser.send(browser.get("/settings/people/1"), "/settings/people/1/invite")
    assert answer.status_code == 422
    assert "the mail server did not take the mail" in answer.text


def test_a_key_is_shown_once_works_and_is_revoked(admin: Browser, store: Store) -> None:
    made = admin.send(admin.get("/settings/keys"), "/settings/keys", name="salesforce", scope="read", days="30")
    secret = re.search(r"churnml_[0-9a-f]{12}_[\w-]{43}", made.text)
    assert secret is not None
    key = store.keys.find(secret[0])
    assert key is not None
    assert (key.name, sorted(key.scopes)) == ("salesforce", ["read"])
    page = admin.get("/settings/keys")
    assert secret[0] not in page.text
    assert admin.send(page, f"/settings/keys/{key.id}/revoke").status_code == 303
    assert store.keys.find(secret[0]).revoked_at is not None  # type: ignore[union-attr]
    for wrong in ({"name": ""}, {"days": "0"}, {"days": "x"}, {"days": "99999"}, {"scope": "root"}):
        assert admin.send(page, "/settings/keys", **{"name": "x", **wrong}).status_code == 422
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    assert admin.post("/settings/keys/000/revoke", {"form_token": token}).status_code == 404


def test_rules_and_playbooks_in_force_are_shown(admin: Browser) -> None:
    page = admin.get("/settings/rules").text
    assert "renewal_near" in page
    assert "The rules have not gone over a scoring yet." in page
    assert page.count("<details>") > 5


def test_a_raw_name_is_shown_with_what_it_is_called(admin: Browser) -> None:
    assert "<td>pro_v2</td><td>Pro</td>" in admin.get("/settings/names").text


def test_what_was_not_taken_is_listed_with_why_and_can_be_sent_again(admin: Browser, store: Store) -> None:
    deliveries = store.deliveries("acme")
    deliveries.plan("hubspot", [Wanted(f"score:a{n}", "score", {"health": n}, f"a{n}") for n in range(2)], NOW)
    due = deliveries.begin(deliveries.due("hubspot", "score", NOW, 10), NOW)
    outcome = DeliveryOutcome("refused", "no_record", "404 <not found>")
    deliveries.end([(one, outcome) for one in due], "hubspot", TargetState(), NOW)
    page = admin.get("/settings/deliveries")
    assert "404 &lt;not found&gt;" in page.text
    assert page.text.count("no_record") == 2
    answer = admin.send(page, "/settings/deliveries/resend", id=str(due[0].id), target="")
    assert answer.status_code == 303
    assert deliveries.counts("hubspot") == {"waiting": 1, "refused": 1}
    assert admin.send(page, "/settings/deliveries/resend", target="hubspot").status_code == 303
    assert deliveries.counts("hubspot") == {"waiting": 2}
    assert "Everything was taken." in admin.get("/settings/deliveries").text
    assert admin.send(page, "/settings/deliveries/resend", id="1", target="hubspot").status_code == 422
    assert next(entry for entry in store.audit() if entry.action == "deliveries.resend").actor == "user:1"


def test_the_audit_log_names_who_did_what_and_has_pages(admin: Browser, store: Store) -> None:
    for number in range(120):
        store.users.change(1, Actor("user:1", NOW), name=f"Ann {number}")
    page = admin.get("/settings/audit?action=users")
    assert page.text.count("<code>users.change</code>") == 100
    assert "Ann 119" in page.text
    older = re.search(r'href="(/settings/audit\?[^"]*after=100[^"]*)"', page.text)
    assert older is not None
    rest = admin.get(older[1].replace("&amp;", "&"))
    assert rest.text.count("<code>users.change</code>") == 20
    assert "<code>users.add</code>" in rest.text
    assert admin.get("/settings/audit?actor=cli").text.count("<code>users.change</code>") == 0
    assert admin.get("/settings/audit?after=-1").status_code == 422
