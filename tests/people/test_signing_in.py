"""Signing in by a link, sessions, signing out, languages; and what outsiders cannot do."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from tests.people.conftest import Browser, serving, settings_of

from churnml.config.deliveries import EmailTarget
from churnml.serving.http import remembering
from churnml.store import Actor, Store

Serve = Callable[..., Browser]


def _link(store: Store, email: str = "ann@example.com", hours: float = 1) -> str:
    user = store.users.find(email)
    assert user is not None
    token = store.sessions.invite(user, Actor("cli", datetime.now(UTC)), timedelta(hours=hours)).token
    return f"/sign-in/link?token={token}"


def _sign_in(browser: Browser, store: Store, email: str = "ann@example.com") -> None:
    page = browser.get(_link(store, email))
    answer = browser.send(page, "/sign-in/link")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.fixture
def ann(store: Store, now: Actor) -> Any:
    return store.users.add("ann@example.com", now, name="Ann", role="admin", language="en")


def _is_in(browser: Browser) -> bool:
    """Whether a page knows who looks: it then says that there is no such page, instead of leading to signing in."""
    return browser.get("/nowhere").status_code == 404


def test_who_is_not_signed_in_is_led_there_and_back(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    answer = browser.get("/accounts?band=red&q=a%20b")
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert (where.path, parse_qs(where.query)) == ("/sign-in", {"next": ["/accounts?band=red&q=a%20b"]})
    page = browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert "sign-in link" in page.text
    assert 'href="/sign-in/key?next=%2Faccounts%3Fband%3Dred%26q%3Da%2520b"' in page.text
    _sign_in(browser, store)
    assert browser.get(answer.headers["location"]).headers["location"] == "/accounts?band=red&q=a%20b"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"])
def test_nobody_is_led_elsewhere(serve: Serve, store: Store, ann: Any, elsewhere: str) -> None:
    browser = serve()
    assert 'href="/sign-in/key?next=%2F"' in browser.get("/sign-in", params={"next": elsewhere}).text
    _sign_in(browser, store)
    assert browser.get("/sign-in", params={"next": elsewhere}).headers["location"] == "/"


def test_a_link_signs_in_once(serve: Serve, store: Store, ann: Any) -> None:
    browser, link = serve(), _link(store)
    page = browser.get(link)
    assert "Hello Ann" in page.text
    assert browser.get(link).status_code == 200, "looking at a link does not use it"
    answer = browser.send(page, "/sign-in/link")
    assert answer.status_code == 303
    session = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("churnml_session="))
    assert {part.strip().lower() for part in session.split(";")[1:]} >= {"httponly", "samesite=lax", "path=/"}
    assert _is_in(browser)
    other = browser.another()
    refused = other.get(link)
    assert refused.status_code == 403
    assert "This link does not sign in" in refused.text
    assert not _is_in(other)


def test_two_who_use_a_link_at_once_do_not_both_come_in(store: Store, ann: Any) -> None:
    token = _link(store).partition("=")[2]
    moment = datetime.now(UTC)
    assert [store.sessions.use(token, moment) is not None for _ in range(2)] == [True, False]


def test_a_link_ends(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    link = _link(store, hours=1)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        assert browser.get(link).status_code == 403


def test_the_store_keeps_no_secret(serve: Serve, store: Store, ann: Any, tmp_path: Any) -> None:
    browser, link = serve(), _link(store)
    token = link.partition("=")[2]
    browser.send(browser.get(link), "/sign-in/link")
    session = browser.cookies["churnml_session"]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert b"ann@example.com" in kept
    for text in (token, session):
        _kind, id_part, secret = text.split("_", 2)  # the secret may have a "_" of its own
        assert len(secret) == 43
        assert id_part.encode() in kept
        assert secret.encode() not in kept


def test_signing_in_again_begins_a_new_session_and_ends_the_old_one(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    _sign_in(browser, store)
    first = browser.cookies["churnml_session"]
    _sign_in(browser, store)
    assert browser.cookies["churnml_session"] != first
    old = store.sessions.find(first)
    assert old is not None
    assert old[0].ended_at is not None
    assert _is_in(browser)


def test_signing_out_ends_the_session(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    _sign_in(browser, store)
    secret = browser.cookies["churnml_session"]
    answer = browser.send(browser.get("/nowhere"), "/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert "churnml_session" not in browser.cookies
    browser.cookies.set("churnml_session", secret)
    time.sleep(0.01)
    assert store.sessions.find(secret)[0].ended_at is not None  # type: ignore[index]


def test_a_form_of_an_ended_session_is_refused_as_a_page(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    _sign_in(browser, store)
    page = browser.get("/nowhere")
    _sign_in(browser, store)
    answer = browser.send(page, "/sign-out")
    assert answer.status_code == 403
    assert "The page was too old" in answer.text


@pytest.mark.parametrize("how", ["disable", "sign_out", "expire", "idle"])
def test_a_session_can_be_ended_from_outside(
    serve: Serve, store: Store, ann: Any, now: Actor, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "REMEMBERED_SECONDS", 0.0)
    browser = serve(session_days=2, idle_hours=10)
    _sign_in(browser, store)
    assert _is_in(browser)
    if how == "disable":
        store.users.disable(ann.id, now)
    elif how == "sign_out":
        assert store.sessions.end_all(ann, now) == 1
    later = {"expire": timedelta(days=2, minutes=1), "idle": timedelta(hours=10, minutes=11)}.get(how, timedelta(0))
    with time_machine.travel(datetime.now(UTC) + later):
        # The browser of this test would drop the cookie itself, as a browser does; the server must not rely on it.
        secret = store.sessions.in_force(now.now)[0] if how == "idle" else None
        assert secret is None or not secret.usable(datetime.now(UTC), timedelta(hours=10))
        assert not _is_in(browser)


def test_using_a_session_keeps_it_from_being_idle(
    serve: Serve, store: Store, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "REMEMBERED_SECONDS", 0.0)
    browser = serve(idle_hours=10)
    _sign_in(browser, store)
    begin = datetime.now(UTC)
    for hours in (9, 18, 27):
        with time_machine.travel(begin + timedelta(hours=hours)):
            assert _is_in(browser)


def test_a_changed_role_counts_at_once(
    serve: Serve, store: Store, ann: Any, now: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "REMEMBERED_SECONDS", 0.0)
    browser = serve()
    _sign_in(browser, store)
    store.users.change(ann.id, now, role="csm", name="Anna")
    assert "Anna" in browser.get("/nowhere").text


def test_an_invented_or_stolen_half_of_a_cookie_is_nobody(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    _sign_in(browser, store)
    right = browser.cookies["churnml_session"]
    for wrong in (
        right[:-1] + ("A" if right[-1] != "A" else "B"),
        "session_" + "0" * 16 + "_" + "x" * 43,
        "é",
        "x" * 5000,
    ):
        other = browser.another()
        answer = other.get("/nowhere", headers={"Cookie": f"churnml_session={wrong}".encode()})
        assert answer.status_code == 303, wrong


def test_a_session_opens_pages_and_not_the_api(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    _sign_in(browser, store)
    assert browser.get("/v1/accounts").status_code == 401


def test_with_https_the_cookie_is_secure_and_no_other_host_can_set_it(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve(url="https://health.example.com").another(url="https://health.example.com")
    page = browser.get(_link(store))
    answer = browser.send(page, "/sign-in/link")
    session = next(one for one in answer.headers.get_list("set-cookie") if "session=" in one)
    assert session.startswith("__Host-churnml_session=")
    assert "; Secure" in session
    assert _is_in(browser)


def test_guessing_links_is_slowed_down_and_locks_nobody_out(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    guesses = [browser.get(f"/sign-in/link?token=link_{number:016x}_{'g' * 43}") for number in range(25)]
    assert [answer.status_code for answer in guesses] == [403] * 20 + [429] * 5
    assert "Too many tries" in guesses[-1].text
    # Behind one address, as behind a company's proxy, what is right is let through.
    _sign_in(browser, store)
    assert _is_in(browser)
    assert browser.another(address="10.9.9.9").get("/sign-in/link?token=x").status_code == 403


# -- mails ------------------------------------------------------------------------------------------------------------


class Server:
    """An SMTP server as smtplib sees one."""

    sent: list[Any]

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def send_message(self, message: Any) -> None:
        Server.sent.append(message)

    def quit(self) -> None: ...


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    Server.sent = []
    monkeypatch.setattr(smtplib, "SMTP", Server)
    return Server.sent


@pytest.fixture
def mailing(tmp_path: Any, mails: Any) -> Any:
    """A service that mails links."""
    section = EmailTarget(
        host="smtp.example.com", security="none", sender="churnml@example.com", to=("cs@example.com",)
    )
    settings = settings_of(tmp_path, url="http://health.example.com")
    with serving(settings.model_copy(update={"mail": section})) as browser:
        yield browser


def test_who_asks_gets_a_link_by_mail(mailing: Browser, mails: list[Any], store: Store, ann: Any) -> None:
    page = mailing.get("/sign-in")
    answer = mailing.send(page, "/sign-in/mail", email=" Ann@Example.com ", headers={"Host": "evil.example"})
    assert "Look into your mail" in answer.text
    mail = mails[0]
    assert (mail["To"], mail["Subject"]) == ("ann@example.com", "Your sign-in link for acme")
    link = next(line for line in mail.get_content().splitlines() if "http" in line)
    assert link.startswith("http://health.example.com/sign-in/link?token=")
    assert "72 hours" in mail.get_content()
    other = mailing.another()
    assert other.send(other.get(link.removeprefix("http://health.example.com")), "/sign-in/link").status_code == 303


def test_the_answer_does_not_say_who_is_known(mailing: Browser, mails: list[Any], ann: Any) -> None:
    page = mailing.get("/sign-in")
    answers = [
        mailing.send(page, "/sign-in/mail", email=email).text for email in ("ann@example.com", "bob@example.com")
    ]
    assert answers[0] == answers[1]
    assert len(mails) == 1


def test_nobody_is_flooded_with_mails_and_earlier_links_stay_good(
    mailing: Browser, mails: list[Any], store: Store, ann: Any
) -> None:
    page = mailing.get("/sign-in")
    answers = [mailing.send(page, "/sign-in/mail", email="ann@example.com").status_code for _ in range(12)]
    assert answers == [200] * 10 + [429] * 2
    assert len(mails) == 3
    link = next(line for line in mails[0].get_content().splitlines() if "http" in line)
    assert mailing.get(link.removeprefix("http://health.example.com")).status_code == 200


def test_without_an_address_of_its_own_the_service_mails_nothing(tmp_path: Any, mails: list[Any], ann: Any) -> None:
    section = EmailTarget(
        host="smtp.example.com", security="none", sender="churnml@example.com", to=("cs@example.com",)
    )
    with serving(settings_of(tmp_path).model_copy(update={"mail": section})) as browser:
        page = browser.get("/sign-in")
        assert "/sign-in/mail" not in page.text
        token = page.text.split('name="form_token" value="')[1].split('"')[0]
        assert browser.post("/sign-in/mail", {"email": "ann@example.com", "form_token": token}).status_code == 404
    assert mails == []


# -- proxies ----------------------------------------------------------------------------------------------------------

PROXY = {"addresses": ["10.0.0.0/24"], "header": "X-Forwarded-User", "sign_out_url": "https://proxy.example/out"}


def test_a_trusted_proxy_says_who_is_there(serve: Serve, ann: Any) -> None:
    browser = serve(proxy=PROXY).another(address="10.0.0.7")
    page = browser.get("/nowhere", headers={"X-Forwarded-User": "Ann@example.com", "X-Forwarded-For": "203.0.113.9"})
    assert page.status_code == 404
    assert "Ann" in page.text
    out = browser.send(page, "/sign-out", headers={"X-Forwarded-User": "ann@example.com"})
    assert 'href="https://proxy.example/out"' in out.text


@pytest.mark.parametrize("address", ["10.0.1.7", "127.0.0.1", "203.0.113.9"])
def test_nobody_else_is_believed(serve: Serve, ann: Any, address: str) -> None:
    browser = serve(proxy=PROXY).another(address=address)
    headers = {"X-Forwarded-User": "ann@example.com", "X-Forwarded-For": "10.0.0.7"}
    assert browser.get("/nowhere", headers=headers).status_code == 303


def test_a_header_that_came_twice_is_not_believed(serve: Serve, ann: Any) -> None:
    browser = serve(proxy=PROXY).another(address="10.0.0.7")
    twice = [("X-Forwarded-User", "ann@example.com"), ("x-forwarded-user", "bob@example.com")]
    assert browser.get("/nowhere", headers=twice).status_code == 303


def test_a_stranger_is_told_whom_to_ask(serve: Serve, store: Store, ann: Any, now: Actor) -> None:
    browser = serve(proxy=PROXY, ask="it@example.com").another(address="10.0.0.7")
    answer = browser.get("/", headers={"X-Forwarded-User": "bob@example.com"})
    assert answer.status_code == 403
    assert "it@example.com" in answer.text
    store.users.disable(ann.id, now)
    assert browser.get("/", headers={"X-Forwarded-User": "ann@example.com"}).status_code == 403


def test_a_stranger_gets_the_default_role(serve: Serve, store: Store) -> None:
    browser = serve(proxy={**PROXY, "default_role": "csm"}).another(address="10.0.0.7")
    assert browser.get("/nowhere", headers={"X-Forwarded-User": "Bob@example.com"}).status_code == 404
    bob = store.users.find("bob@example.com")
    assert bob is not None
    assert bob.role == "csm"
    assert browser.get("/nowhere", headers={"X-Forwarded-User": "no address"}).status_code == 403


# -- keys, insecure, languages ----------------------------------------------------------------------------------------


def test_an_api_key_still_opens_the_pages(serve: Serve, store: Store, now: Actor) -> None:
    browser = serve()
    asked = browser.get("/sign-in/key?next=/accounts")
    assert (asked.status_code, asked.headers["www-authenticate"][:5]) == (401, "Basic")
    assert "text/html" in asked.headers["content-type"]
    secret, _ = store.keys.create("ann", ["read"], now)
    assert browser.get("/sign-in/key?next=/accounts", auth=("ann", secret)).headers["location"] == "/accounts"
    assert browser.get("/nowhere", auth=("ann", secret)).status_code == 404
    wrong = browser.get("/", auth=("ann", "wrong"))
    assert (wrong.status_code, wrong.headers["www-authenticate"][:5]) == (401, "Basic")


def test_without_keys_somebody_may_still_sign_in_to_try_a_role(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve(insecure=True)
    assert "No sign-in" in browser.get("/nowhere").text
    _sign_in(browser, store)
    assert "Ann" in browser.get("/nowhere").text
    assert browser.another(address="10.0.0.7").get("/sign-in").status_code == 401


def test_the_language_is_the_persons_then_the_browsers(serve: Serve, store: Store, ann: Any) -> None:
    browser = serve()
    japanese = {"Accept-Language": "ja,en;q=0.5"}
    assert '<html lang="ja">' in browser.get("/sign-in", headers=japanese).text
    page = browser.get("/sign-in")
    assert browser.send(page, "/language", language="ja").headers["location"] == "/sign-in"
    assert '<html lang="ja">' in browser.get("/sign-in").text
    _sign_in(browser, store)
    page = browser.get("/nowhere?page=2", headers=japanese)
    assert '<html lang="en">' in page.text
    answer = browser.send(page, "/language", language="ja")
    assert answer.headers["location"] == "/nowhere?page=2"
    assert '<html lang="ja">' in browser.get("/nowhere").text
    assert store.users.named("ann@example.com").language == "ja"
    assert browser.send(page, "/language", language="xx").status_code == 422
