"""The KPIs month by month, for all accounts and by group, from one company's tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import pandas as pd

from churnml.retention.customers import active_rate, net_promoter_score, onboarding_completion, support_summary
from churnml.retention.rates import (
    expansion_rate,
    logo_churn_rate,
    mrr_on,
    renewals,
    revenue_movement,
    share,
)
from churnml.retention.value import churn_mix, rfm
from churnml.snapshots import spells
from churnml.snapshots.changes import levels
from churnml.snapshots.contract import subscription_frame, without_trials
from churnml.snapshots.terms import continuations
from churnml.tables import Tables, knowledge

__all__ = ["Book", "kpi_history", "rfm_at"]

_YEAR_MONTHS = 12
_NPS_DAYS = 91


@dataclass(frozen=True)
class Book:
    """What the KPIs of contracts are made from, seen with hindsight: the terms, the lives, and what is paid when.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``.
    grace_days : int
        A renewal this many days late is still a renewal.
    members : Index of str, optional
        Its accounts; by default all.
    leave_out_trials : bool
        A plan of MRR 0 before the first paid one makes no customer.
    """

    tables: Tables
    grace_days: int
    members: pd.Index | None = None
    leave_out_trials: bool = False

    @cached_property
    def terms(self) -> pd.DataFrame:
        """The subscriptions, from `churnml.snapshots.contract.subscription_frame`."""
        terms = subscription_frame(self.tables)
        return without_trials(terms) if self.leave_out_trials else terms

    @cached_property
    def lives(self) -> pd.DataFrame:
        """The unbroken relationships, from `churnml.snapshots.spells`."""
        return spells(self.terms, grace_days=self.grace_days, observed_until=self.tables.observed_until)

    @cached_property
    def mrr(self) -> pd.DataFrame:
        """The days on which what an account pays changes."""
        return levels(self.terms, "mrr", grace_days=self.grace_days)

    @cached_property
    def next_terms(self) -> pd.Series:
        """The position of the term that goes on from each, −1 where none does."""
        return continuations(self.terms, grace_days=self.grace_days)["next"]

    @cached_property
    def edges(self) -> pd.DatetimeIndex:
        """The first days of the months that are wholly observed, grace included, and the day after the last."""
        settled = pd.Timestamp(self.tables.observed_until) - pd.Timedelta(days=self.grace_days)
        return pd.date_range(pd.Timestamp(self.tables.observed_from), settled, freq="MS")

    def of(self, accounts: pd.Index) -> Book:
        """Return the same book with some accounts only."""
        own = Book(self.tables, self.grace_days, accounts)
        keep = self.terms["account_id"].isin(accounts)
        position = pd.Series(keep.cumsum() - 1).to_numpy()
        following = self.next_terms[keep]
        vars(own)["terms"] = self.terms[keep].reset_index(drop=True)
        # What goes on from a term belongs to the same account, so it is kept with it.
        vars(own)["next_terms"] = following.where(following < 0, position[following.to_numpy()]).reset_index(drop=True)
        vars(own)["lives"] = self.lives[self.lives["account_id"].isin(accounts)]
        vars(own)["mrr"] = self.mrr[self.mrr["account_id"].isin(accounts)]
        return own

    def paid(self, day: pd.Timestamp) -> pd.Series:
        """Return what each account pays per month on a day."""
        return mrr_on(self.mrr, self.lives, day)

    def stayed(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.Index:
        """Return the accounts that were there at both days and never away between them."""
        through = (self.lives["started_on"] <= start) & (self.lives["ended_on"] > end)
        accounts: pd.Index = pd.Index(self.lives.loc[through, "account_id"].to_numpy())
        return accounts

    def plans(self, day: pd.Timestamp) -> pd.Series:
        """Return the plan (or product) of each account on a day: that of its term with the highest MRR."""
        terms = self.terms[~self.terms["is_addon"] & (self.terms["started_on"] <= day)]
        running = terms.assign(lapsed=terms["actual_end"] <= day, word=terms["plan"].fillna(terms["product"]))
        running = running.sort_values(["lapsed", "mrr", "started_on"], ascending=[True, False, False], kind="stable")
        words: pd.Series = running.drop_duplicates("account_id").set_index("account_id")["word"].dropna().astype("str")
        return words


def kpi_history(
    tables: Tables,
    *,
    grace_days: int = 14,
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
    core_features: Collection[str] = (),
    onboarding_days: int = 90,
    group_by: str | None = None,
    leave_out_trials: bool = False,
) -> pd.DataFrame:
    """Return the KPIs of every whole calendar month in the data, oldest first.

    Every rate is measured over its own period: the yearly ones (``…_ttm``) over the twelve months that end with this
    one, by what became of the accounts that were there when they began. None is compounded from a single month.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``; what other tables are absent leaves its columns null.
    grace_days : int
        A renewal this many days late is still a renewal. Months whose grace is not over are left out.
    gross_margin : float
        Share of revenue that is profit, for the lifetime value.
    yearly_discount : float
        What a year's wait costs, for the lifetime value.
    core_features : collection of str
        Event types of core use; empty = all.
    onboarding_days : int
        Days within which onboarding should be complete.
    group_by : str, optional
        ``"plan"`` or an attribute of the accounts, e.g. ``"segment"``: one row per month and group. An account
        belongs to the group that it was known to be in at the month's start (its end, for one that came later), and
        stays in the group that it was in at the start of a year's period.
    leave_out_trials : bool
        A plan of MRR 0 before the first paid one makes no customer.

    Returns
    -------
    DataFrame
        One row per month (and ``group``): ``month_on`` (its first day), ``accounts, mrr`` (at its start),
        ``new_accounts, lost_accounts``, ``logo_churn_rate, grr, nrr, expansion_rate`` of the month,
        ``logo_churn_rate_ttm, grr_ttm, nrr_ttm`` of the twelve months up to its end, ``renewal_rate`` (accounts) and
        ``renewal_rate_value`` (MRR) of what came due, ``arpa, ltv`` (gross margin × ARPA × the discounted lifetime in
        months, churn differing between customers as in the last twelve months; see `churnml.retention.ChurnMix`),
        ``nps`` (answers of the last 91 days), ``active_rate, onboarding_completion, tickets_opened,
        ticket_resolution_rate, first_response_hours, escalation_rate``; rates are shares in 0–1, null where undefined.
    """
    book, beside = Book(tables, grace_days, leave_out_trials=leave_out_trials), _Beside(tables)
    rows: list[dict[str, object]] = []
    for number, (start, end) in enumerate(pairwise(book.edges)):
        year = book.edges[number + 1 - _YEAR_MONTHS] if number + 1 >= _YEAR_MONTHS else None
        for group, own, yearly in _parts(book, group_by, start, end, year):
            mix = churn_mix(own.lives, year or book.edges[0], end)
            months = None if mix is None else mix.lifetime_months(yearly_discount=yearly_discount)
            month = _month(own, start, end)
            arpa = month["arpa"]
            rows.append(
                {
                    "month_on": start,
                    **({} if group is None else {"group": group}),
                    **month,
                    **_year(yearly, year, end),
                    "ltv": None if months is None or arpa is None else gross_margin * arpa * months,
                    **beside.month(start, end, own, core_features, onboarding_days),
                }
            )
    out = pd.DataFrame(rows)
    if out.empty:
        return out.assign(month_on=pd.Series(dtype="datetime64[us]"))
    numbers = out.columns.difference(["month_on", "group", "accounts", "new_accounts", "lost_accounts"])
    return out.astype(dict.fromkeys(numbers, "float64"))


def _parts(
    book: Book, group_by: str | None, start: pd.Timestamp, end: pd.Timestamp, year: pd.Timestamp | None
) -> Iterator[tuple[str | None, Book, Book]]:
    """Yield each group with its book of the month and of the year; the whole book where there are no groups."""
    if group_by is None:
        yield None, book, book
        return
    at_year = _groups(book, group_by, year, year) if year is not None else {}
    for group, members in _groups(book, group_by, start, end).items():
        yield group, book.of(members), book.of(at_year.get(group, pd.Index([])))


def _month(book: Book, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, float | int | None]:
    before, after, stayed = book.paid(start), book.paid(end), book.stayed(start, end)
    moved = revenue_movement(before, after, stayed)
    due = renewals(book.terms, start, end, grace_days=book.grace_days, next_terms=book.next_terms)
    return {
        "accounts": len(before),
        "mrr": moved.start,
        "new_accounts": len(after.index.difference(stayed)),
        "lost_accounts": len(before.index.difference(stayed)),
        "logo_churn_rate": logo_churn_rate(book.lives, start, end),
        "grr": moved.grr,
        "nrr": moved.nrr,
        "expansion_rate": expansion_rate(before, after.reindex(after.index.intersection(stayed))),
        "renewal_rate": due.by_logo,
        "renewal_rate_value": due.by_value,
        "arpa": share(moved.start, len(before)),
    }


def _year(book: Book, start: pd.Timestamp | None, end: pd.Timestamp) -> dict[str, float | None]:
    """Return what became in a year of the accounts that were there at its start; nulls where it was not observed."""
    if start is None:
        return dict.fromkeys(("logo_churn_rate_ttm", "grr_ttm", "nrr_ttm"))
    moved = revenue_movement(book.paid(start), book.paid(end), book.stayed(start, end))
    return {
        "logo_churn_rate_ttm": logo_churn_rate(book.lives, start, end),
        "grr_ttm": moved.grr,
        "nrr_ttm": moved.nrr,
    }


def _groups(book: Book, name: str, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, pd.Index]:
    """Return the accounts of each group, as known at the start, else at the end; those without a word are left out."""
    if name == "plan":
        words = book.plans(start).combine_first(book.plans(end))
    else:
        versions: pd.DataFrame = book.tables["accounts"].select("account_id", name, "known_at").to_pandas()
        versions["account_id"] = versions["account_id"].astype("str")
        early, late = (
            knowledge.frame_newest(versions, day + pd.Timedelta(days=1)).set_index("account_id")[name].dropna()
            for day in (start, end)
        )
        words = early.combine_first(late)
    return {str(word): pd.Index(found) for word, found in sorted(words.groupby(words).groups.items())}


class _Beside:
    """The tables beside the subscriptions, read once; None where the company has none."""

    def __init__(self, tables: Tables) -> None:
        self.days = None
        if tables.has("events"):
            events = tables["events"].select("account_id", "event_type", "occurred_at")
            # Windows begin and end at midnights, so the days of use are all that counts.
            days = events.mutate(occurred_at=events.occurred_at.truncate("D")).distinct().to_pandas()
            self.days = days.assign(account_id=days["account_id"].astype("str"))
        self.surveys = _read(tables, "surveys", ["kind", "responded_at", "score"])
        self.milestones = _read(tables, "milestones", ["kind", "planned_at", "completed_at"])
        self.tickets = _read(tables, "tickets", ["opened_at", "first_response_at", "solved_at", "escalated_at"])

    def month(
        self,
        start: pd.Timestamp,
        end: pd.Timestamp,
        book: Book,
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
        own = self.surveys, self.milestones, self.tickets
        surveys, milestones, tickets = (_of(frame, book.members) for frame in own)
        if surveys is not None:
            asked = surveys[surveys["kind"] == "nps"]
            recent = asked["responded_at"].between(end - pd.Timedelta(days=_NPS_DAYS), end, inclusive="left")
            out["nps"] = net_promoter_score(asked.loc[recent, "score"])
        if self.days is not None:
            out["active_rate"] = active_rate(book.paid(end).index, self.days, end, core_features=core_features)
        if milestones is not None:
            out["onboarding_completion"] = onboarding_completion(milestones, end, within_days=onboarding_days)
        if tickets is not None:
            support = support_summary(tickets, start, end)
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
    paid = Book(tables, grace_days).paid(as_of)
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
    frame: pd.DataFrame = tables[name].select("account_id", *columns).to_pandas()
    return frame.assign(account_id=frame["account_id"].astype("str"))


def _of(frame: pd.DataFrame | None, members: pd.Index | None) -> pd.DataFrame | None:
    return frame if frame is None or members is None else frame[frame["account_id"].isin(members)]
