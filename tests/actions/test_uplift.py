"""Two rankings on held-out lots: uplift wins where risk misleads and only there; the budget goes by the winner."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from churnml.actions import advance, alert_rules, alerts_backtest, compare_rankings, draw, fit_ranking, signals
from churnml.actions.uplift import looked_at_often
from churnml.config.alerts import AlertsConfig
from churnml.config.experiments import ExperimentsConfig

SECTION = ExperimentsConfig(enabled=True, arr_below=1e9, covariates=("tenure_days",))


def lots(seed: int, planted: str, accounts: int = 3000, share: float = 0.4) -> pd.DataFrame:
    """Return followed lots; a contact helps nobody, all alike, or the middle alone."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1.3, 2.7, accounts)
    left = {"none": 1.0, "uniform": 0.6, "mid_risk": np.where((chance > 0.15) & (chance < 0.4), 0.2, 1.0)}[planted]
    held = rng.permutation(accounts) < share * accounts
    return pd.DataFrame(
        {
            "account_id": [f"a{number}" for number in range(accounts)],
            "arm": np.where(held, "held_out", "contacted"),
            "assigned_on": [date(2025, 1, 6) + timedelta(days=int(day)) for day in rng.integers(0, 365, accounts)],
            "churn_probability": chance,
            "arr": np.exp(rng.normal(9, 0.5, accounts)),
            "share": share,
            "churned": (rng.random(accounts) < chance * np.where(held, 1.0, left)).astype(float),
            "tenure_days": rng.integers(30, 2000, accounts).astype(float),
        }
    )


@pytest.mark.slow
def test_uplift_beats_risk_where_only_the_middle_can_be_saved():
    rows = lots(1, "mid_risk")
    found = compare_rankings(rows, SECTION, seed=0)
    assert found.enough
    assert found.beats
    assert found.gain.above_zero
    assert found.by_uplift.value - found.by_risk.value == pytest.approx(found.gain.value, abs=2e-6)
    assert found.arr_gain.value > 0
    assert found.gain.value >= found.shown_from > found.gain.value - found.gain.low
    assert found.needed_accounts < 5000
    low, middle, high = fit_ranking(rows, SECTION, seed=0).predict(
        pd.DataFrame({"churn_probability": [0.05, 0.3, 0.7], "arr": 8000.0, "tenure_days": 500.0})
    )
    assert middle > high
    assert middle > low


@pytest.mark.parametrize("planted", ["none", "uniform"])
def test_it_does_not_where_risk_is_as_good(planted):
    found = compare_rankings(lots(2, planted, accounts=1200), SECTION, seed=0)
    assert found.enough
    assert not found.beats


def test_too_little_says_how_much_is_needed():
    few = compare_rankings(lots(1, "uniform", accounts=100), SECTION, seed=0)
    assert (few.enough, few.beats, few.gain) == (False, False, None)
    assert "40 accounts of the smaller arm" in str(few.why)
    quiet = lots(1, "uniform", accounts=400).assign(churned=0.0)
    assert "0 contacted and 0 held-out accounts have churned, and 25 of each" in str(
        compare_rankings(quiet, SECTION, seed=0).why
    )
    young = compare_rankings(lots(1, "uniform", accounts=400).assign(churned=np.nan), SECTION, seed=0)
    assert young.accounts == 0
    assert not compare_rankings(lots(1, "uniform").iloc[:0], SECTION, seed=0).enough


def test_accounts_that_come_again_and_again_leave_nothing_to_learn_from():
    rows = lots(1, "uniform", accounts=1000)
    # The same two hundred accounts in each fifth of the year.
    rows = rows.sort_values("assigned_on", kind="stable").assign(account_id=[f"a{n % 200}" for n in range(1000)])
    found = compare_rankings(rows, SECTION, seed=0)
    assert not found.enough
    assert "again and again" in str(found.why)


def test_lots_without_a_recorded_share_take_the_one_that_was_held_out():
    rows = lots(1, "uniform", accounts=600)
    with_share = compare_rankings(rows, SECTION, seed=0)
    assert compare_rankings(rows.drop(columns="share"), SECTION, seed=0) == with_share


def snapshot(**given: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "account_id": ["likely", "savable", "harmed"],
            "as_of": pd.Timestamp("2026-01-05"),
            "health_score": 50.0,
            "band": "yellow",
            "churn_probability": [0.9, 0.3, 0.5],
            "arr": 10_000.0,
            "owner": "ann",
            "days_since_last_event": 60.0,
            "attr_touch_model": "high",
        }
    )
    return signals(
        table, table[["account_id"]], table[["account_id", "as_of", "health_score", "band"]].iloc[:0]
    ).assign(**given)


def test_the_budget_goes_by_what_a_contact_avoids():
    settings = AlertsConfig(weekly_budget=1, save_rate=0.5)
    on = date(2026, 1, 5)
    by_risk = advance((), snapshot(), alert_rules(settings), settings, as_of=on)
    by_uplift = advance((), snapshot(churn_avoided=[0.01, 0.2, -0.1]), alert_rules(settings), settings, as_of=on)
    assert [alert.account_id for alert in by_risk.alerts if not alert.held_back] == ["likely"]
    assert [alert.account_id for alert in by_uplift.alerts if not alert.held_back] == ["savable"]
    assert {alert.account_id: alert.avoidable_loss for alert in by_uplift.alerts} == {
        "likely": 100.0, "savable": 2000.0, "harmed": 0.0,
    }  # fmt: skip


def test_a_lot_keeps_the_numbers_of_its_day():
    settings = AlertsConfig()
    table = snapshot(tenure_days=[400.0, np.nan, 90], plan="pro", churn_probability=[0.2, 0.2, 0.2])
    alerts = advance((), table, alert_rules(settings), settings, as_of=date(2026, 1, 5)).alerts
    section = SECTION.model_copy(update={"covariates": ("tenure_days", "plan", "gone"), "share": 0.3})
    drawn = draw(alerts, (), table, section, days=60, seed=1, as_of=date(2026, 1, 5)).assignments
    kept = {lot.account_id: (lot.share, dict(lot.covariates)) for lot in drawn}
    assert kept == {
        "likely": (0.3, {"tenure_days": 400.0}), "savable": (0.3, {}), "harmed": (0.3, {"tenure_days": 90.0}),
    }  # fmt: skip


def test_looking_every_week_for_years_finds_what_is_not_there_in_one_of_twenty():
    rng = np.random.default_rng(3)
    lots_a_week, weeks, worlds = 25, 400, 2000
    walks = np.cumsum(rng.normal(0, np.sqrt(lots_a_week), (worlds, weeks)), axis=1)
    seen = np.arange(1, weeks + 1) * lots_a_week
    errors = walks / np.sqrt(seen)
    looks = seen >= 100
    bound = np.array([looked_at_often(int(number)) for number in seen])
    ever = float((errors > bound)[:, looks].any(axis=1).mean())
    assert 0.005 < ever <= 0.05
    assert float((errors > 1.96)[:, looks].any(axis=1).mean()) > 0.15, "what a bound for one look comes to"


def test_the_backtest_spends_the_budget_as_it_is_spent_today():
    days = pd.date_range("2026-01-05", periods=2, freq="28D")
    history = pd.DataFrame(
        {
            "account_id": ["risky", "can_be_saved"] * 2, "as_of": np.repeat(days, 2), "health_score": 80.0,
            "band": "green", "churn_probability": [0.9, 0.3] * 2, "arr": 1000.0, "coverage": 1.0, "owner": "ann",
            "churned": [1.0, 0.0] * 2, "churn_on": pd.NaT,
        }
    )  # fmt: skip
    history["churn_on"] = pd.to_datetime(history["churn_on"])
    features = history[["account_id", "as_of"]].assign(days_since_last_event=60.0, attr_touch_model="high")
    settings = AlertsConfig(weekly_budget=1)

    def uplift(table: pd.DataFrame) -> pd.Series:
        return (table["churn_probability"] < 0.5) * 0.2

    given = (history, features, alert_rules(settings), settings)
    by_risk, by_uplift = alerts_backtest(*given), alerts_backtest(*given, uplift=uplift)
    assert (by_risk.ranked_by, by_risk.precision) == ("risk", 1.0)
    assert (by_uplift.ranked_by, by_uplift.precision) == ("uplift", 0.0)
