"""Lifetime value where customers churn at different rates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from churnml.retention import ChurnMix, churn_mix, lifetime_value

START, END = pd.Timestamp("2025-01-01"), pd.Timestamp("2026-01-01")


def company(rates: list[float], *, accounts: int = 4000, months: int = 36, seed: int = 1) -> pd.DataFrame:
    """Lives of accounts that each churn at a rate of their own, all begun over the years before the end."""
    rng = np.random.default_rng(seed)
    begun = END - pd.to_timedelta(rng.integers(0, months * 30, accounts), unit="D")
    life = rng.geometric(np.resize(rates, accounts)) * 30.4375
    ended = begun + pd.to_timedelta(life.round(), unit="D")
    return pd.DataFrame({"started_on": begun, "ended_on": ended, "churned": ended <= END})


def test_one_rate_stays_one_rate():
    mix = churn_mix(company([0.04]), START, END)
    assert mix is not None
    assert math.isinf(mix.alpha)
    assert mix.mean_rate == pytest.approx(0.04, rel=0.1)
    assert mix.lifetime_months(yearly_discount=0.0) == pytest.approx(1 / mix.mean_rate, rel=0.01)
    discounted = lifetime_value(100.0, mix.mean_rate, gross_margin=0.8, yearly_discount=0.1)
    assert discounted == pytest.approx(80 * mix.lifetime_months(yearly_discount=0.1), rel=0.01)


def test_two_kinds_of_customers_are_told_from_their_lives_alone():
    """Half at 1 % and half at 9 % are worth far more than all at the mean rate."""
    mix = churn_mix(company([0.01, 0.09]), START, END)
    assert mix is not None
    assert math.isfinite(mix.alpha)
    true = lifetime_value(100.0, np.array([0.01, 0.09]), gross_margin=0.8, yearly_discount=0.1)
    found = 80 * mix.lifetime_months(yearly_discount=0.1)
    assert found == pytest.approx(true, rel=0.15)
    # Those who are left are mostly the loyal ones, so the churn seen lies below the mean of 5 % as well.
    assert 80 * ChurnMix(mix.mean_rate).lifetime_months(yearly_discount=0.1) < 0.75 * found
    assert (np.diff(mix.survival(24)) < 0).all()
    assert mix.survival(0).tolist() == [1.0]


def test_nobody_who_left_tells_no_lifetime():
    stays = company([0.04]).assign(churned=False, ended_on=pd.Timestamp("2200-01-01"))
    assert churn_mix(stays, START, END) is None


def test_few_who_left_tell_one_rate():
    few = company([0.01, 0.09], accounts=30)
    mix = churn_mix(few, START, END)
    assert mix is not None
    assert math.isinf(mix.alpha)
