"""The KPIs of all months and groups at once equal the plain functions, called for one month and group after another."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from churnml.retention import (
    active_rate,
    churn_mix,
    expansion_rate,
    logo_churn_rate,
    net_promoter_score,
    onboarding_completion,
    renewals,
    revenue_movement,
    support_summary,
)
from churnml.retention.contracts import Contracts
from churnml.retention.history import panel_history
from churnml.retention.panel import Panel
from churnml.simulate import simulate
from churnml.tables import Tables, knowledge

CORE = ("report_viewed", "record_created")
GROUPINGS = ("segment", "plan")


@pytest.fixture(scope="module")
def tables() -> Tables:
    company = simulate(accounts=50, months=15, seed=7)
    return Tables.from_pandas(company.tables, observed_from=company.start, observed_until=company.end)


@pytest.fixture(scope="module")
def histories(tables: Tables) -> dict[str | None, pd.DataFrame]:
    return panel_history(Panel(tables, core_features=CORE), (None, *GROUPINGS))


class Naive:
    """One grouping, month and group after another, each from whole tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.contracts = tables, Contracts(tables, 14)
        self.frames = {name: tables[name].to_pandas() for name in ("events", "surveys", "milestones", "tickets")}
        self.versions = tables["accounts"].select("account_id", "segment", "known_at").to_pandas()

    def word(self, by: str, day: pd.Timestamp) -> pd.Series:
        if by == "segment":
            newest = knowledge.frame_newest(self.versions, day + timedelta(days=1))
            return newest.set_index("account_id")["segment"].dropna()
        terms = self.contracts.terms[~self.contracts.terms["is_addon"] & (self.contracts.terms["started_on"] <= day)]
        words = {}
        for account, own in terms.groupby("account_id"):
            running = own[own["actual_end"] > day]
            best = (running if len(running) else own).sort_values(["mrr", "started_on"], ascending=False).iloc[0]
            words[account] = best["plan"] if pd.notna(best["plan"]) else best["product"]
        return pd.Series(words, dtype="object").dropna()

    def members(self, by: str | None, group: str | None, *days: pd.Timestamp) -> set[str]:
        if by is None:
            return {
                account for frame in (*self.frames.values(), self.contracts.terms) for account in frame["account_id"]
            }
        words = self.word(by, days[-1])
        for day in reversed(days[:-1]):
            words = self.word(by, day).combine_first(words)
        return set(words[words == group].index)

    def row(self, by: str | None, group: str | None, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, float | None]:
        mine = self.members(by, group, start, end)
        lives = self.contracts.lives[self.contracts.lives["account_id"].isin(mine)]
        before, after = (self.contracts.paid(day) for day in (start, end))
        before, after = (paid[paid.index.isin(mine)] for paid in (before, after))
        stayed = pd.Index(lives.loc[(lives["started_on"] <= start) & (lives["ended_on"] > end), "account_id"])
        moved = revenue_movement(before, after, stayed)
        keep = self.contracts.terms["account_id"].isin(mine)
        position = np.cumsum(keep) - 1
        following = self.contracts.next_terms[keep].map(lambda place: -1 if place < 0 else position[place])
        due = renewals(
            self.contracts.terms[keep].reset_index(drop=True), start, end, grace_days=14,
            next_terms=following.reset_index(drop=True),
        )  # fmt: skip
        own = {name: frame[frame["account_id"].isin(mine)] for name, frame in self.frames.items()}
        support = support_summary(own["tickets"], start, end)
        asked = own["surveys"][own["surveys"]["kind"] == "nps"]
        recent = (asked["responded_at"] >= end - timedelta(days=91)) & (asked["responded_at"] < end)
        year = end - pd.DateOffset(years=1)
        mix = churn_mix(lives, max(year, pd.Timestamp(self.contracts.edges[0])), end)
        months = np.nan if mix is None else mix.lifetime_months(yearly_discount=0.1)
        row: dict[str, float | None] = {
            "accounts": len(before),
            "mrr": moved.start,
            "mrr_new": moved.new,
            "mrr_expansion": moved.expansion,
            "mrr_contraction": moved.contraction,
            "mrr_churned": moved.churned,
            "new_accounts": len(after.index.difference(stayed)),
            "lost_accounts": len(before.index.difference(stayed)),
            "logo_churn_rate": logo_churn_rate(lives, start, end),
            "grr": moved.grr,
            "nrr": moved.nrr,
            "expansion_rate": expansion_rate(before, after.reindex(after.index.intersection(stayed))),
            "renewal_rate": due.by_logo,
            "renewal_rate_value": due.by_value,
            "mrr_due": due.mrr_due,
            "mrr_renewed": due.mrr_renewed,
            "ltv": 0.8 * moved.start / len(before) * months if len(before) else np.nan,
            "nps": net_promoter_score(asked.loc[recent, "score"]),
            "active_rate": active_rate(after.index, own["events"], end, core_features=CORE),
            "onboarding_completion": onboarding_completion(own["milestones"], end),
            "tickets_opened": support["opened"],
            "ticket_resolution_rate": support["resolution_rate"],
            "first_response_hours": support["first_response_hours"],
            "escalation_rate": support["escalation_rate"],
        }
        if year < self.contracts.edges[0]:
            return {**row, "logo_churn_rate_ttm": None, "grr_ttm": None, "nrr_ttm": None}
        then = self.members(by, group, year)
        lives = self.contracts.lives[self.contracts.lives["account_id"].isin(then)]
        before, after = (paid[paid.index.isin(then)] for paid in (self.contracts.paid(year), self.contracts.paid(end)))
        stayed = pd.Index(lives.loc[(lives["started_on"] <= year) & (lives["ended_on"] > end), "account_id"])
        moved = revenue_movement(before, after, stayed)
        yearly = logo_churn_rate(lives, year, end)
        return {**row, "logo_churn_rate_ttm": yearly, "grr_ttm": moved.grr, "nrr_ttm": moved.nrr}


@pytest.mark.slow
@pytest.mark.parametrize("by", [None, *GROUPINGS])
def test_all_at_once_equals_one_after_another(tables, histories, by):
    naive, found = Naive(tables), histories[by]
    months = found["month_on"].drop_duplicates().sort_values()
    for start in (months.iloc[2], months.iloc[-1]):
        end = start + pd.DateOffset(months=1)
        rows = found[found["month_on"] == start]
        assert len(rows) >= (1 if by is None else 2)
        for row in rows.to_dict("records"):
            expected = naive.row(by, row.get("group"), start, end)
            for name, value in expected.items():
                wanted = np.nan if value is None else value
                assert row[name] == pytest.approx(wanted, rel=1e-12, nan_ok=True), (start, row.get("group"), name)


def test_the_newest_months_are_the_end_of_all(tables, histories):
    newest = panel_history(Panel(tables, core_features=CORE), ("plan",), months=2)["plan"]
    everything = histories["plan"]
    cut = everything["month_on"].isin(everything["month_on"].drop_duplicates().sort_values().tail(2))
    pd.testing.assert_frame_equal(newest, everything[cut].reset_index(drop=True))
