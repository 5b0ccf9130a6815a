"""Very many rows that stayed are learnt from by a sample, and nothing is told otherwise for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from tests.companies.frames import spec

from churnml.config import Config
from churnml.features.spec import FeatureSet
from churnml.training import sampling
from churnml.training.fitting import fit_rows
from churnml.training.sampling import learning_rows

ROWS = 60_000


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    x = rng.normal(size=ROWS)
    dates = pd.date_range("2024-01-01", periods=12, freq="MS")[np.arange(ROWS) % 12]
    churned = (rng.random(ROWS) < 1 / (1 + np.exp(3.5 - x))).astype(float)
    return pd.DataFrame(
        {"account_id": [f"a{n // 12}" for n in range(ROWS)], "as_of": dates, "x": x, "churned": churned}
    )


def test_whoever_churned_is_learnt_from_and_each_date_has_its_weight(rows: pd.DataFrame) -> None:
    sample = learning_rows(rows, 5, seed=7, least_stayers=0)
    learnt = rows.iloc[sample.place].assign(weight=sample.weights)
    assert learnt["churned"].sum() == rows["churned"].sum()
    assert (learnt.loc[learnt["churned"] == 1, "weight"] == 1.0).all()
    stayers = (learnt["churned"] == 0).sum()
    assert stayers == pytest.approx(5 * rows["churned"].sum(), rel=0.001)
    by_date = learnt.groupby(["as_of", "churned"])["weight"].sum()
    assert by_date.to_numpy() == pytest.approx(rows.groupby(["as_of", "churned"]).size().to_numpy())
    assert (np.diff(sample.place) > 0).all()


def test_no_more_stayers_are_learnt_from_than_can_tell_anything_new(rows: pd.DataFrame) -> None:
    sample = learning_rows(rows, 10, seed=7, least_stayers=0, most_stayers=5_000)
    learnt = rows.iloc[sample.place]
    assert (learnt["churned"] == 0).sum() == pytest.approx(5_000, abs=12)
    assert learnt["churned"].sum() == rows["churned"].sum()
    assert sample.weights is not None
    assert sample.weights.sum() == pytest.approx(ROWS)


def test_the_sample_is_the_seed_s(rows: pd.DataFrame) -> None:
    first, again, other = (learning_rows(rows, 5, seed=seed, least_stayers=0).place for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("ratio", "least"), [(None, 0), (10_000, 0), (5, ROWS)])
def test_all_rows_are_learnt_from_where_there_are_few_or_it_is_asked_for(
    rows: pd.DataFrame, ratio: int | None, least: int
) -> None:
    sample = learning_rows(rows, ratio, seed=7, least_stayers=least)
    assert sample.weights is None
    assert len(sample.place) == ROWS


def test_a_sample_tells_the_same_level_and_the_same_effect(
    rows: pd.DataFrame, configure: Callable[..., Config]
) -> None:
    assert ROWS > 1.5 * sampling._LEAST_STAYERS
    features = FeatureSet([spec("x")])
    models = [
        fit_rows(rows, features, configure(kind="logistic", stayers_per_churner=ratio).learning) for ratio in (10, None)
    ]
    sampled, whole = models
    assert sampled.info.learnt_rows is not None
    assert sampled.info.learnt_rows < 0.7 * ROWS
    assert sampled.info.rows == whole.info.rows == whole.info.learnt_rows == ROWS
    assert sampled.base_rate == whole.base_rate == rows["churned"].mean()
    p, q = (model.probability(model.matrix(rows)) for model in models)
    assert p.mean() == pytest.approx(rows["churned"].mean(), rel=0.02)
    assert np.abs(p - q).max() < 0.02
