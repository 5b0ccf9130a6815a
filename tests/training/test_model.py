from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import BundleError, DataError, TrainingError
from churnml.features.spec import FeatureSet
from churnml.training import ChurnModel, fit


@pytest.fixture(scope="module")
def config(configure: Callable[..., Config]) -> Config:
    return configure(kind="lightgbm")


@pytest.fixture(scope="module")
def model(company: pd.DataFrame, features: FeatureSet, config: Config) -> ChurnModel:
    return fit(company, features, config.learning)


def test_files_are_text_and_give_the_same_digits(model: ChurnModel, company: pd.DataFrame) -> None:
    files = model.to_files()
    assert set(files) >= {"model.json", "features.json", "booster-1.txt", "booster-2.txt"}
    assert all(isinstance(text, str) for text in files.values())
    for name, text in files.items():
        if name.endswith(".json"):
            json.loads(text)
    again = ChurnModel.from_files(files)
    X = model.matrix(company)
    assert np.array_equal(again.probability(again.matrix(company)), model.probability(X))
    assert np.array_equal(again.contributions(X), model.contributions(X))
    assert again.to_files() == files


def test_contributions_sum_to_the_log_odds(model: ChurnModel, company: pd.DataFrame) -> None:
    X = model.matrix(company)
    assert model.contributions(X).shape == (len(company), len(model.features) + 1)
    assert model.contributions(X).sum(axis=1) == pytest.approx(model.log_odds(X), abs=1e-9)
    assert np.array_equal(model.calibrated(model.log_odds(X)), model.probability(X))


def test_the_same_seed_gives_the_same_files(
    model: ChurnModel, company: pd.DataFrame, features: FeatureSet, config: Config
) -> None:
    assert fit(company, features, config.learning).to_files() == model.to_files()


def test_column_and_row_order_and_extra_columns_do_not_matter(model: ChurnModel, company: pd.DataFrame) -> None:
    shuffled = company.sample(frac=1.0, random_state=1)[list(company.columns[::-1])].assign(other="x")
    expected = model.probability(model.matrix(company))[shuffled.index]
    assert np.array_equal(model.probability(model.matrix(shuffled)), expected)


def test_unlabelled_rows_are_left_out(company: pd.DataFrame, features: FeatureSet, config: Config) -> None:
    open_rows = company.tail(400).assign(churned=np.nan)
    model = fit(pd.concat([company.iloc[:-400], open_rows]), features, config.learning)
    assert model.info.rows == len(company) - 400
    assert str(model.info.as_of_until) == "2024-01-01"
    assert model.base_rate == pytest.approx(company.iloc[:-400]["churned"].mean())


def test_without_a_backtest_the_rules_rule(model: ChurnModel) -> None:
    assert model.info.verdict == "rules_only"
    assert "not been backtested" in str(model.info.verdict_reason)


def test_a_missing_or_misnamed_feature_is_named(model: ChurnModel, company: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="events_28d") as caught:
        model.matrix(company.rename(columns={"events_28d": "event_28d"}))
    assert "'event_28d'" in str(caught.value)
    with pytest.raises(DataError, match="no number") as caught:
        model.matrix(company.assign(mrr="a lot"))
    assert "a lot" in str(caught.value)


def test_damaged_files_are_refused(model: ChurnModel) -> None:
    files = model.to_files()
    with pytest.raises(BundleError, match=r"booster-1\.txt"):
        ChurnModel.from_files({name: text for name, text in files.items() if name != "booster-1.txt"})
    with pytest.raises(BundleError, match="JSON"):
        ChurnModel.from_files({**files, "model.json": files["model.json"][:-20]})
    with pytest.raises(BundleError, match="format"):
        ChurnModel.from_files({**files, "model.json": json.dumps({"format": 99})})
    with pytest.raises(BundleError, match="cannot be read"):
        ChurnModel.from_files({**files, "model.json": json.dumps({"format": 1})})


@pytest.mark.parametrize(
    ("churned", "code", "words"),
    [
        (0, "training.no_churner", "No account churned"),
        (400, "training.all_churned", "Every account churned"),
        (6, "training.too_few_churners", "Too few accounts churned in the training period to learn from: 6"),
        (394, "training.too_few_churners", "Too few accounts stayed in the training period to learn from: 6"),
    ],
)
def test_what_cannot_be_learnt_is_said_with_counts_dates_and_a_remedy(
    company: pd.DataFrame, features: FeatureSet, config: Config, churned: int, code: str, words: str
) -> None:
    frame = company.head(400).assign(churned=[1.0] * churned + [0.0] * (400 - churned))
    with pytest.raises(TrainingError) as caught:
        fit(frame, features, config.learning)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert f"{churned} churned of 400 rows, as_of 2023-01-01 to 2023-01-01" in str(caught.value)
    assert caught.value.remedy


def test_no_labelled_row_is_said(company: pd.DataFrame, features: FeatureSet, config: Config) -> None:
    with pytest.raises(TrainingError, match="no labelled row"):
        fit(company.assign(churned=np.nan), features, config.learning)


def test_a_handful_of_churners_still_gives_a_model(
    company: pd.DataFrame, features: FeatureSet, configure: Callable[..., Config]
) -> None:
    few = company.head(800).copy()
    few["churned"] = 0.0
    few.loc[few.index[:18], "churned"] = 1.0
    model = fit(few, features, configure(min_churners=15, kind="auto").learning)
    assert model.info.kind == "logistic"
    p = model.probability(model.matrix(few))
    assert abs(p.mean() - 18 / 800) < 0.02


def test_a_frame_s_probabilities_are_those_of_its_matrix_however_many_rows(
    model: ChurnModel, company: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.probability(model.matrix(company))
    monkeypatch.setattr("churnml.training.model._ROWS_AT_ONCE", 1000)
    assert len(company) % 1000 != 0
    assert np.array_equal(model.probability_of(company), whole)
    assert model.probability_of(company.iloc[:0]).shape == (0,)
