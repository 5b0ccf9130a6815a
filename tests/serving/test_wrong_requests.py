"""Wrong requests: each a 4xx that says why."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from churnml.api.problems import CODES
from churnml.language import phrases


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({}, "request.invalid", "exactly one of account_id and features"),
        ({"account_id": "a", "features": {}}, "request.invalid", "exactly one of account_id and features"),
        ({"account_id": "a", "arr": 5.0}, "request.invalid", "go with features"),
        ({"acount_id": "a"}, "request.invalid", "not permitted"),
        ({"account_id": 7}, "request.invalid", "string"),
        ({"account_id": ""}, "request.invalid", "at least 1"),
        ({"account_id": "a\u0000b"}, "request.invalid", "pattern"),
        ({"account_id": "a" * 256}, "request.invalid", "at most 255"),
        ({"account_id": "acc-007"}, "account.unknown", "did you mean"),
        ([], "request.invalid", "object"),
        ({"features": []}, "request.invalid", "dictionary"),
        ({"features": {"event_28d": 1}}, "features.unknown", "did you mean 'events_28d'"),
        ({"features": {"zzz": 1}}, "features.unknown", "GET /v1/model"),
        ({"features": {"events_28d": "3"}}, "features.invalid", "must be a number"),
        ({"features": {"plan": 3}}, "features.invalid", "must be a text"),
        ({"features": {"events_28d": True}}, "request.invalid", "truth value"),
        ({"features": {"events_28d": [1]}}, "request.invalid", "a list"),
        ({"features": {"events_28d": {"a": 1}}}, "request.invalid", "an object"),
        ({"features": {"events_28d": 10**400}}, "request.invalid", "finite"),
        ({"features": {"plan": "x" * 501}}, "request.invalid", "500"),
        ({"features": {}, "as_of": "01.02.2024"}, "request.invalid", "date"),
        ({"features": {}, "arr": -1}, "request.invalid", "greater than or equal to 0"),
        ({"features": {}, "arr": "5"}, "request.invalid", "number"),
    ],
)
def test_a_wrong_body_says_why(api: Any, body: Any, code: str, says: str) -> None:
    answer = api.post("/v1/predict", content=json.dumps(body), headers={"Content-Type": "application/json"})
    problem = answer.json()
    assert problem["code"] == code, problem
    assert 400 <= answer.status_code < 500
    assert answer.status_code == problem["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(api: Any, word: str) -> None:
    content = f'{{"features": {{"events_28d": {word}}}}}'
    answer = api.post("/v1/predict", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "finite" in answer.text


@pytest.mark.parametrize(
    ("content", "media", "status", "code"),
    [
        (b"{", "application/json", 400, "request.json"),
        (b"", "application/json", 422, "request.invalid"),
        (b"\xff\xfe", "application/json", 400, "request.json"),
        ('{"account_id": "é"}'.encode("latin-1"), "application/json", 400, "request.json"),
        ('{"account_id": "a"}'.encode("utf-16"), "application/json", 404, "account.unknown"),
        (b'{"account_id": "\\ud800"}', "application/json", 400, "request.json"),
        (b"[" * 100_000, "application/json", 400, "request.json"),
        (b'{"features": {"events_28d": ' + b"9" * 5000 + b"}}", "application/json", 400, "request.json"),
        (b"<a/>", "application/xml", 415, "request.media_type"),
        (b"account_id=a", "application/x-www-form-urlencoded", 415, "request.media_type"),
        (b'{"account_id": "a"}', "", 415, "request.media_type"),
        (b" " * 2_000_001, "application/json", 413, "request.too_large"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(api: Any, content: bytes, media: str, status: int, code: str) -> None:
    answer = api.post("/v1/predict", content=content, headers={"Content-Type": media} if media else {})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_without_a_length_is_cut_off_too(api: Any) -> None:
    async def parts() -> Any:
        for _ in range(3):
            yield b" " * 1_000_000

    answer = api.post("/v1/predict", content=parts(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/predict", 405, "request.method"),
        ("DELETE", "/v1/accounts", 405, "request.method"),
        ("GET", "/v1/nothing", 404, "path.unknown"),
        ("GET", "/v1/accounts/nobody/health", 404, "account.unknown"),
        ("GET", "/v1/accounts/nobody/explanation", 404, "account.unknown"),
        ("GET", "/v1/accounts/nobody/history", 404, "account.unknown"),
        ("GET", "/v1/accounts/a%00b/health", 422, "request.invalid"),
        ("GET", "/v1/accounts?band=purple", 422, "request.invalid"),
        ("GET", "/v1/accounts?limit=0", 422, "request.invalid"),
        ("GET", "/v1/accounts?limit=x", 422, "request.invalid"),
        ("GET", "/v1/accounts?owner=%00", 422, "request.invalid"),
        ("GET", "/v1/accounts?cursor=nonsense", 404, "request.cursor"),
        ("GET", "/v1/accounts?cursor=WzEsIDIsICJ4Il0=", 404, "request.cursor"),
        ("GET", "/v1/accounts?renewal_within_days=-1", 422, "request.invalid"),
        ("DELETE", "/v1/overrides/acc-0001", 422, "request.invalid"),
        ("DELETE", "/v1/overrides/acc-0001?author=ann", 404, "override.unknown"),
    ],
)
def test_a_wrong_path_or_parameter_says_why(api: Any, method: str, path: str, status: int, code: str) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    if status == 405:
        assert method not in answer.headers["allow"].split(", ")


def test_allow_names_all_methods_of_a_path(api: Any) -> None:
    assert api.request("PUT", "/v1/overrides").headers["allow"] == "GET, POST"


@pytest.mark.parametrize("as_of", ["0001-01-01", "1900-01-01", "2500-06-30", "9999-12-31"])
def test_any_date_can_be_scored(api: Any, as_of: str) -> None:
    assert api.post("/v1/predict", json={"features": {"events_28d": 1}, "as_of": as_of}).status_code == 200
    assert api.post("/v1/explain", json={"features": {"events_28d": 1}, "as_of": as_of}).status_code == 200


def _broken(random_: random.Random) -> tuple[bytes, str]:
    """Return a body that is not what an operation takes: wrong types, wrong numbers, huge, deep, wrong bytes."""
    odd: list[Any] = [None, True, -1, 1e308, "", "x" * 1000, [], {}, [[]], {"a": {}}, "\u202e", 10**30, "NaN", 0.1]
    names = ["account_id", "features", "items", "as_of", "arr", "lang", "changes", "band", "reason", "author", "zz"]
    kind = random_.randrange(6)
    if kind == 0:
        text = json.dumps({random_.choice(names): random_.choice(odd) for _ in range(random_.randrange(5))})
    elif kind == 1:
        text = json.dumps(random_.choice(odd))
    elif kind == 2:
        depth = random_.randrange(1, 5000)
        text = '{"features":' * depth + "1" + "}" * random_.choice([depth, depth - 1, 0])
    elif kind == 3:
        number = random_.choice(["NaN", "-Infinity", "1e999", "0x10", "01", "9" * 6000, "--1", "1.", "+1"])
        text = f'{{"features": {{"events_28d": {number}}}}}'
    elif kind == 4:
        return random_.randbytes(random_.randrange(1, 300)), "application/json"
    else:
        text = '{"account_id": "acc-0001", "features": {"events_28d": 1}'[: random_.randrange(1, 56)]
    coding = random_.choice(["utf-8", "utf-8", "utf-16", "utf-32", "latin-1"])
    media = random_.choice(["application/json"] * 8 + ["text/plain", "application/json; charset=utf-16"])
    return text.encode(coding, "replace"), media


@pytest.mark.slow
def test_a_thousand_malformed_bodies_are_all_refused(api: Any) -> None:
    random_ = random.Random(11)
    paths = ["/v1/predict", "/v1/explain", "/v1/predict/batch", "/v1/what-if", "/v1/overrides", "/v1/feedback"]
    statuses: dict[int, int] = {}
    for _ in range(1000):
        content, media = _broken(random_)
        answer = api.post(random_.choice(paths), content=content, headers={"Content-Type": media})
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert 400 <= answer.status_code < 500, (content[:300], answer.status_code, answer.text[:300])
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    assert len(statuses) >= 3


def test_a_fault_of_the_service_tells_nothing_of_itself(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(api.state.view.scorer, "score", broken)
    answer = api.post("/v1/predict", json={"features": {"events_28d": 1}})
    assert answer.status_code == 500
    assert answer.json()["code"] == "service.error"
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


_HALVES = [
    '{"account_id": "acc-\\ud800"}',
    '{"features": {"plan": "\\uDFFFx"}}',
    '{"features": {"\\udbff": 1}}',
    '{"\\ud83d": 1}',
    '{"items": [{"account_id": "\\ude00\\ud83d"}]}',
]


@pytest.mark.parametrize("text", _HALVES)
@pytest.mark.parametrize(
    "path", ["/v1/predict", "/v1/explain", "/v1/predict/batch", "/v1/what-if", "/v1/overrides", "/v1/feedback"]
)
def test_half_of_a_character_is_no_json(api: Any, path: str, text: str) -> None:
    for content in (text.encode(), json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "surrogatepass")):
        answer = api.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "request.json")


def test_a_whole_character_in_two_escapes_is_json(api: Any) -> None:
    for text, code in [('{"account_id": "\\ud83d\\ude00"}', 404), ('{"account_id": "\\\\ud83d"}', 404)]:
        answer = api.post("/v1/predict", content=text.encode(), headers={"Content-Type": "application/json"})
        assert answer.status_code == code, answer.text


_UNKNOWN = [
    [{"account_id": f"acc-{number:05d}"} for number in range(900)],
    [{"features": {f"events_28d_{number}_{place}": 1.0 for place in range(20)}} for number in range(900)],
]


@pytest.mark.slow
@pytest.mark.parametrize("items", _UNKNOWN, ids=["ids", "features"])
def test_a_batch_of_unknown_names_keeps_nobody_waiting(api: Any, items: list[Any]) -> None:
    """The time between two turns of the event loop is what every other request waits."""
    longest = api.longest_wait(lambda: api.post("/v1/predict/batch", json={"items": items}))
    assert longest.answer.status_code == 200
    assert longest.answer.json()["failed"] == 900
    assert longest.seconds < 1.0


def test_what_is_wrong_is_told_in_the_language_that_was_asked_for(api: Any) -> None:
    unknown = api.get("/v1/accounts/nobody/health", params={"lang": "ja"}).json()
    assert unknown["title"] == "スコア計算済みのスナップショットに、この顧客はありません"
    assert "顧客'nobody'はありません" in unknown["detail"]
    assert "has no account 'nobody'" in api.get("/v1/accounts/nobody/health").json()["detail"]
    assert (
        api.get("/v1/alerts/999999", params={"lang": "ja"}).json()["detail"]
        == "そのアラートはありません（アラート999999）"
    )


def test_the_titles_are_the_catalogue_s_english() -> None:
    for code, (_, title) in CODES.items():
        assert phrases("en")(f"problem-{code.replace('.', '-')}") == title, code


def test_a_path_with_a_line_break_is_a_problem_like_any_other(api: Any) -> None:
    answer = api.get("/v1/accounts/a%0Ab/survival")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
