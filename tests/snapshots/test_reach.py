"""Labels are final only as far as the table reaches that decides them."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import TimelineError
from churnml.simulate import simulate
from churnml.snapshots import Cohorts, cohort_at, cohorts, spine
from churnml.snapshots.labels import final_until
from churnml.tables import Tables

CONFIG = Config.model_validate(
    {
        "name": "t",
        "source": {"folder": "."},
        "tables": {"subscriptions": {"from": "s.csv"}, "events": {"from": "e.csv"}},
        "label": {"churn": "contractual", "horizon_days": 30},
    }
)


@pytest.fixture(scope="module")
def company():
    return simulate(accounts=200, months=12, seed=3)


def tables(company, exported_on: date | None) -> Tables:
    """The company's tables, the contracts as they were exported some time before the events."""
    frames = {name: company.tables[name] for name in ("subscriptions", "events")}
    whole = Tables.from_pandas(frames, observed_from=company.start, observed_until=company.end)
    if exported_on is None:
        return whole
    old = whole.known_before(exported_on)["subscriptions"].to_pandas()
    return Tables.from_pandas(
        {"subscriptions": old, "events": frames["events"]}, observed_from=company.start, observed_until=company.end
    )


def test_contracts_as_new_as_the_events_reach_as_far(company):
    assert final_until(tables(company, None), CONFIG.label) == company.end


@pytest.mark.slow
def test_contracts_45_days_older_make_no_churn(company):
    exported_on = company.end - pd.Timedelta(days=45).to_pytimedelta()
    stale, whole = (spine(tables(company, day), CONFIG) for day in (exported_on, None))
    assert abs((final_until(tables(company, exported_on), CONFIG.label) - exported_on).days) <= 7
    labelled = stale[stale["churned"].notna()]
    assert labelled["as_of"].max() < whole.loc[whole["churned"].notna(), "as_of"].max()
    true = whole.set_index(["account_id", "as_of"])["churned"]
    told = labelled.set_index(["account_id", "as_of"])["churned"]
    wrong = told != true.reindex(told.index)
    assert wrong.mean() < 0.005


def test_few_customers_may_be_quiet_for_months():
    terms = pd.DataFrame(
        {
            "account_id": list("abcde"),
            "subscription_id": list("abcde"),
            "started_on": ["2024-01-05", "2024-02-11", "2024-03-08", "2024-05-02", "2024-06-20"],
        }
    )
    small = Tables.from_pandas(
        {"subscriptions": terms}, observed_from=date(2024, 1, 1), observed_until=date(2025, 6, 1)
    )
    assert final_until(small, CONFIG.label) == date(2025, 6, 1)


def test_before_renewals_the_same_accounts_are_asked_about_at_scoring():
    """A is 40 days from its renewal, B 200, C has renewed early, D runs for ever."""
    terms = pd.DataFrame(
        [
            ("a", "2024-02-10", "2025-02-10"),
            ("b", "2024-07-20", "2025-07-20"),
            ("c", "2024-01-15", "2025-01-15"),
            ("c", "2024-12-20", "2025-12-20"),
            ("d", "2024-01-01", None),
        ],
        columns=["account_id", "started_on", "ends_on"],
    ).assign(subscription_id=list("12345"))
    known = Tables.from_pandas(
        {"subscriptions": terms}, observed_from=date(2024, 1, 1), observed_until=date(2025, 1, 1)
    )
    near = CONFIG.model_copy(
        update={"snapshots": CONFIG.snapshots.model_copy(update={"before_renewal_days": (60, 90)})}
    )
    assert cohort_at(known, near, pd.Timestamp("2025-01-01"))["account_id"].tolist() == ["a"]
    assert cohort_at(known, CONFIG, pd.Timestamp("2025-01-01"))["account_id"].tolist() == list("abcd")
    asked = spine(known, near)
    assert {(row.account_id, f"{row.as_of:%m-%d}") for row in asked.itertuples()} == {
        ("a", "11-12"),
        ("a", "12-12"),
        ("c", "10-17"),
        ("c", "11-16"),
    }


def test_the_cohorts_of_several_dates_are_those_of_each(company):
    whole = tables(company, None)
    last = pd.Timestamp(whole.observed_until)
    days = [last, last - pd.Timedelta(weeks=12), last - pd.Timedelta(weeks=4)]
    before = last - pd.Timedelta(days=4000)
    at_once = Cohorts(whole, CONFIG, [*days, before])
    for day in days:
        alone = cohort_at(whole, CONFIG, day)[["account_id", "as_of", "arr"]]
        assert len(alone) > 20
        pd.testing.assert_frame_equal(at_once.at(day), alone)
    pd.testing.assert_frame_equal(at_once.everyone, cohorts(whole, CONFIG, days))
    with pytest.raises(TimelineError):
        at_once.at(before)
