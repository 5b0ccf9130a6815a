"""Keys, scopes, limits, headers, and what a caller without rights learns: nothing."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from churnml.errors import StoreError
from churnml.serving.app import create_api
from churnml.serving.http import remembering
from churnml.serving.settings import Settings
from churnml.store import Actor, Store

_OPEN = {"/v1/healthz", "/v1/readyz"}


def _operations() -> list[tuple[str, str, tuple[str, ...]]]:
    found = []
    for path, methods in create_api().openapi()["paths"].items():
        for method, operation in methods.items():
            found.append((method.upper(), path, tuple(operation.get("x-scopes", ()))))
    return found


def _path(path: str) -> str:
    numbers = path.replace("{alert_id}", "1").replace("{task_id}", "1")
    return numbers.replace("{account_id}", "acc-0001")


@pytest.mark.parametrize(("method", "path", "scopes"), _operations())
def test_every_operation_asks_for_a_key_with_its_scope(
    api: Any, company: Any, method: str, path: str, scopes: tuple[str, ...]
) -> None:
    if path in _OPEN:
        assert api.request(method, path, headers={"Authorization": ""}).status_code == 200
        return
    assert scopes, f"{method} {path} asks for no scope"
    without = api.request(method, _path(path), headers={"Authorization": "Bearer "})
    assert (without.status_code, without.json()["code"]) == (401, "auth.invalid")
    wrong = [scope for scope in ("read", "score", "write") if scope not in scopes]
    secret = company.key(*wrong)
    answer = api.request(method, _path(path), headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope")
    assert " or ".join(scopes) in answer.json()["detail"]


def test_an_unknown_path_is_not_told_without_a_key(api: Any) -> None:
    headers = {"Authorization": "Bearer churnml_0_0"}
    assert api.get("/v1/nothing", headers=headers).status_code == 401
    assert api.get("/v1/accounts/acc-0001/health", headers=headers).status_code == 401


def test_scoring_features_needs_the_scope_score(api: Any, company: Any) -> None:
    headers = {"Authorization": f"Bearer {company.key('read')}"}
    assert api.post("/v1/predict", json={"account_id": "acc-0001"}, headers=headers).status_code == 200
    assert api.post("/v1/predict", json={"features": {}}, headers=headers).status_code == 403
    assert api.post("/v1/explain", json={"features": {}}, headers=headers).status_code == 403
    items = {"items": [{"account_id": "acc-0001"}, {"features": {}}]}
    batch = api.post("/v1/predict/batch", json=items, headers=headers).json()
    assert [item["status"] for item in batch["results"]] == [200, 403]


def test_admin_may_everything_and_a_key_may_come_in_its_own_header(api: Any, company: Any) -> None:
    secret = company.key("admin")
    del api.headers["Authorization"]
    try:
        assert api.get("/v1/model", headers={"X-API-Key": secret}).status_code == 200
        assert api.get("/v1/model").json()["code"] == "auth.missing"
    finally:
        api.headers["Authorization"] = f"Bearer {company.key('read', 'score', 'write')}"


def test_an_expired_or_revoked_key_is_refused(api: Any, company: Any) -> None:
    from datetime import UTC, datetime

    soon = company.key("read", valid_for=timedelta(seconds=0.3))
    headers = {"Authorization": f"Bearer {soon}"}
    assert api.get("/v1/model", headers=headers).status_code == 200
    time.sleep(0.35)
    assert "expired" in api.get("/v1/model", headers=headers).json()["detail"]
    secret = company.key("read")
    headers = {"Authorization": f"Bearer {secret}"}
    assert api.get("/v1/model", headers=headers).status_code == 200
    with Store(company.config.store_url) as store:
        store.keys.revoke(secret.split("_")[1], Actor("tester", datetime.now(UTC)))
    time.sleep(2.1)
    assert "revoked" in api.get("/v1/model", headers=headers).json()["detail"]


def test_a_known_key_outlives_the_store_for_a_while(
    company: Any, serve: Any, features: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise StoreError("The store failed", code="store.failed")

    with serve(company.settings) as api:
        api.headers["Authorization"] = f"Bearer {company.key('read', 'score')}"
        assert api.post("/v1/predict", json={"account_id": "acc-0001"}).status_code == 200
        monkeypatch.setattr(remembering, "REMEMBERED_SECONDS", 0.0)
        monkeypatch.setattr(api.state.store.keys, "find", away)
        monkeypatch.setattr(api.state.store, "account", away)
        assert api.post("/v1/predict", json={"account_id": "acc-0001"}).status_code == 200
        assert api.post("/v1/predict", json={"features": features}).status_code == 200
        answers = [
            api.post("/v1/predict", json={"account_id": "acc-0002"}),
            api.get("/v1/model", headers={"Authorization": f"Bearer churnml_{1:012x}_{'k' * 43}"}),
        ]
        monkeypatch.setattr(remembering, "TRUSTED_SECONDS", 0.0)
        answers.append(api.post("/v1/predict", json={"account_id": "acc-0001"}))
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (503, "service.store")
            assert answer.headers["retry-after"]


def _limited(company: Any, **limits: int) -> Settings:
    settings: Settings = company.settings
    return settings.model_copy(update={"limits": settings.limits.model_copy(update=limits)})


def test_a_key_has_so_many_requests_a_minute(company: Any, serve: Any) -> None:
    with serve(_limited(company, requests_per_minute=5)) as api:
        api.headers["Authorization"] = f"Bearer {company.key('read')}"
        answers = [api.get("/v1/model") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:5]] == ["4", "3", "2", "1", "0"]
        assert 1 <= int(answers[5].headers["retry-after"]) <= 13
        assert answers[5].json()["code"] == "rate.limited"
        api.headers["Authorization"] = f"Bearer {company.key('read')}"
        assert api.get("/v1/model").status_code == 200


def test_guessing_keys_is_slowed_down_and_locks_nobody_else_out(company: Any, serve: Any) -> None:
    with serve(company.settings) as api:
        good = [company.key("read") for _ in range(3)]
        guesses, right = [], []
        for number in range(90):
            guess = f"churnml_{number:012x}_{'g' * 43}"
            guesses.append(api.get("/v1/model", headers={"Authorization": f"Bearer {guess}"}).status_code)
            if number % 30 == 29:
                # A key that was never sent before, from the address that guesses.
                headers = {"Authorization": f"Bearer {good[number // 30]}"}
                right.append(api.get("/v1/model", headers=headers).status_code)
        # One guess a second is given back, so a slow machine lets some more through.
        assert guesses[:60] == [401] * 60
        assert guesses.count(429) >= 3
        assert right == [200, 200, 200]


@pytest.mark.parametrize("wrong", ["churnml_\x00", "churnml_" + "0" * 12 + "_" + "\x00" * 43, "churnml_é_é"])
def test_a_key_that_no_store_could_hold_is_a_wrong_key(own: Any, wrong: str) -> None:
    answer = own.get("/v1/model", headers={"Authorization": f"Bearer {wrong}".encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.invalid")


def test_insecure_asks_for_no_key(company: Any, serve: Any) -> None:
    with serve(company.settings.model_copy(update={"insecure": True})) as api:
        assert api.post("/predict", json={"account_id": "acc-0001"}).status_code == 200
        for host, status in [("localhost:3000", 200), ("[::1]:3000", 200), ("churn.example", 401), ("[", 401)]:
            assert api.get("/v1/model", headers={"Host": host}).status_code == status, host


@pytest.mark.parametrize("path", ["/v1/model", "/v1/nothing", "/v1/healthz", "/v1/openapi.json"])
def test_every_answer_has_the_security_headers(api: Any, path: str) -> None:
    headers = api.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-request-id"]


@pytest.mark.parametrize("sent", ["short", "x" * 65, "with space 123", "new\tline-12345", "ümlaut-12345"])
def test_a_strange_request_id_is_replaced(api: Any, sent: str) -> None:
    given = api.get("/v1/healthz", headers={"X-Request-ID": sent.encode()}).headers["x-request-id"]
    assert given != sent
    assert given.isalnum()


def test_an_answer_that_takes_too_long_is_given_up(company: Any, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(company.settings.model_copy(update={"timeout_seconds": 0.2, "insecure": True})) as api:
        monkeypatch.setattr(api.state.view.scorer, "score", lambda rows: time.sleep(0.6))
        answer = api.post("/v1/predict", json={"features": {}})
        assert (answer.status_code, answer.json()["code"]) == (504, "service.timeout")
        assert api.get("/v1/healthz").status_code == 200


def test_metrics_count_requests_by_route(api: Any, account: str) -> None:
    api.get(f"/v1/accounts/{account}/health")
    text = api.get("/v1/metrics").text
    assert 'churnml_requests_total{method="GET",route="/v1/accounts/{account_id:path}/health",status="200"}' in text
    assert "churnml_snapshot_age_seconds" in text
    assert account not in text
