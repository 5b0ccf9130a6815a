"""Another target through the same code: names, directions, words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import TrainingError
from churnml.evaluation import backtest
from churnml.features.spec import FeatureSet
from churnml.metrics.predictions import roc_auc
from churnml.scoring import score
from churnml.training import ChurnModel, fit
from churnml.training.fitting import classifier_of
from churnml.training.rules import fit_rule, rules


def asking(config: Config, target: str) -> Config:
    label = config.label.model_copy(update={"target": target})
    model = config.model.model_copy(update={"kind": "logistic"})
    return config.model_copy(update={"label": label, "model": model})


@pytest.fixture(scope="module")
def growing(company: pd.DataFrame) -> pd.DataFrame:
    """Return a company whose healthy accounts expand: the opposite of who churns."""
    rng = np.random.default_rng(3)
    z = np.log1p(company["events_28d"]).to_numpy()
    chance = 1 / (1 + np.exp(2.5 - 1.4 * (z - z.mean()) / z.std()))
    return company.assign(churned=(rng.random(len(company)) < chance).astype(float))


@pytest.mark.parametrize("target", ["expansion", "contraction"])
def test_the_probability_has_the_targets_name_also_after_a_trip_through_files(
    growing: pd.DataFrame, features: FeatureSet, config: Config, target: str
) -> None:
    model = fit(growing, features, asking(config, target).learning)
    again = ChurnModel.from_files(model.to_files())
    assert (again.target, again.output) == (target, f"{target}_probability")
    columns = list(score(again, growing.head(3)).columns)
    assert columns == ["account_id", "as_of", "log_odds", f"{target}_probability", "lift"]


def test_rules_made_for_risk_are_turned_round_where_health_goes_with_the_target(
    growing: pd.DataFrame, features: FeatureSet, config: Config, cut
) -> None:
    train, test = growing[growing["as_of"] < "2023-10-01"], growing[growing["as_of"] >= "2023-12-01"]
    for rule in rules(train, features):
        if rule.name != "base_rate":
            y, risk = test["churned"], rule.score(test)
            assert roc_auc(y, risk) < 0.45, rule.name
            assert roc_auc(y, fit_rule(rule, train)(test)) > 0.55, rule.name
    tested = backtest(growing, features, cut(growing, folds=1), asking(config, "expansion"))
    assert tested.verdict.gains["reference"].roc_auc.value < 0.4
    assert tested.report().profit is None


def test_directions_declared_for_churn_bind_no_other_target(features: FeatureSet, config: Config) -> None:
    assert any(classifier_of(features, config.learning).monotone)
    assert not any(classifier_of(features, asking(config, "expansion").learning).monotone)


def test_errors_speak_of_the_target(growing: pd.DataFrame, features: FeatureSet, config: Config) -> None:
    with pytest.raises(TrainingError, match="No account expanded in the training period") as caught:
        fit(growing.assign(churned=0.0), features, asking(config, "expansion").learning)
    assert "churn" not in str(caught.value).replace("min_churners", "")
