from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from churnml.metrics import aligned_gain, aligned_log_loss, concordance, log_loss, roc_auc
from churnml.metrics.within_date import align


def test_alignment_gives_every_date_its_rate_and_keeps_order_and_spread() -> None:
    rng = np.random.default_rng(0)
    date, p = np.repeat([0, 1, 2], 100), rng.uniform(0.01, 0.9, 300)
    y = (rng.random(300) < np.array([0.05, 0.2, 0.6])[date]).astype(float)
    aligned = align(y, p, date)
    for day in range(3):
        rows = date == day
        assert aligned[rows].mean() == pytest.approx(y[rows].mean(), abs=1e-12)
        shift = logit(aligned[rows]) - logit(p[rows])
        assert np.ptp(shift) == pytest.approx(0.0, abs=1e-8)


def test_a_date_of_one_outcome_says_nothing() -> None:
    y, date = np.array([0.0, 0.0, 0.0, 1.0]), np.array([1, 1, 2, 2])
    assert aligned_log_loss(y, [0.1, 0.9, 0.5, 0.5], date) == pytest.approx(np.log(2) / 2)
    assert concordance(y, [0.9, 0.1, 0.2, 0.8], list("abcd"), date).value == 1.0
    assert concordance(y[:2], [0.9, 0.1], list("ab"), date[:2]).value is None


def test_a_strictly_proper_score_is_lowest_at_the_truth() -> None:
    rng = np.random.default_rng(1)
    risk, date = rng.normal(size=40_000), np.repeat(np.arange(4), 10_000)
    truth = expit(risk + np.linspace(-3, -1, 4)[date])
    y = (rng.random(len(risk)) < truth).astype(float)
    losses = {scale: aligned_log_loss(y, expit(scale * risk), date) for scale in (0.5, 0.8, 1.0, 1.25, 2.0)}
    assert min(losses, key=losses.get) == 1.0
    assert losses[1.0] == pytest.approx(aligned_log_loss(y, truth, date), abs=1e-4)


def test_one_date_is_the_auc_and_equal_levels_are_the_log_loss() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(size=500).round(2)
    y = (rng.random(500) < p).astype(float)
    found = concordance(y, p, np.arange(500))
    assert found.value == pytest.approx(roc_auc(y, p))
    assert aligned_log_loss(y, align(y, p)) == pytest.approx(log_loss(y, align(y, p)))


def test_a_constant_per_date_is_chance_where_the_pooled_auc_is_not() -> None:
    rng = np.random.default_rng(3)
    date = np.repeat(np.arange(10), 100)
    rate = np.linspace(0.02, 0.3, 10)[date]
    y = (rng.random(1000) < rate).astype(float)
    assert roc_auc(y, rate) > 0.6
    assert concordance(y, rate, np.arange(1000), date).value == 0.5
    assert aligned_gain(y, rate, np.full(1000, 0.5), np.arange(1000), date).value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["concordance", "gain"])
def test_the_interval_covers_though_an_account_is_asked_about_six_times(what: str) -> None:
    """Persistent risk, rows of an account hang together: the 95 % interval holds the true value nearly as often."""

    def draw(seed: int, accounts: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(seed)
        account, date = np.tile(np.arange(accounts), 6), np.repeat(np.arange(6), accounts)
        risk = rng.normal(size=accounts)[account]
        # Whether an account is of those that leave is drawn once: its rows are the same coin, seen six times.
        leaves = (rng.random(accounts) < expit(risk[:accounts] - 1.5))[account]
        return leaves.astype(float), expit(0.8 * risk + 0.5 * rng.normal(size=accounts)[account]), account, date

    def estimate(seed: int, accounts: int):
        y, p, account, date = draw(seed, accounts)
        if what == "concordance":
            return concordance(y, p, account, date)
        return aligned_gain(y, p, np.full(len(y), 0.5), account, date)

    truth = estimate(0, 60_000).value
    found = [estimate(seed, 150) for seed in range(1, 151)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.90 <= covered <= 0.99


def test_too_few_churned_accounts_give_no_interval() -> None:
    y = np.array([1.0, 0, 0, 0, 0, 0])
    found = concordance(y, [0.9, 0.1, 0.2, 0.3, 0.4, 0.5], list("abcdef"))
    assert (found.value, found.low, found.error) == (1.0, None, None)
    assert not found.exceeds(0.5, 0.025)
