"""A made-up language, English in brackets, over every page and sentence: whatever stands outside them has leaked."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.companies.explained import World, make_world
from tests.language.pseudo import LANGUAGE, leaks, pseudo

from churnml.assessment import FamilyShare, Overall, PatternFound, SegmentEffect
from churnml.cli.all_accounts import health_judged, overall, thresholds
from churnml.cli.model_tables import compared, listed, promoted
from churnml.explain import Driver, Pattern, explain, suggest_plays
from churnml.explain.facts import fact
from churnml.explain.notices import overridden
from churnml.explain.plays import Playbook
from churnml.explain.published import published
from churnml.explain.rules import examples
from churnml.health.backtest import health_backtest
from churnml.health.backtest_report import Advice, HealthBacktest, WeightShare
from churnml.language import Text, catalogue, phrases, render
from churnml.pipeline.health import Thresholds
from churnml.pipeline.models import Comparison, ModelList, ModelVersion
from churnml.registry.promotion import Promotion
from churnml.reports import Reading, account_brief, backtest_report, overall_page, portfolio_page
from churnml.training import Publication

__all__ = ["pseudo"]


@pytest.fixture(scope="module")
def world() -> World:
    """The small trained company of the explanations' tests."""
    return make_world()


def test_the_check_finds_a_leak() -> None:
    assert leaks("<p>ΑΒΓ 5 left over</p>") == ["left", "over"]


@pytest.mark.usefixtures("pseudo")
def test_no_sentence_leaks() -> None:
    for facts in examples():
        text = fact(facts)
        assert text is not None
        said = render(text, LANGUAGE)
        assert leaks(re.sub("(?i)automations|templates", "", said)) == [], said


@pytest.mark.usefixtures("pseudo")
def test_every_message_is_the_languages_own() -> None:
    assert catalogue(LANGUAGE).codes == catalogue("en").codes
    say = phrases(LANGUAGE)
    for code in ("page-health", "backtest-bands", "overall-features", "pattern-support", "owner-csm"):
        assert leaks(say(code)) == []


@pytest.mark.usefixtures("pseudo")
def test_no_page_leaks(world: Any) -> None:
    explanations = explain(
        world.model,
        world.frame,
        scores=world.scores,
        health=world.health,
        scale=world.scale,
        reference=world.reference,
    )
    row = int(world.scores["churn_probability"].to_numpy().argmax())
    body = published(explanations[row])
    body["change"] = {"since": "2025-07-01", "change": -5.0, "data": -5.0, "weights": 0.0, "model": 0.0}
    body["change"]["largest"] = [
        {"part": "nps", "points": -3.0, "text": Text.of("m-tickets_open.now", n=3).model_dump(mode="json")}
    ]
    body["overridden"] = overridden("red", "green", "Ann", date(2026, 12, 1), "own words")
    history = [Reading(date(2025, 5, 1), 80.0), Reading(date(2025, 6, 1), 70.0)]
    playbook = Playbook.model_validate(
        {
            "name": "x",
            "title": {"en": "own words", "ja": "own words"},
            "when": {},
            "owner": "csm",
            "due_days": 3,
            "steps": [{"en": "own words", "ja": "own words"}],
        }
    )
    plays = suggest_plays(explanations, world.frame.assign(attr_touch_model="high"), [playbook])
    page = account_brief(body, language=LANGUAGE, name="Acme", arr=12000.0, history=history, plays=plays[row])
    assert leaks(page) == []
    table = world.health.assign(
        churn_probability=world.scores["churn_probability"],
        arr=np.where(world.frame.index == 0, np.nan, 1000.0),
        segment=world.frame["attr_segment"].astype(str),
        owner="Aiko",
        days_to_renewal=12.0,
    )
    listed = portfolio_page(table, [published(item) for item in explanations], language=LANGUAGE, title="acme")
    assert leaks(listed) == []


@pytest.mark.usefixtures("pseudo")
def test_what_is_told_over_all_accounts_does_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    pattern = Pattern(("support",), {"support": 0.4}, 9, 0.6, 40.0, "A0007", "2025-06-01", Text.of("pattern-support"))
    driver = Driver.model_construct(sentence=Text.of("fact-notice"))
    found = Overall(
        as_of_from=date(2025, 1, 1),
        as_of_until=date(2025, 8, 1),
        rows=1000,
        accounts=250,
        horizon_days=90,
        verdict=Publication.RULES_ONLY,
        model_version="",
        families=[FamilyShare("engagement", 0.5, 0.6)],
        features=[],
        segment_column=None,
        segments=[SegmentEffect("SMB", "support", 9, 0.2, 0.2)],
        churned=30,
        patterns=[PatternFound(pattern, (driver,))],
    )
    for one in (found, replace(found, patterns=[], churned=3)):
        assert leaks(overall_page(one, language=LANGUAGE, title="acme")) == []
        overall(one, Path("x.1"), LANGUAGE)
        assert leaks(capsys.readouterr().out) == []


@pytest.fixture(scope="module")
def judged() -> list[HealthBacktest]:
    """Two scores over past dates: one that sees churn coming, and one that is noise."""
    rng = np.random.default_rng(0)
    dates = pd.date_range("2025-01-01", periods=8, freq="MS")
    rows = pd.DataFrame([(f"A{i:04d}", date) for i in range(120) for date in dates], columns=["account_id", "as_of"])
    leaves = rows["account_id"].map({f"A{i:04d}": dates[-1] + pd.Timedelta(days=5 + i) for i in range(20)})
    days = (leaves - rows["as_of"]).dt.days
    health = np.where(days < 100, 30.0, 75.0) + rng.normal(0, 15, len(rows))
    rows = rows.assign(
        churn_on=leaves.where(days <= 90),
        churned=(days <= 90).astype(float),
        health_score=np.clip(health, 0, 100),
        model_score=np.clip(health, 0, 100),
        rules_score=80.0,
        coverage=1.0,
        churn_probability=np.clip((100 - health) / 200, 0.01, 0.9),
    )
    rows["band"] = np.select([rows["health_score"] < 40, rows["health_score"] < 70], ["red", "yellow"], "green")
    causes = rows[["account_id", "as_of"]].assign(cause="nps")
    noise = rows.assign(health_score=rng.permutation(rows["health_score"]), band=rng.permutation(rows["band"]))
    weights = (WeightShare("nps", "sentiment", Text.of("measure-nps"), 100.0),)
    advice = (Advice("alpha: 1", 0.7, 0.1, 0.05, 0.15, 0.0, True),)
    found = [
        health_backtest(part, name=name, capacity_share=0.1, seed=0, causes=causes)
        for name, part in (("configured", rows), ("model_alone", noise))
    ]
    return [replace(found[0], weights=weights, advice=advice, verdict="rules_only"), found[1]]


@pytest.mark.usefixtures("pseudo")
def test_the_health_backtest_does_not_leak(judged: list[HealthBacktest], capsys: pytest.CaptureFixture[str]) -> None:
    page = backtest_report(judged, title="acme", horizon_days=90, capacity_share=0.1, language=LANGUAGE)
    assert leaks(page) == []
    health_judged(judged, Path("x.1"), LANGUAGE)
    said = capsys.readouterr().out
    assert "ROC AUC" in said
    assert leaks(said.replace("health.alpha", "")) == []


@pytest.mark.usefixtures("pseudo")
def test_the_red_threshold_does_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    calls = Thresholds(38.5, 40, 4, 300, 36, 40.0, 61, 0.12, date(2026, 1, 1), 70.0, 2.0, 5.0, None)
    for proposed in (calls, replace(calls, capacity_share=0.1), replace(calls, red_below=70.0)):
        thresholds(proposed, LANGUAGE)
        said = capsys.readouterr().out
        assert leaks(re.sub(r"health\.red_below|capacity\.share", "", said)) == []


@pytest.mark.usefixtures("pseudo")
def test_versions_of_the_model_do_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    entry = Promotion("0a", None, "2026-01-02", "Acme", forced=True)
    version = ModelVersion("0a", True, datetime(2026, 1, 2), "publishable", "0", {"roc_auc": 0.7, "log_loss": None})
    listed(ModelList("acme", "0a", [version], [entry]), LANGUAGE)
    compared(Comparison({"0a": {"roc_auc": 0.7}, "0b": {}}, None), LANGUAGE)
    promoted(entry, LANGUAGE)
    assert leaks(capsys.readouterr().out) == []
