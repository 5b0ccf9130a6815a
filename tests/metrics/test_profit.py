from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import beta

from churnml.metrics.profit import (
    CampaignProfit,
    area_under_profit_curve,
    expected_maximum_profit,
    in_campaigns,
    maximum_profit,
    profit_curve,
)


def sample(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(n), 1)
    y = (rng.random(n) < 0.6 * p).astype(float)
    return y, p, rng.lognormal(5, 1, n)


def test_curve_by_hand() -> None:
    curve = profit_curve(
        [1, 0, 1], [0.9, 0.5, 0.1], [1000.0, 500.0, 200.0], contact_cost=10.0, offer_cost=50.0, save_rate=0.2
    )
    assert curve["profit"].tolist() == pytest.approx([0.0, 0.2 * 950 - 10, 180 - 10 - 50, 120 + 0.2 * 150 - 10])


def test_tied_accounts_are_contacted_together() -> None:
    y, p, value = sample()
    curve = profit_curve(y, p, value, contact_cost=5.0)
    assert len(curve) == len(np.unique(p)) + 1
    order = np.random.default_rng(1).permutation(len(y))
    again = profit_curve(y[order], p[order], value[order], contact_cost=5.0)
    assert again.to_numpy() == pytest.approx(curve.to_numpy())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("per_account", [True, False])
def test_expectation_equals_numerical_integration(seed: int, per_account: bool) -> None:
    y, p, value = sample(seed=seed)
    worth = value if per_account else np.full(len(y), 200.0)
    offer = 0.05 * worth
    found = expected_maximum_profit(y, p, worth, contact_cost=8.0, offer_cost=offer, save_rate=0.3)

    def best(rate: float) -> float:
        curve = profit_curve(y, p, worth, contact_cost=8.0, offer_cost=offer, save_rate=rate)
        return float(curve["profit"].max()) * float(beta.pdf(rate, 6, 14))

    expected, _ = quad(best, 0, 1, limit=400)
    assert found.profit_per_account == pytest.approx(expected / len(y), rel=1e-4)
    assert 0 <= found.contact_share <= 1


def test_a_campaign_that_never_pays_contacts_nobody() -> None:
    y, p, _ = sample()
    found = expected_maximum_profit(y, p, 1.0, contact_cost=50.0)
    assert found == CampaignProfit(0.0, 0.0)


def test_a_better_ranking_is_worth_more() -> None:
    y, _, value = sample()
    good = expected_maximum_profit(y, y, value, contact_cost=20.0)
    bad = expected_maximum_profit(y, 1 - y, value, contact_cost=20.0)
    assert good.profit_per_account > bad.profit_per_account >= 0


def test_unknown_value_is_worth_nothing() -> None:
    curve = profit_curve([1, 1], [0.9, 0.1], [np.nan, 100.0], contact_cost=0.0, save_rate=1.0)
    assert curve["profit"].tolist() == [0.0, 0.0, 100.0]


REFERENCE = json.loads(Path(__file__).with_name("empulse_reference.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("known", REFERENCE["samples"], ids=lambda known: f"seed {known['seed']}")
def test_the_metrics_equal_empulse(known: dict[str, Any]) -> None:
    """Values of MIT empulse 0.11.1; the file says what printed them. How parameters map: see the docstrings."""
    y, p, clv = known["y"], known["p"], np.asarray(known["clv"])
    asked = REFERENCE["asked"]
    rate = asked["alpha"] / (asked["alpha"] + asked["beta"])
    one, each = asked["empc"], asked["empb"]
    empc = expected_maximum_profit(
        *(y, p, one["clv"]), contact_cost=one["contact_cost"], offer_cost=one["incentive_cost"], save_rate=rate
    )
    assert empc.profit_per_account == pytest.approx(known["empc"], rel=1e-10)
    assert empc.contact_share == pytest.approx(known["empc_share"], rel=1e-10)
    costs = {"contact_cost": 0.0, "offer_cost": each["incentive_fraction"] * clv + each["contact_cost"]}
    empb = maximum_profit(y, p, clv, save_rate=rate, **costs)
    assert empb.profit_per_account * len(y) == pytest.approx(known["empb"], rel=1e-10)
    assert empb.contact_share == pytest.approx(known["empb_share"], rel=1e-10)
    assert area_under_profit_curve(y, p, clv, save_rate=rate, **costs) == pytest.approx(known["auepc"], rel=1e-10)


def test_area_ignores_the_order_of_ties_and_is_one_for_the_perfect_ranking() -> None:
    y, p, value = sample()
    area = area_under_profit_curve(y, p, value, contact_cost=5.0)
    order = np.random.default_rng(1).permutation(len(y))
    assert area_under_profit_curve(y[order], p[order], value[order], contact_cost=5.0) == pytest.approx(area)
    assert area_under_profit_curve(y, y * value, value, contact_cost=5.0) == pytest.approx(1.0)
    assert area_under_profit_curve(y, p, value, contact_cost=1e9) is None


def test_a_churner_of_overlapping_windows_is_saved_once() -> None:
    months = pd.date_range("2025-01-01", periods=6, freq="MS")
    rows = pd.DataFrame(
        {
            "as_of": np.repeat(months, 4),
            "churned": [0.0, 0.0, 0.0, 0.0] * 3 + [1.0, 0.0, 0.0, 0.0] * 3,
            "p": [0.9, 0.3, 0.2, 0.1] * 6,
        }
    )
    kept = rows[in_campaigns(rows["as_of"].to_numpy(), 90)]
    assert kept["as_of"].unique().tolist() == [months[2], months[5]]
    saved = profit_curve(kept["churned"], kept["p"], 100.0, contact_cost=1.0, save_rate=1.0)["profit"].max()
    assert saved == 98.0  # one churner worth 100, contacted with one other account of the earlier campaign
    assert in_campaigns(rows["as_of"].to_numpy(), 0).all()
