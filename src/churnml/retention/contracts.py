"""What the KPIs of contracts are made from, seen with hindsight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from churnml.retention.rates import mrr_on
from churnml.snapshots import spells
from churnml.snapshots.changes import levels
from churnml.snapshots.contract import subscription_frame, without_trials
from churnml.snapshots.terms import continuations
from churnml.tables import Tables

__all__ = ["Contracts"]


@dataclass(frozen=True)
class Contracts:
    """The terms, the lives, and what is paid when.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``.
    grace_days : int
        A renewal this many days late is still a renewal.
    leave_out_trials : bool
        A plan of MRR 0 before the first paid one makes no customer.
    """

    tables: Tables
    grace_days: int
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

    def paid(self, day: pd.Timestamp) -> pd.Series:
        """Return what each account pays per month on a day."""
        return mrr_on(self.mrr, self.lives, day)
