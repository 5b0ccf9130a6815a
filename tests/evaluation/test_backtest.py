from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import Said, TrainingError
from churnml.evaluation import Backtest, backtest, judge
from churnml.features.spec import FeatureSet
from churnml.language import phrases
from churnml.snapshots.splits import Split
from churnml.training import ChurnModel, fit
from churnml.training.rules import RULES, RuleModel, fit_rule, rules

Cut = Callable[..., list[Split]]


@pytest.fixture(scope="module")
def result(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> Backtest:
    return backtest(company, features, cut(company), config)


@pytest.fixture(scope="module")
def nothing(noise: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> Backtest:
    return backtest(noise, features, cut(noise), config)


@pytest.fixture(scope="module")
def unpublished(nothing: Backtest, noise: pd.DataFrame, features: FeatureSet, config: Config) -> ChurnModel:
    return fit(noise, features, config.learning, nothing)


def test_every_test_row_is_predicted_once(result: Backtest, company: pd.DataFrame) -> None:
    expected = company[company["as_of"] >= "2023-11-01"]
    assert len(result.predictions) == len(expected)
    assert not result.predictions.duplicated(["account_id", "as_of"]).any()
    assert list(result.predictions.columns) == [
        *("account_id", "as_of", "fold", "churned", "churn_on", "arr", "p_blend"),
        *("p_base_rate", "p_recency", "p_reference", "p_rfm", "p_model"),
    ]


def test_the_report_has_the_agreed_shape(result: Backtest) -> None:
    report = result.report().as_dict()
    json.dumps(report, allow_nan=False)
    keys = {"n", "positives", "roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_at_10", "recall_at_10"}
    assert set(report["pooled"]["baselines"]) == {"base_rate", "recency", "reference", "rfm", "blend"}
    for part in (report["pooled"], *report["folds"]):
        assert keys <= set(part["model"])
        assert all(keys <= set(metrics) for metrics in part["baselines"].values())
    assert [fold["name"] for fold in report["folds"]] == ["fold 1", "fold 2"]
    assert report["folds"][0]["train_until"] == "2023-09-01"
    assert report["folds"][0]["test_from"] == "2023-11-01"
    low, high = (report["pooled"]["intervals"]["roc_auc"][bound] for bound in ("low", "high"))
    assert low < report["pooled"]["model"]["roc_auc"] < high
    for fold in report["folds"]:
        assert fold["intervals"]["roc_auc"]["low"] < fold["model"]["roc_auc"] < fold["intervals"]["roc_auc"]["high"]


def test_the_model_finds_a_strong_signal_and_is_publishable(result: Backtest) -> None:
    pooled = result.report().as_dict()["pooled"]
    rules = ("base_rate", "recency", "reference", "rfm")
    assert pooled["model"]["roc_auc"] > max(pooled["baselines"][name]["roc_auc"] for name in rules)
    assert result.verdict.verdict == "publishable"
    assert "beats every rule" in str(result.verdict.reason)


@pytest.mark.slow
def test_without_signal_the_rules_stay(nothing: Backtest, unpublished: ChurnModel) -> None:
    assert nothing.verdict.verdict == "rules_only"
    assert nothing.verdict.reason
    assert unpublished.info.verdict == "rules_only"
    interval = nothing.intervals["roc_auc"]
    assert interval.low < 0.5 < interval.high


def test_the_verdict_reaches_the_model(
    result: Backtest, company: pd.DataFrame, features: FeatureSet, config: Config
) -> None:
    model = fit(company, features, config.learning, result)
    assert model.info.verdict == "publishable"
    assert model.info.verdict_reason == result.verdict.reason


def test_a_constant_baseline_has_lift_one_and_the_training_rate(result: Backtest, company: pd.DataFrame) -> None:
    for split in result.splits:
        rows = result.predictions[result.predictions["fold"] == split.name]
        rate = company.loc[company["as_of"].isin(split.train), "churned"].mean()
        assert rows["p_base_rate"].to_numpy() == pytest.approx(rate)
        assert result.metrics(rows, "p_base_rate").lift_at_10 == 1.0


def test_the_future_changes_no_prediction(
    result: Backtest, company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut
) -> None:
    """Outcomes and features after the training dates must not reach a fold's predictions."""
    first = cut(company)[:1]
    rng = np.random.default_rng(0)
    changed = company.copy()
    later = changed["as_of"] > first[0].train[-1]
    changed.loc[later, "churned"] = rng.integers(0, 2, int(later.sum())).astype(float)
    beyond = changed["as_of"] > first[0].test[-1]
    changed.loc[beyond, "events_28d"] = -1.0
    again = backtest(changed, features, first, config).predictions
    before = result.predictions[result.predictions["fold"] == "fold 1"].reset_index(drop=True)
    # On these outcomes nothing is published, so the columns bear the names that they have before the verdict.
    before = before.rename(columns={"p_blend": "p_model", "p_model": "p_logistic"})
    columns = [name for name in before.columns if name.startswith("p_")]
    pd.testing.assert_frame_equal(again[columns], before[columns])


def test_missing_measures_leave_their_rule_out(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut
) -> None:
    kept = FeatureSet([features.spec(name) for name in ("mrr", "plan", "invoices_overdue")])
    bare = company[["account_id", "as_of", "churned", "churn_on", "arr", *kept.names]]
    found = backtest(bare, kept, cut(company)[:1], config)
    assert found.baselines == ["base_rate", "logistic"]


def test_a_test_period_with_one_outcome_gives_none(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut
) -> None:
    quiet = company.copy()
    quiet.loc[quiet["as_of"] >= "2024-01-01", "churned"] = 0.0
    found = backtest(quiet, features, cut(quiet)[1:], config)
    report = found.report().as_dict()
    assert report["pooled"]["model"]["roc_auc"] is None
    assert report["pooled"]["intervals"]["roc_auc"] == {"value": None, "low": None, "high": None}
    assert found.verdict.verdict == "rules_only"
    json.dumps(report, allow_nan=False)


def test_an_empty_fold_says_which(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    quiet = company.copy()
    quiet.loc[quiet["as_of"] <= "2023-09-01", "churned"] = 0.0
    with pytest.raises(TrainingError, match="No account churned") as caught:
        backtest(quiet, features, cut(quiet), config)
    assert caught.value.where == "fold 1"


def test_progress_is_told(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    told: list[Said] = []
    backtest(company, features, cut(company)[:1], config, told.append)
    assert [str(line) for line in told] == ["fold 1: train until 2023-09-01, test from 2023-11-01"]


def test_a_model_that_only_draws_level_with_a_rule_is_not_published() -> None:
    rng = np.random.default_rng(0)
    rule = rng.random(600)
    y = (rng.random(600) < rule).astype(float)
    verdict = judge(y, rule, {"base_rate": np.full(600, y.mean()), "recency": rule}, np.arange(600), seed=0)
    assert verdict.verdict == "rules_only"
    assert "no better than" in str(verdict.reason)


def test_drawing_level_with_the_regression_is_enough_and_where_it_is_better_it_is_published() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(600)
    y = (rng.random(600) < p).astype(float)
    base = np.full(600, y.mean())
    assert judge(y, p, {"base_rate": base, "logistic": p}, np.arange(600), seed=0).verdict == "publishable"
    blurred = np.clip(p + rng.normal(0, 0.3, 600), 0.02, 0.98)
    lost = judge(y, blurred, {"base_rate": base, "logistic": p}, np.arange(600), seed=0)
    assert (lost.verdict, lost.scorer) == ("publishable", "logistic")
    assert "published instead of the model" in str(lost.reason)


def test_a_model_that_failed_is_scored_by_the_best_rule(
    nothing: Backtest, unpublished: ChurnModel, noise: pd.DataFrame
) -> None:
    candidates = nothing.verdict.candidates
    assert nothing.rules_by_loss[0] == nothing.verdict.scorer
    assert nothing.verdict.scorer == min(RULES, key=lambda name: candidates[name].aligned_log_loss)
    model = unpublished
    assert model.rule is not None
    assert model.rule.name == model.info.rule == nothing.rules_by_loss[0]
    again = ChurnModel.from_files(model.to_files())
    X = model.matrix(noise)
    assert np.array_equal(again.probability(X), model.rule(noise))
    assert np.array_equal(again.scores(X)[1], model.probability(X))
    assert model.probability(X).mean() == pytest.approx(noise["churned"].mean(), abs=1e-3)
    assert np.array_equal(again.log_odds(X), model.log_odds(X))
    assert model.with_info(verdict="publishable").rule is None


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_the_same_from_its_file(company: pd.DataFrame, features: FeatureSet, name: str) -> None:
    (rule,) = (rule for rule in rules(company, features) if rule.name == name)
    fitted = fit_rule(rule, company)
    again = RuleModel.from_dict(json.loads(json.dumps(fitted.as_dict())))
    assert np.array_equal(again(company.tail(500)), fitted(company.tail(500)))
    gaps = company.tail(50).assign(**dict.fromkeys(rule.columns, np.nan))
    assert np.isfinite(again(gaps)).all()


def test_the_report_says_how_the_model_stands_to_the_regression(result: Backtest, nothing: Backtest) -> None:
    for tested, name, words in ((result, "blend", "averaged with"), (nothing, "logistic", "logistic regression")):
        standing = tested.report().as_dict()["verdict"]["beside"][name]
        gain = tested.verdict.gains[name].aligned_log_loss
        assert standing["outcome"] == ("loses" if gain.below_zero else "beats" if gain.above_zero else "level")
        assert words in str(tested.verdict.beside[name].reason) == phrases("en").stored(standing["reason"])


def test_where_the_regression_is_better_all_figures_are_the_regressions(
    result: Backtest, company: pd.DataFrame, features: FeatureSet, config: Config
) -> None:
    assert result.estimator == "logistic"
    pooled = result.report().pooled
    assert pooled.model.log_loss < pooled.baselines["blend"].log_loss
    assert "published instead of the model" in str(result.verdict.reason)
    model = fit(company, features, config.learning, result)
    assert model.info.kind == "logistic"
    assert model.rule is None
    assert model.ensemble.trees is None
    assert "backtest" in str(model.info.kind_reason)
