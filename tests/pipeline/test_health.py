"""Thresholds, the backtest of the health score, what goes with churn overall, and accounts that have left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.companies.command import churnml

from churnml.config import load_config
from churnml.store import Store


def test_the_red_threshold_fits_the_team(ran: Any) -> None:
    proposed = json.loads(churnml("health", "thresholds", ran.config, "--json").stdout)
    assert proposed["red"] <= proposed["calls"] == int(0.1 * proposed["accounts"])
    assert proposed["capacity_share"] == 0.1
    assert proposed["as_of"] == ran.report["as_of"]
    listed = churnml("report", ran.config, "--portfolio", "--json")
    page = (ran.workspace / "reports" / "portfolio.en.html").read_text(encoding="utf-8")
    assert json.loads(listed.stdout)["report"].endswith("portfolio.en.html")
    assert page.count("<tr data-band") == ran.report["accounts"]
    told = churnml("health", "thresholds", ran.config)
    assert f"{proposed['red_below']:g}" in told.stdout


def test_the_health_score_is_judged_in_japanese(ran: Any, prepared: Any) -> None:
    judged = churnml("health", "backtest", ran.config, "--lang", "ja", "--json")
    assert judged.exit_code == 0, judged.stderr
    report = json.loads(judged.stdout)
    assert report["results"][0]["name"] == "configured"
    # The champion's backtest is of the same data and settings: it is read, not run again. Its first fold teaches the
    # blend and the bands, so the later ones are judged.
    folds = ran.report["backtest"]["folds"]
    assert report["results"][0]["rows"] == sum(fold["model"]["n"] for fold in folds[1:])
    assert {line["code"] for line in report["results"][0]["acceptance"]} == {"red_lift", "early_warning", "green_share"}
    page = (ran.workspace / "reports" / "health_backtest.ja.html").read_text(encoding="utf-8")
    assert "合格基準" in page
    assert report["report"].endswith("health_backtest.ja.html")


# shap 0.51 builds its colour maps the way matplotlib 3.11 is about to drop.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The set_:PendingDeprecationWarning")
def test_what_goes_with_churn_overall(ran: Any, prepared: Any) -> None:
    told = churnml("explain", ran.config, "--overall", "--json")
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    assert sum(row["share"] for row in found["families"]) == pytest.approx(1.0)
    assert sum(pattern["share"] for pattern in found["patterns"]) == pytest.approx(1.0)
    assert sum(pattern["accounts"] for pattern in found["patterns"]) <= found["churned"]
    assert "Patterns among churned accounts" in (ran.workspace / "reports" / "overall.en.html").read_text()
    for wrong in (["explain", ran.config], ["explain", ran.config, "a", "--overall"]):
        assert churnml(*wrong).exit_code == 2


def test_an_account_that_left_keeps_its_last_score(ran: Any) -> None:
    config = load_config(ran.config)
    with Store(config.store_url) as store:
        snapshot = store.latest(config.name)
        assert snapshot is not None
        left = store.departures(config.name)
        account, gone = next((name, gone) for name, gone in left.items() if gone.why == "ended")
        assert gone.on is not None
        last = store.history(config.name, account)[0]
    told = json.loads(churnml("explain", ran.config, account, "--json").stdout)
    assert told["frozen"]["on"] == gone.on.isoformat() < ran.report["as_of"]
    assert told["frozen"]["as_of"] == told["as_of"] == gone.last.isoformat() == last[0].as_of.isoformat()
    assert told["health_score"] == pytest.approx(last[1].health_score)
    assert told["plays"] == []
    assert "contract ended" in churnml("explain", ran.config, account).stdout
    assert churnml("report", ran.config, account, "--lang", "ja").exit_code == 0
    page = (ran.workspace / "reports" / f"{account}.ja.html").read_text(encoding="utf-8")
    assert "契約が終了しました" in page
