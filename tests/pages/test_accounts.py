"""Accounts: search, filters, order, columns, views, CSV, and giving accounts to somebody."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from tests.pages.browsing import ANN, EVE

from churnml.reports.spreadsheets import neutralised
from churnml.serving.pages.accounts import COLUMNS
from churnml.store import Store


def _listed(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/accounts/([^"]+)"', text)


def test_every_account_is_found_whatever_it_may_cost(see: Any) -> None:
    eve = see(EVE)
    snapshot = eve.state.view.snapshot
    last = eve.state.store.accounts(snapshot.id, limit=500).accounts[-1]
    for typed in (last.account_id, last.account_id.upper(), last.name):
        page = eve.get("/accounts", params={"q": typed})
        assert last.account_id in _listed(page.text)
    assert "No account fits" in eve.get("/accounts?q=nobody-at-all").text


@pytest.mark.parametrize("typed", ["ﾊﾔﾌﾞｻ", "はやぶさ", "ハヤブサ"])
def test_japanese_names_are_found_in_any_form(see: Any, typed: str) -> None:
    page = see(EVE).get("/accounts", params={"q": typed})
    assert _listed(page.text)
    assert page.text.count("ハヤブサ") >= len(_listed(page.text))


@pytest.mark.parametrize(
    "query",
    ["", "band=red", "owner=bob&band=yellow", "phase=renewal", "ends=90", "plan=Pro&segment=smb", "q=logistics"],
)
def test_counts_agree_with_the_rows_and_with_the_csv(see: Any, query: str) -> None:
    eve = see(EVE)
    page = eve.get(f"/accounts?{query}").text
    count = int(re.search(r"<b>(\d+) accounts?</b>", page)[1])  # type: ignore[index]
    rows: list[str] = []
    for number in range(1, count // 50 + 2):
        rows += _listed(eve.get(f"/accounts?{query}&page={number}").text)
    assert len(rows) == len(set(rows)) == count
    table = list(csv.DictReader(io.StringIO(eve.get(f"/accounts.csv?{query}").content.decode("utf-8-sig"))))
    assert [row["account_id"] for row in table] == rows
    assert set(table[0]) > {"why", "contract_ends_on", "change_30d"}


def test_what_a_form_leaves_empty_asks_for_nothing(see: Any) -> None:
    eve = see(EVE)
    assert "<b>120 accounts</b>" in eve.get("/accounts?q=&band=&owner=&segment=&plan=&phase=&ends=").text
    assert "<b>0 accounts</b>" in eve.get("/accounts?owner=~").text


def test_a_csm_sees_their_accounts_only(see: Any) -> None:
    ann = see(ANN)
    table = list(csv.DictReader(io.StringIO(ann.get("/accounts.csv?owner=bob").content.decode("utf-8-sig"))))
    assert table == []
    table = list(csv.DictReader(io.StringIO(ann.get("/accounts.csv").content.decode("utf-8-sig"))))
    assert {row["owner"] for row in table} == {"ann"}
    assert len(table) == 30


def test_the_order_is_a_link_and_turns_round(see: Any) -> None:
    eve = see(EVE)
    page = eve.get("/accounts?sort=arr").text
    assert 'aria-sort="descending"' in page
    link = html.unescape(re.search(r'<a href="([^"]+)"[^>]*>ARR', page)[1])  # type: ignore[index]
    assert 'aria-sort="ascending"' in eve.get(link).text
    for address, falls in (("/accounts?sort=arr", True), (link, False)):
        table = eve.get(address.replace("/accounts", "/accounts.csv")).content.decode("utf-8-sig")
        values = [float(row["arr"]) for row in csv.DictReader(io.StringIO(table))]
        assert values == sorted(values, reverse=falls)


def test_columns_are_chosen_by_the_address(see: Any) -> None:
    page = see(EVE).get("/accounts?col=phase&col=risk&col=nonsense").text
    heads = re.findall(r'<th scope="col"[^>]*>\s*<a[^>]*>([^<]+)', page)
    assert [head.strip() for head in heads] == ["Account", "Churn probability", "Phase"]
    assert len(COLUMNS) == page.count('name="col"')


def test_a_view_is_kept_for_who_made_it(look: Any) -> None:
    eve = look(EVE)
    page = eve.get("/accounts?band=red&col=arr&page=1")
    after = eve.press(page, "/actions/views", name="My <reds>")
    assert "View kept" in after.text
    assert 'href="/accounts?band=red&amp;col=arr"' in after.text
    assert "My &lt;reds&gt;" in after.text
    dropped = eve.press(after, "/actions/views", re.search(r'name="(drop)" value="(\d+)"', after.text).expand(r"\1=\2"))  # type: ignore[union-attr]
    assert "My &lt;reds&gt;" not in dropped.text
    assert "My" not in look(ANN).get("/accounts").text.split("<table>")[0]


def test_accounts_are_given_to_somebody_with_their_alerts(look: Any) -> None:
    eve = look(EVE)
    store: Store = eve.state.store
    (alert, _), *_ = store.alerts("acme").find(owner="bob")
    page = eve.get("/accounts")
    after = eve.press(page, "/actions/assign", owner="zoe", account=alert.account_id)
    assert "Assigned" in after.text
    assert _listed(eve.get("/accounts?owner=zoe").text) == [alert.account_id]
    assert alert.id is not None
    assert store.alerts("acme").get(alert.id)[0].owner == "zoe"
    assert "in the CRM: bob" in eve.get(f"/accounts/{alert.account_id}").text
    assert store.audit(5)[-1].actor == "user:2" or any(entry.action == "accounts.assign" for entry in store.audit(5))


def test_addresses_that_make_no_sense_are_pages_too(see: Any) -> None:
    eve = see(EVE)
    for query in ("page=0", "page=99999", "page=x", "sort=none&way=up", "ends=-1", "band=purple", "q=%00", "ends=9999"):
        assert eve.get(f"/accounts?{query}").status_code == 200, query


@pytest.mark.parametrize("cell", ["=1+1", "+49", "-x", "@cmd", " =1", "\t=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert str(neutralised(cell)).startswith("'")
