"""Renewal by renewal without features, on made-up companies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from tests.companies.renewing import MONTH, company

from churnml.training.beta_geometric import BetaGeometric
from churnml.training.risk import dispersion
from churnml.training.stacking import asked_decisions, ended_at_decisions


@pytest.fixture(scope="module")
def monthly() -> pd.DataFrame:
    return company(500, at_decision=-2.5, months=18, seed=31)


def test_the_chance_of_a_renewal_is_found(monthly: pd.DataFrame) -> None:
    asked = asked_decisions(monthly.head(200))
    chances = BetaGeometric.fit(monthly).chances(monthly.head(200), asked)
    assert chances[asked.place == 0].mean() == pytest.approx(expit(-2.5), abs=0.02)


def test_chances_multiply_to_the_survival(monthly: pd.DataFrame) -> None:
    rows = monthly.head(50).assign(tenure_days=np.arange(50) * MONTH)
    norm = BetaGeometric.from_dict(BetaGeometric.fit(monthly).as_dict())
    asked = asked_decisions(rows)
    stays = np.ones(len(rows))
    np.multiply.at(stays, asked.row[asked.place < 6], 1.0 - norm.chances(rows, asked)[asked.place < 6])
    sixth = asked.day[asked.place == 5]
    told = np.array([norm.survival(rows.iloc[[row]], np.array([day + 1]))[0, 0] for row, day in enumerate(sixth)])
    assert np.allclose(told, stays)


def test_whoever_leaves_between_decisions_was_not_lost_at_one() -> None:
    both = company(400, annual=1.0, at_decision=-2.0, between=-4.0, seed=32)
    only = ended_at_decisions(both, late_days=14)
    left_between = both["ended_days"].notna() & only["ended_days"].isna()
    assert left_between.any()
    assert (only["seen_days"] == both["ended_days"])[left_between].all()
    risks = [BetaGeometric.fit(rows).chances(rows, asked_decisions(rows)).mean() for rows in (both, only)]
    assert risks[1] < risks[0] - 0.03


def test_an_account_asked_in_many_months_counts_once() -> None:
    rng = np.random.default_rng(3)
    lost, due = (rng.random(300) < 0.2).astype(float), np.repeat(np.datetime64("2024-01-01"), 300)
    account = np.array([f"a{number}" for number in range(300)])
    often = [np.repeat(each, 12) for each in (np.full(300, 0.2), lost, due, account)]
    assert dispersion(*often) == pytest.approx(dispersion(np.full(300, 0.2), lost, due, account))
    assert dispersion(*(each[:0] for each in often)) == 0.0
