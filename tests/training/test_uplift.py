"""Uplift trees: they find a planted effect, stay near risk without one, and never learn from what they judge."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from churnml.errors import DataError
from churnml.metrics.uplift import qini
from churnml.training.uplift import UpliftTrees, time_blocks
from churnml.training.uplift_model import RISK, UpliftModel


def lots(seed: int, factor_of_one: float, factor_of_two: float, n: int = 4000):
    """Return lots of a kind of account (1 or 2), of which a contact leaves the given share of churn."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {RISK: rng.beta(1.5, 3.0, n), "kind": rng.integers(1, 3, n).astype(float), "noise": rng.normal(size=n)}
    )
    contacted = rng.permutation(n) < 0.6 * n
    left = np.where(X["kind"] == 2, factor_of_two, factor_of_one)
    churned = (rng.random(n) < X[RISK] * np.where(contacted, left, 1.0)).astype(float)
    return X, churned, contacted, {"blocks": np.arange(n) % 5, "accounts": np.arange(n)}


def test_whom_a_contact_helps_is_found():
    X, y, contacted, rest = lots(0, 1.0, 0.2)
    trees = UpliftTrees(["kind", "noise"], random_state=1).fit(X, y, contacted, 0.4, **rest)
    assert trees.trees_ > 0
    one, two = trees.predict(pd.DataFrame({RISK: [0.5, 0.5], "kind": [1, 2], "noise": [0.0, 0.0]}))
    assert one == pytest.approx(0.0, abs=0.12)
    assert two == pytest.approx(0.4, abs=0.12)
    assert trees.effects_.mean() == pytest.approx(
        float((X[RISK] * np.where(X["kind"] == 2, 0.8, 0.0)).mean()), abs=0.05
    )
    again = clone(trees).fit(X, y, contacted, 0.4, **rest)
    assert again.model_ == trees.model_
    kept = UpliftModel.model_validate_json(trees.model_.model_dump_json())
    assert kept.predict(X) == pytest.approx(trees.predict(X))


def test_where_all_are_helped_alike_the_ranking_stays_near_that_by_risk():
    kept = []
    for seed in range(4):
        X, y, contacted, rest = lots(seed, 0.5, 0.5, n=1500)
        trees = UpliftTrees(["kind", "noise"]).fit(X, y, contacted, 0.4, **rest)
        kept.append(qini(trees.predict(X), 0.5 * X[RISK]) / qini(X[RISK], 0.5 * X[RISK]))
    assert np.mean(kept) > 0.9
    assert max(kept) == pytest.approx(1.0)


def test_a_contact_that_does_harm_ranks_nobody_by_a_negative_share():
    X, y, contacted, rest = lots(3, 1.6, 1.6, n=1500)
    assert UpliftTrees([]).fit(X, y, contacted, 0.4, **rest).model_.slope == 0.0


def test_a_measure_that_is_missing_is_not_known():
    X, y, contacted, rest = lots(0, 1.0, 0.2, n=1500)
    model = UpliftTrees(["kind", "seats"]).fit(X, y, contacted, 0.4, **rest).model_
    assert model.columns == (RISK, "kind", "seats")
    assert np.isfinite(model.predict(X[[RISK]])).all()
    assert np.isnan(UpliftModel(columns=(RISK,), slope=0.5).predict(pd.DataFrame({RISK: [None]}))).all()


def test_an_account_is_not_judged_by_what_was_learnt_of_it():
    # Every account comes twice, in two blocks: with one block left out, nobody is left to learn from.
    X, y, contacted, _ = lots(0, 1.0, 0.2, n=200)
    with pytest.raises(DataError, match="too few blocks"):
        UpliftTrees([]).fit(X, y, contacted, 0.4, blocks=np.repeat([0, 1], 100), accounts=np.tile(np.arange(100), 2))
    with pytest.raises(DataError, match="between 0 and 1"):
        UpliftTrees([]).fit(X, y, contacted, 0.0, blocks=np.arange(200) % 5, accounts=np.arange(200))


def test_blocks_follow_time_and_are_of_one_size():
    days = pd.date_range("2026-01-01", periods=50).repeat(3).to_numpy()
    blocks = time_blocks(days, np.arange(150))
    assert np.bincount(blocks).tolist() == [30] * 5
    assert (np.diff(blocks) >= 0).all()
    at_once = time_blocks(np.repeat(days[:1], 20), np.arange(20))
    assert np.bincount(at_once).tolist() == [4] * 5
