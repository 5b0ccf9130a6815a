"""Alerts from end to end: opened by a scoring, listed, answered, and tried on the past."""

from __future__ import annotations

import json

import pytest
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


def test_the_backtest_counts_what_the_rules_would_have_caught(config, monkeypatch):
    done = churnml("alerts", "backtest", config, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["snapshots"] == 2  # two dates a fold, and the first fold teaches blend and bands
    silence = next(rule for rule in found["rules"] if rule["kind"] == "silence")
    assert silence["alerts"] >= silence["judged"] >= silence["churned"]
    assert 0 <= found["precision"] <= 1
    monkeypatch.setattr("churnml.pipeline.backtest_alerts", lambda *_: AlertsBacktest.model_validate(found))
    assert "alerts per owner and week" in churnml("alerts", "backtest", config).stdout
