"""Does it look like people at work?"""

from __future__ import annotations

import pandas as pd

from churnml.simulate import Company
from churnml.simulate.world import CORE_KINDS


def test_weekly_rhythm_and_holidays(company: Company) -> None:
    events = company.tables["events"]
    day = events["occurred_at"].dt.normalize()
    per_day = day.value_counts()
    weekday = per_day.groupby(per_day.index.day_of_week).mean()
    assert weekday.loc[:4].min() > 4 * weekday.loc[5:].max()
    christmas = per_day[pd.date_range("2024-12-24", "2024-12-31", freq="B")].mean()
    assert christmas < 0.5 * per_day[pd.date_range("2024-12-02", "2024-12-13", freq="B")].mean()


def test_kinds_of_events(company: Company) -> None:
    kinds = company.tables["events"]["event_type"].value_counts(normalize=True)
    assert 10 <= len(kinds) <= 14
    assert {"login", *CORE_KINDS} <= set(kinds.index)
    assert kinds["login"] > 0.25
    assert kinds.min() < 0.05


def test_volume_is_in_proportion(company: Company) -> None:
    accounts = company.truth["accounts"]
    stop = accounts["churn_on"].fillna(pd.Timestamp(company.end)).clip(upper=pd.Timestamp(company.end))
    days = (stop - accounts["signed_on"].clip(lower=pd.Timestamp(company.start))).dt.days.sum()
    assert 1 < len(company.tables["events"]) / days < 4


def test_users_come_and_go(company: Company) -> None:
    contacts = company.tables["contacts"]
    users = contacts.dropna(subset=["user_id"])
    start = pd.Timestamp(company.start)
    assert (users["started_at"] > start + pd.Timedelta(days=60)).any()
    assert 0.1 < users["left_at"].notna().mean() < 0.8
    assert {"champion", "admin", "user", "billing", "decision_maker"} == set(contacts["role"])
    events = company.tables["events"].merge(
        users[["user_id", "started_at", "left_at"]], on="user_id", validate="many_to_one"
    )
    assert (events["occurred_at"] >= events["started_at"].dt.normalize()).all()
    assert not (events["occurred_at"] > events["left_at"] + pd.Timedelta(days=1)).any()


def test_some_accounts_are_silent(company: Company) -> None:
    accounts = set(company.tables["accounts"]["account_id"])
    loud = company.tables["events"]["account_id"].value_counts()
    silent = accounts - set(loud[loud > 20].index)
    assert 0 < len(silent) < 0.15 * len(accounts)


def test_surveys_are_often_not_answered(company: Company) -> None:
    surveys = company.tables["surveys"]
    assert 0.4 < surveys["responded_at"].notna().mean() < 0.75
    assert (surveys["score"].notna() == surveys["responded_at"].notna()).all()
    nps = (surveys["score"] >= 9).mean() - (surveys["score"] <= 6).mean()
    assert -0.2 < nps < 0.6


def test_invoices_match_the_contract(company: Company) -> None:
    invoices = company.tables["invoices"]
    assert (invoices["amount"] > 0).all()
    paid_late = (invoices["paid_on"] > invoices["due_on"]).mean()
    assert 0.03 < paid_late < 0.3
    one = invoices[invoices["account_id"] == invoices["account_id"].value_counts().index[0]].iloc[3]
    terms = company.tables["subscriptions"].query("account_id == @one.account_id and not is_addon")
    running = terms[(terms["started_on"] <= one.issued_on) & (terms["ends_on"] > one.issued_on)].iloc[-1]
    assert one.amount == round(running.mrr * running.billing_period_months, 2)


def test_seats_grow_and_shrink(company: Company) -> None:
    terms = company.tables["subscriptions"]
    plans = terms[~terms["is_addon"]].sort_values(["account_id", "started_on"])
    change = plans.groupby("account_id")["seats"].diff().dropna()
    assert (change > 0).any()
    assert (change < 0).any()
    assert (change == 0).mean() > 0.7


def test_mails_are_delivered_before_they_are_opened(company: Company) -> None:
    mails = company.tables["campaign_events"]
    counts = mails["kind"].value_counts()
    assert counts["delivered"] > counts["opened"] > counts["clicked"] > counts["replied"] > 0
    first = mails.pivot_table(index=["contact_id", "campaign_id"], columns="kind", values="occurred_at", aggfunc="min")
    assert first["delivered"].notna().all()
    both = first.dropna(subset=["opened"])
    assert (both["opened"] >= both["delivered"]).all()
