from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.companies import frames

from churnml.errors import DataError
from churnml.scoring import score
from churnml.training import ChurnModel, fit


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return frames.make_frame(accounts=250, months=10)


@pytest.fixture(scope="module", params=["auto", "logistic", "lightgbm"])
def model(request: pytest.FixtureRequest, frame: pd.DataFrame) -> ChurnModel:
    return fit(frame, frames.FEATURES, frames.make_config(kind=request.param).learning)


def test_columns_and_ranges(model: ChurnModel, frame: pd.DataFrame) -> None:
    scores = score(model, frame)
    assert list(scores.columns) == ["account_id", "as_of", "log_odds", "churn_probability", "lift"]
    assert scores["churn_probability"].between(0, 1).all()
    assert scores["lift"].to_numpy() == pytest.approx(scores["churn_probability"].to_numpy() / model.base_rate)


def test_single_rows_equal_the_batch_to_the_last_digit(model: ChurnModel, frame: pd.DataFrame) -> None:
    batch = score(model, frame.head(120))
    singles = pd.concat([score(model, frame.iloc[[row]]) for row in range(120)], ignore_index=True)
    pd.testing.assert_frame_equal(singles, batch, check_exact=True)
    turned = score(model, frame.head(120).iloc[::-1]).iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(turned, batch, check_exact=True)


def test_missing_and_unseen_values_are_scored(model: ChurnModel, frame: pd.DataFrame) -> None:
    empty = frame.head(2).copy()
    for name in model.features.names:
        empty[name] = np.nan
    empty["plan"] = ["enterprise", None]
    scores = score(model, empty)
    assert scores["churn_probability"].between(0, 1).all()
    assert scores["churn_probability"].nunique() == 1


def test_no_rows_give_no_scores(model: ChurnModel, frame: pd.DataFrame) -> None:
    assert score(model, frame.head(0)).empty


def test_a_missing_key_or_feature_is_named(model: ChurnModel, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="as_of"):
        score(model, frame.drop(columns="as_of"))
    with pytest.raises(DataError, match="nps_last"):
        score(model, frame.drop(columns="nps_last"))
