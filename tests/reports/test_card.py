"""The model card says everything it promises, in Markdown and in HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.language.pseudo import LANGUAGE, leaks, pseudo

from churnml.evaluation.tuning import Tuning
from churnml.language import Text, render
from churnml.reports.card import METRICS, as_html, as_markdown, model_card
from churnml.reports.contributions import sample_contributions
from churnml.training.survival_verdict import FarTest, Gain, NearTest, SurvivalRole, SurvivalVerdict

__all__ = ["pseudo"]


@pytest.fixture(scope="module")
def ranking(company):
    return sample_contributions(company.bundle.model, company.frame, seed=1).ranking()


@pytest.fixture(scope="module")
def card(company, ranking):
    return model_card(
        company.config, company.bundle, company.tested.report().as_dict(), company.tested.predictions, ranking
    )


def test_every_metric_has_an_interval_around_it(card, company):
    assert [row["name"] for row in card["metrics"]] == list(METRICS)
    pooled = company.tested.report().as_dict()["pooled"]["model"]
    for row in card["metrics"]:
        assert row["value"] == pooled[row["name"]]
        assert row["low"] <= row["high"], row
        if row["name"] != "ece":  # a bootstrap's calibration error is biased upwards
            assert row["low"] <= row["value"] <= row["high"], row
    text = as_markdown(card)
    for name in METRICS:
        assert re.search(rf"\(`{name}`\) \| [\d.]+ \| [\d.]+ to [\d.]+ \|", text), name


def test_the_card_holds_data_label_baselines_folds_and_versions(card, company):
    labelled = company.frame[company.frame["churned"].notna()]
    assert card["data"]["rows"] == len(labelled)
    assert card["data"]["churned_rows"] == int(labelled["churned"].sum())
    text = as_markdown(card)
    for said in (
        "f" * 64,
        "the account does nothing for 30 days",
        str(card["verdict_reason"]),
        "| fold 1 | 2024-05-01 | 2024-07-01 to 2024-08-01 |",
        "| recency |",
        "| logistic |",
        "`days_since_last_event`",
        "lightgbm 4.6.0",
        "## Intended use",
        "## Limits",
    ):
        assert said in text


def test_words_of_the_data_cannot_break_the_card(card):
    row = {
        "segment": "plan",
        "value": "a|b\n<script>",
        "n": 60,
        "positives": 3,
        "churn_rate": 0.05,
        "mean_probability": 0.2,
        "roc_auc": None,
        "roc_auc_low": None,
        "roc_auc_high": None,
    }
    told = {**card, "segments": [row]}
    markdown, html = as_markdown(told), as_html(told, {})
    assert "<script>" not in markdown + html
    (line,) = [line for line in markdown.splitlines() if line.startswith("| plan = a")]
    assert line == r"| plan = a\|b &lt;script> | 60 | 3 | 5.0 % | 20.0 % | – (– to –) |"


def test_a_poorly_calibrated_segment_and_a_failed_gate_are_limits(company, ranking):
    tested = company.tested.report().as_dict()
    off = {"segment": "plan", "value": "pro", "mean_probability": 0.3, "churn_rate": 0.1}
    bundle = company.bundle
    failed = type(bundle)(**{**vars(bundle), "manifest": bundle.manifest.model_copy(update={"verdict": "rules_only"})})
    told = model_card(company.config, failed, {**tested, "segments": [off]}, company.tested.predictions, ranking)
    limits = " ".join(render(text, "en") for text in told["limits"])
    assert "too high by 20 percentage points" in limits
    assert "falls back to the rules" in limits


def test_one_outcome_makes_a_card_with_gaps(company, ranking):
    rows = company.tested.predictions.assign(churned=0.0)
    tested = type(company.tested)(**{**vars_of(company.tested), "predictions": rows})
    told = model_card(company.config, company.bundle, tested.report().as_dict(), rows, ranking)
    (auc,) = [row for row in told["metrics"] if row["name"] == "roc_auc"]
    assert (auc["value"], auc["low"], auc["high"]) == (None, None, None)
    assert "(`roc_auc`) | – | – to – |" in as_markdown(told)
    assert as_html(told, {})


def vars_of(tested):
    return {name: getattr(tested, name) for name in type(tested).__dataclass_fields__}


def test_the_page_is_whole(card):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "img"}:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    page = as_html(card, {"roc": b"\x89PNG"})
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert np.isfinite(len(page))


def test_the_card_says_what_came_of_survival_curves(company, ranking):
    far = FarTest(
        as_of=date(2025, 1, 1),
        accounts=214,
        lost=61,
        brier={"hazard": 0.0739, "kaplan_meier": 0.0782},
        gains={"kaplan_meier": Gain(0.0043, 0.0011, 0.0075)},
        below_all=True,
    )
    none = Gain(None, None, None)
    near = NearTest(
        200, 7, {"hazard": 0.832, "horizon": 0.842}, {"hazard": 0.1239, "horizon": 0.1218}, none, none, True
    )
    verdict = SurvivalVerdict(SurvivalRole.SERVES, Text.of("survival-left_out.off"), near, far)
    report, tested = company.tested.report().as_dict(), company.tested.predictions
    card = model_card(company.config, replace(company.bundle, survival=verdict), report, tested, ranking)
    for told in (as_markdown(card), as_markdown(card, "ja"), as_html(card, {})):
        for figure in ("0.0739", "0.0782", "0.0043", "0.0011", "0.0075", "0.832", "0.842", "0.1239", "0.1218", "214"):
            assert figure in told, figure
    refused = replace(verdict, role=SurvivalRole.REFUSED, near=None, far=None)
    card = model_card(company.config, replace(company.bundle, survival=refused), report, tested, ranking)
    assert "## Survival curves" in as_markdown(card)
    assert "0.0739" not in as_markdown(card)


@pytest.mark.usefixtures("pseudo")
def test_the_model_card_does_not_leak(company, card):
    """Neither does what a training found: its verdict, the kind of model, the tuning, when to train again."""
    own = ("version", "kind", "calibration_method", "title")
    tuning = Tuning(False, Text.of("tuning-none_lower", tried=3)).summary()
    said = {**card, **dict.fromkeys(own, "acme"), "created_at": "", "packages": {}, "tuning": tuning}
    assert said["beside"]
    page = re.sub(r"<code>.*?</code>|Python", "", as_html(said, {"roc": b""}, LANGUAGE))
    assert len(said["limits"]) > 2
    words = {str(word) for name in company.frame.select_dtypes("category") for word in company.frame[name].unique()}
    assert set(leaks(re.sub("|".join(map(re.escape, company.frame.columns)), "", page))) - words - {"USD"} == set()
