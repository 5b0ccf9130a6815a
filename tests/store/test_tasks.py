"""Alerts, tasks, notes and lots are kept together, or not at all; answers go on record."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from churnml.errors import StoreError
from churnml.language import Text, Words
from churnml.store import Actor, Alert, Assignment, Decided, IdempotencyKey, Known, Store, Task

DAY = date(2026, 1, 5)
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
ANN = Actor("ann", NOW)


def _alert(kind: str = "silence", **given: object) -> Alert:
    values = {"account_id": "a", "kind": kind, "severity": "high", "owner": "ann", "opened_on": DAY, "playbook": "p",
              "updated_on": DAY, "shown_on": DAY, "due_at": NOW, "text": Text.of("alert-silence")}  # fmt: skip
    return Alert.model_validate({**values, **given})


def _task(step: str, *after: str, **given: object) -> Task:
    values = {"account_id": "a", "alert": "silence", "playbook": "p", "step": step, "role": "csm", "owner": "ann",
              "title": Words(by_language={"en": step}), "state": "waiting" if after else "open", "after": after,
              "due_days": 2, "opened_on": DAY, "due_on": DAY}  # fmt: skip
    return Task.model_validate({**values, **given})


def _calendar(day: date, workdays: int, owner: str) -> date:
    return day + timedelta(days=workdays)


def _decided(*alerts: Alert, tasks: tuple[Task, ...] = (), action: str = "opened") -> Decided:
    return Decided(alerts, {alert.key: action for alert in alerts}, tasks)


@pytest.fixture
def begun(store: Store) -> Store:
    """A store with an alert and three steps of its playbook, the last of which waits for the two before."""
    steps = (_task("call"), _task("fix", role="support", owner="support"), _task("plan", "call", "fix"))
    store.evaluations("acme").evaluate(DAY, lambda known: _decided(_alert(), tasks=steps), Actor("score", NOW))
    return store


def _all(store: Store) -> dict[str, Task]:
    states = ("open", "waiting", "done", "skipped", "cancelled")
    return {task.step: task for task, _ in store.tasks("acme", _calendar).find(states=states)}


def _id(store: Store, step: str) -> int:
    found = _all(store)[step].id
    assert found is not None
    return found


def test_an_alert_and_its_tasks_are_kept_together(begun: Store) -> None:
    (alert,) = begun.alerts("acme").known()
    assert {task.alert_id for task in _all(begun).values()} == {alert.id}
    assert [entry.action for entry in begun.audit()] == ["alerts.evaluate"]
    assert begun.evaluations("acme").known().evaluated_on == DAY


def test_a_failing_evaluation_keeps_nothing(store: Store) -> None:
    wrong = _decided(_alert(), tasks=(_task("call"), _task("call")))
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.evaluations("acme").evaluate(DAY, lambda known: wrong, Actor("score", NOW))
    assert store.alerts("acme").known() == []
    assert store.evaluations("acme").known() == Known()


def test_steps_begin_when_those_before_are_done_or_skipped(begun: Store) -> None:
    tasks = begun.tasks("acme", _calendar)
    with pytest.raises(StoreError, match="not in a state"):
        tasks.change(_id(begun, "plan"), ANN, state="done")
    tasks.change(_id(begun, "call"), ANN, state="done", outcome="They will try again.")
    assert _all(begun)["plan"].state == "waiting"
    with pytest.raises(StoreError, match="for a reason"):
        tasks.change(_id(begun, "fix"), ANN, state="skipped")
    later = Actor("ann", NOW + timedelta(days=3))
    tasks.change(_id(begun, "fix"), later, state="skipped", reason="No ticket is open.")
    plan = _all(begun)["plan"]
    assert (plan.state, plan.opened_on, plan.due_on) == ("open", date(2026, 1, 8), date(2026, 1, 10))
    _, events = tasks.get(_id(begun, "call"))
    assert [(event.action, event.actor) for event in events] == [("opened", "score"), ("done", "ann")]
    assert events[1].detail["outcome"] == "They will try again."


def test_what_is_left_ends_with_the_alert_and_comes_back_with_it(begun: Store) -> None:
    alerts, tasks = begun.alerts("acme"), begun.tasks("acme", _calendar)
    (alert,) = alerts.known()
    tasks.change(_id(begun, "call"), ANN, state="done")
    assert alert.id is not None
    alerts.change(alert.id, ANN, state="closed", outcome="saved")
    assert {step: task.state for step, task in _all(begun).items()} == {
        "call": "done",
        "fix": "cancelled",
        "plan": "cancelled",
    }
    alerts.change(alert.id, ANN, state="open")
    assert {step: task.state for step, task in _all(begun).items()} == {
        "call": "done",
        "fix": "open",
        "plan": "waiting",
    }


def test_another_alert_of_the_same_playbook_keeps_the_work_alive(begun: Store) -> None:
    evaluations = begun.evaluations("acme")
    second = _alert("usage_collapse")
    evaluations.evaluate(DAY, lambda known: _decided(*known.alerts, second, action="updated"), Actor("score", NOW))
    first = next(alert for alert in begun.alerts("acme").known() if alert.kind == "silence")
    gone = first.model_copy(update={"state": "closed", "outcome": "cleared", "closed_on": DAY})
    evaluations.evaluate(DAY, lambda known: _decided(gone, action="closed"), Actor("score", NOW))
    assert {task.state for task in _all(begun).values()} == {"open", "waiting"}
    gone = _alert("usage_collapse", state="closed", outcome="cleared", closed_on=DAY)
    evaluations.evaluate(DAY, lambda known: _decided(gone, action="closed"), Actor("score", NOW))
    assert {task.state for task in _all(begun).values()} == {"cancelled"}


def test_a_new_owner_takes_the_steps_of_the_one_before(begun: Store) -> None:
    (alert,) = begun.alerts("acme").known()
    assert alert.id is not None
    begun.alerts("acme").change(alert.id, ANN, owner="bob")
    assert {step: task.owner for step, task in _all(begun).items()} == {"call": "bob", "fix": "support", "plan": "bob"}
    begun.tasks("acme", _calendar).change(_id(begun, "call"), ANN, owner="eve")
    assert _all(begun)["call"].assigned_to == "eve"


def test_who_answers_while_an_evaluation_is_decided_is_not_overwritten(begun: Store) -> None:
    alerts = begun.alerts("acme")
    seen: list[str] = []

    def decide(known: Known) -> Decided:
        (alert,) = known.alerts
        if not seen:
            assert alert.id is not None
            alerts.change(alert.id, ANN, state="acknowledged")
        seen.append(alert.state)
        return _decided(alert.model_copy(update={"value": 31.0}), action="updated")

    begun.evaluations("acme").evaluate(DAY + timedelta(days=1), decide, Actor("score", NOW))
    assert seen == ["open", "acknowledged"]
    (alert,) = alerts.known()
    assert (alert.state, alert.value) == ("acknowledged", 31.0)


def test_the_same_key_answers_once(begun: Store) -> None:
    tasks, key = begun.tasks("acme", _calendar), IdempotencyKey("k", "f")
    first, replayed = tasks.change(_id(begun, "call"), ANN, state="done", idempotency=key)
    again, repeated = tasks.change(_id(begun, "call"), ANN, state="done", idempotency=key)
    assert (first, replayed, repeated) == (again, False, True)
    assert len(tasks.get(_id(begun, "call"))[1]) == 2


def test_lists_go_on_where_they_stopped(begun: Store) -> None:
    many = [_alert(account_id=f"b{n}", avoidable_loss=float(n % 3) if n % 4 else None) for n in range(11)]
    begun.evaluations("acme").evaluate(DAY, lambda known: _decided(*many), Actor("score", NOW))
    alerts = begun.alerts("acme")
    whole = [alert.account_id for alert, _ in alerts.find(limit=100)]
    assert len(whole) == 12
    for since in (None, NOW - timedelta(days=1)):
        pages: list[str] = []
        after = None
        while found := alerts.find(changed_since=since, after=after, limit=5):
            pages += [alert.account_id for alert, _ in found]
            after = found[-1][1]
        assert sorted(pages) == sorted(whole)
        assert since is not None or pages == whole


def test_notes_stand_on_account_alert_and_task(begun: Store) -> None:
    notes = begun.notes("acme")
    (alert,) = begun.alerts("acme").known()
    notes.add("New sponsor.", "ann", ANN, account_id="a")
    notes.add("Called.", "ann", ANN, alert_id=alert.id)
    notes.add("No answer.", "bob", Actor("key", NOW + timedelta(hours=1)), task_id=_id(begun, "call"))
    assert [note.text for note in notes.find(account_id="a")] == ["New sponsor.", "Called.", "No answer."]
    assert [note.text for note in notes.find(alert_id=alert.id)] == ["Called.", "No answer."]
    assert [note.author for note in notes.find(changed_since=NOW + timedelta(minutes=1))] == ["bob"]
    with pytest.raises(StoreError, match="no such task"):
        notes.add("?", "ann", ANN, task_id=999)


def test_lots_are_kept_and_end(store: Store) -> None:
    lot = Assignment(
        experiment="contact",
        account_id="a",
        episode=1,
        arm="held_out",
        stratum="high/low",
        assigned_on=DAY,
        kind="silence",
    )
    evaluations = store.evaluations("acme")
    evaluations.evaluate(DAY, lambda known: Decided(assignments=[lot]), Actor("score", NOW))
    (kept,) = evaluations.assignments()
    ended = kept.model_copy(update={"ended_on": date(2026, 3, 5)})
    evaluations.evaluate(DAY, lambda known: Decided(assignments=[ended]), Actor("score", NOW))
    assert evaluations.assignments() == [ended]
