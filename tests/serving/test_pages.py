"""The pages for CSMs."""

from __future__ import annotations

import base64
from typing import Any

import pytest


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_portfolio_links_to_each_account(api: Any, account: str, lang: str) -> None:
    page = api.get(f"/?lang={lang}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'href="/accounts/{account}?lang={lang}"' in page.text
    assert f'lang="{lang}"' in page.text
    brief = api.get(f"/accounts/{account}?lang={lang}")
    assert brief.status_code == 200
    assert account in brief.text


def test_a_page_loads_nothing_from_elsewhere(api: Any) -> None:
    page = api.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text


def test_a_page_asks_a_browser_for_a_key(api: Any, company: Any) -> None:
    answer = api.get("/", headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    given = base64.b64encode(f"ann:{company.key('read')}".encode()).decode()
    assert api.get("/", headers={"Authorization": f"Basic {given}"}).status_code == 200
    wrong = api.get("/", headers={"Authorization": "Basic ???"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.invalid")
    score = base64.b64encode(f"ann:{company.key('score')}".encode()).decode()
    assert api.get("/", headers={"Authorization": f"Basic {score}"}).status_code == 403


def test_a_name_cannot_bring_its_own_script(own_company: Any, serve: Any) -> None:
    evil = "<script>alert(1)</script>"
    own_company.frame["account_id"] = own_company.frame["account_id"].replace({"acc-0001": evil})
    own_company.publish(own_company.champion)
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        page = api.get("/")
        assert page.status_code == 200
        assert evil not in page.text
        assert page.text.count("<script>") == 1
        assert api.get("/accounts/%3Cscript%3Ealert(1)%3C%2Fscript%3E").status_code == 200


def test_an_unknown_account_has_no_page(api: Any) -> None:
    assert api.get("/accounts/nobody").json()["code"] == "account.unknown"
