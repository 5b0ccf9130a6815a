"""What `churnml train` prints beside the headline metrics, from a real backtest."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from tests.language.pseudo import LANGUAGE, leaks, pseudo

from churnml.cli import evidence
from churnml.evaluation.tuning import Tuning
from churnml.language import Text, phrases
from churnml.pipeline import Trained
from churnml.registry.promotion import Decision

__all__ = ["pseudo"]

SAY = phrases("en")


@pytest.fixture
def printed(company):
    tested = company.tested.report().as_dict()
    console = Console(file=io.StringIO(), width=200)
    decision = Decision(True, "The first model.")
    tuning = Tuning(applied=True, reason="Trial 3 wins.", params={"num_leaves": 5, "lambda_l2": 0.12345})
    report = Trained(
        company.bundle, decision, tested, company.tested.predictions, "models:/acme@champion", "run", {}, [], tuning
    ).report()
    report = replace(report, warnings=[Text.of("warning-target", target=Text.of("target-expansion"))])
    evidence.standing(console, report, "en")
    evidence.capacity(console, tested, "en")
    evidence.prospects(console, tested, "EUR", "en")
    return tested, " ".join(console.file.getvalue().split())


def test_kind_tuning_standing_and_rules_are_told(printed, company):
    tested, text = printed
    assert SAY.stored(tested["verdict"]["beside"]["logistic"]["reason"]) in text
    assert str(company.bundle.model.info.kind_reason) in text
    assert "Trial 3 wins." in text
    assert "model.params to keep them without a search: {num_leaves: 5, lambda_l2: 0.1235}" in text
    assert "The model predicts expansion, not churn" in text


def test_capacity_is_told_pooled_per_fold_and_per_segment(printed):
    tested, text = printed
    assert "riskiest 10 % of each snapshot" in text
    recall = tested["capacity"]["pooled"]["recall"]
    assert f"{100 * recall['value']:.0f} % ({100 * recall['low']:.0f}–{100 * recall['high']:.0f})" in text
    for name in ("fold 1", "fold 2", "plan = pro", "arr = high"):
        assert name in text


def test_retraining_and_profit_are_told(printed):
    tested, text = printed
    months = tested["decay"]["retrain_every_months"]
    assert SAY("card-retrain", months=months) in text
    assert SAY.stored(tested["decay"]["reason"]) in text
    assert "EUR an account (area under" in text
    assert f"{tested['profit']['area_under_curve']['model']:.3f}" in text


@pytest.mark.usefixtures("pseudo")
def test_nothing_of_it_leaks_in_another_language(company):
    tested, info = company.tested.report().as_dict(), company.bundle.model.info
    console = Console(file=io.StringIO(), width=200)
    tuning = Tuning(applied=True, reason=Text.of("tuning-too_short"), params={"a_b": 1.0})
    decision = Decision(True, Text.of("gate-first"))
    rows = company.tested.predictions
    report = Trained(company.bundle, decision, tested, rows, "models:/acme@champion", "run", {}, [], tuning).report()
    evidence.standing(console, report, LANGUAGE)
    evidence.capacity(console, tested, LANGUAGE)
    evidence.prospects(console, tested, "USD", LANGUAGE)
    said = re.sub(r"model\.params|a_b|USD", "", console.file.getvalue())
    data = {info.kind, *(str(one[name]) for one in tested["segments"] for name in ("segment", "value"))}
    assert set(leaks(said)) - data == set()
