from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from churnml import metrics
from churnml.metrics.intervals import clustered_bootstrap, interval, paired_gain


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    p = np.round(rng.random(500), 2)  # many ties
    y = (rng.random(500) < p**2).astype(float)
    return y, p, rng.integers(0, 4, 500).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_scikit_learn(drawn: tuple[np.ndarray, ...], weighted: bool) -> None:
    y, p, weights = drawn
    w = weights if weighted else None
    assert metrics.roc_auc(y, p, w) == pytest.approx(reference.roc_auc_score(y, p, sample_weight=w))
    assert metrics.average_precision(y, p, w) == pytest.approx(reference.average_precision_score(y, p, sample_weight=w))
    q = np.clip(p, 0.01, 0.99)
    assert metrics.log_loss(y, q, w) == pytest.approx(reference.log_loss(y, q, sample_weight=w))
    assert metrics.brier(y, p, w) == pytest.approx(reference.brier_score_loss(y, p, sample_weight=w))


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from([0, 1]), min_size=2, max_size=40).filter(lambda ys: 0 < sum(ys) < len(ys)),
    share=st.floats(0.01, 1.0),
)
def test_a_constant_score_has_lift_one_and_auc_a_half(outcomes: list[int], share: float) -> None:
    p = [0.3] * len(outcomes)
    assert metrics.lift_at(outcomes, p, share=share) == 1.0
    assert metrics.roc_auc(outcomes, p) == 0.5
    assert metrics.average_precision(outcomes, p) == pytest.approx(sum(outcomes) / len(outcomes))
    assert metrics.recall_at(outcomes, p, share=share) == pytest.approx(share)


def test_row_order_never_matters(drawn: tuple[np.ndarray, ...]) -> None:
    y, p, _ = drawn
    order = np.lexsort((y, p))
    for worst_to_best in (order, order[::-1]):
        assert metrics.lift_at(y[worst_to_best], p[worst_to_best]) == metrics.lift_at(y, p)
        assert metrics.ece(y[worst_to_best], p[worst_to_best]) == pytest.approx(metrics.ece(y, p))
        assert metrics.roc_auc(y[worst_to_best], p[worst_to_best]) == metrics.roc_auc(y, p)


def test_ties_at_the_edge_of_the_capacity_count_by_their_share() -> None:
    # One sure churner, then four tied rows of which two churn; room for three.
    y, p = [1, 1, 1, 0, 0, 0], [0.9, 0.5, 0.5, 0.5, 0.5, 0.1]
    assert metrics.precision_at(y, p, k=3) == pytest.approx((1 + 2 * 2 / 4) / 3)
    assert metrics.recall_at(y, p, k=3) == pytest.approx(2 / 3)


def test_revenue_recall_counts_arr_not_accounts() -> None:
    y, p = [1, 1, 0, 0], [0.9, 0.1, 0.2, 0.3]
    assert metrics.recall_at(y, p, k=1, value=[10.0, 990.0, 5.0, 5.0]) == pytest.approx(0.01)
    assert metrics.recall_at(y, p, k=1, value=[np.nan, 990.0, 5.0, 5.0]) == 0.0


def test_capacity_holds_per_date() -> None:
    # Two dates; every high score is on the first. One contact a date catches one of two churners, not both.
    y, p = [1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]
    dates = np.array(["2024-01-01", "2024-01-01", "2024-02-01", "2024-02-01"], "datetime64[D]")
    found = metrics.summary(y, p, share=0.5, dates=dates)
    assert found.recall_at_capacity == 0.5
    assert metrics.summary(y, p, share=0.5).recall_at_capacity == 1.0


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_gives_none_not_a_number(outcome: float) -> None:
    found = metrics.summary([outcome] * 5, [0.1, 0.2, 0.3, 0.4, 0.5], value=[1.0] * 5)
    assert found.roc_auc is None
    assert found.log_loss is not None
    if outcome == 0.0:
        assert [getattr(found, name) for name in ("average_precision", "lift_at_10", "recall_at_10")] == [None] * 3
        assert found.revenue_recall_at_capacity is None


def test_no_rows_give_none() -> None:
    found = metrics.summary([], [])
    assert found.n == 0
    assert {name for name, value in vars(found).items() if value is not None} == {"n", "positives"}


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        metrics.roc_auc([0, 1], [0.1, np.nan])
    with pytest.raises(ValueError, match="lengths"):
        metrics.roc_auc([0, 1], [0.1])


def test_ece_of_a_calibrated_score_is_small_and_of_a_shifted_one_is_the_shift() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.6, 20_000)
    y = (rng.random(20_000) < p).astype(float)
    assert metrics.ece(y, p) < 0.01
    assert metrics.ece(y, p + 0.2) == pytest.approx(0.2, abs=0.01)


def test_equal_scores_share_a_bin() -> None:
    p = np.repeat([0.1, 0.2], [95, 5])
    cut = metrics.calibration_bins(np.zeros(100), p)
    assert [part.weight for part in cut] == [95.0, 5.0]


def test_brier_decomposition_adds_up(drawn: tuple[np.ndarray, ...]) -> None:
    y, p, w = drawn
    for weights in (None, w):
        parts = metrics.brier_decomposition(y, p, weights)
        assert parts is not None
        whole = parts.miscalibration - parts.discrimination + parts.uncertainty
        assert whole == pytest.approx(metrics.brier(y, p, weights))
        assert parts.miscalibration >= -1e-12
        assert parts.discrimination >= -1e-12


def test_draws_keep_the_rows_of_an_account_together() -> None:
    groups = np.repeat(["a", "b", "c"], [3, 2, 1])
    for draw in clustered_bootstrap(groups, 20, seed=1):
        assert [len(set(draw[groups == name])) for name in "abc"] == [1, 1, 1]
    assert np.array_equal(clustered_bootstrap(groups, 3, seed=1), clustered_bootstrap(groups, 3, seed=1))


def test_repeating_rows_of_the_same_accounts_does_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(5)
    p = rng.random(150)
    y = (rng.random(150) < p).astype(float)
    accounts = np.arange(150)
    once = interval(metrics.roc_auc, y, p, clustered_bootstrap(accounts, 200, seed=0))
    often = interval(
        metrics.roc_auc, np.tile(y, 6), np.tile(p, 6), clustered_bootstrap(np.tile(accounts, 6), 200, seed=0)
    )
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.05)


def test_paired_gain_of_a_prediction_over_itself_is_zero() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(100)
    y = (rng.random(100) < p).astype(float)
    gain = paired_gain(metrics.roc_auc, y, p, p, clustered_bootstrap(np.arange(100), 50, seed=0))
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)
