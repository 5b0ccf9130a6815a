from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import UsageError
from churnml.evaluation import tune
from churnml.evaluation.tuning import budget_seconds
from churnml.features.spec import FeatureSet
from churnml.snapshots.splits import Split
from churnml.training import fit

Cut = Callable[..., list[Split]]
SHORT = {"seeds": 1, "kind": "lightgbm", "params": {"n_estimators": 12}}


@pytest.mark.parametrize("text", ["", "soon", "0s", "-5", "5 days", "1e9", "nan", "inf"])
def test_a_wrong_budget_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="budget"):
        budget_seconds(text)


def test_found_parameters_replace_the_defaults_only_beyond_noise(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut
) -> None:
    # Five trees at the default learning rate are far too few: a faster one must win clearly.
    config = configure(**{**SHORT, "params": {"n_estimators": 5}})
    said: list[str] = []
    found = tune(company, features, cut(company), config, budget=60, most_trials=14, progress=said.append)
    assert found.applied, found.reason
    assert found.gain is not None
    assert found.gain.above_zero
    assert found.params["learning_rate"] > 0.04
    assert len(said) == len(found.trials) == 14
    assert found.trials[0].defaults
    assert found.trials[0].params["learning_rate"] == 0.04
    assert min(t.log_loss for t in found.trials if t.log_loss is not None) < found.trials[0].log_loss
    tuned = found.configured(config.model)
    assert tuned.params == {"n_estimators": 5, **found.params}
    model = fit(company, features, config.model_copy(update={"model": tuned}).learning)
    assert model.info.leaves == found.params["num_leaves"]


def test_noise_keeps_the_defaults(
    noise: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut
) -> None:
    config = configure(**SHORT)
    found = tune(noise, features, cut(noise), config, budget=60, most_trials=6)
    assert not found.applied
    assert "The defaults stay" in str(found.reason)
    assert found.configured(config.model) is config.model


def test_no_reported_test_row_is_looked_at(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut
) -> None:
    splits = cut(company)
    unknown = company.assign(churned=company["churned"].where(company["as_of"] <= splits[0].train[-1], 1.0))
    config = configure(**SHORT)
    left, right = (tune(frame, features, splits, config, budget=60, most_trials=3) for frame in (company, unknown))
    assert left == right
    assert left.tuned_on is not None
    assert left.tuned_on.as_of_until < f"{splits[0].test[0]:%Y-%m-%d}"


def test_a_second_run_goes_on_where_the_first_stopped(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'tuning.db'}"
    config = configure(**SHORT)

    def interrupted(line: str) -> None:
        if str(line).startswith("trial 1"):
            raise KeyboardInterrupt

    args = (company, features, cut(company), config)
    with pytest.raises(KeyboardInterrupt):
        tune(*args, budget=60, study="s", storage=storage, progress=interrupted)
    again = tune(*args, budget=60, study="s", storage=storage, most_trials=2)
    assert again.resumed == 2
    assert [trial.number for trial in again.trials] == [0, 1, 2, 3]
    assert sum(trial.defaults for trial in again.trials) == 1
    assert len({tuple(trial.params.values()) for trial in again.trials}) == 4


def test_the_same_seed_tries_the_same_parameters(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut
) -> None:
    config = configure(**{**SHORT, "params": {"n_estimators": 5, "num_leaves": 4}})
    first, second = (tune(company, features, cut(company), config, budget=60, most_trials=3) for _ in range(2))
    assert first == second
    assert all("num_leaves" not in trial.params for trial in first.trials)


def test_too_few_churners_for_trees_are_not_tuned(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut
) -> None:
    leavers = company.loc[company["churned"] == 1, "account_id"].unique()[15:]
    few = company[~company["account_id"].isin(leavers)]
    found = tune(few, features, cut(few), configure(min_churners=3), budget=60)
    assert not found.applied
    assert "logistic regression" in str(found.reason)
    assert found.trials == ()


def test_without_optuna_the_extra_is_named(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"churnml\[tune\]"):
        tune(company, features, cut(company), config, budget=1)


def test_a_budget_that_is_over_at_once_still_tries_the_defaults(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config], cut: Cut
) -> None:
    found = tune(company, features, cut(company), configure(**SHORT), budget=0.001)
    assert [trial.defaults for trial in found.trials] == [True]
    assert "The defaults stay" in str(found.reason)
