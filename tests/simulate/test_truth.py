"""The truth: rates, causes, traces before hazard, and an oracle that means what it says."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churnml.simulate import DRIVERS, Company, simulate, true_probability

HORIZON_DAYS = 90


@pytest.fixture(scope="module")
def oracle(company: Company) -> pd.DataFrame:
    """Both oracles on every second month's first day: columns hazard, state, churned."""
    last = pd.Timestamp(company.end) - pd.Timedelta(days=HORIZON_DAYS)
    frames = []
    for day in pd.date_range(company.start, last, freq="MS")[1::2]:
        state = true_probability(company.truth, day, HORIZON_DAYS, knows="state", futures=40)
        hazard = true_probability(company.truth, day, HORIZON_DAYS)
        assert (hazard["account_id"] == state["account_id"]).all()
        frames.append(state.rename(columns={"probability": "state"}).assign(hazard=hazard["probability"], as_of=day))
    return pd.concat(frames)


def _monthly_churn(company: Company) -> float:
    accounts, end = company.truth["accounts"], pd.Timestamp(company.end)
    gone = accounts["churn_on"] < end
    first = accounts["signed_on"].clip(lower=pd.Timestamp(company.start))
    last = accounts["churn_on"].where(gone, end)
    return float(gone.sum() / ((last - first).dt.days.sum() / 30.4375))


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05])
def test_churn_is_near_its_target(rate: float) -> None:
    company = simulate(accounts=600, months=12, seed=9, churn_rate=rate)
    # About 45 to 200 churns: three standard deviations of a count are at most 45 % of it.
    assert _monthly_churn(company) == pytest.approx(rate, rel=0.45)


def test_the_default_rate(company: Company) -> None:
    assert _monthly_churn(company) == pytest.approx(0.02, rel=0.3)


def test_every_cause_occurs_and_none_rules(company: Company) -> None:
    causes = company.truth["accounts"]["cause"].value_counts(normalize=True)
    assert set(causes.index) == {driver.name for driver in DRIVERS} | {"random"}
    assert causes.max() < 0.35
    family = company.truth["accounts"].groupby("cause")["family"].agg(["nunique", "first"])
    assert family.loc["champion_left", "first"] == "relationship"
    assert family.loc["random", "nunique"] == 0


def test_the_oracles_rank_well_but_not_perfectly(oracle: pd.DataFrame) -> None:
    hazard, state = (roc_auc_score(oracle["churned"], oracle[name]) for name in ("hazard", "state"))
    assert 0.76 < hazard < 0.90
    assert hazard < state < 0.93


def test_the_ceiling_is_calibrated(oracle: pd.DataFrame) -> None:
    """Expected and observed churns agree in each third, within what chance allows."""
    ranked = oracle["state"].rank(method="first")
    for _, third in oracle.groupby(pd.qcut(ranked, 3)):
        expected = third["state"].sum()
        # A churn is counted in up to two overlapping horizons: the count scatters √2 times wider.
        spread = np.sqrt(2 * (third["state"] * (1 - third["state"])).sum())
        assert abs(third["churned"].sum() - expected) < 3.5 * max(spread, 1.5)


@pytest.mark.parametrize("knows", ["hazard", "state"])
def test_the_oracle_does_not_read_the_future(company: Company, knows: Literal["hazard", "state"]) -> None:
    """Its probabilities come from the state on the day: later hazards and later fates change nothing."""
    day = pd.Timestamp(2024, 8, 1)
    truth = {name: frame.copy() for name, frame in company.truth.items()}
    truth["hazard"] = truth["hazard"][truth["hazard"]["week_on"] <= day]
    later = truth["accounts"]["churn_on"] >= day
    unsaid = ~(truth["accounts"]["notice_at"] < day)
    truth["accounts"].loc[later, "churn_on"] = pd.NaT
    truth["accounts"].loc[unsaid, "notice_at"] = pd.NaT
    decided_later = truth["terms"]["decided_on"] >= day
    truth["terms"].loc[decided_later, "probability"] = np.nan
    whole, cut = (
        true_probability(known, day, HORIZON_DAYS, knows=knows, futures=8) for known in (company.truth, truth)
    )
    assert len(whole) > 200
    np.testing.assert_array_equal(whole["probability"], cut["probability"])


def test_a_longer_horizon_never_has_a_smaller_probability(company: Company) -> None:
    short, long = (true_probability(company.truth, date(2024, 8, 1), days) for days in (30, 180))
    assert (long["account_id"] == short["account_id"]).all()
    assert (long["probability"] >= short["probability"]).all()
    assert (long["probability"] > short["probability"]).mean() > 0.6


def test_who_gave_notice_is_not_asked_about(company: Company) -> None:
    noticed = company.truth["accounts"].dropna(subset=["notice_at"]).iloc[0]
    day = noticed["notice_at"].normalize() + pd.Timedelta(days=1)
    assert noticed["account_id"] not in set(true_probability(company.truth, day, HORIZON_DAYS)["account_id"])


def test_hazard_is_the_exponential_of_lagged_pressures(company: Company) -> None:
    hazard = company.truth["hazard"]
    struck = company.truth["accounts"].query("cause == 'bug_wave'")["account_id"].iloc[0]
    weeks = hazard[hazard["account_id"] == struck].sort_values("week_on").reset_index(drop=True)
    names = [f"pressure_{driver.name}" for driver in DRIVERS]
    for place in range(10, len(weeks)):
        lagged = sum(weeks[name].iloc[place - driver.lag_weeks] for name, driver in zip(names, DRIVERS, strict=True))
        base = np.log(weeks["hazard"].iloc[place]) - lagged
        assert -9 < base < -3  # plan, tenure and intercept only


def _onsets(company: Company, driver: str) -> pd.DataFrame:
    """Return (account, week) of strong strikes on accounts that live eight weeks before and after."""
    hazard = company.truth["hazard"].sort_values(["account_id", "week_on"])
    level = hazard[f"pressure_{driver}"]
    rise = level - level.groupby(hazard["account_id"]).shift()
    onsets = hazard[(rise > 1.6) & (level - rise < 0.2)][["account_id", "week_on"]]
    life = company.truth["accounts"].set_index("account_id")
    begin = onsets["account_id"].map(life["signed_on"]).clip(lower=pd.Timestamp(company.start))
    stop = (
        onsets["account_id"]
        .map(life["churn_on"])
        .fillna(pd.Timestamp(company.end))
        .clip(upper=pd.Timestamp(company.end))
    )
    room = pd.Timedelta(weeks=6)
    return onsets[(onsets["week_on"] - room >= begin) & (onsets["week_on"] + room <= stop)]


def _around(company: Company, onsets: pd.DataFrame, table: str, column: str, weeks: int) -> tuple[pd.Series, pd.Series]:
    """Return the rows of a table in the weeks before, and in the weeks from, each onset."""
    frame = company.tables[table].merge(onsets, on="account_id")
    days = (frame[column] - frame["week_on"]).dt.days
    return frame[(days >= -7 * weeks) & (days < 0)], frame[(days >= 7) & (days < 7 * (weeks + 1))]


def test_traces_precede_the_hazard(company: Company) -> None:
    """Within the lag of each driver its tables already show it."""
    lag = {driver.name: driver.lag_weeks for driver in DRIVERS}
    before, after = _around(company, _onsets(company, "usage_decline"), "events", "occurred_at", lag["usage_decline"])
    assert len(after) < 0.5 * len(before)
    before, after = _around(company, _onsets(company, "bug_wave"), "tickets", "opened_at", lag["bug_wave"])
    assert len(after) > 3 * max(len(before), 1)
    before, after = _around(company, _onsets(company, "dissatisfaction"), "surveys", "sent_at", 5)
    assert after["score"].mean() < before["score"].mean() - 2
    onsets = _onsets(company, "narrow_adoption")
    before, after = _around(company, onsets, "events", "occurred_at", lag["narrow_adoption"])
    kinds = [rows.groupby(["account_id", "week_on"])["event_type"].nunique().mean() for rows in (before, after)]
    assert kinds[1] < 0.75 * kinds[0]


def test_a_departed_champion_is_known_before_it_matters(company: Company) -> None:
    onsets = _onsets(company, "champion_left")
    champions = company.tables["contacts"].query("role == 'champion'").merge(onsets, on="account_id")
    wait = (champions["left_known_at"] - champions["week_on"]).dt.days
    told = champions[wait.between(0, 21)].groupby(["account_id", "week_on"]).ngroups
    assert len(onsets) > 10
    assert told == len(onsets)


def test_payment_trouble_shows_as_overdue_invoices(company: Company) -> None:
    onsets = _onsets(company, "payment_trouble")
    invoices = company.tables["invoices"].merge(onsets, on="account_id")
    invoices["late"] = ~(invoices["paid_on"] <= invoices["due_on"] + pd.Timedelta(days=2))
    due = (invoices["due_on"] - invoices["week_on"]).dt.days
    assert invoices[due.between(-60, -30)]["late"].mean() < 0.3
    assert invoices[due.between(7, 42)]["late"].mean() > 0.55


def test_failed_onboarding_shows_as_overdue_milestones(company: Company) -> None:
    hazard = company.truth["hazard"]
    failed = set(hazard[hazard["pressure_failed_onboarding"] > 1.2]["account_id"])
    milestones = company.tables["milestones"]
    new = milestones[milestones["planned_at"] >= pd.Timestamp(company.start)]
    new = new[new["due_on"] < pd.Timestamp(company.end) - pd.Timedelta(days=20)]
    late = ~(new["completed_at"] <= new["due_on"])
    assert late[new["account_id"].isin(failed)].mean() > 2 * late[~new["account_id"].isin(failed)].mean()


def test_a_hard_price_rise_shows_in_the_price_per_seat(company: Company) -> None:
    struck = company.truth["hazard"].query("pressure_price_rise > 1.2")["account_id"].unique()
    terms = company.tables["subscriptions"]
    terms = terms[~terms["is_addon"] & terms["account_id"].isin(struck)].sort_values("started_on")
    price = terms["mrr"] / terms["seats"]
    jump = (price / price.groupby(terms["account_id"]).shift()).groupby(terms["account_id"]).max()
    # Not all: some leave on the very day on which the price would have risen.
    assert (jump > 1.12).mean() > 0.9


def test_some_troubles_end_without_churn(company: Company) -> None:
    troubled = company.truth["hazard"].groupby("account_id")["pressure_usage_decline"].max() > 1.5
    churned = company.truth["accounts"].set_index("account_id")["churn_on"].notna()
    stayed = troubled[troubled].index.intersection(churned[~churned].index)
    assert len(stayed) > 0.25 * troubled.sum()
