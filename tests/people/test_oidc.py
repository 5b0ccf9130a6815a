"""Signing in by OpenID Connect, against a provider on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from tests.people.conftest import Browser, serving, settings_of
from tests.people.provider import LocalProvider, local_provider

from churnml.store import Actor, Store


@pytest.fixture(scope="module")
def at() -> Iterator[LocalProvider]:
    with local_provider() as provider:
        yield provider


@pytest.fixture
def provider(at: LocalProvider) -> LocalProvider:
    at.person = {"sub": "0042", "email": "Ann@example.com", "email_verified": True, "name": "Ann M."}
    at.wrong, at.only_in_userinfo, at.signs_out = "", False, False
    return at


def _settings(folder: Path, provider: LocalProvider, **more: Any) -> Any:
    oidc = {"issuer": provider.url, "client_id": provider.client, **more}
    settings = settings_of(folder, oidc=oidc, ask="it@example.com")
    return settings.model_copy(update={"secrets": {"oidc": provider.secret}})


@pytest.fixture
def browser(provider: LocalProvider, tmp_path: Path) -> Iterator[Browser]:
    with serving(_settings(tmp_path, provider)) as opened:
        yield opened


def _there(browser: Browser, following: str = "/") -> str:
    """Go to the provider and sign in there; return where it sends the browser back to."""
    page = browser.get("/sign-in", params={"next": following})
    href = page.text.split('class="button" href="')[1].split('"')[0]
    there = browser.get(href)
    assert there.status_code == 303, there.text
    back = requests.get(there.headers["location"], allow_redirects=False, timeout=5).headers["location"]
    parts = urlsplit(back)
    assert parts.netloc == "127.0.0.1"
    return f"{parts.path}?{parts.query}"


def test_a_known_person_signs_in_and_comes_back(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor
) -> None:
    ann = store.users.add("ann@example.com", now, name="Ann", role="manager")
    answer = browser.get(_there(browser, "/accounts?band=red"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts?band=red")
    assert "Ann" in browser.get("/nowhere").text
    assert provider.asked["scope"] == "openid email profile"
    assert store.users.get(ann.id).subject == f"{provider.url} 0042"
    # From then on the provider's own name decides, even when the address has changed.
    provider.person["email"] = "ann.miller@example.com"
    other = browser.another()
    assert other.get(_there(other)).status_code == 303
    assert "churnml_attempt" not in other.cookies


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_who_signs_out_is_shown_the_way_out_of_the_provider(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor, lang: str
) -> None:
    provider.signs_out = True
    store.users.add("ann@example.com", now, role="manager", language=lang)
    browser.get(_there(browser))
    out = browser.send(browser.get("/"), "/sign-out")
    assert out.status_code == 200
    address = urlsplit(unescape(out.text.split('class="button" href="')[1].split('"')[0]))
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.url}/out"
    asked = parse_qs(address.query)
    assert (asked["realm"], asked["client_id"]) == (["a"], ["churnml"])
    assert asked["post_logout_redirect_uri"][0].endswith("/sign-in")
    assert browser.get("/").status_code in (303, 401)
    assert store.sessions.in_force(now.now) == []


def test_a_provider_without_a_way_out_is_not_asked(browser: Browser, store: Store, now: Actor) -> None:
    store.users.add("ann@example.com", now, role="manager")
    browser.get(_there(browser))
    out = browser.send(browser.get("/"), "/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")


def test_an_address_that_was_given_to_somebody_new_does_not_open_the_account(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor
) -> None:
    store.users.add("ann@example.com", now)
    assert browser.get(_there(browser)).status_code == 303
    provider.person["sub"] = "0043"
    other = browser.another()
    assert other.get(_there(other)).status_code == 403


@pytest.mark.parametrize("verified", [None, False, "no"])
def test_an_address_that_is_not_verified_opens_nothing(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor, verified: Any
) -> None:
    store.users.add("ann@example.com", now)
    provider.person["email_verified"] = verified
    answer = browser.get(_there(browser))
    assert answer.status_code == 403
    assert "it@example.com" in answer.text


def test_an_unknown_person_is_told_whom_to_ask(browser: Browser, store: Store) -> None:
    answer = browser.get(_there(browser))
    assert answer.status_code == 403
    assert "You are not known here yet" in answer.text
    assert "it@example.com" in answer.text
    assert store.users.list() == []


def test_an_unknown_person_gets_the_default_role(provider: LocalProvider, tmp_path: Path, store: Store) -> None:
    with serving(_settings(tmp_path, provider, default_role="data_scientist")) as browser:
        assert browser.get(_there(browser)).status_code == 303
    ann = store.users.named("ann@example.com")
    assert (ann.name, ann.role, ann.subject) == ("Ann M.", "data_scientist", f"{provider.url} 0042")


def test_a_disabled_person_is_not_let_in(browser: Browser, store: Store, now: Actor) -> None:
    ann = store.users.add("ann@example.com", now)
    assert browser.get(_there(browser)).status_code == 303
    store.users.disable(ann.id, now)
    other = browser.another()
    assert other.get(_there(other)).status_code == 403


def test_the_address_may_stand_in_userinfo_alone(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor
) -> None:
    store.users.add("ann@example.com", now)
    provider.only_in_userinfo = True
    assert browser.get(_there(browser)).status_code == 303
    provider.wrong = "userinfo"
    other = browser.another()
    assert other.get(_there(other)).status_code == 502


@pytest.mark.parametrize("wrong", ["denied", "nonce", "audience", "expired", "token_issuer", "signature", "shared"])
def test_what_the_provider_does_not_rightly_say_is_not_believed(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor, wrong: str
) -> None:
    store.users.add("ann@example.com", now)
    provider.wrong = wrong
    answer = browser.get(_there(browser))
    assert answer.status_code == 502
    assert "Signing in did not work" in answer.text
    assert "churnml_session" not in browser.cookies


def test_an_answer_to_another_browser_signs_nobody_in(browser: Browser, store: Store, now: Actor) -> None:
    store.users.add("ann@example.com", now)
    back = _there(browser)
    other = browser.another()
    assert other.get(back).status_code == 502, "nobody is signed in with a link that somebody else has prepared"
    _there(other)
    assert other.get(back).status_code == 502
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 502, "an answer is used once"


def test_a_provider_that_calls_itself_otherwise_is_none(provider: LocalProvider, tmp_path: Path) -> None:
    provider.wrong = "issuer"
    with serving(_settings(tmp_path, provider)) as browser:
        assert browser.get("/sign-in/oidc").status_code == 502


def test_new_keys_of_the_provider_are_taken_up(
    browser: Browser, provider: LocalProvider, store: Store, now: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joserfc.jwk import RSAKey

    from churnml.serving.people import oidc

    store.users.add("ann@example.com", now)
    assert browser.get(_there(browser)).status_code == 303
    monkeypatch.setattr(oidc, "_AGAIN_SECONDS", -1.0)
    before, provider.key = provider.key, RSAKey.generate_key(2048, {"kid": "two"})
    try:
        other = browser.another()
        assert other.get(_there(other)).status_code == 303
    finally:
        provider.key = before


def test_the_attempt_leaves_no_secret_in_an_address(browser: Browser, provider: LocalProvider) -> None:
    there = browser.get("/sign-in/oidc?next=//evil.example")
    query = parse_qs(urlsplit(there.headers["location"]).query)
    cookie = browser.cookies["churnml_attempt"]
    secret = cookie.partition(".")[0]
    assert secret not in there.headers["location"]
    assert query["code_challenge_method"] == ["S256"]
    assert len({query["state"][0], query["nonce"][0], query["code_challenge"][0]}) == 3
    assert "evil" not in there.headers["location"]


def test_a_public_client_signs_in_by_pkce_alone() -> None:
    from churnml.config.sign_in import OidcConfig
    from churnml.serving.people.oidc import Provider

    client = Provider(OidcConfig(issuer="https://login.example.com", client_id="churnml"), None)._client(
        "https://x/back"
    )
    assert client.token_endpoint_auth_method == "none"


@pytest.mark.parametrize("url", ["http://login.example.com", "http://127.0.0.1.evil.example", "file:///etc/passwd"])
def test_a_provider_is_asked_by_https(url: str) -> None:
    from churnml.serving.people.oidc import _safe

    with pytest.raises(ValueError, match="not https"):
        _safe(url)
