"""Qini by hand, ties in any order alike, readings unbiased however wrong the regressions, intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest

from churnml.metrics.intervals import clustered_bootstrap
from churnml.metrics.uplift import adjusted_effects, qini, qini_curve, qini_gain, qini_interval


def test_the_curve_is_the_one_of_radcliffe():
    # By score: contacted stays, held out churns, held out stays, contacted churns, contacted stays, held out churns.
    curve = qini_curve([6, 5, 4, 3, 2, 1], [0, 1, 0, 1, 0, 1], [True, False, False, True, True, False])
    # After 2: 1 held-out churner on 1 held out, for 1 contacted: 1. After 3: 1 · 1/2. After 4: 1 · 2/2 − 1. After 5:
    # 1 · 3/2 − 1. At the end: 2 · 3/3 − 1.
    assert curve.avoided.tolist() == [0.0, 0.0, 1.0, 0.5, 0.0, 0.5, 1.0]
    # Trapezoids: 0 + 0.5 + 0.75 + 0.25 + 0.25 + 0.75 = 2.5 of 36, less half of the last over 6.
    assert curve.coefficient == pytest.approx(2.5 / 36 - 1 / 12)


def test_equal_scores_come_at_once_in_whatever_order():
    rng = np.random.default_rng(0)
    score, churned, arm = rng.integers(0, 4, 60), rng.integers(0, 2, 60), rng.random(60) < 0.6
    order = rng.permutation(60)
    first, second = qini_curve(score, churned, arm), qini_curve(score[order], churned[order], arm[order])
    assert first.rows.tolist() == second.rows.tolist()
    assert first.avoided == pytest.approx(second.avoided)
    effects = rng.normal(size=60)
    assert qini(score, effects) == pytest.approx(qini(score[order], effects[order]))
    assert qini(np.ones(60), effects) == pytest.approx(0.0)


def test_with_half_held_out_both_coefficients_agree_in_the_mean():
    rng = np.random.default_rng(1)
    n = 40_000
    risk = rng.uniform(0, 0.8, n)
    arm = rng.permutation(n) < n / 2
    churned = (rng.random(n) < np.where(arm, 0.5, 1.0) * risk).astype(float)
    effects = adjusted_effects(churned, arm, 0.5 * np.ones(n), 0.4 * risk, risk)
    # A curve that counts the contacted (half of the rows) avoids half of what contacting all would.
    assert 2 * qini_curve(risk, churned, arm).coefficient == pytest.approx(qini(risk, effects), abs=0.004)
    assert qini(risk, effects) == pytest.approx(qini(risk, 0.5 * risk), abs=0.004)


@pytest.mark.parametrize("wrong", [0.0, 0.9])
def test_readings_are_unbiased_whatever_the_regressions_say(wrong):
    rng = np.random.default_rng(2)
    n = 100_000
    arm = rng.random(n) < 0.8
    churned = (rng.random(n) < np.where(arm, 0.2, 0.35)).astype(float)
    effects = adjusted_effects(churned, arm, np.full(n, 0.2), np.full(n, wrong), np.full(n, 1 - wrong))
    assert effects.mean() == pytest.approx(0.15, abs=4 * effects.std() / np.sqrt(n))


def test_intervals_hold_and_draw_accounts_whole():
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        risk = rng.uniform(0, 0.8, 300)
        arm = rng.random(300) < 0.5
        churned = (rng.random(300) < np.where(arm, 0.5, 1.0) * risk).astype(float)
        effects = adjusted_effects(churned, arm, np.full(300, 0.5), 0.5 * risk, risk)
        found = qini_interval(risk, effects, clustered_bootstrap(np.arange(300), 200, seed))
        held += found.low <= qini(risk, 0.5 * risk) <= found.high
    assert held >= 95 - 7
    doubled = np.repeat(np.arange(300), 2)
    draws = clustered_bootstrap(doubled, 200, 0)
    twice = qini_interval(np.repeat(risk, 2), np.repeat(effects, 2), draws)
    once = qini_interval(risk, effects, clustered_bootstrap(np.arange(300), 200, 0))
    assert twice.high - twice.low == pytest.approx(once.high - once.low)


def test_a_gain_is_paired():
    rng = np.random.default_rng(3)
    effects = rng.normal(size=200) * 5
    score = rng.normal(size=200)
    draws = clustered_bootstrap(np.arange(200), 100, 0)
    same = qini_gain(score, 2 * score, effects, draws)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    other = rng.normal(size=200)
    assert qini_gain(score, other, effects, draws).value == pytest.approx(qini(score, effects) - qini(other, effects))
