"""Lifetime value as a KPI: means by hand, bounds that do not add up, and where contracts stand in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.stats import norm
from tests.companies.curves import curves_of

from churnml.retention.lifetime_values import LifetimeValue, curve_values, told_values

DAY = date(2026, 1, 1)
TERMS = {"as_of": DAY, "gross_margin": 0.8, "yearly_discount": 0.1, "level": 0.8}


def some(arr: list[float]) -> tuple:
    return curves_of(["a", "b", "c"], DAY, days=[30.0, 200.0, np.nan], risk=[0.3, 0.1, 0.5], arr=arr)


def test_bounds_are_those_of_the_sum_and_not_the_sum_of_bounds() -> None:
    found = some([1200.0, 2400.0, 600.0])
    opposed = [
        replace(one, value_draws=one.value_draws[:: 1 if number % 2 else -1]) for number, one in enumerate(found)
    ]
    together, apart = (curve_values(lives, {}, **TERMS)[0] for lives in (found, opposed))
    values = np.array([one.residual_value.value for one in found])
    assert together.total == pytest.approx(values.sum())
    assert together.value == pytest.approx(values.mean())
    sums = np.sum([one.value_draws for one in found], axis=0)
    reach = np.exp(norm.ppf(0.9) * np.std(np.log(sums), ddof=1))
    assert together.high == pytest.approx(values.mean() * reach)
    assert together.low == pytest.approx(values.mean() / reach)
    # Where refits disagree account by account, their sum hardly moves.
    assert apart.high - apart.low < 0.7 * (together.high - together.low)


def test_an_account_by_itself_has_the_bounds_of_its_curve() -> None:
    (one, *_) = some([1200.0, 2400.0, 600.0])
    found = curve_values([one], {}, **TERMS)[0]
    assert (found.low, found.high) == pytest.approx((one.residual_value.low, one.residual_value.high))


def test_accounts_without_known_revenue_count_nowhere() -> None:
    found = some([1200.0, np.nan, 600.0])
    whole, basic = curve_values(found, {"plan": {"a": "basic", "b": "pro"}}, **TERMS)
    assert (whole.accounts, basic.group, basic.accounts) == (2, "basic", 1)
    assert 0 < whole.within < 1
    assert curve_values([found[1]], {}, **TERMS) == ()


def test_contracts_stand_in_where_curves_say_nothing() -> None:
    contract = LifetimeValue(None, None, "contracts", DAY, 9, 50.0, None, None, None, None, 0.8, 0.1, None)
    contracts = [contract, *(replace(contract, group_by="plan", group=name) for name in ("basic", "pro"))]
    curve = replace(contract, source="curves", group_by="plan", group="pro")
    other = replace(curve, group_by="owner", group="ann")
    found = told_values([curve, other], contracts, ["plan"])
    assert [(one.group, one.source) for one in found] == [
        (None, "contracts"),
        ("basic", "contracts"),
        ("pro", "curves"),
    ]
    assert told_values([], contracts, ["plan"]) == tuple(contracts)
