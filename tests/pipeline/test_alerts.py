"""Alerts from end to end: opened by a scoring, listed, answered, and tried on the past."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.companies.command import churnml

from churnml.actions import AlertsBacktest


@pytest.fixture(scope="module")
def config(ran):
    return ran.config


def test_a_scoring_opens_alerts_and_the_list_ranks_them(config):
    listed = json.loads(churnml("alerts", "list", config, "--json").stdout)["alerts"]
    silent = [alert for alert in listed if alert["kind"] == "silence"]
    assert silent
    shown = [alert["avoidable_loss"] or 0.0 for alert in listed if not alert["held_back"]]
    assert shown == sorted(shown, reverse=True)
    assert silent[0]["sentence"].startswith("No use for ")
    assert "日間利用なし" in churnml("alerts", "list", config, "--lang", "ja").stdout


def test_an_alert_is_answered_and_its_history_told(config):
    first = json.loads(churnml("alerts", "list", config, "--json").stdout)["alerts"][0]["id"]
    done = churnml("alerts", "acknowledge", config, first, "--by", "ann", "--note", "calling today", "--json")
    assert json.loads(done.stdout)["state"] == "acknowledged"
    closed = churnml("alerts", "close", config, first, "--by", "ann", "--outcome", "saved", "--json")
    assert json.loads(closed.stdout)["outcome"] == "saved"
    told = json.loads(churnml("alerts", "show", config, first, "--json").stdout)
    assert [event["action"] for event in told["events"]] == ["opened", "acknowledged", "closed"]
    assert told["events"][1]["detail"]["note"] == "calling today"
    assert first not in [
        alert["id"] for alert in json.loads(churnml("alerts", "list", config, "--json").stdout)["alerts"]
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", 99999), "There is no such alert"),
        (("close", 99999, "--by", "ann", "--outcome", "gone"), "There is no such outcome"),
        (("snooze", 1, "--by", "ann", "--until", "2020-01-01"), "the day on which it comes back"),
    ],
)
def test_a_wrong_answer_is_a_message(config, arguments, said):
    command, *rest = arguments
    done = churnml("alerts", command, config, *rest)
    assert done.exit_code != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_backtest_counts_what_the_rules_would_have_caught(config, prepared, monkeypatch):
    done = churnml("alerts", "backtest", config, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["snapshots"] == 2  # two dates a fold, and the first fold teaches blend and bands
    silence = next(rule for rule in found["rules"] if rule["kind"] == "silence")
    assert silence["alerts"] >= silence["judged"] >= silence["churned"]
    assert 0 <= found["precision"] <= 1
    monkeypatch.setattr("churnml.pipeline.backtest_alerts", lambda *_: AlertsBacktest.model_validate(found))
    assert "alerts per owner and week" in churnml("alerts", "backtest", config).stdout


def _tasks(config, *arguments):
    return json.loads(churnml("tasks", "list", config, "--json", *arguments).stdout)["tasks"]


def test_alerts_begin_tasks_which_are_done_skipped_and_handed_over(config):
    tasks = _tasks(config)
    assert tasks
    alert_ids = {task["alert_id"] for task in tasks}
    shown = json.loads(churnml("alerts", "list", config, "--all", "--json").stdout)["alerts"]
    assert alert_ids <= {alert["id"] for alert in shown if not alert["held_back"]}
    waiting = next(task for task in _tasks(config, "--all") if task["state"] == "waiting")
    before = [
        task
        for task in _tasks(config, "--all", "--account", waiting["account_id"])
        if task["step"] in waiting["after"] and task["playbook"] == waiting["playbook"]
    ]
    for task in before:
        done = churnml("tasks", "done", config, task["id"], "--by", "ann", "--outcome", "Agreed.", "--json")
        assert json.loads(done.stdout)["state"] == "done", done.stderr
    told = json.loads(churnml("tasks", "show", config, waiting["id"], "--json").stdout)
    assert told["state"] == "open"
    churnml("tasks", "reassign", config, waiting["id"], "--by", "ann", "--to", "bob", "--note", "Yours.")
    skipped = churnml("tasks", "skip", config, waiting["id"], "--by", "bob", "--reason", "They left.", "--json")
    assert (json.loads(skipped.stdout)["owner"], json.loads(skipped.stdout)["state"]) == ("bob", "skipped")
    again = churnml("tasks", "reopen", config, waiting["id"], "--by", "bob", "--json")
    assert json.loads(again.stdout)["state"] == "open"
    churnml("tasks", "note", config, waiting["id"], "--by", "bob", "--text", "Second call on Friday.")
    told = json.loads(churnml("tasks", "show", config, waiting["id"], "--json").stdout)
    assert [event["action"] for event in told["events"]] == [
        "planned",
        "opened",
        "reassigned",
        "skipped",
        "reopened",
        "noted",
    ]
    assert [note["text"] for note in told["notes"]] == ["Yours.", "Second call on Friday."]


def test_the_preview_says_how_many_tasks_for_whom_and_keeps_nothing(config, tmp_path):
    settings = yaml.safe_load(config.read_text())
    other = tmp_path / "stricter.yaml"
    settings["source"]["folder"] = str(config.parent / "raw")
    settings["workspace"] = str(config.parent / "workspace")
    stricter = {**settings["alerts"], "weekly_budget": 500}
    other.write_text(yaml.safe_dump({**settings, "alerts": stricter}))
    before = churnml("tasks", "list", config, "--all", "--json").stdout
    found = json.loads(churnml("tasks", "preview", other, "--json").stdout)
    assert found["tasks"] == sum(found["owners"].values()) == sum(found["playbooks"].values()) > 0
    assert f"This would open {found['tasks']} tasks for these owners: " in churnml("tasks", "preview", other).stdout
    assert churnml("tasks", "list", config, "--all", "--json").stdout == before


def test_playbooks_are_listed_in_both_languages(config):
    assert "renewal: Prepare the renewal" in churnml("tasks", "playbooks", config).stdout
    assert "契約更新の準備" in churnml("tasks", "playbooks", config, "--lang", "ja").stdout
    assert len(json.loads(churnml("tasks", "playbooks", config, "--json").stdout)["playbooks"]) > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", 99999), "There is no such task"),
        (("done", 99999, "--by", "ann"), "There is no such task"),
    ],
)
def test_a_wrong_task_is_a_message(config, arguments, said):
    command, *rest = arguments
    done = churnml("tasks", command, config, *rest)
    assert done.exit_code != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
