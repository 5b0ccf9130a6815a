"""The Python client: against the real application, and against one that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from churnml.client import ApiError, Client


class _Through(httpx.BaseTransport):
    """Hands requests to the application in this process."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        answer = self._api.request(
            request.method, str(request.url), content=request.content, headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content, request=request)


@pytest.fixture
def client(own_company: Any, serve: Any) -> Iterator[Client]:
    own_company.publish(own_company.champion)
    with (
        serve(own_company.settings) as api,
        Client("http://127.0.0.1", own_company.key("read", "score", "write"), transport=_Through(api)) as made,
    ):
        yield made


def test_every_operation_has_a_method_that_returns_its_answer(client: Client) -> None:
    assert client.predict("acc-0001").account_id == "acc-0001"
    assert client.predict(features={"events_28d": 3}, arr=100.0).arr == 100.0
    assert client.explain("acc-0001", lang="ja").lang == "ja"
    assert client.predict_batch([{"account_id": "acc-0001"}, {"account_id": "nobody"}]).failed == 1
    assert client.what_if("acc-0001", {"events_28d": 0}).before.source == "computed"
    assert client.history("acc-0001", limit=3).points[0].band
    assert client.explanation("acc-0001").explanation.summary
    curve = client.survival("acc-0001", lang="ja")
    assert (curve.lang, len(curve.months)) == ("ja", 24)
    assert client.health("acc-0001").renewal_risk == curve.renewal_risk.value
    assert len({account.account_id for account in client.accounts(page=50)}) == 120
    assert {account.owner for account in client.accounts(owner="bob")} == {"bob"}
    told = {account.account_id: account.top_reasons for account in client.accounts(reasons=True, page=50)}
    assert len(told) == 120
    assert all(reasons is not None for reasons in told.values())
    assert any(told.values())
    assert {account.top_reasons for account in client.accounts(owner="bob")} == {None}
    made = client.override("acc-0001", "red", "The sponsor told me.", "ann")
    assert client.health("acc-0001").override == made.override
    assert len(client.overrides().overrides) == 1
    assert client.end_override("acc-0001", "ann").override.ended_by == "ann"
    assert client.feedback("acc-0001", "useful", "ann").feedback.kind == "useful"
    assert client.model().features


def test_a_problem_is_an_error_that_names_it(client: Client) -> None:
    with pytest.raises(ApiError, match="did you mean 'acc-") as caught:
        client.predict("acc-001")
    assert (caught.value.code, caught.value.status) == ("api.account.unknown", 404)
    with pytest.raises(ApiError, match="event_28d"):
        client.predict(features={"event_28d": 3})


def _answering(*answers: Callable[[httpx.Request], httpx.Response]) -> tuple[Client, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[min(len(seen), len(answers)) - 1](request)

    return Client("http://api", "k", retries=2, transport=httpx.MockTransport(handle)), seen


def _lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def _busy(_: httpx.Request) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": "0"}, json={})


def _odd(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"overrides": [], **dict.fromkeys(_FIELDS), "warnings": []})


_FIELDS = ("as_of", "scored_at", "model_version", "config_version", "coverage", "freshness")


def test_lost_connections_and_busy_answers_are_tried_again() -> None:
    client, seen = _answering(_lost, _busy, _odd)
    assert client.overrides().overrides == []
    assert len(seen) == 3


def test_a_repeated_write_keeps_its_idempotency_key() -> None:
    client, seen = _answering(_lost, _lost, _lost)
    with pytest.raises(ApiError, match="cannot be reached"):
        client.feedback("a", "useful", "ann")
    assert len(seen) == 3
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    assert json.loads(seen[0].content) == {"account_id": "a", "kind": "useful", "author": "ann"}


def test_a_refusal_is_not_tried_again() -> None:
    client, seen = _answering(lambda _: httpx.Response(404, text="<html>"))
    with pytest.raises(ApiError, match="answered 404 and not as it should"):
        client.model()
    assert len(seen) == 1
    client, seen = _answering(_busy)
    with pytest.raises(ApiError, match="429"):
        client.model()
    assert len(seen) == 3
    client, seen = _answering(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(ApiError, match="answered 200 and not as it should"):
        client.model()


@pytest.mark.parametrize(
    ("named", "low", "high"),
    [
        ("7", 7, 7),
        ("-1", 0, 0),
        ("3600", 60, 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0.1, 0.5),
        ("nan", 0.1, 0.5),
        (None, 0.1, 0.5),
    ],
)
def test_a_pause_is_what_the_answer_names_within_reason(
    monkeypatch: pytest.MonkeyPatch, named: str | None, low: float, high: float
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    headers = {} if named is None else {"Retry-After": named}
    client, _ = _answering(lambda _: httpx.Response(503, headers=headers), _odd)
    client.overrides()
    assert len(pauses) == 1
    assert low <= pauses[0] <= high
