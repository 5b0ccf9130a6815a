"""Alerts, tasks and notes over HTTP: lists that can be followed, answers that are given once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from tests.serving.test_client import _Through

from churnml.api.work import NoteRequest
from churnml.client import ApiError, Client
from churnml.language import Quantity, Text, Words
from churnml.store import Actor, Alert, Decided, Store, Task

DAY = date(2026, 1, 5)
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def _alert(number: int, **given: object) -> Alert:
    values = {"account_id": f"acc-{number:04d}", "kind": "silence", "severity": "high", "opened_on": DAY,
              "owner": "ann" if number % 2 else "bob", "updated_on": DAY, "shown_on": DAY, "due_at": NOW,
              "playbook": "silence", "avoidable_loss": float(number),
              "text": Text.of("alert-silence", n=Quantity(value=30, unit="days"))}  # fmt: skip
    return Alert.model_validate({**values, **given})


def _task(step: str, *after: str) -> Task:
    return Task(
        account_id="acc-0001", alert="silence", playbook="silence", step=step, role="csm", owner="ann", after=after,
        title=Words(by_language={"en": "Call", "ja": "電話する"}), state="waiting" if after else "open", due_days=2,
        opened_on=DAY, due_on=DAY,
    )  # fmt: skip


@pytest.fixture(scope="module")
def _calls(company: Any, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Client]]:
    from tests.serving.conftest import _trained, serving

    made = _trained(company, tmp_path_factory.mktemp("work"), empty_store)
    made.publish(made.champion)
    alerts = [*(_alert(number) for number in range(1, 8)), _alert(8, held_out=True, arm="held_out")]
    decided = Decided(alerts, {alert.key: "opened" for alert in alerts}, (_task("call"), _task("plan", "call")))
    with Store(made.config.store_url) as store:
        store.evaluations("acme").evaluate(DAY, lambda known: decided, Actor("score", NOW))
    with serving(made.settings) as api:
        key = made.key("read", "write")
        api.headers["Authorization"] = f"Bearer {key}"
        with Client("http://127.0.0.1", key, transport=_Through(api)) as client:
            yield api, client


@pytest.fixture
def api(_calls: tuple[Any, Client]) -> Any:
    return _calls[0]


@pytest.fixture
def client(_calls: tuple[Any, Client]) -> Client:
    return _calls[1]


def test_alerts_are_listed_by_loss_page_by_page_without_those_that_are_held_out(api: Any, client: Client) -> None:
    found = list(client.alerts(page=3))
    assert [alert.avoidable_loss for alert in found] == [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert found[0].sentence == "No use for 30 days"
    assert {alert.owner for alert in client.alerts(owner="ann")} == {"ann"}
    assert next(client.alerts(lang="ja")).sentence == "30日間利用なし"
    (held,) = api.get("/v1/alerts?not_contacted=true").json()["alerts"]
    assert (held["account_id"], held["not_contacted"]) == ("acc-0008", True)
    first = api.get("/v1/alerts?limit=3").json()["next_cursor"]
    assert api.get(f"/v1/alerts?limit=3&owner=ann&cursor={first}").json()["code"] == "request.cursor"


@pytest.mark.parametrize(
    "query",
    [
        "state=gone",
        "limit=0",
        "changed_since=2026-01-05",
        "changed_since=20260105",
        "changed_since=0.5",
        "cursor=x",
        "held_back=maybe",
    ],
)
def test_a_wrong_query_is_a_problem(api: Any, query: str) -> None:
    answer = api.get(f"/v1/alerts?{query}")
    assert answer.json()["code"] in ("request.invalid", "request.cursor")


def test_digits_are_no_day(api: Any) -> None:
    refused = api.get("/v1/tasks?due_until=20260105")
    assert refused.status_code == 422
    assert "YYYY-MM-DD" in refused.json()["errors"][0]["detail"]
    assert api.get("/v1/tasks?due_until=2026-01-05").status_code == 200


def test_the_schema_of_a_note_takes_what_the_service_takes() -> None:
    schema = NoteRequest.model_json_schema()
    for sent in ({"account_id": "a"}, {"alert_id": 1, "task_id": None}, {"account_id": "a", "alert_id": 1}, {}):
        body = {"author": "m.ito", "text": "Called twice.", **sent}
        try:
            NoteRequest.model_validate(body)
        except ValidationError:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(body, schema)
        else:
            jsonschema.validate(body, schema)


def test_an_answer_is_given_once_and_seen_by_who_follows(api: Any, client: Client) -> None:
    number = next(client.alerts(account_id="acc-0002")).id
    before = datetime.now(UTC)
    sent = {"json": {"author": "bob", "note": "Calling today."}, "headers": {"Idempotency-Key": "one"}}
    first = api.post(f"/v1/alerts/{number}/acknowledge", **sent)
    again = api.post(f"/v1/alerts/{number}/acknowledge", **sent)
    assert (first.status_code, first.json()["alert"]["state"]) == (200, "acknowledged")
    assert (again.json()["alert"], again.headers["idempotency-replayed"]) == (first.json()["alert"], "true")
    other = api.post(f"/v1/alerts/{number}/reopen", **sent)
    assert other.json()["code"] == "idempotency.mismatch"
    assert [alert.id for alert in client.alerts(changed_since=before)] == [number]
    told = client.alert(number)
    assert [event.action for event in told.events] == ["opened", "acknowledged"]
    assert told.events[1].detail["by"] == "bob"
    assert [note.text for note in told.notes] == ["Calling today."]


def test_an_alert_is_snoozed_reassigned_closed_and_reopened(client: Client) -> None:
    number = next(client.alerts(account_id="acc-0003")).id
    until = datetime.now(UTC).date() + timedelta(days=5)
    assert client.snooze_alert(number, "ann", until).alert.snoozed_until == until
    assert client.reassign_alert(number, "ann", "eve").alert.owner == "eve"
    assert client.close_alert(number, "eve", "saved").alert.outcome == "saved"
    with pytest.raises(ApiError) as caught:
        client.acknowledge_alert(number, "ann")
    assert (caught.value.status, caught.value.code) == (409, "api.alert.state")
    assert client.reopen_alert(number, "eve").alert.state == "open"
    with pytest.raises(ApiError, match="the day on which it comes back"):
        client.snooze_alert(number, "ann", date(2020, 1, 1))
    with pytest.raises(ApiError) as caught:
        client.alert(999)
    assert caught.value.code == "api.alert.unknown"


def test_tasks_are_done_in_their_order(client: Client) -> None:
    (call,) = client.tasks(account_id="acc-0001")
    (plan,) = client.tasks(account_id="acc-0001", states=["waiting"])
    assert next(client.tasks(lang="ja")).title == "電話する"
    with pytest.raises(ApiError) as caught:
        client.finish_task(plan.id, "ann")
    assert caught.value.code == "api.task.state"
    assert client.finish_task(call.id, "ann", outcome="Agreed.").task.finished_by == "ann"
    assert client.task(plan.id).task.state == "open"
    assert client.reassign_task(plan.id, "ann", "bob").task.owner == "bob"
    assert client.skip_task(plan.id, "bob", "They left.").task.reason == "They left."
    assert client.reopen_task(plan.id, "bob").task.state == "open"
    assert [task.step for task in client.alert(call.alert_id).tasks] == ["call", "plan"]
    with pytest.raises(ApiError) as caught:
        client.task(999)
    assert caught.value.code == "api.task.unknown"


def test_notes_are_written_and_followed(api: Any, client: Client) -> None:
    before = datetime.now(UTC)
    made = client.note("The new sponsor is Ms Ito.", "ann", account_id="acc-0004").note
    number = next(client.alerts(account_id="acc-0005")).id
    client.note("Called twice.", "ann", alert_id=number)
    assert [note.text for note in client.notes(changed_since=before, page=1)] == [made.text, "Called twice."]
    assert [note.account_id for note in client.notes(alert_id=number)] == ["acc-0005"]
    with pytest.raises(ApiError) as caught:
        client.note("?", "ann", account_id="nobody")
    assert caught.value.code == "api.account.unknown"
    both = {"account_id": "acc-0004", "alert_id": number, "author": "ann", "text": "?"}
    assert api.post("/v1/notes", json=both).json()["code"] == "request.invalid"


def test_answers_need_the_scope_that_overrides_need(api: Any, client: Client) -> None:
    readable = api.get("/v1/tasks")
    assert readable.status_code == 200
    paths = ["/v1/alerts/1/close", "/v1/tasks/1/done", "/v1/notes"]
    for path in paths:
        answer = api.post(path, json={"author": "ann"}, headers={"Authorization": ""})
        assert answer.json()["code"] == "auth.invalid"
