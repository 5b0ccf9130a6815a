"""When an account will be lost: the curve, its words and its bounds, and where there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from churnml.store import Departed, Store


def _at(api: Any, account: str, query: str = "") -> Any:
    return api.get(f"/v1/accounts/{account}/survival{query}")


def test_a_curve_is_told_month_by_month_beside_its_peers(api: Any, account: str) -> None:
    told = _at(api, account).json()
    as_of, months = date.fromisoformat(told["as_of"]), told["months"]
    assert [month["month"] for month in months] == list(range(1, 25))
    assert [month["on"] for month in months] == [(as_of + timedelta(days=30 * n)).isoformat() for n in range(1, 25)]
    for before, after in pairwise(months):
        assert after["survival"] <= before["survival"]
    assert all(0 <= month["low"] <= month["survival"] <= month["high"] <= 1 for month in months)
    assert told["peers"]["by"] == "segment"
    assert told["peers"]["text"] == f"{told['peers']['accounts']} other accounts of smb"
    assert told["currency"] == "EUR"
    assert told["residual_value"]["low"] < told["residual_value"]["value"] < told["residual_value"]["high"]
    assert told["lost_within"]["360"] == pytest.approx(1 - months[11]["survival"], abs=1e-4)


@pytest.mark.parametrize(("lang", "words"), [("en", "At the renewal on "), ("ja", "更新では")])
def test_the_risk_at_the_renewal_is_said_with_its_bounds(api: Any, account: str, lang: str, words: str) -> None:
    told = _at(api, account, f"?lang={lang}").json()
    risk = told["renewal_risk"]
    (said,) = (text for text in told["told"] if words in text)
    for name in ("value", "low", "high"):
        assert f"{risk[name] * 100:.0f}" in said
    (reason,) = told["raising"]
    assert (reason["feature"], reason["log_odds"]) == ("active_users_28d", 0.8)


def test_the_accounts_scores_carry_the_risk_and_the_end(api: Any) -> None:
    listed = api.get("/v1/accounts?limit=500").json()["accounts"]
    without = [one for one in listed if one["renewal_risk"] is None]
    assert 0 < len(without) < len(listed)
    for one in (*without[:2], next(one for one in listed if one["renewal_risk"] is not None)):
        told = _at(api, one["account_id"]).json()
        assert one["expected_end"] == told["expected_end"]
        assert one["residual_value"] == told["residual_value"]["value"]
        assert one["renewal_risk"] == (None if told["renewal_risk"] is None else told["renewal_risk"]["value"])
        assert (told["next_decision_on"] is None) == (one["renewal_risk"] is None)


def test_where_no_model_tells_it_there_is_a_problem_and_the_score_stays(own: Any, either_company: Any) -> None:
    whole = either_company._scored(either_company.champion, 0)
    columns = ["next_decision_on", "renewal_risk", "lost_by_decision", "expected_end", "residual_value"]
    bare = replace(whole, scores=whole.scores.drop(columns=columns), curves=())
    with Store(either_company.config.store_url) as store:
        store.publish(bare)
    own.state.refresh()
    answer = _at(own, "acc-0007")
    assert (answer.status_code, answer.json()["code"]) == (404, "survival.unknown")
    assert answer.headers["content-type"] == "application/problem+json"
    health = own.get("/v1/accounts/acc-0007/health").json()
    assert (health["renewal_risk"], health["expected_end"], health["residual_value"]) == (None, None, None)
    assert _at(own, "nobody").json()["code"] == "account.unknown"


def test_an_account_that_has_left_keeps_its_last_curve(own: Any, either_company: Any) -> None:
    before = _at(own, "acc-0007").json()
    whole = either_company._scored(either_company.champion, 0)
    stays = whole.scores["account_id"] != "acc-0007"
    newer = replace(
        whole,
        scores=whole.scores[stays],
        features=None,
        explanations=(),
        curves=[one for one in whole.curves if one.account_id != "acc-0007"],
        departures={"acc-0007": Departed(date(2026, 1, 1), "ended", date(2026, 2, 3))},
    )
    with Store(either_company.config.store_url) as store:
        store.publish(newer)
    own.state.refresh()
    after = _at(own, "acc-0007").json()
    assert after["months"] == before["months"]
    assert after["as_of"] == before["as_of"] == after["frozen"]["as_of"]


def test_it_needs_the_scope_to_read(serve: Any, own_company: Any) -> None:
    own_company.publish(own_company.champion)
    with serve(own_company.settings) as api:
        for scope, status in (("read", 200), ("write", 403)):
            headers = {"Authorization": f"Bearer {own_company.key(scope)}"}
            assert api.get("/v1/accounts/acc-0007/survival", headers=headers).status_code == status
        assert api.get("/v1/accounts/acc-0007/survival").status_code == 401
