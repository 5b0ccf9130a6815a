"""Batch contributions are LightGBM's own, by whatever way."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from churnml.explain import batch, batch_contributions, fast_contributions


def booster_of(words: bool) -> tuple[lgb.Booster, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 6))
    X[:, 5] = rng.integers(0, 7, len(X))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(1 - X[:, 0] * X[:, 1] - X[:, 5] % 2))).astype(float)
    X[rng.random(X.shape) < 0.15] = np.nan
    params = {"objective": "binary", "verbose": -1, "num_threads": 1, "max_cat_to_onehot": 1, "min_data_per_group": 5}
    params |= {"feature_fraction": 0.4, "num_leaves": 6, "seed": 3}
    data = lgb.Dataset(X, y, categorical_feature=[5] if words else [])
    return lgb.train(params, data, 25), X


@pytest.mark.parametrize("words", [False, True])
def test_equal_to_lightgbms_own(words: bool) -> None:
    booster, X = booster_of(words)
    found = fast_contributions([booster, booster], X)
    assert found == pytest.approx(booster.predict(X, pred_contrib=True), abs=1e-4)
    assert found.sum(axis=1) == pytest.approx(booster.predict(X, raw_score=True), abs=1e-4)


def test_leaf_patterns_are_used_where_they_hold() -> None:
    pytest.importorskip("woodelf")
    booster, X = booster_of(words=False)
    assert batch._by_patterns(booster, X) is not None
    with_words, _ = booster_of(words=True)
    runs = batch._runs(with_words)
    assert {has_words for _, _, has_words in runs} == {True, False}
    assert sum(count for _, count, _ in runs) == with_words.num_trees()
    assert batch._by_patterns(with_words, X) is not None


def test_numbers_that_are_not_lightgbms_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    woodelf = pytest.importorskip("woodelf")
    booster, X = booster_of(words=False)
    wrong = np.zeros((len(X), X.shape[1]))
    monkeypatch.setattr(woodelf.WoodelfExplainer, "shap_values", lambda *_, **__: wrong)
    assert fast_contributions([booster], X) == pytest.approx(booster.predict(X, pred_contrib=True))


def test_a_model_is_explained_in_a_batch_as_row_by_row(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_WORTH_IT", 0)
    matrix = np.vstack([world.model.matrix(world.frame)] * 3)
    assert batch_contributions(world.model, matrix) == pytest.approx(world.model.contributions(matrix), abs=1e-4)
