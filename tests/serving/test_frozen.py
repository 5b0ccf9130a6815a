"""An account that has left keeps its last score, with its date and a plain statement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from churnml.store import Departed, Store


def leave(company: Any, account: str, departed: Departed | None = None) -> None:
    """Publish a newer snapshot without an account."""
    whole = company._scored(company.champion, 0)
    stays = whole.scores["account_id"] != account
    newer = replace(
        whole,
        scores=whole.scores[stays],
        features=None,
        explanations=[item for item in whole.explanations if item["account_id"] != account],
        curves=[item for item in whole.curves if item.account_id != account],
        departures={} if departed is None else {account: departed},
    )
    with Store(company.config.store_url) as store:
        store.publish(newer)


def test_the_last_score_stays_readable(own: Any, either_company: Any) -> None:
    account, other = (row["account_id"] for row in own.get("/v1/accounts?limit=2").json()["accounts"])
    before = own.get(f"/v1/accounts/{account}/health").json()
    assert before["frozen"] is None
    leave(either_company, account, Departed(date(2026, 1, 1), "ended", date(2026, 2, 3)))
    own.state.refresh()
    health = own.get(f"/v1/accounts/{account}/health").json()
    assert (health["health_score"], health["as_of"]) == (before["health_score"], before["as_of"])
    assert own.get("/v1/accounts?limit=1").json()["as_of"] > health["as_of"] == health["frozen"]["as_of"]
    assert (health["frozen"]["why"], health["frozen"]["on"]) == ("ended", "2026-02-03")
    assert health["frozen"]["text"].startswith("The contract ended on 3 February 2026.")
    told = own.get(f"/v1/accounts/{account}/explanation?lang=ja").json()
    assert told["health_score"] == before["health_score"]
    assert "契約が終了" in told["frozen"]["text"]
    page = own.get(f"/accounts/{account}")
    assert page.status_code == 200
    assert "The contract ended on 3 February 2026." in page.text
    assert own.get(f"/v1/accounts/{other}/health").json()["frozen"] is None


def test_without_a_reason_it_says_so_and_nobody_stays_nobody(own: Any, either_company: Any) -> None:
    account = own.get("/v1/accounts?limit=1").json()["accounts"][0]["account_id"]
    leave(either_company, account)
    own.state.refresh()
    found = own.get(f"/v1/accounts/{account}/health").json()["frozen"]
    assert (found["why"], found["on"]) == ("left", None)
    unknown = own.get("/v1/accounts/nobody/health")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "account.unknown")
