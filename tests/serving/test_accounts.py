"""The list of accounts, health, history, overrides and feedback."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from churnml.store import Store


def test_the_list_goes_by_expected_loss_over_all_pages(api: Any, scores: Any) -> None:
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get("/v1/accounts", params={"limit": 50} | ({"cursor": cursor} if cursor else {})).json()
        assert page["total"] == len(scores)
        seen += page["accounts"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [item["account_id"] for item in seen] == list(
        scores.sort_values("expected_loss", ascending=False, kind="stable").index
    )
    assert all(item["churn_probability"] == scores.loc[item["account_id"], "churn_probability"] for item in seen)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"band": "red"}, lambda row: row["effective_band"] == "red"),
        ({"owner": "bob"}, lambda row: row["owner"] == "bob"),
        ({"segment": "smb", "renewal_within_days": 90}, lambda row: 0 <= row["days_to_renewal"] <= 90),
        ({"text": "0007"}, lambda row: "0007" in row["account_id"]),
        ({"segment": "none"}, lambda row: False),
    ],
)
def test_filters_keep_what_they_say_and_nothing_else(api: Any, query: dict[str, Any], holds: Any) -> None:
    everything = api.get("/v1/accounts?limit=500").json()["accounts"]
    found = api.get("/v1/accounts", params={**query, "limit": 500}).json()
    assert [row["account_id"] for row in found["accounts"]] == [row["account_id"] for row in everything if holds(row)]
    assert found["total"] == len(found["accounts"])


def test_the_list_tells_the_reasons_where_they_are_asked_for(api: Any, scores: Any) -> None:
    for lang in ("en", "ja"):
        listed = api.get("/v1/accounts", params={"include": "reasons", "lang": lang, "limit": 5}).json()["accounts"]
        assert len(listed) == 5
        for item in listed:
            row = scores.loc[item["account_id"]]
            assert (item["name"], item["owner"], item["arr"]) == (row["name"], row["owner"], row["arr"])
            assert item["expected_loss"] == item["churn_probability"] * item["arr"]
            stored = api.state.store.explanation(api.state.view.snapshot.id, item["account_id"])
            assert item["top_reasons"] == stored[f"told_{lang}"]
        assert any(item["top_reasons"] for item in listed)
    plain = api.get("/v1/accounts", params={"limit": 5}).json()["accounts"]
    assert {item["top_reasons"] for item in plain} == {None}
    wrong = api.get("/v1/accounts", params={"include": "reason"})
    assert wrong.status_code == 422


def test_a_cursor_stays_in_its_snapshot_and_with_its_filters(own: Any, either_company: Any) -> None:
    first = own.get("/v1/accounts?limit=40").json()
    version = first["model_version"]
    either_company.publish(version, days_ago=0)
    own.state.refresh()
    second = own.get("/v1/accounts", params={"limit": 40, "cursor": first["next_cursor"]}).json()
    assert second["as_of"] == first["as_of"]
    assert own.get("/v1/accounts").json()["as_of"] != first["as_of"]
    ids = {row["account_id"] for row in first["accounts"]} & {row["account_id"] for row in second["accounts"]}
    assert ids == set()
    other = own.get("/v1/accounts", params={"owner": "bob", "cursor": first["next_cursor"]})
    assert (other.status_code, other.json()["code"]) == (404, "request.cursor")


def test_history_is_newest_first(own: Any, either_company: Any) -> None:
    version = own.get("/v1/model").json()["model_version"]
    either_company.publish(version, days_ago=40)
    either_company.publish(version, days_ago=9)
    points = own.get("/v1/accounts/acc-0001/history").json()["points"]
    assert len(points) == 3
    assert [point["as_of"] for point in points] == sorted((point["as_of"] for point in points), reverse=True)
    assert len(own.get("/v1/accounts/acc-0001/history?limit=1").json()["points"]) == 1


def test_an_override_stands_beside_the_systems_score(own: Any) -> None:
    before = own.get("/v1/accounts/acc-0001/health").json()
    band = "red" if before["band"] != "red" else "green"
    body = {"account_id": "acc-0001", "band": band, "reason": "The sponsor told me.", "author": "ann", "valid_days": 10}
    made = own.post("/v1/overrides", json=body)
    assert made.status_code == 201
    assert own.post("/v1/overrides", json={**body, "valid_days": 10.0}).status_code == 201
    assert made.json()["override"]["system_score"] == before["health_score"]
    after = own.get("/v1/accounts/acc-0001/health").json()
    assert (after["band"], after["effective_band"]) == (before["band"], band)
    assert after["override"]["reason"] == "The sponsor told me."
    listed = own.get(f"/v1/accounts?band={band}&limit=500").json()["accounts"]
    assert "acc-0001" in [row["account_id"] for row in listed]
    assert [item["account_id"] for item in own.get("/v1/overrides").json()["overrides"]] == ["acc-0001"]
    ended = own.request("DELETE", "/v1/overrides/acc-0001?author=bob")
    assert ended.json()["override"]["ended_by"] == "bob"
    assert own.get("/v1/accounts/acc-0001/health").json()["override"] is None
    assert len(own.get("/v1/overrides?account_id=acc-0001").json()["overrides"]) == 2
    again = own.request("DELETE", "/v1/overrides/acc-0001?author=bob")
    assert (again.status_code, again.json()["code"]) == (404, "override.unknown")


def test_ending_an_override_may_be_repeated(own: Any) -> None:
    body = {"account_id": "acc-0001", "band": "red", "reason": "The sponsor told me.", "author": "ann"}
    own.post("/v1/overrides", json=body)
    headers = {"Idempotency-Key": "end-1"}
    first = own.request("DELETE", "/v1/overrides/acc-0001?author=bob", headers=headers)
    again = own.request("DELETE", "/v1/overrides/acc-0001?author=bob", headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["override"] == first.json()["override"]
    assert again.headers["idempotency-replayed"] == "true"
    other = own.request("DELETE", "/v1/overrides/acc-0001?author=ann", headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.mismatch")


def test_a_wrong_override_changes_nothing(own: Any) -> None:
    body = {"account_id": "acc-0001", "band": "red", "reason": "The sponsor told me.", "author": "ann"}
    wrong = [{"band": "unknown"}, {"reason": ""}, {"valid_days": 0}, {"valid_days": 1.5}, {"author": ""}]
    for change in wrong:
        assert own.post("/v1/overrides", json={**body, **change}).status_code == 422, change
    assert own.post("/v1/overrides", json={**body, "account_id": "x"}).status_code == 404
    assert own.get("/v1/overrides").json()["overrides"] == []


def test_a_write_with_an_idempotency_key_happens_once(own: Any, in_threads: Any) -> None:
    body = {"account_id": "acc-0001", "kind": "false_alarm", "comment": "On leave.", "author": "ann"}

    def give(_: int) -> Any:
        return own.post("/v1/feedback", json=body, headers={"Idempotency-Key": "order-1"})

    answers = in_threads(give, 8)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["feedback"]["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(own.state.store.judgements("acme").feedback()) == 1
    other = own.post("/v1/feedback", json={**body, "comment": "Else."}, headers={"Idempotency-Key": "order-1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.mismatch")
    wrong = own.post("/v1/feedback", json=body, headers={"Idempotency-Key": "a b"})
    assert wrong.status_code == 422


def test_writes_are_in_the_audit_log_with_key_and_request(own: Any, either_company: Any) -> None:
    body = {"account_id": "acc-0001", "kind": "useful", "author": "ann"}
    answer = own.post("/v1/feedback", json=body, headers={"X-Request-ID": "request-0001"})
    assert answer.headers["x-request-id"] == "request-0001"
    with Store(either_company.config.store_url) as store:
        entry = store.audit(1)[0]
        key = store.keys.list()[-1]
    assert (entry.action, entry.actor, entry.request_id) == ("feedback.create", key.id, "request-0001")
    assert entry.at <= datetime.now(UTC)


def test_an_account_id_may_hold_odd_signs(own: Any, either_company: Any) -> None:
    frame = either_company.frame
    frame["account_id"] = frame["account_id"].replace({"acc-0001": "a/b ü%?#"})
    either_company.publish(own.get("/v1/model").json()["model_version"], days_ago=0)
    own.state.refresh()
    assert own.get("/v1/accounts/a%2Fb%20%C3%BC%25%3F%23/health").json()["account_id"] == "a/b ü%?#"
    assert own.post("/v1/predict", json={"account_id": "a/b ü%?#"}).status_code == 200
