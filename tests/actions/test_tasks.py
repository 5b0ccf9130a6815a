"""Tasks as lists of steps: who gets what, until when, after what; one list of work a cause."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from churnml.actions import Situation, begin_tasks, check_playbooks, playbook_for
from churnml.config.alerts import AlertsConfig
from churnml.errors import ConfigError
from churnml.explain import load_playbooks
from churnml.explain.plays import Playbook
from churnml.language import Text
from churnml.store import Alert, Task

MONDAY = date(2026, 1, 5)
FIVE = ("onboarding", "implementation", "utilisation", "renewal", "growth")


def section(**given: object) -> AlertsConfig:
    return AlertsConfig.model_validate(given)


def playbook(*steps: dict[str, object], **given: object) -> Playbook:
    words = {"en": "Do it", "ja": "実施"}
    values = {"name": "p", "title": words, "when": {"alerts": ["silence"]}, "owner": "csm", "due_days": 2, **given}
    return Playbook.model_validate({**values, "steps": [{**words, **step} for step in steps]})


def alert(kind: str = "silence", **given: object) -> Alert:
    values = {"account_id": "a", "kind": kind, "severity": "high", "owner": "ann", "opened_on": MONDAY,
              "updated_on": MONDAY, "shown_on": MONDAY, "due_at": datetime(2026, 1, 8, tzinfo=UTC),
              "text": Text.of("alert-silence")}  # fmt: skip
    return Alert.model_validate({**values, **given})


def begun(
    books: list[Playbook],
    *alerts: Alert,
    known: tuple[Task, ...] = (),
    settings: AlertsConfig | None = None,
    **situation: object,
) -> list[Task]:
    situations = {"a": Situation(**{"owner": "ann", **situation})}  # type: ignore[arg-type]
    return list(begin_tasks(alerts, known, situations, books, settings or section(), MONDAY).tasks)


def test_steps_have_owners_days_and_an_order():
    book = playbook(
        {"key": "call", "due_days": 1},
        {"key": "fix", "owner": "support"},
        {"key": "boss", "owner": "manager", "after": ["call"]},
        {"key": "offer", "owner": "sales", "after": ["call", "fix"], "due_days": 3},
    )
    settings = section(owners={"ann": {"manager": "eve"}}, roles={"sales": "sam"}, holidays=["2026-01-07"])
    tasks = {task.step: task for task in begun([book], alert(), settings=settings)}
    assert {name: task.owner for name, task in tasks.items()} == {
        "call": "ann",
        "fix": "support",
        "boss": "eve",
        "offer": "sam",
    }
    assert {name: task.due_on.isoformat() for name, task in tasks.items()} == {
        "call": "2026-01-06",
        "fix": "2026-01-08",  # two working days on, the holiday left out
        "boss": "2026-01-09",
        "offer": "2026-01-13",
    }
    assert {name: task.state for name, task in tasks.items()} == {
        "call": "open",
        "fix": "open",
        "boss": "waiting",
        "offer": "waiting",
    }


def test_steps_go_by_phase_driver_and_touch():
    book = playbook(
        {"key": "a", "when": {"families": ["support"]}},
        {"key": "b", "when": {"phases": ["renewal"]}, "after": ["a"]},
        {"key": "c", "when": {"touch": ["high"]}, "after": ["b"]},
    )
    assert [task.step for task in begun([book], alert(), phase="renewal", touch="low")] == ["b"]
    both = begun([book], alert(), phase="utilisation", touch="high", families=frozenset({"support"}))
    assert [(task.step, task.after) for task in both] == [("a", ()), ("c", ("a",))]


def test_tech_touch_gets_only_what_an_automation_does():
    book = playbook({"key": "call"}, {"key": "mail", "automation": "win_back", "after": ["call"]})
    assert begun([book], alert(), touch="tech") == []
    settings = section(automations={"win_back": "HubSpot workflow 12"})
    (only,) = begun([book], alert(), touch="tech", settings=settings)
    assert (only.step, only.role, only.owner, only.state) == ("mail", "automation", "win_back", "open")
    by_hand = begun([book], alert(), touch="high")
    assert [(task.step, task.role, task.owner) for task in by_hand] == [("call", "csm", "ann"), ("mail", "csm", "ann")]


def test_an_absent_owner_hands_over_and_nobodys_account_goes_to_the_queue():
    away = section(owners={"ann": {"deputy": "bob", "away": [{"first": "2026-01-01", "last": "2026-01-31"}]}})
    assert begun([playbook({})], alert(), settings=away)[0].owner == "bob"
    assert begun([playbook({})], alert(), owner=None, settings=section(queue="desk"))[0].owner == "desk"


@pytest.mark.parametrize("kept", [{"held_back": True}, {"held_out": True}, {"state": "closed"}, {"tasked_on": MONDAY}])
def test_an_alert_that_waits_for_nobody_or_has_its_tasks_begins_none(kept):
    assert begun([playbook({})], alert(**kept)) == []


def test_two_alerts_of_one_cause_make_one_list_of_work():
    book = playbook({}, when={"alerts": ["silence", "usage_collapse"]})
    assert len(begun([book], alert(), alert("usage_collapse"))) == 1
    (before,) = begun([book], alert())
    assert begun([book], alert("usage_collapse"), known=(before,)) == []
    done = before.model_copy(update={"state": "done", "finished_on": date(2026, 1, 2)})
    assert begun([book], alert("usage_collapse"), known=(done,)) == []
    long_ago = done.model_copy(update={"finished_on": date(2025, 11, 2)})
    assert len(begun([book], alert("usage_collapse"), known=(long_ago,))) == 1


@pytest.mark.parametrize(
    ("kind", "situation", "name"),
    [
        ("onboarding_stalled", {"phase": "onboarding"}, "onboarding"),
        ("usage_collapse", {"phase": "adoption"}, "implementation"),
        ("usage_collapse", {"phase": "utilisation", "families": frozenset({"engagement"})}, "utilisation"),
        ("renewal_near", {"phase": "renewal"}, "renewal"),
        ("expansion_chance", {"phase": "utilisation", "touch": "high"}, "growth"),
        ("score_fall", {"plays": ("support_recovery",)}, "support_recovery"),
        ("score_fall", {}, "recovery"),
        ("score_unknown", {}, None),
    ],
)
def test_the_shipped_playbooks_answer_by_phase_and_driver(kind, situation, name):
    books = load_playbooks(Path("configs/playbooks.yaml"))
    found = playbook_for(alert(kind), Situation(**situation), books)
    assert (found and found.name) == name


def test_the_five_shipped_playbooks_differ_by_touch_and_driver_and_speak_both_languages():
    books = {book.name: book for book in load_playbooks(Path("configs/playbooks.yaml"))}
    check_playbooks(tuple(books.values()), section())
    for name in FIVE:
        steps = books[name].steps
        assert any(step.after for step in steps)
        assert any(step.when is not None for step in steps)
        assert len({step.owner for step in steps}) > 1 or name == "implementation"
        assert all(step.words.spoken("en") != step.words.spoken("ja") for step in steps)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"key": "a", "after": ["b"]}, {"key": "b"}], "does not stand before it"),
        ([{"key": "a"}, {"key": "a"}], "Two steps have one key"),
    ],
)
def test_a_playbook_that_cannot_be_worked_by_is_refused(steps, said):
    with pytest.raises(ConfigError, match=said):
        check_playbooks([playbook(*steps)], section())


def test_a_rule_that_names_no_playbook_says_the_near_one():
    with pytest.raises(ConfigError, match="There is no playbook") as caught:
        check_playbooks([playbook({}, name="renewal")], section(rules={"silence": {"playbook": "renewl"}}))
    assert "renewal" in str(caught.value)
