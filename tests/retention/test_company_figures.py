"""Cohorts, phases, forecast and growth of small companies, worked out on paper; rows behind a month add up to it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from churnml.retention import Panel, company_kpis, phase_figures, renewal_forecast
from churnml.retention.growth import growth_figures, growth_potential, rfm_cells
from churnml.tables import Tables

DAY = pd.Timestamp


def company(*terms: tuple[str, str, str, float], until: date = date(2026, 2, 1), **tables: pd.DataFrame) -> Tables:
    frame = pd.DataFrame(terms, columns=["account_id", "started_on", "ends_on", "mrr"])
    frame = frame.assign(product="crm", subscription_id=[str(place) for place in range(len(frame))])
    frames = {"subscriptions": frame, **tables}
    return Tables.from_pandas(frames, observed_from=date(2025, 1, 1), observed_until=until)


TERMS = (
    ("a", "2025-01-10", "2026-01-10", 100.0),
    ("a", "2026-01-10", "2027-01-10", 150.0),
    ("b", "2025-02-01", "2025-05-01", 50.0),
    ("c", "2025-03-05", "2025-09-05", 50.0),
    ("c", "2025-12-01", "2026-12-01", 80.0),  # three months later: a new relationship
    ("d", "2025-05-20", "2026-05-20", 40.0),
)


def test_the_triangle_follows_each_quarter():
    found = company_kpis(Panel(company(*TERMS)), (), currency="EUR").report.cohorts
    first, second, *_, last = found
    assert (first.quarter, first.accounts, first.mrr) == ("2025Q1", 3, 200.0)
    # At the ends of the first four quarters: a, b, c; then b has gone; then c; a pays 100 throughout 2025.
    assert first.kept == (1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert first.mrr_kept == (1.0, 0.75, 0.5, 0.5)
    assert (second.quarter, second.kept) == ("2025Q2", (1.0, 1.0, 1.0))
    assert (last.quarter, last.accounts, last.mrr, last.kept) == ("2025Q4", 1, 80.0, (1.0,))


def test_the_accounts_behind_the_triangle_add_up_to_it():
    found = company_kpis(Panel(company(*TERMS)), (), currency="EUR", rows=True)
    members = found.cohorts
    for cohort in found.report.cohorts:
        own = members[members["quarter"] == cohort.quarter]
        assert (len(own), own["mrr_begun"].sum()) == (cohort.accounts, cohort.mrr)
        for place, (kept, paid) in enumerate(zip(cohort.kept, cohort.mrr_kept, strict=True)):
            then = own[f"after_{place}"]
            assert then.notna().mean() == pytest.approx(kept)
            assert then.sum() / cohort.mrr == pytest.approx(paid)
    first = members[members["quarter"] == "2025Q1"].set_index("account_id")
    assert first["after_1"].dropna().to_dict() == {"a": 100.0, "c": 50.0}
    assert members["account_id"].tolist().count("c") == 2


def test_a_quarter_that_began_before_the_data_has_no_cohort():
    tables = company(*TERMS)
    later = Tables(
        tables.expressions, tables.connection, date(2025, 2, 1), tables.observed_until, supplied=tables.supplied
    )
    assert company_kpis(Panel(later), (), currency="EUR").report.cohorts[0].quarter == "2025Q2"


def test_phases_with_time_in_each_and_who_stalls():
    rows = []
    for place in range(10):  # ten accounts take 10, 20, … 100 days of onboarding
        begun = DAY("2025-06-01")
        rows += [
            (f"p{place}", "onboarding", begun),
            (f"p{place}", "adoption", begun + pd.Timedelta(days=10 + 10 * place)),
        ]
    rows += [("slow", "onboarding", DAY("2025-09-01")), ("new", "onboarding", DAY("2026-01-20"))]
    rows += [("odd", "renewal", DAY("2025-06-01")), ("odd", "onboarding", DAY("2026-01-25"))]
    versions = pd.DataFrame(rows, columns=["account_id", "phase", "known_at"])
    mrr = pd.Series(10.0, index=versions["account_id"].unique()).drop("p9")
    figures, members = phase_figures(versions, mrr, DAY("2026-02-01"))
    by_phase = {one.phase: one for one in figures}
    onboarding = by_phase["onboarding"]
    assert (onboarding.accounts, onboarding.mrr) == (3, 30.0)
    # Thirteen stays: new (12 days) and odd (7) are still open early, slow (153) at the end, ten have left.
    # Left of 12 at risk after 10 days: 11/12; of 10 at 20: 9/10 …; half have left by day 60, 80 % by day 90.
    assert (onboarding.median_days, onboarding.limit_days) == (60.0, 90.0)
    assert (onboarding.stalled, onboarding.stalled_mrr) == (1, 10.0)
    assert onboarding.moves == {"adoption": 10}
    assert (by_phase["renewal"].illegal, by_phase["renewal"].moves) == (1, {"onboarding": 1})
    assert by_phase["adoption"].accounts == 9
    assert by_phase["adoption"].limit_days is None
    assert set(members.loc[members["stalled"], "account_id"]) == {"slow"}


def test_a_forecast_counts_arr_by_its_chance():
    due = pd.DataFrame(
        {
            "arr": [1200.0, 600.0, None, 2400.0],
            "churn_probability": [0.25, 0.5, 0.1, 0.9],
            "renewal_on": [DAY("2026-03-05"), DAY("2026-03-31"), DAY("2026-03-10"), DAY("2026-08-01")],
        }
    )
    march, august = renewal_forecast(due, until=DAY("2026-06-01"), later_rate=0.75)
    assert (march.accounts, march.arr, march.expected) == (3, 1800.0, 1200 * 0.75 + 600 * 0.5)
    assert (march.low, march.high, march.scored) == (0.0, 1800.0, 3)
    # August lies later than the score looks ahead: the company's own rate counts.
    assert (august.expected, august.scored) == (1800.0, 0)
    assert renewal_forecast(due, until=DAY("2026-06-01"), later_rate=None)[1].expected == pytest.approx(240.0)


def test_a_forecast_goes_by_the_curve_where_one_tells_the_renewal():
    due = pd.DataFrame({"arr": [1000.0, 500.0, 200.0], "churn_probability": [0.01, 0.02, 0.5]})
    due["renewal_on"] = [DAY("2026-11-05"), DAY("2026-11-20"), DAY("2026-04-01")]
    as_before = renewal_forecast(due, until=DAY("2026-06-01"), later_rate=0.8)
    april, november = renewal_forecast(
        due.assign(lost_by_decision=[0.4, np.nan, 0.25]), until=DAY("2026-06-01"), later_rate=0.8
    )
    assert (april.expected, november.expected) == (200 * 0.75, pytest.approx(1000 * 0.6 + 500 * 0.8))
    assert (april.scored, november.scored) == (1, 1)
    assert [month.expected for month in as_before] == [100.0, pytest.approx(1500 * 0.8)]


def test_the_interval_holds_as_often_as_it_says():
    rng = np.random.default_rng(3)
    due = pd.DataFrame({"arr": rng.uniform(10, 100, 200), "churn_probability": rng.uniform(0, 0.5, 200)})
    due["renewal_on"] = DAY("2026-03-10")
    month = renewal_forecast(due, until=DAY("2026-06-01"), later_rate=None)[0]
    stays = rng.random((1000, 200)) >= due["churn_probability"].to_numpy()
    inside = ((stays @ due["arr"].to_numpy() >= month.low) & (stays @ due["arr"].to_numpy() <= month.high)).mean()
    assert 0.87 < inside < 0.93


def test_room_to_grow_is_what_peers_pay_more():
    scored = pd.DataFrame(
        {
            "segment": ["SMB"] * 6 + [None],
            "recency": [5, 5, 4, 5, 5, 1, 5],
            "frequency": [4] * 6 + [5],
            "mrr": [10.0, 20.0, 30.0, 40.0, 100.0, 5.0, 1.0],
        }
    )
    room = growth_potential(scored)
    # The median of the six is 25; the one that is not recent has none, the one without peers neither.
    assert room.tolist() == [180.0, 60.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    (figures,) = growth_figures(scored.assign(room_arr=room))
    assert (figures.segment, figures.accounts, figures.arr, figures.room_arr) == ("SMB", 2, 360.0, 240.0)
    cells = rfm_cells(scored)
    assert [(one.recency, one.frequency, one.accounts) for one in cells] == [(5, 5, 1), (5, 4, 4), (4, 4, 1), (1, 4, 1)]


def test_the_rows_behind_a_month_add_up_to_it():
    surveys = pd.DataFrame({"survey_id": ["1", "2"], "account_id": ["a", "d"], "kind": "nps", "score": [9.0, 3.0]})
    surveys = surveys.assign(sent_at=DAY("2025-11-01"), responded_at=DAY("2025-12-10"))
    found = company_kpis(Panel(company(*TERMS, surveys=surveys)), ("plan",), currency="EUR", rows=True)
    assert len(found.months) == 12
    for row in found.report.of():
        behind = found.months[row.month_on]
        assert behind["there"].sum() == row.accounts
        assert behind["mrr"].sum() == row.mrr
        assert behind["new_mrr"].sum() == row.mrr_new
        assert behind["mrr_due"].sum() == row.mrr_due
        assert behind["mrr"].sum() + behind["new_mrr"].sum() + behind["expansion"].sum() == (
            behind["mrr_end"].sum() + behind["contraction"].sum() + behind["churned_mrr"].sum()
        )
    december = found.months[date(2025, 12, 1)]
    # Of b, which left in May, nothing counts in December.
    assert dict(zip(december["account_id"], december["promoters"], strict=True)) == {"a": 1, "c": 0, "d": 0}
    last = found.report.of()[-1]
    assert last.nps == 0.0
    assert december["year_there"].sum() == 0  # nobody was there on 1 January 2025
    assert set(december["by_plan"]) == {"crm"}


def test_curves_that_may_all_be_off_at_once_widen_the_interval_and_quarters_add_up() -> None:
    due = pd.DataFrame(
        {
            "arr": 100.0,
            "renewal_on": [DAY(f"2026-0{4 + place % 3}-10") for place in range(60)],
            "churn_probability": 0.9,
            "lost_by_decision": 0.2,
        }
    )
    where = {"until": DAY("2026-12-01"), "later_rate": None, "period": "Q"}
    off = np.repeat([[0.05], [0.1], [0.2], [0.35], [0.5]], 60, axis=1)
    (alone,), (together,) = (renewal_forecast(due, draws=draws, **where) for draws in (None, off))
    assert (alone.month_on, alone.accounts, alone.by_curve) == (date(2026, 4, 1), 60, 60)
    assert alone.expected == together.expected == pytest.approx(4800.0)
    assert together.low < 3600 < alone.low < 4800 < alone.high < together.high
    # Each account by itself: 90 % of binomial outcomes of 60 accounts with a chance of 0.8.
    assert (alone.low, alone.high) == pytest.approx(tuple(100 * binom.ppf([0.05, 0.95], 60, 0.8)), abs=100)
    months = renewal_forecast(due, **{**where, "period": "M"})
    assert sum(one.expected for one in months) == pytest.approx(alone.expected)
