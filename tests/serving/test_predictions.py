"""Predict, explain, batch and what-if: right answers, and the same numbers as the batch run."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from churnml.serving.app import create_api
from churnml.store import Store


def test_online_equals_offline_for_every_account(api: Any, company: Any, scores: Any) -> None:
    with Store(company.config.store_url) as store:
        info = store.latest("acme")
        assert info is not None
        held = {account: store.features(info.id, account) for account in scores.index}
    items = [{"account_id": account} for account in scores.index]
    by_id = api.post("/v1/predict/batch", json={"items": items}).json()["results"]
    rows = [{"features": held[account], "arr": scores.loc[account, "arr"]} for account in scores.index]
    by_features = api.post("/v1/predict/batch", json={"items": rows}).json()["results"]
    for account, stored, computed in zip(scores.index, by_id, by_features, strict=True):
        for name in ("churn_probability", "health_score", "band", "coverage", "expected_loss"):
            expected = scores.loc[account, name]
            assert stored["result"][name] == expected, (account, name)
            assert computed["result"][name] == expected, (account, name)


def test_one_row_scores_as_in_a_batch(api: Any, features: dict[str, Any], account: str, scores: Any) -> None:
    alone = api.post("/v1/predict", json={"features": features}).json()
    assert alone["churn_probability"] == scores.loc[account, "churn_probability"]
    assert alone["health_score"] == scores.loc[account, "health_score"]
    assert alone["account_id"] is None
    assert alone["source"] == "computed"


def test_missing_features_are_null_and_said(api: Any) -> None:
    few = api.post("/v1/predict", json={"features": {"events_28d": 3}}).json()
    nulls = api.post("/v1/predict", json={"features": {"events_28d": 3, "nps_last": None}}).json()
    assert few["churn_probability"] == nulls["churn_probability"]
    assert "many_missing" in [warning["code"] for warning in few["warnings"]]
    assert few["band"] == "unknown"
    assert "low_coverage" in [warning["code"] for warning in few["warnings"]]


def test_warnings_are_in_the_language_that_is_asked_for_under_the_same_codes(api: Any) -> None:
    asked = {name: {"features": {"events_28d": 3}, "lang": name} for name in ("en", "ja")}
    told = {name: api.post("/v1/explain", json=body).json()["warnings"] for name, body in asked.items()}
    assert [one["code"] for one in told["ja"]] == [one["code"] for one in told["en"]]
    missing = {name: next(one for one in told[name] if one["code"] == "many_missing")["message"] for name in told}
    assert "features were not given" in missing["en"]
    assert "欠損として扱われました" in missing["ja"]
    assert not any(one["message"].isascii() for one in told["ja"])


def test_without_anything_the_health_score_is_made_of_there_is_none(api: Any) -> None:
    answer = api.post("/v1/predict", json={"features": {"plan": "basic"}}).json()
    assert answer["coverage"] == 0
    assert (answer["health_score"], answer["band"]) == (None, "unknown")
    codes = [warning["code"] for warning in answer["warnings"]]
    assert codes[0] == "no_coverage"
    assert "low_coverage" not in codes
    assert 0 < answer["churn_probability"] < 1
    some = api.post("/v1/predict", json={"features": {"events_28d": 3}}).json()
    assert "no_coverage" not in [warning["code"] for warning in some["warnings"]]


def test_an_unknown_word_counts_as_missing_and_is_said(api: Any, features: dict[str, Any]) -> None:
    odd = api.post("/v1/predict", json={"features": {**features, "plan": "platinum"}}).json()
    none = api.post("/v1/predict", json={"features": {**features, "plan": None}}).json()
    assert odd["churn_probability"] == none["churn_probability"]
    assert "unknown_word" in [warning["code"] for warning in odd["warnings"]]


def test_a_batch_answers_each_item_on_its_own(api: Any, features: dict[str, Any]) -> None:
    items = [
        {"account_id": "acc-0001"},
        {"account_id": "nobody"},
        {"features": features},
        {"features": {"event_28d": 1}},
        {"features": {"events_28d": "many"}},
        {"account_id": "acc-0001", "features": {}},
        "nonsense",
        {"features": {"events_28d": True}},
        {"account_id": "acc-0002"},
    ]
    body = api.post("/v1/predict/batch", json={"items": items}).json()
    assert [item["status"] for item in body["results"]] == [200, 404, 200, 422, 422, 422, 422, 422, 200]
    assert [item["index"] for item in body["results"]] == list(range(9))
    assert (body["succeeded"], body["failed"]) == (3, 6)
    assert body["results"][3]["problem"]["code"] == "features.unknown"
    assert "did you mean 'events_28d'" in body["results"][3]["problem"]["detail"]
    assert body["results"][0]["result"]["account_id"] == "acc-0001"


def test_a_batch_has_a_limit(api: Any) -> None:
    items = [{"account_id": "acc-0001"}] * 1001
    answer = api.post("/v1/predict/batch", json={"items": items})
    assert answer.status_code == 422
    assert answer.json()["code"] == "batch.too_large"


def test_an_explanation_tells_the_accounts_numbers_in_both_languages(api: Any, account: str) -> None:
    english = api.get(f"/v1/accounts/{account}/explanation?lang=en").json()
    japanese = api.get(f"/v1/accounts/{account}/explanation?lang=ja").json()
    drivers = english["explanation"]["raising"] + english["explanation"]["lowering"]
    assert drivers
    assert [item["feature"] for item in drivers] == [
        item["feature"] for item in japanese["explanation"]["raising"] + japanese["explanation"]["lowering"]
    ]
    assert english["explanation"]["summary"] != japanese["explanation"]["summary"]
    log_odds = english["explanation"]["expected_log_odds"] + sum(english["explanation"]["families"].values())
    assert log_odds == pytest.approx(english["explanation"]["log_odds"])


def test_explaining_features_tells_the_same_as_the_stored_explanation(
    api: Any, features: dict[str, Any], account: str
) -> None:
    stored = api.post("/v1/explain", json={"account_id": account}).json()["explanation"]
    computed = api.post("/v1/explain", json={"features": features}).json()["explanation"]
    assert computed["families"] == stored["families"]
    assert [item["sentence"] for item in computed["raising"]] == [item["sentence"] for item in stored["raising"]]


def test_what_if_compares_before_and_after(api: Any, account: str, scores: Any) -> None:
    body = {"account_id": account, "changes": {"days_since_last_event": 90, "events_28d": 0}}
    answer = api.post("/v1/what-if", json=body).json()
    assert answer["before"]["churn_probability"] == scores.loc[account, "churn_probability"]
    assert answer["probability_change"] > 0
    assert answer["after"]["churn_probability"] - answer["before"]["churn_probability"] == answer["probability_change"]
    same = api.post("/v1/what-if", json={"account_id": account, "changes": {"plan": None}}).json()
    assert same["before"] == {**answer["before"], **{k: same["before"][k] for k in ("scored_at", "freshness")}}
    wrong = api.post("/v1/what-if", json={"account_id": account, "changes": {"event_28d": 0}})
    assert wrong.json()["errors"][0]["pointer"] == "/changes/event_28d"


def test_the_model_lists_its_features(api: Any, company: Any) -> None:
    model = api.get("/v1/model").json()
    assert next(item["name"] for item in model["features"]) == "days_since_last_event"
    assert model["verdict"] == "publishable"
    assert {item["name"]: item["words"] for item in model["features"]}["plan"] == ["basic", "pro"]


def test_the_openapi_is_complete(api: Any) -> None:
    schema = create_api().openapi()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            answer = next(operation["responses"][code] for code in ("200", "201") if code in operation["responses"])
            media, content = next(iter(answer["content"].items()))
            if media == "application/json":
                root = {"$ref": content["schema"]["$ref"], "components": schema["components"]}
                jsonschema.validate(content["example"], root)
            for code, response in operation["responses"].items():
                if code.startswith(("4", "5")):
                    assert list(response["content"]) == ["application/problem+json"], (where, code)
            if "/healthz" not in path and "/readyz" not in path:
                assert operation["security"], where
    for name, model in schema["components"]["schemas"].items():
        for field, described in model.get("properties", {}).items():
            assert described.get("description"), f"{name}.{field}"


def test_the_openapi_names_the_models_features_to_a_caller_with_a_key(api: Any) -> None:
    def features(schema: Any) -> Any:
        described = schema["components"]["schemas"]["PredictRequest"]["properties"]["features"]["anyOf"]
        return next(part for part in described if part.get("type") == "object").get("properties")

    assert features(api.get("/v1/openapi.json", headers={"Authorization": ""}).json()) is None
    named = features(api.get("/v1/openapi.json").json())
    assert named["events_28d"]["type"] == ["number", "null"]
    assert named["plan"]["type"] == ["string", "null"]
    assert "basic, pro" in named["plan"]["description"]
