"""The pages for CSMs."""

from __future__ import annotations

import base64
import re
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


def test_the_pages_show_the_band_that_a_csm_has_set(own_company: Any, serve: Any, account: str) -> None:
    own_company.publish(own_company.champion)
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        before = api.get(f"/v1/accounts/{account}/health").json()["band"]
        other = "green" if before == "red" else "red"
        body = {"account_id": account, "band": other, "reason": "Sponsor resigned", "author": "Ann <b>"}
        assert api.post("/v1/overrides", json=body).status_code == 201
        row = re.search(rf'<tr data-band="(\w+)"[^>]*>(?:(?!</tr>).)*{account}.*?</tr>', api.get("/").text, re.DOTALL)
        assert row is not None
        assert row.group(1) == other
        assert "set by Ann &lt;b&gt;" in row.group(0)
        brief = api.get(f"/accounts/{account}").text
        assert f"set the band to {other} until" in brief
        assert f"(the score says {before}): Sponsor resigned" in brief
        assert "Sponsor resigned" in api.get(f"/accounts/{account}?lang=ja").text
        assert api.request("DELETE", f"/v1/overrides/{account}?author=Ann").status_code == 200
        assert "set by" not in api.get("/").text


def test_the_bands_of_a_long_portfolio_count_every_account(
    own_company: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("churnml.serving.pages.portfolio._MOST", 5)
    own_company.publish(own_company.champion)
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        total = api.get("/v1/accounts?limit=1").json()["total"]
        page = api.get("/").text
        assert page.count("<tr data-band=") == 5 < total
        assert sum(int(count) for count in re.findall(r"</span><b>(\d+)</b>", page)) == total
        assert f"The 5 accounts with the highest expected loss, of {total};" in page
        assert f"全{total}件のうち" in api.get("/?lang=ja").text
