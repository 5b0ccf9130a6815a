"""Drift that matters, performance told and estimated, and when a model is due."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from churnml.language import Text
from churnml.metrics import roc_auc
from churnml.metrics.intervals import Interval
from churnml.monitoring import Budget, MonitoringReport, drift, estimate, realised
from churnml.monitoring.alarms import Alarm
from churnml.monitoring.data import TableHealth
from churnml.monitoring.feature_drift import Sample, drift_alarms
from churnml.monitoring.loads import LoadRecord, load_alarms
from churnml.monitoring.performance import Performance, Promise, level_shift, performance_alarms
from churnml.monitoring.retraining import decide_retraining
from churnml.store import Actor, Store

TODAY = date(2026, 3, 1)


def predict(X: np.ndarray) -> np.ndarray:
    return expit(X[:, 0] - 2.0)


def history(rng: np.random.Generator, accounts: int = 300, dates: int = 8, k: int = 5) -> Sample:
    """Return columns that an account mostly keeps from date to date."""
    own = rng.normal(size=(accounts, k))
    rows = np.vstack([0.9 * own + 0.45 * rng.normal(size=(accounts, k)) for _ in range(dates)])
    return Sample(
        rows, np.tile(np.arange(accounts), dates), np.repeat(np.arange(dates), accounts), np.full(len(rows), np.nan)
    )


def alarms_of(sample: Sample, now: np.ndarray) -> list[str]:
    found = drift(sample, now, [f"f{i}" for i in range(now.shape[1])], predict, rate=0.05)
    assert found is not None
    return [alarm.subject for alarm in drift_alarms(found, TODAY, budget=Budget(), least_effect=0.1)]


def test_the_same_accounts_a_month_later_are_no_drift() -> None:
    alarms = []
    for seed in range(20):
        sample = history(np.random.default_rng(seed))
        alarms += alarms_of(sample, history(np.random.default_rng(seed), dates=9).columns[-300:])
    assert alarms == []


def test_a_feature_that_moves_predictions_is_an_alarm_and_one_that_does_not_is_none() -> None:
    sample = history(np.random.default_rng(0))
    moved = sample.columns[-300:] + np.array([0.8, 0.8, 0.0, 0.0, 0.0])
    found = drift(sample, moved, list("abcde"), predict, rate=0.05)
    assert found is not None
    assert [one.feature for one in found.features] == ["a", "b"]
    assert found.features[0].effect > 0.05
    assert found.features[1].effect == pytest.approx(0.0)
    assert alarms_of(sample, moved) == ["f0"]


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.5])
def test_the_estimate_meets_the_truth_when_the_customers_change(shift: float) -> None:
    rng = np.random.default_rng(1)
    told = expit(rng.normal(-2.0 + shift, 1.0 + 0.4 * shift, 4000))
    outcome = (rng.random(4000) < told).astype(float)
    found = estimate(told, as_of=TODAY, seed=0)
    assert found is not None
    truth = roc_auc(outcome, told)
    assert truth is not None
    assert found.roc_auc.low is not None
    assert found.roc_auc.high is not None
    assert found.roc_auc.low <= truth <= found.roc_auc.high
    assert found.expected == pytest.approx(outcome.sum(), rel=0.15)


@pytest.mark.slow
def test_the_estimate_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(60):
        told = expit(rng.normal(-2.0, 1.0, 300))
        outcome = (rng.random(300) < told).astype(float)
        found = estimate(told, as_of=TODAY, seed=0)
        assert found is not None
        truth = roc_auc(outcome, told) or 0.5
        inside += (found.roc_auc.low or 0.0) <= truth <= (found.roc_auc.high or 1.0)
    assert inside >= 52


def scored(seed: int, *, told: float, true: float, n: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(logit(told), 0.8, n))
    outcome = rng.random(n) < expit(logit(p) + logit(true) - logit(told))
    return pd.DataFrame({"account_id": np.arange(n).astype(str), "probability": p, "churned": outcome.astype(float)})


def test_the_level_moves_only_beyond_noise() -> None:
    level = Budget().level("performance", 3)
    assert [level_shift(scored(seed, told=0.1, true=0.1), level=level) for seed in range(10)] == [None] * 10
    rows = scored(0, told=0.1, true=0.2)
    shift = level_shift(rows, level=level)
    assert shift is not None
    moved = expit(logit(rows["probability"]) + shift)
    assert moved.sum() == pytest.approx(rows["churned"].sum())
    assert roc_auc(rows["churned"], moved) == roc_auc(rows["churned"], rows["probability"])


def test_worse_than_promised_is_an_alarm_and_makes_the_model_due() -> None:
    rows = scored(0, told=0.1, true=0.1)
    noise = rows.assign(probability=np.random.default_rng(0).permutation(rows["probability"]))
    promise = Promise(Interval(0.75, 0.70, 0.80), Interval(3.0, 2.0, 4.0), Interval(0.3, 0.2, 0.4), 0.1)
    kept = []
    for which in (rows.assign(probability=rows["probability"]), noise):
        found = realised(which, as_of=TODAY, model_version="v", matured_on=TODAY, seed=0)
        assert found is not None
        good = replace(promise, roc_auc=Interval(0.66, 0.6, 0.72)) if which is not noise else promise
        kept.append(performance_alarms(Performance(good, (found,), None), which, Budget()))
    assert [alarm.code for alarm in kept[0]] == []
    assert [alarm.code for alarm in kept[1]] == ["MON301"]
    due = decide_retraining(
        model_version="v", learnt_until=TODAY, as_of=TODAY, measured_days=None, retrain_after_days=None, alarms=kept[1]
    )
    assert [reason.code for reason in due.reasons] == ["MON403"]


def test_ids_in_another_format_and_a_past_that_shrinks_show_in_the_load() -> None:
    def load(day: int, rows: int, aside: int, known: dict[str, int]) -> LoadRecord:
        at = datetime(2026, 3, day, tzinfo=UTC)
        return LoadRecord("tickets", at.date(), at, rows, {"CHK022": aside}, known)

    past = [load(1, 5000, 10, {"2026-03-01": 5000})]
    fine = load(2, 5040, 10, {"2026-03-01": 5000, "2026-03-02": 5040})
    assert load_alarms(fine, past, Budget(), tests=150) == ()
    foreign = load(2, 5000, 50, {"2026-03-01": 5000, "2026-03-02": 5000})
    assert [(one.code, one.severe) for one in load_alarms(foreign, past, Budget(), tests=150)] == [("MON107", True)]
    shrunk = load(2, 3000, 10, {"2026-03-01": 2960, "2026-03-02": 3000})
    assert [one.code for one in load_alarms(shrunk, past, Budget(), tests=150)] == ["MON109"]


def outcome(day: int, *alarms: Alarm) -> MonitoringReport:
    decision = decide_retraining(
        model_version="v", learnt_until=TODAY, as_of=TODAY, measured_days=None, retrain_after_days=None
    )
    tables = (TableHealth("events", TODAY, 10, 70, 9.5, 68.0),)
    at = datetime(2026, 3, day, tzinfo=UTC)
    return MonitoringReport("acme", at.date(), at, "v", tables, alarms, (), 100, (), decision)


def test_an_alarm_is_an_episode_in_the_store() -> None:
    alarm = Alarm("MON101", "events", TODAY, Text.of("alarm-MON101", table="events"), 1e-6, severe=True)
    with Store("sqlite://") as store:
        kept = store.monitoring("acme")
        for day, alarms in ((2, (alarm,)), (3, (alarm,)), (3, (alarm,)), (4, ()), (5, (alarm,))):
            report = outcome(day, *alarms)
            kept.keep(report, [], Actor("cli", report.checked_at))
        told = [(one.opened_on.day, one.seen_on.day, one.closed_on and one.closed_on.day) for one in kept.alarms()]
        assert told == [(5, 5, None), (2, 3, 4)]
        newest = kept.newest()
        assert newest == outcome(5, alarm)
        assert len(kept.outcomes()) == 4


def test_each_query_of_the_dashboard_names_a_metric_that_is_exported() -> None:
    from prometheus_client import REGISTRY

    import churnml.serving.metrics  # noqa: F401

    names = {
        sample
        for metric in REGISTRY.collect()
        for sample in (metric.name, f"{metric.name}_total", f"{metric.name}_bucket")
    }
    board = json.loads((Path(__file__).parents[2] / "configs" / "grafana" / "churnml.json").read_text(encoding="utf-8"))
    asked = {
        name
        for panel in board["panels"]
        for query in panel["targets"]
        for name in re.findall(r"churnml_\w+", query["expr"])
    }
    assert len(asked) >= 12
    assert asked <= names


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_says_what_is_wrong(language: str) -> None:
    from churnml.language import Day, render
    from churnml.reports.monitoring import monitoring_page

    said = Text.of("alarm-MON101", table="events", day=Day(on="2026-03-01"), expected=12)
    page = monitoring_page(outcome(2, Alarm("MON101", "events", TODAY, said, 1e-6, severe=True)), language=language)
    assert render(said, language) in page
    assert "MON101" in page
