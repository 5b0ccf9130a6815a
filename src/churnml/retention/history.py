"""The KPIs month by month, from one company's tables."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import pandas as pd

from churnml.retention.customers import active_rate, net_promoter_score, onboarding_completion, support_summary
from churnml.retention.rates import annualised, expansion_rate, logo_churn_rate, mrr_on, renewal_rate, revenue_movement
from churnml.retention.value import lifetime_value, rfm
from churnml.snapshots import spells
from churnml.snapshots.contract import subscription_frame
from churnml.tables import Tables

__all__ = ["kpi_history", "rfm_at"]

_TRAILING_MONTHS = 6
_NPS_DAYS = 91


def kpi_history(
    tables: Tables,
    *,
    grace_days: int = 14,
    gross_margin: float = 0.8,
    core_features: Collection[str] = (),
    onboarding_days: int = 90,
) -> pd.DataFrame:
    """Return the KPIs of every whole calendar month in the data, oldest first.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``; what other tables are absent leaves its columns null.
    grace_days : int
        A renewal this many days late is still a renewal. Months whose grace is not over are left out.
    gross_margin : float
        Share of revenue that is profit, for the lifetime value.
    core_features : collection of str
        Event types of core use; empty = all.
    onboarding_days : int
        Days within which onboarding should be complete.

    Returns
    -------
    DataFrame
        One row per month: ``month_on`` (its first day), ``accounts, mrr`` (at its start), ``logo_churn_rate,
        logo_churn_rate_annualised, grr, nrr, expansion_rate, renewal_rate, arpa, ltv`` (over the churn of the last six
        months), ``nps`` (answers of the last 91 days), ``active_rate, onboarding_completion, tickets_opened,
        ticket_resolution_rate, first_response_hours, escalation_rate``; rates are shares in 0–1, null where undefined.
    """
    subscriptions = subscription_frame(tables)
    lives = spells(subscriptions, grace_days=grace_days, observed_until=tables.observed_until)
    settled = pd.Timestamp(tables.observed_until) - pd.Timedelta(days=grace_days)
    edges = pd.date_range(pd.Timestamp(tables.observed_from), settled, freq="MS")
    said = _Said(tables)
    rows = []
    for start, end in pairwise(edges):
        before, after = mrr_on(subscriptions, lives, start), mrr_on(subscriptions, lives, end)
        through = lives[(lives["started_on"] <= start) & (lives["ended_on"] > end)]
        stayed = pd.Index(through["account_id"])
        moved = revenue_movement(before, after, stayed)
        churn = logo_churn_rate(lives, start, end)
        rows.append(
            {
                "month_on": start,
                "accounts": len(before),
                "mrr": moved.start,
                "logo_churn_rate": churn,
                "logo_churn_rate_annualised": annualised(churn),
                "grr": moved.grr,
                "nrr": moved.nrr,
                "expansion_rate": expansion_rate(before, after.reindex(after.index.intersection(stayed))),
                "renewal_rate": renewal_rate(subscriptions, start, end, grace_days=grace_days),
                "arpa": moved.start / len(before) if len(before) else None,
                **said.month(start, end, after.index, core_features, onboarding_days),
            }
        )
    out = pd.DataFrame(rows)
    if out.empty:
        return out
    trailing = out["logo_churn_rate"].astype("float64").rolling(_TRAILING_MONTHS, min_periods=1).mean()
    values = [
        lifetime_value(arpa, rate, gross_margin=gross_margin)
        for arpa, rate in zip(out["arpa"].astype("float64"), trailing, strict=True)
    ]
    out.insert(list(out.columns).index("arpa") + 1, "ltv", pd.Series(values, dtype="float64"))
    numbers = out.columns.difference(["month_on", "accounts"])
    return out.astype(dict.fromkeys(numbers, "float64"))


class _Said:
    """The tables beside the subscriptions, read once; None where the company has none."""

    def __init__(self, tables: Tables) -> None:
        self.events = _read(tables, "events", ["account_id", "event_type", "occurred_at"])
        self.surveys = _read(tables, "surveys", ["kind", "responded_at", "score"])
        self.milestones = _read(tables, "milestones", ["account_id", "kind", "planned_at", "completed_at"])
        self.tickets = _read(tables, "tickets", ["opened_at", "first_response_at", "solved_at", "escalated_at"])

    def month(
        self,
        start: pd.Timestamp,
        end: pd.Timestamp,
        accounts: Collection[str],
        core_features: Collection[str],
        onboarding_days: int,
    ) -> dict[str, float | None]:
        """Return the KPIs of one month that do not come from contracts, as known at its end."""
        out: dict[str, float | None] = dict.fromkeys(
            (
                "nps",
                "active_rate",
                "onboarding_completion",
                "tickets_opened",
                "ticket_resolution_rate",
                "first_response_hours",
                "escalation_rate",
            )
        )
        if self.surveys is not None:
            asked = self.surveys[self.surveys["kind"] == "nps"]
            recent = asked["responded_at"].between(end - pd.Timedelta(days=_NPS_DAYS), end, inclusive="left")
            out["nps"] = net_promoter_score(asked.loc[recent, "score"])
        if self.events is not None:
            out["active_rate"] = active_rate(accounts, self.events, end, core_features=core_features)
        if self.milestones is not None:
            out["onboarding_completion"] = onboarding_completion(self.milestones, end, within_days=onboarding_days)
        if self.tickets is not None:
            support = support_summary(self.tickets, start, end)
            out["tickets_opened"] = support["opened"]
            out["ticket_resolution_rate"] = support["resolution_rate"]
            out["first_response_hours"] = support["first_response_hours"]
            out["escalation_rate"] = support["escalation_rate"]
        return out


def rfm_at(tables: Tables, as_of: pd.Timestamp, *, grace_days: int = 14, window_days: int = 91) -> pd.DataFrame:
    """Return the RFM scores of the accounts under contract at a day.

    Recency is days since the last event, frequency the events in ``[as_of − window, as_of)``, monetary the MRR.

    Parameters
    ----------
    tables : Tables
        With ``subscriptions`` and ``events``.
    as_of : Timestamp
    grace_days, window_days : int

    Returns
    -------
    DataFrame
        As `rfm`, one row per account under contract, sorted by account.
    """
    subscriptions = subscription_frame(tables)
    lives = spells(subscriptions, grace_days=grace_days, observed_until=tables.observed_until)
    paid = mrr_on(subscriptions, lives, as_of)
    events = tables["events"].select("account_id", "occurred_at", "event_count").to_pandas()
    events = events[(events["occurred_at"] < as_of) & events["account_id"].isin(paid.index)]
    last = events.groupby("account_id")["occurred_at"].max()
    recent = events[events["occurred_at"] >= as_of - pd.Timedelta(days=window_days)]
    accounts = pd.DataFrame({"account_id": paid.index.astype("str"), "amount": paid.to_numpy()})
    accounts["days_since_use"] = (as_of - accounts["account_id"].map(last)).dt.total_seconds() / 86_400
    uses = recent.groupby("account_id")["event_count"].sum()
    accounts["uses"] = accounts["account_id"].map(uses).fillna(0).astype("float64")
    return rfm(accounts.sort_values("account_id", ignore_index=True))


def _read(tables: Tables, name: str, columns: list[str]) -> pd.DataFrame | None:
    if not tables.has(name):
        return None
    frame: pd.DataFrame = tables[name].select(columns).to_pandas()
    return frame
