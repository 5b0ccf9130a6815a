"""Time in the tables: nothing from the future, nothing after churn, churn where the subscriptions end."""

from __future__ import annotations

import pandas as pd
import pytest

from churnml.simulate import Company
from churnml.tables import TABLES

_AFTER_CHURN = {("invoices", "paid_on")} | {
    ("tickets", column) for column in ("first_response_at", "solved_at", "reopened_at", "escalated_at", "csat_at")
}
"""Told of a departed customer: an old ticket is closed, a last invoice paid."""


def _churn(company: Company, frame: pd.DataFrame) -> pd.Series:
    return frame["account_id"].map(company.truth["accounts"].set_index("account_id")["churn_on"])


def test_the_export_holds_nothing_of_the_future(company: Company) -> None:
    end = pd.Timestamp(company.end)
    for name, frame in company.tables.items():
        agreed = {"ends_on", "due_on", "terminated_on"}
        for column in TABLES[name].columns:
            if column.dtype in ("date", "timestamp") and column.name not in agreed:
                assert not (frame[column.name] >= end).any(), f"{name}.{column.name}"
    terminated = company.tables["subscriptions"]
    ahead = terminated[terminated["terminated_on"] >= end]
    assert ahead["notice_at"].notna().all()


def test_no_fact_happens_after_churn(company: Company) -> None:
    for name, frame in company.tables.items():
        churn = _churn(company, frame)
        for column in TABLES[name].columns:
            late_is_fine = (name, column.name) in _AFTER_CHURN or column.name in (
                "ends_on", "due_on", "terminated_on", "known_at", "left_known_at",
            )  # fmt: skip
            if column.dtype not in ("date", "timestamp") or late_is_fine:
                continue
            after = frame[column.name] >= churn
            if (name, column.name) == ("opportunities", "closed_at"):
                after = frame[column.name] > churn
            assert not after.any(), f"{name}.{column.name}"


def test_churn_is_exactly_where_the_last_subscription_ends(company: Company) -> None:
    """Recompute churn from the subscriptions alone, by the label's own rule."""
    end, grace = pd.Timestamp(company.end), pd.Timedelta(days=14)
    terms = company.tables["subscriptions"]
    terms = terms[~terms["is_addon"]]
    stop = terms[["ends_on", "terminated_on"]].min(axis=1)
    last = stop.groupby(terms["account_id"]).max()
    found = last[last + grace <= end]
    truth = company.truth["accounts"].set_index("account_id")["churn_on"]
    told = truth[truth + grace <= end]
    assert len(told) > 100
    pd.testing.assert_series_equal(
        found.sort_index(), told.sort_index(), check_names=False, check_dtype=False, check_index_type=False
    )
    # And no term follows another with a gap longer than the grace.
    ordered = terms.assign(stop=stop).sort_values(["account_id", "started_on"])
    before = ordered.groupby("account_id")["stop"].shift()
    assert ((ordered["started_on"] - before).dropna() <= grace).all()
    assert ((ordered["started_on"] - before).dropna() >= pd.Timedelta(0)).all()


def test_terms_do_not_overlap_and_last_as_agreed(company: Company) -> None:
    terms = company.tables["subscriptions"]
    plans = terms[~terms["is_addon"]]
    assert (plans["started_on"] < plans["ends_on"]).all()
    assert not (terms["terminated_on"] < terms["started_on"]).any()
    annual = (plans["ends_on"] - plans["started_on"]).dt.days > 31
    assert 0.02 < annual.mean() < 0.5
    early = plans["terminated_on"].notna() & (plans["terminated_on"] < plans["ends_on"])
    assert early.any()


def test_some_give_notice_before_the_end_and_some_just_lapse(company: Company) -> None:
    accounts = company.truth["accounts"]
    gone = accounts[accounts["churn_on"] < pd.Timestamp(company.end)]
    share = gone["notice_at"].notna().mean()
    assert 0.2 < share < 0.65
    ahead = (gone["churn_on"] - gone["notice_at"]).dt.days.dropna()
    assert (ahead >= 1).all()
    assert ahead.max() >= 21
    told = company.tables["subscriptions"].dropna(subset=["notice_at"]).set_index("account_id")["notice_at"]
    noticed = accounts.dropna(subset=["notice_at"]).set_index("account_id")["notice_at"]
    assert (told.sort_index() == noticed.sort_index()).all()


def test_a_few_facts_are_known_late_and_none_early(company: Company) -> None:
    late = 0
    for name, frame in company.tables.items():
        happened = TABLES[name].occurred_at
        if happened is None:
            continue
        assert (frame["known_at"] >= frame[happened]).all(), name
        late += int((frame["known_at"] > frame[happened]).sum())
    assert late > 100
    contacts = company.tables["contacts"].dropna(subset=["left_at"])
    assert (contacts["left_known_at"] >= contacts["left_at"]).all()
    assert (contacts["left_known_at"] > contacts["left_at"] + pd.Timedelta(days=2)).any()


@pytest.mark.parametrize(
    ("table", "earlier", "later"),
    [
        ("tickets", "opened_at", "first_response_at"),
        ("tickets", "first_response_at", "solved_at"),
        ("tickets", "opened_at", "escalated_at"),
        ("tickets", "solved_at", "csat_at"),
        ("tickets", "reopened_at", "solved_at"),
        ("surveys", "sent_at", "responded_at"),
        ("invoices", "issued_on", "paid_on"),
        ("contacts", "started_at", "left_at"),
        ("milestones", "planned_at", "completed_at"),
        ("opportunities", "created_at", "closed_at"),
    ],
)
def test_the_order_of_events_is_possible(company: Company, table: str, earlier: str, later: str) -> None:
    both = company.tables[table].dropna(subset=[earlier, later])
    assert len(both) > 20
    assert (both[earlier] <= both[later]).all()


def test_account_history_begins_on_signing_and_moves_forward(company: Company) -> None:
    accounts = company.tables["accounts"]
    first = accounts.groupby("account_id")[["known_at", "created_on"]].min()
    assert (first["known_at"] == first["created_on"]).all()
    assert (accounts.groupby("account_id")["created_on"].nunique() == 1).all()
    assert accounts.groupby("account_id")["owner"].nunique().max() > 1
    assert accounts.groupby("account_id")["plan"].nunique().max() > 1
    order = {"contract": {"onboarding"}, "onboarding": {"adoption"}, "adoption": {"utilisation"},
             "utilisation": {"renewal"}, "renewal": {"utilisation"}}  # fmt: skip
    ordered = accounts.sort_values(["account_id", "known_at"])
    before = ordered.groupby("account_id")["phase"].shift()
    moved = ordered[before.notna() & (before != ordered["phase"])]
    steps = zip(before[moved.index], moved["phase"], strict=True)
    assert all(after in order[phase] for phase, after in steps)
