"""The spine: one row per account and as-of date, with its label."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd

from churnml.config import LabelConfig
from churnml.config.needs import TimelineSections
from churnml.errors import TimelineError
from churnml.language import Text
from churnml.snapshots.contract import covered_at, customer_terms, due_within, renewal_anchors
from churnml.snapshots.dates import snapshot_dates
from churnml.snapshots.labels import SPINE_COLUMNS, labelled
from churnml.snapshots.silence import Activity, activity_known
from churnml.snapshots.terms import superseded
from churnml.tables import Tables

__all__ = ["SPINE_COLUMNS", "Cohorts", "cohort_at", "cohorts", "spine", "whole_cohorts"]


def spine(tables: Tables, config: TimelineSections) -> pd.DataFrame:
    """Return every labelled or unlabelled row of the history: who was in the cohort when, and what became of them.

    Parameters
    ----------
    tables : Tables
        Canonical tables.
    config : Config
        Any object with the sections `label`, `cohort`, `snapshots`.

    Returns
    -------
    DataFrame
        One row per ``(account_id, as_of)``, sorted by both, date first:

        - ``account_id`` (str), ``as_of`` (datetime64, midnight UTC)
        - ``churned`` (float): 1 when churn takes effect in ``[as_of + gap, as_of + gap + horizon)``, else 0; NaN when
          it takes effect inside the gap, and in *every* row of an ``as_of`` whose label window (with grace and
          settling days) is not wholly observed
        - ``churn_on`` (datetime64): the day churn takes effect, where it does inside gap or window. With another
          ``label.target`` both columns tell of that: 1 where the account expands or contracts, and on which day
        - ``arr`` (float, currency a year): 12 × the MRR running at ``as_of``; NaN where unknown
        - ``churned_<days>d`` (float) per further horizon: as ``churned``, with a window of so many days and its own
          wait until it is wholly observed

    Raises
    ------
    TimelineError
        No snapshot date fits the data.
    """
    if config.snapshots.before_renewal_days:
        if config.label.churn != "contractual":
            raise TimelineError(
                Text.of("fault-before_renewals"), where="snapshots.before_renewal_days", got="label.churn: silence"
            )
        terms = _terms(tables, config.label)
        anchors = renewal_anchors(terms, config.snapshots.before_renewal_days)
        first = config.snapshots.first or tables.observed_from
        last = config.snapshots.last or tables.observed_until
        anchors = anchors[anchors["as_of"].between(pd.Timestamp(first), pd.Timestamp(last))]
        anchors = anchors[anchors["as_of"] <= pd.Timestamp(tables.observed_until)]
        members = _members(tables, config, [pd.Timestamp(day) for day in sorted(anchors["as_of"].unique())], terms)
        members = members.merge(anchors, on=["account_id", "as_of"], how="inner")
    else:
        dates = snapshot_dates(config.snapshots, tables.observed_from, tables.observed_until)
        members = _members(tables, config, dates, _terms(tables, config.label) if "subscriptions" in tables else None)
    return labelled(members, tables, config.label)


def cohort_at(tables: Tables, config: TimelineSections, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the spine of a single date, to be scored: same columns as `spine`, labels null where not final.

    With ``snapshots.before_renewal_days`` only accounts count that are no further from a renewal than the furthest of
    these days: of others the training rows tell nothing.

    Parameters
    ----------
    as_of : Timestamp
        Midnight UTC; at most ``tables.observed_until``, for nothing is known after that.

    Raises
    ------
    TimelineError
        `as_of` lies outside the observed period, or no account is in the cohort.
    """
    return labelled(Cohorts(tables, config, [as_of]).at(as_of), tables, config.label)


class Cohorts:
    """Who is in the cohort at several dates, from facts known before each; the contracts are read once.

    Parameters
    ----------
    tables : Tables
        Canonical tables.
    config : Config
        Sections `label`, `cohort` and `snapshots`.
    dates : iterable of Timestamp
        Midnights UTC, in any order, may repeat; nobody is in the cohort outside the observed period.

    Examples
    --------
    ::

        cohorts = Cohorts(tables, config, [today, a_month_ago])
        cohorts.at(today), cohorts.everyone
    """

    def __init__(self, tables: Tables, config: TimelineSections, dates: Iterable[pd.Timestamp]) -> None:
        self._tables, self._config = tables, config
        self._first, self._last = pd.Timestamp(tables.observed_from), pd.Timestamp(tables.observed_until)
        self._dates = sorted({pd.Timestamp(day) for day in dates if self._first < day <= self._last})

    @cached_property
    def everyone(self) -> pd.DataFrame:
        """The whole cohorts, among whom an account of a date is ranked: ``account_id, as_of, arr``, sorted by date."""
        terms = self._terms if "subscriptions" in self._tables else None
        return _members(self._tables, self._config, self._dates, terms)

    def at(self, as_of: pd.Timestamp) -> pd.DataFrame:
        """Return the accounts to be scored at one of the dates, as `cohort_at` does, without labels.

        Raises
        ------
        TimelineError
            `as_of` lies outside the observed period, or no account is in the cohort.
        """
        if not self._first < as_of <= self._last:
            raise TimelineError(
                Text.of("fault-as_of_outside", first=f"{self._first:%Y-%m-%d}", last=f"{self._last:%Y-%m-%d}"),
                where="as_of",
                got=f"{as_of:%Y-%m-%d}",
                code="data.timeline.as_of",
            )
        members = self.everyone[self.everyone["as_of"] == as_of]
        near = self._config.snapshots.before_renewal_days
        if near:
            members = members[members["account_id"].isin(due_within(self._terms, as_of, max(near)))]
        if members.empty:
            raise TimelineError(
                Text.of("fault-cohort_empty"),
                where="cohort",
                got=Text.of("fault-cohort_empty.near", as_of=f"{as_of:%Y-%m-%d}", days=max(near))
                if near
                else Text.of("fault-cohort_empty.at", as_of=f"{as_of:%Y-%m-%d}"),
                code="data.timeline.empty_cohort",
            )
        return members.reset_index(drop=True)

    @cached_property
    def _terms(self) -> pd.DataFrame:
        return _terms(self._tables, self._config.label)


def _terms(tables: Tables, label: LabelConfig) -> pd.DataFrame:
    """Return the subscriptions, and when each is replaced by a successor that overlaps it."""
    terms = customer_terms(tables, label)
    return terms.join(superseded(terms))


def cohorts(tables: Tables, config: TimelineSections, dates: Iterable[pd.Timestamp]) -> pd.DataFrame:
    """Return who was in the cohort at each date: those among whom an account of that date is ranked.

    Parameters
    ----------
    tables : Tables
        Canonical tables.
    config : Config
        Sections `label` and `cohort`.
    dates : iterable of Timestamp
        Midnights UTC, in any order, may repeat.

    Returns
    -------
    DataFrame
        ``account_id, as_of, arr``, sorted by date and account.
    """
    terms = _terms(tables, config.label) if "subscriptions" in tables else None
    return _members(tables, config, sorted({pd.Timestamp(day) for day in dates}), terms)


def whole_cohorts(tables: Tables, config: TimelineSections, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return the whole cohorts of the rows' dates, or None where `spine` and `cohort_at` give whole cohorts anyway.

    With ``snapshots.before_renewal_days`` they give some accounts of a day only: too few to rank them among each other.
    """
    return cohorts(tables, config, rows["as_of"].unique()) if config.snapshots.before_renewal_days else None


def _members(
    tables: Tables, config: TimelineSections, dates: list[pd.Timestamp], subscriptions: pd.DataFrame | None
) -> pd.DataFrame:
    """Return ``account_id, as_of, arr`` of the cohort at each date, from facts known before it."""
    contractual = config.label.churn == "contractual"
    rules = config.cohort
    active_days = rules.active_within_days or (None if contractual else config.label.silence)
    index = pd.DatetimeIndex(dates)
    activity: Activity | None = None
    if not contractual or active_days or rules.min_events or rules.min_users:
        activity = activity_known(tables, index, config.label.activity)
    cohorts = []
    for as_of in index:
        covered = covered_at(subscriptions, as_of) if subscriptions is not None else None
        if contractual and covered is not None:
            members = covered
            if activity is not None:
                seen = activity.at(as_of).drop(columns="first_on")
                members = members.merge(seen, on="account_id", how="left")
        else:
            assert activity is not None
            members = activity.at(as_of)
            members["arr"] = (
                members["account_id"].map(covered.set_index("account_id")["arr"]) if covered is not None else np.nan
            )
        keep = (as_of - members["first_on"]).dt.days >= rules.min_tenure_days
        if activity is not None:
            keep &= members["events"].fillna(0) >= rules.min_events
            keep &= members["users"].fillna(0) >= rules.min_users
            if active_days:
                keep &= members["last_on"] >= as_of - pd.Timedelta(days=active_days)
        cohorts.append(members.loc[keep, ["account_id", "arr"]].assign(as_of=as_of))
    out = pd.concat(cohorts) if cohorts else pd.DataFrame({"account_id": [], "arr": [], "as_of": []})
    out = out.astype({"account_id": "str", "as_of": "datetime64[us]", "arr": "float64"})
    return out.sort_values(["as_of", "account_id"], kind="stable", ignore_index=True)[["account_id", "as_of", "arr"]]
