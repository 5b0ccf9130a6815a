from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.retention import (
    active_rate,
    lifetime_value,
    net_promoter_score,
    onboarding_completion,
    phase_moves,
    rfm,
    support_summary,
)

DAY = pd.Timestamp


def test_nps_counts_passives_below_and_nothing_else() -> None:
    assert net_promoter_score(pd.Series([9, 10, 7, 8, 0, 6, None])) == pytest.approx(0.0)
    assert net_promoter_score(pd.Series([10, 10])) == 100.0
    assert net_promoter_score(pd.Series([3, 9, 8, 8])) == 0.0
    assert net_promoter_score(pd.Series([None, None], dtype="float64")) is None


def test_lifetime_value_is_undefined_without_churn() -> None:
    assert lifetime_value(100.0, 0.05, gross_margin=0.7) == pytest.approx(1400.0)
    assert lifetime_value(100.0, 0.0, gross_margin=0.7) is None
    assert lifetime_value(100.0, None, gross_margin=0.7) is None
    assert lifetime_value(None, 0.05, gross_margin=0.7) is None


def test_active_rate_window_is_closed_left_and_open_right() -> None:
    as_of = DAY("2026-03-29")
    events = pd.DataFrame(
        {
            "account_id": ["first moment", "too early", "as_of itself", "not core", "stranger"],
            "event_type": ["report", "report", "report", "login", "report"],
            "occurred_at": [
                DAY("2026-03-01"),
                DAY("2026-02-28 23:59"),
                as_of,
                DAY("2026-03-20"),
                DAY("2026-03-20"),
            ],
        }
    )
    accounts = ["first moment", "too early", "as_of itself", "not core"]
    assert active_rate(accounts, events, as_of) == 0.5
    assert active_rate(accounts, events, as_of, core_features=["report"]) == 0.25
    assert active_rate([], events, as_of) is None


def test_onboarding_counts_mature_cohorts_only() -> None:
    plan = pd.DataFrame(
        [
            ("in time", "onboarding", "2026-01-01", "2026-02-01"),
            ("in time", "value", "2026-01-01", "2026-03-01"),
            ("one open", "onboarding", "2026-01-01", "2026-02-01"),
            ("one open", "value", "2026-01-01", None),
            ("late", "onboarding", "2026-01-01", "2026-04-20"),
            ("training open", "onboarding", "2026-01-01", "2026-01-10"),
            ("training open", "training", "2026-01-01", None),
            ("young", "onboarding", "2026-04-01", "2026-04-02"),
        ],
        columns=["account_id", "kind", "planned_at", "completed_at"],
    )
    for column in ("planned_at", "completed_at"):
        plan[column] = pd.to_datetime(plan[column])
    assert onboarding_completion(plan, DAY("2026-05-01"), within_days=90) == 0.5
    assert onboarding_completion(plan, DAY("2026-01-15"), within_days=90) is None


def test_support_knows_nothing_after_the_end() -> None:
    tickets = pd.DataFrame(
        {
            "opened_at": [DAY("2026-03-01 08:00"), DAY("2026-03-31 08:00"), DAY("2026-04-01")],
            "first_response_at": [DAY("2026-03-01 10:00"), DAY("2026-04-02"), pd.NaT],
            "solved_at": [DAY("2026-03-02"), DAY("2026-04-03"), pd.NaT],
            "escalated_at": [pd.NaT, DAY("2026-03-31 12:00"), pd.NaT],
        }
    )
    found = support_summary(tickets, DAY("2026-03-01"), DAY("2026-04-01"))
    assert found == {"opened": 2.0, "resolution_rate": 0.5, "first_response_hours": 2.0, "escalation_rate": 0.5}
    empty = support_summary(tickets, DAY("2020-03-01"), DAY("2020-04-01"))
    assert empty == {
        "opened": 0.0,
        "resolution_rate": None,
        "first_response_hours": None,
        "escalation_rate": None,
    }


def test_rfm_does_not_depend_on_row_order() -> None:
    rng = np.random.default_rng(0)
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{number}" for number in range(60)],
            "days_since_use": rng.integers(0, 6, 60).astype("float64"),
            "uses": rng.integers(0, 4, 60),
            "amount": rng.integers(1, 5, 60) * 100.0,
        }
    )
    accounts.loc[::7, "days_since_use"] = np.nan
    straight = rfm(accounts).set_index("account_id")
    shuffled = rfm(accounts.sample(frac=1, random_state=1)).set_index("account_id")
    pd.testing.assert_frame_equal(straight, shuffled.loc[straight.index])
    assert (straight.loc[accounts["account_id"][::7], "recency"] == 1).all()
    same = straight["frequency"].groupby(accounts["uses"].to_numpy()).nunique()
    assert (same == 1).all()


def test_rfm_directions() -> None:
    scored = rfm(
        pd.DataFrame(
            {
                "account_id": list("abcde"),
                "days_since_use": [5, 4, 3, 2, 1],
                "uses": [1, 2, 3, 4, 5],
                "amount": [1.0, 2.0, 3.0, 4.0, 5.0],
            }
        )
    )
    assert scored["rfm"].to_list() == ["111", "222", "333", "444", "555"]


def test_illegal_phase_jumps_are_named() -> None:
    history = pd.DataFrame(
        {
            "account_id": ["a", "a", "a", "b", "b"],
            "phase": ["contract", "contract", "adoption", "utilisation", "renewal"],
            "known_at": [DAY("2026-01-01"), DAY("2026-01-05"), DAY("2026-01-11"), DAY("2026-01-01"), DAY("2026-02-01")],
        }
    )
    moves = phase_moves(history)
    assert moves["legal"].to_list() == [False, True]
    assert moves["days_in_phase"].to_list() == [10.0, 31.0]
