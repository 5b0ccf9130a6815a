from __future__ import annotations

import pandas as pd
import pytest

from churnml.retention import kpi_history, phase_moves, rfm_at
from churnml.simulate import Company, simulate
from churnml.tables import Tables


@pytest.fixture(scope="module")
def company() -> Company:
    return simulate(accounts=250, months=9, seed=4)


@pytest.fixture(scope="module")
def tables(company: Company) -> Tables:
    return Tables.from_pandas(company.tables, observed_from=company.start, observed_until=company.end)


@pytest.fixture(scope="module")
def history(tables: Tables) -> pd.DataFrame:
    return kpi_history(tables, core_features=("report_viewed", "record_created"))


def test_a_row_per_whole_month_whose_grace_is_over(company: Company, history: pd.DataFrame) -> None:
    assert history["month_on"].to_list() == list(pd.date_range(company.start, periods=8, freq="MS"))


def test_churn_equals_the_truth(company: Company, history: pd.DataFrame) -> None:
    accounts = company.truth["accounts"]
    for row in history.itertuples():
        end = row.month_on + pd.offsets.MonthBegin(1)
        there = (accounts["signed_on"] <= row.month_on) & ~(accounts["churn_on"] <= row.month_on)
        lost = there & (accounts["churn_on"] <= end)
        assert row.accounts == there.sum()
        assert row.logo_churn_rate == pytest.approx(lost.sum() / there.sum())


def test_the_kpis_are_possible(history: pd.DataFrame) -> None:
    shares = ["logo_churn_rate", "grr", "expansion_rate", "renewal_rate", "active_rate", "ticket_resolution_rate"]
    for name in shares:
        assert history[name].dropna().between(0, 1).all(), name
    assert (history["nrr"] >= history["grr"]).all()
    assert history["nps"].between(-100, 100).all()
    assert (history["active_rate"] > 0.7).all()
    assert (history["ltv"].dropna() > history.loc[history["ltv"].notna(), "arpa"]).all()
    assert history["onboarding_completion"].notna().any()


def test_revenue_chains_from_month_to_month(history: pd.DataFrame) -> None:
    """What new accounts bring aside, a month's revenue follows from the one before."""
    kept = history["mrr"] * history["nrr"]
    assert (history["mrr"].shift(-1).dropna() >= kept.iloc[:-1] - 0.01).all()


def test_absent_tables_leave_their_kpis_null(company: Company) -> None:
    only = Tables.from_pandas(
        {"subscriptions": company.tables["subscriptions"]},
        observed_from=company.start,
        observed_until=company.end,
    )
    history = kpi_history(only)
    assert history["logo_churn_rate"].notna().all()
    assert history[["nps", "active_rate", "onboarding_completion", "tickets_opened"]].isna().all().all()


def test_rfm_of_all_accounts_under_contract(company: Company, tables: Tables) -> None:
    day = pd.Timestamp("2024-07-01")
    scored = rfm_at(tables, day)
    accounts = company.truth["accounts"]
    there = (accounts["signed_on"] <= day) & ~(accounts["churn_on"] <= day)
    assert set(scored["account_id"]) == set(accounts.loc[there, "account_id"])
    assert scored["recency"].between(1, 5).all()
    assert scored["monetary"].nunique() == 5


def test_the_simulated_journey_is_legal(company: Company) -> None:
    moves = phase_moves(company.tables["accounts"])
    assert len(moves) > 100
    assert moves["legal"].all()
