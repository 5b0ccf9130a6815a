"""The pages for CSMs."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_list_links_to_each_account(api: Any, account: str, lang: str) -> None:
    page = api.get(f"/accounts?q={account}&lang={lang}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'href="/accounts/{account}"' in page.text
    assert f'lang="{lang}"' in page.text
    one = api.get(f"/accounts/{account}?lang={lang}")
    assert one.status_code == 200
    assert account in one.text


def test_a_page_loads_nothing_from_elsewhere(api: Any) -> None:
    page = api.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http://" not in page.text
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
        page = api.get("/accounts?q=script")
        assert page.status_code == 200
        assert evil not in page.text
        assert page.text.count("<script") == 1
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
        row = _row(api.get(f"/accounts?q={account}").text, account)
        assert f'<span class="chip {other}">' in row
        assert "set by Ann &lt;b&gt;" in row
        page = api.get(f"/accounts/{account}").text
        assert f"Ann &lt;b&gt; sees it as {other} until" in page
        assert f"the score says {before}. Sponsor resigned" in page
        assert "Sponsor resigned" in api.get(f"/accounts/{account}?lang=ja").text
        assert api.request("DELETE", f"/v1/overrides/{account}?author=Ann").status_code == 200
        assert "set by" not in api.get("/accounts").text


def _row(page: str, account: str) -> str:
    rows = [row for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f'href="/accounts/{account}"' in row]
    assert len(rows) == 1
    return str(rows[0])


def test_counts_agree_with_the_rows(api: Any) -> None:
    total = api.get("/v1/accounts?limit=1").json()["total"]
    pages = [api.get(f"/accounts?page={page}").text for page in (1, 2, 3)]
    found = [link for page in pages for link in re.findall(r'<th scope="row"><a href="(/accounts/[^"]+)"', page)]
    assert len(found) == len(set(found)) == total
    assert f"<b>{total} accounts</b>" in pages[0]
    bands = re.findall(r'<span class="chip (\w+)">\w+</span> (\d+)</a>', pages[0])
    assert sum(int(count) for _, count in bands) == total
    for band, count in bands:
        assert f"<b>{count} account" in api.get(f"/accounts?band={band}").text


def test_what_if_scores_the_account_again(api: Any) -> None:
    accounts = [one["account_id"] for one in api.get("/v1/accounts?limit=10").json()["accounts"]]
    pages = {one: api.get(f"/accounts/{one}").text for one in accounts}
    account, page = next((one, text) for one, text in pages.items() if 'id="what-if"' in text)
    feature = re.search(r'<option value="([a-z0-9_]+)"[^>]*>', page.split('id="what-if"')[1])
    assert feature is not None
    tried = api.get(f"/accounts/{account}?feature={feature[1]}&to=0").text
    assert re.search(r"Churn probability [\d.]+\s%", tried.split('id="what-if"')[1])
    refused = api.get(f"/accounts/{account}?feature=no_such_feature&to=0").text
    assert "no_such_feature" in refused.split('id="what-if"')[1]
