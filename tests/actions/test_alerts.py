"""Alerts as timelines: one an episode, updated and not repeated, gone with their cause, back with their history."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from churnml.actions import Step, advance, alert_rules, alerts_backtest, due_at, live_through, signals
from churnml.config.alerts import AlertsConfig
from churnml.errors import ConfigError
from churnml.language import render
from churnml.store import Alert

WEEK = pd.Timedelta(weeks=1)
START = pd.Timestamp("2026-01-05")


def section(**given: object) -> AlertsConfig:
    return AlertsConfig.model_validate(given)


def snapshot(as_of: pd.Timestamp, accounts: dict[str, dict[str, object]]) -> pd.DataFrame:
    """Return signals of accounts that are well but for what is given."""
    well = {"health_score": 80.0, "band": "green", "churn_probability": 0.02, "arr": 12_000.0, "coverage": 1.0,
            "owner": "ann", "segment": "SMB", "attr_touch_model": "high", "days_since_last_event": 1.0}  # fmt: skip
    rows = [{"account_id": name, "as_of": as_of, **well, **given} for name, given in accounts.items()]
    table = pd.DataFrame(rows)
    nothing = table[["account_id", "as_of", "health_score", "band"]].iloc[:0]
    return signals(table, table[["account_id"]], nothing)


def lived(weeks: list[dict[str, dict[str, object]]], settings: AlertsConfig) -> list[Step]:
    """Live through weekly snapshots."""
    known: dict[tuple[str, str], Alert] = {}
    steps = []
    for number, accounts in enumerate(weeks):
        as_of = START + number * WEEK
        step = advance(known.values(), snapshot(as_of, accounts), alert_rules(settings), settings, as_of=as_of.date())
        known |= {alert.key: alert for alert in step.alerts}
        steps.append(step)
    return steps


def silent(days: float) -> dict[str, dict[str, object]]:
    return {"a": {"days_since_last_event": days}}


def test_a_cause_that_goes_on_is_one_alert_and_is_updated():
    steps = lived([silent(1), silent(30), silent(37), silent(44)], section())
    assert [step.opened for step in steps] == [(), (("a", "silence"),), (), ()]
    assert [step.updated for step in steps][2:] == [(("a", "silence"),)] * 2
    (alert,) = steps[-1].alerts
    assert (alert.opened_on, alert.updated_on) == (date(2026, 1, 12), date(2026, 1, 26))
    assert alert.value == 44
    assert render(alert.text, "en") == "No use for 44 days"
    assert render(alert.text, "ja") == "44日間利用なし"


def test_an_alert_closes_with_its_cause_and_reopens_within_the_cooldown():
    steps = lived([silent(30), silent(2), silent(30)], section(cooldown_days=14))
    assert [step.closed for step in steps] == [(), (("a", "silence"),), ()]
    assert steps[1].alerts[0].outcome == "cleared"
    assert steps[2].reopened == (("a", "silence"),)
    (alert,) = steps[2].alerts
    assert alert.episode == 1
    assert alert.opened_on == date(2026, 1, 5)


def test_a_customer_who_is_back_after_a_day_out_of_the_cohort_has_the_alert_again():
    steps = lived([silent(30), {"b": {"days_since_last_event": 1}}, silent(44)], section(cooldown_days=14))
    assert [(alert.state, alert.outcome) for alert in steps[1].alerts] == [("closed", "lost")]
    assert steps[2].reopened == (("a", "silence"),)
    (alert,) = [alert for alert in steps[2].alerts if alert.account_id == "a"]
    assert (alert.state, alert.outcome, alert.closed_on, alert.episode) == ("open", None, None, 1)


def test_what_a_person_closed_as_lost_stays_closed_for_the_cooldown():
    settings = section(cooldown_days=14)
    rules = alert_rules(settings)
    (first,) = advance([], snapshot(START, silent(30)), rules, settings, as_of=START.date()).alerts
    answered = first.model_copy(update={"state": "closed", "outcome": "lost", "closed_on": START.date()})
    later = START + WEEK
    assert advance([answered], snapshot(later, silent(37)), rules, settings, as_of=later.date()).alerts == ()


def test_after_the_cooldown_the_next_episode_begins():
    steps = lived([silent(30), silent(2), silent(2), silent(2), silent(30)], section(cooldown_days=14))
    assert steps[-1].opened == (("a", "silence"),)
    assert steps[-1].alerts[0].episode == 2


def test_what_a_person_closed_stays_closed_for_the_cooldown():
    settings = section(cooldown_days=14)
    first = lived([silent(30)], settings)[0].alerts[0]
    closed = first.model_copy(update={"state": "closed", "outcome": "not_a_risk", "closed_on": date(2026, 1, 6)})
    rules = alert_rules(settings)
    for days, opened in ((7, ()), (21, (("a", "silence"),))):
        as_of = START + pd.Timedelta(days=days)
        step = advance([closed], snapshot(as_of, silent(30.0 + days)), rules, settings, as_of=as_of.date())
        assert step.opened == opened
        assert step.reopened == ()


def test_a_snooze_ends_by_itself_and_an_account_that_left_closes_its_alerts():
    settings = section()
    first = lived([silent(30)], settings)[0].alerts[0]
    asleep = first.model_copy(update={"state": "snoozed", "snoozed_until": date(2026, 1, 19)})
    rules = alert_rules(settings)
    before, after = START + WEEK, START + 2 * WEEK
    assert (
        advance([asleep], snapshot(before, silent(37)), rules, settings, as_of=before.date()).alerts[0].state
        == "snoozed"
    )
    assert advance([asleep], snapshot(after, silent(44)), rules, settings, as_of=after.date()).alerts[0].state == "open"
    gone = advance([first], snapshot(after, {"b": {}}), rules, settings, as_of=after.date())
    assert [(alert.state, alert.outcome) for alert in gone.alerts] == [("closed", "lost")]


def test_hysteresis_keeps_a_score_that_trembles_from_opening_and_closing():
    settings = section(hysteresis_points=5, rules={"silence": {"enabled": False}})
    rules = alert_rules(settings)
    known: list[Alert] = []
    seen = []
    readings = pd.DataFrame({"account_id": "a", "as_of": [START - WEEK], "health_score": [80.0], "band": ["green"]})
    for number, health in enumerate([64.0, 66.0, 64.5, 71.0]):
        as_of = START + number * pd.Timedelta(days=1)
        table = pd.DataFrame([{"account_id": "a", "as_of": as_of, "health_score": health, "band": "yellow",
                               "churn_probability": 0.1, "arr": 1.0, "coverage": 1.0}])  # fmt: skip
        step = advance(known, signals(table, table[["account_id"]], readings), rules, settings, as_of=as_of.date())
        known = list(step.alerts)
        seen.append([alert.state for alert in known if alert.kind == "score_fall"])
    assert seen == [["open"], ["open"], ["open"], ["closed"]]


def test_the_budget_shows_what_costs_most_and_lists_the_rest():
    settings = section(weekly_budget=2)
    accounts = {name: {"days_since_last_event": 40.0, "arr": arr} for name, arr in (("a", 1e3), ("b", 9e3), ("c", 5e3))}
    (step,) = lived([accounts], settings)
    assert {alert.account_id: alert.held_back for alert in step.alerts} == {"a": True, "b": False, "c": False}
    assert len(step.opened) == 3
    later = lived(
        [accounts, {name: {**row, "days_since_last_event": 47.0} for name, row in accounts.items()}], settings
    )[1]
    assert [alert.account_id for alert in later.alerts if alert.held_back] == []


def test_tech_touch_makes_no_work_for_a_person_unless_a_rule_says_so():
    accounts = {"a": {"days_since_last_event": 40.0, "attr_touch_model": "tech"}}
    assert lived([accounts], section())[0].alerts == ()
    asked = section(rules={"silence": {"touch": ["tech"]}})
    assert [alert.kind for alert in lived([accounts], asked)[0].alerts] == ["silence"]


def test_absent_and_missing_owners_hand_over():
    settings = section(
        queue="desk", owners={"ann": {"deputy": "bob", "away": [{"first": "2026-01-01", "last": "2026-01-31"}]}}
    )
    assert lived([silent(30)], settings)[0].alerts[0].owner == "bob"
    nobody = {"a": {"days_since_last_event": 30.0, "owner": None}}
    assert lived([nobody], settings)[0].alerts[0].owner == "desk"


def test_due_dates_fall_on_working_days():
    holiday = section(holidays=["2026-01-06"], timezone="Asia/Tokyo")
    assert due_at(date(2026, 1, 5), 24, holiday).isoformat() == "2026-01-07T09:00:00+00:00"


def test_a_monthly_term_is_no_renewal():
    row = {"days_to_renewal": 20.0, "band": "yellow", "health_score": 60.0, "days_since_last_event": 1.0}
    annual, monthly = {"a": {**row, "term_days": 365.0}}, {"a": {**row, "term_days": 30.0}}
    assert [alert.kind for alert in lived([annual], section())[0].alerts] == ["renewal_near"]
    assert lived([monthly], section())[0].alerts == ()


def test_a_rule_of_ones_own_is_a_few_lines_and_a_misspelt_one_is_named():
    own = section(
        rules={"idle_seats": {"when": [{"field": "seat_activation", "below": 0.3}], "title": {"en": "Seats idle"}}}
    )
    step = lived([{"a": {"seat_activation": 0.2}, "b": {"seat_activation": 0.9}}], own)[0]
    assert [(alert.account_id, alert.kind) for alert in step.alerts] == [("a", "idle_seats")]
    assert render(step.alerts[0].text, "en") == "Seats idle"
    with pytest.raises(ConfigError, match="silence"):
        alert_rules(section(rules={"silense": {}}))


def test_a_rule_without_its_column_is_off_and_says_which():
    (step,) = lived([silent(30)], section())
    assert step.off["champion_left"] == "champions_left_*"
    assert "silence" not in step.off


def _history(weeks: int, accounts: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    dates = pd.date_range(START, periods=weeks, freq="7D")
    index = pd.MultiIndex.from_product([[f"a{n}" for n in range(accounts)], dates], names=["account_id", "as_of"])
    history = index.to_frame(index=False)
    steps = rng.normal(0, 9, (accounts, weeks)).cumsum(axis=1)
    history["health_score"] = np.clip(65 + steps, 0, 100).ravel()
    history["band"] = np.select(
        [history["health_score"] < 40, history["health_score"] < 70], ["red", "yellow"], "green"
    )
    history = history.assign(
        churn_probability=0.05, arr=1000.0, coverage=1.0, owner="ann", churned=0.0, churn_on=pd.NaT
    )
    features = history[["account_id", "as_of"]].assign(
        days_since_last_event=rng.integers(0, 45, len(history)).astype(float)
    )
    return history, features


@pytest.mark.slow
def test_replaying_a_year_gives_the_alerts_of_living_through_it():
    history, features = _history(weeks=52, accounts=12, seed=4)
    settings = section(weekly_budget=3)
    rules = alert_rules(settings)
    opened, newest, _ = live_through(history, features, rules, settings)
    known: list[Alert] = []
    everything: list[Alert] = []
    for as_of in sorted(history["as_of"].unique()):
        today = history[history["as_of"] == as_of].reset_index(drop=True)
        past = history.loc[history["as_of"] < as_of, ["account_id", "as_of", "health_score", "band"]]
        rows = features[features["as_of"] == as_of].drop(columns="as_of")
        step = advance(known, signals(today, rows, past), rules, settings, as_of=pd.Timestamp(as_of).date())
        merged = {alert.key: alert for alert in known} | {alert.key: alert for alert in step.alerts}
        # What is stored in between is text: a round trip must change nothing.
        known = [Alert.model_validate_json(alert.model_dump_json()) for alert in merged.values()]
        everything += [merged[key] for key in (*step.opened, *step.reopened)]
    assert everything == opened
    assert sorted(known, key=lambda alert: alert.key) == sorted(newest, key=lambda alert: alert.key)
    assert len(opened) > 30


def test_the_backtest_counts_by_hand():
    dates = pd.date_range("2026-01-05", periods=3, freq="28D")
    history = pd.DataFrame(
        {
            "account_id": ["a", "b"] * 3,
            "as_of": np.repeat(dates, 2),
            "health_score": 80.0,
            "band": "green",
            "churn_probability": 0.1,
            "arr": 1000.0,
            "coverage": 1.0,
            "owner": "ann",
            "churned": [1.0, 0.0, 1.0, 0.0, np.nan, np.nan],
            "churn_on": [pd.Timestamp("2026-03-20"), pd.NaT] * 3,
        }
    )
    features = history[["account_id", "as_of"]].assign(
        days_since_last_event=[30.0, 1.0, 58.0, 30.0, 86.0, 58.0], attr_touch_model="high"
    )
    found = alerts_backtest(history, features, alert_rules(section()), section())
    silence = next(rule for rule in found.rules if rule.kind == "silence")
    assert (silence.alerts, silence.judged, silence.churned) == (2, 2, 1)
    assert silence.precision == 0.5
    assert found.base_rate == 0.5
    assert (found.churners, found.warned, found.warned_early) == (1, 1.0, 1.0)
    assert found.weeks == 9.0
    assert found.alerts_per_owner_week == round(2 / 9, 2)


def test_what_the_budget_holds_back_warns_nobody_until_it_is_shown():
    dates = pd.date_range("2026-01-05", periods=2, freq="28D")
    history = pd.DataFrame(
        {
            "account_id": ["a", "b"] * 2,
            "as_of": np.repeat(dates, 2),
            "health_score": 80.0,
            "band": "green",
            "churn_probability": 0.1,
            "arr": [10.0, 1000.0] * 2,
            "coverage": 1.0,
            "owner": "ann",
            "churned": [1.0, 0.0] * 2,
            "churn_on": [pd.Timestamp("2026-02-20"), pd.NaT] * 2,
        }
    )
    features = history[["account_id", "as_of"]].assign(
        days_since_last_event=[30.0, 30.0, 58.0, 58.0], attr_touch_model="high"
    )
    budget = section(weekly_budget=1)
    found = alerts_backtest(history, features, alert_rules(budget), budget)
    # It opened 46 days before the account left, and was shown 18 days before.
    assert (found.held_back, found.warned, found.warned_early) == (1, 1.0, 0.0)
