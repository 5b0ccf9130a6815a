"""Every operation of the OpenAPI answers as it documents, from a store on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from churnml.api.key_figures import KpiMonth
from churnml.language import Text, Words
from churnml.serving.app import create_api
from churnml.serving.mappers import _level
from churnml.store import Actor, Alert, Decided, Task

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)

PROVENANCE = {"as_of", "scored_at", "model_version", "config_version", "coverage", "freshness", "warnings"}
BY_ID = {"account_id": "acc-0007"}
FEATURES = {"features": {"events_28d": 3}, "arr": 1000.0}
OVERRIDE = {**BY_ID, "band": "red", "reason": "The sponsor told me.", "author": "ann"}
CALLS: dict[str, list[tuple[str, Any]]] = {
    "POST /v1/predict": [("", BY_ID), ("", FEATURES)],
    "POST /predict": [("", BY_ID), ("", FEATURES)],
    "POST /v1/explain": [("", BY_ID), ("", {**FEATURES, "lang": "ja"})],
    "POST /explain": [("", BY_ID)],
    "POST /v1/predict/batch": [("", {"items": [BY_ID, FEATURES, {"account_id": "nobody"}]})],
    "POST /v1/what-if": [("", {**BY_ID, "changes": {"events_28d": 3}})],
    "POST /v1/overrides": [("", OVERRIDE)],
    "GET /v1/overrides": [("", None), ("?account_id=acc-0007", None)],
    "GET /v1/accounts": [("", None), ("?band=red&limit=3&renewal_within_days=90&owner=ann&text=Company", None)],
    "GET /v1/accounts/{account_id}/health": [("", None)],
    "GET /v1/accounts/{account_id}/explanation": [("", None), ("?lang=ja", None)],
    "GET /v1/accounts/{account_id}/survival": [("", None), ("?lang=ja", None)],
    "GET /v1/accounts/{account_id}/history": [("", None)],
    "DELETE /v1/overrides/{account_id}": [("?author=ann", None)],
    "POST /v1/feedback": [("", {**BY_ID, "kind": "useful", "author": "ann"})],
    "GET /v1/alerts": [("", None), ("?not_contacted=true&lang=ja", None)],
    "GET /v1/alerts/{alert_id}": [("", None)],
    "POST /v1/alerts/{alert_id}/acknowledge": [("", {"author": "ann"})],
    "POST /v1/alerts/{alert_id}/snooze": [("", {"author": "ann", "until": "2999-01-01"})],
    "POST /v1/alerts/{alert_id}/reassign": [("", {"author": "ann", "owner": "bob"})],
    "POST /v1/alerts/{alert_id}/reopen": [("", {"author": "ann"})],
    "GET /v1/tasks": [("", None), ("?state=open&state=done", None)],
    "GET /v1/tasks/{task_id}": [("", None)],
    "POST /v1/tasks/{task_id}/done": [("", {"author": "ann", "outcome": "Agreed."})],
    "POST /v1/tasks/{task_id}/reopen": [("", {"author": "ann"})],
    "POST /v1/tasks/{task_id}/reassign": [("", {"author": "ann", "owner": "bob"})],
    "POST /v1/tasks/{task_id}/skip": [("", {"author": "ann", "reason": "They left."})],
    "POST /v1/alerts/{alert_id}/close": [("", {"author": "ann", "outcome": "saved"})],
    "GET /v1/notes": [("", None)],
    "POST /v1/notes": [("", {**BY_ID, "author": "ann", "text": "Called."})],
    "GET /v1/kpis": [("", None), ("?by=plan&months=1", None)],
    "GET /v1/model": [("", None), ("?lang=ja", None)],
    "GET /v1/healthz": [("", None)],
    "GET /v1/readyz": [("", None)],
}
"""Each operation that answers in JSON, with requests that it must answer: query and body."""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return create_api().openapi()


def _documented(schema: dict[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return status and schema of each operation's JSON answer that is no error."""
    found = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                media = response.get("content", {}).get("application/json")
                if status.startswith("2") and media:
                    found[f"{method.upper()} {path}"] = int(status), media["schema"]
    return found


def test_every_answer_is_documented_to_say_from_what_and_from_when_it_is(schema: dict[str, Any]) -> None:
    documented = _documented(schema)
    assert documented.keys() == CALLS.keys()
    for operation, (_, answer) in documented.items():
        model = schema["components"]["schemas"][answer["$ref"].rsplit("/", 1)[1]]
        assert set(model["required"]) >= PROVENANCE, operation


def _begin_work(store: Any) -> None:
    """Open an alert with a task."""
    task = {
        "account_id": "acc-0007",
        "alert": "silence",
        "playbook": "p",
        "step": "call",
        "role": "csm",
        "owner": "ann",
    }
    alert = {"account_id": "acc-0007", "kind": "silence", "severity": "high", "owner": "ann", "due_at": NOW}
    days = {"opened_on": NOW.date()}
    decided = Decided(
        [Alert.model_validate({**alert, **days, "updated_on": NOW.date(), "text": Text.of("alert-score_unknown")})],
        tasks=[Task.model_validate({**task, **days, "due_on": NOW.date(), "title": Words(by_language={"en": "Call"})})],
    )
    store.evaluations("acme").evaluate(NOW.date(), lambda known: decided, Actor("score", NOW))


def test_every_operation_answers_as_documented(own: Any, schema: dict[str, Any]) -> None:
    documented = _documented(schema)
    _begin_work(own.state.store)
    month = dict.fromkeys(KpiMonth.model_fields) | {"month_on": "2026-02-01", "group_by": "plan", "group": "pro"}
    month |= {"accounts": 3, "new_accounts": 1, "lost_accounts": 0, "mrr": 5000.0}
    month |= {name: 0.0 for name in KpiMonth.model_fields if name.startswith("mrr_")}
    terms = {"currency": "EUR", "grace_days": 14, "gross_margin": 0.8, "yearly_discount": 0.1}
    figures = own.state.store.key_figures(own.state.settings.name)
    figures.keep(NOW.date(), {**terms, "rows": [month]}, Actor("test", NOW))
    for operation, calls in CALLS.items():
        status, answer_schema = documented[operation]
        numbered = operation.replace("{alert_id}", "1").replace("{task_id}", "1")
        method, path = numbered.replace("{account_id}", "acc-0007").split()
        for query, body in calls:
            answer = own.request(method, path + query, json=body)
            assert answer.status_code == status, (operation, answer.text)
            told = answer.json()
            assert told.keys() >= PROVENANCE, operation
            assert told["freshness"]["state"] == "fresh", operation
            assert (told["as_of"], told["model_version"]) != (None, None), operation
            jsonschema.validate(told, {**answer_schema, "components": schema["components"]})


def test_a_level_of_risk_that_was_off_is_a_warning() -> None:
    (warning,) = _level([{"name": "tenth 10", "told": 0.21, "happened": 0.295}], "en")
    assert warning.code == "level_gap"
    assert warning.message.startswith("In the backtest, 21")
    assert _level([], "en") == []
