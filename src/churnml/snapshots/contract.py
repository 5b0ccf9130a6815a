"""Contractual churn: subscriptions end and none follows.

Two views of the same subscriptions are kept apart. *Hindsight* (`spells`) uses every row and decides the label.
*Knowledge* (`covered_at`) uses only what was known before an ``as_of`` and decides who is in the cohort.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from churnml.config import LabelConfig
from churnml.errors import DataError
from churnml.language import Text
from churnml.memory import release
from churnml.tables import Tables, knowledge

__all__ = [
    "actual_end",
    "covered_at",
    "customer_terms",
    "due_within",
    "renewal_anchors",
    "spells",
    "subscription_frame",
    "without_trials",
]

_FOREVER = pd.Timestamp("2262-01-01").as_unit("us")
_TIMES = ["started_on", "ends_on", "terminated_on", "notice_at", "known_at"]
_COLUMNS = ["account_id", "product", "plan", "is_addon", *_TIMES, "mrr", "seats"]


def subscription_frame(tables: Tables, accounts: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the subscriptions as pandas, with ``agreed_end`` and ``actual_end`` (exclusive, open ends far away).

    Parameters
    ----------
    tables : Tables
    accounts : sequence of str, optional
        Only theirs are read.
    """
    rows = tables["subscriptions"].select(_COLUMNS)
    if accounts is not None:
        import ibis

        asked = ibis.memtable({"account_asked": accounts}, schema=ibis.schema({"account_asked": "string"}))
        rows = rows.semi_join(asked, rows.account_id.cast("string") == asked.account_asked)
    frame: pd.DataFrame = rows.to_pandas()
    for column in _TIMES:
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    frame["account_id"] = frame["account_id"].astype("str")
    frame["is_addon"] = frame["is_addon"].fillna(False).astype(bool)
    frame[["mrr", "seats"]] = frame[["mrr", "seats"]].astype("float64")
    frame["known_at"] = frame["known_at"].fillna(frame["started_on"])
    frame["agreed_end"] = frame["ends_on"].fillna(_FOREVER)
    frame["actual_end"] = actual_end(frame)
    frame = frame.sort_values(["account_id", "started_on", "actual_end"], kind="stable", ignore_index=True)
    release()  # the rows as they came, and unsorted
    return frame


def without_trials(terms: pd.DataFrame) -> pd.DataFrame:
    """Return the terms without the plans of MRR 0 that began before the account's first paid plan, or without one.

    A trial or a free plan makes no customer then, and its end is no churn; a plan that becomes free later still does.
    An MRR that is not known is none of 0.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": ["a", "a", "b", "c"], "is_addon": False, "mrr": [0.0, 50.0, 0.0, None],
    ...     "started_on": [day("2026-01-01"), day("2026-01-15"), day("2026-01-01"), day("2026-01-01")]})
    >>> without_trials(terms)["account_id"].tolist()
    ['a', 'c']
    """
    plan = ~terms["is_addon"]
    paid = terms[plan & (terms["mrr"].isna() | (terms["mrr"] > 0))].groupby("account_id")["started_on"].min()
    first_paid = terms["account_id"].map(paid)
    trial = plan & (terms["mrr"] == 0) & ~(terms["started_on"] >= first_paid)
    return terms[~trial].reset_index(drop=True)


def customer_terms(tables: Tables, label: LabelConfig, accounts: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the subscriptions that make customers: all of them, or without trials where ``label.trials`` says so.

    Of some accounts only, where they are given.
    """
    terms = subscription_frame(tables, accounts)
    return without_trials(terms) if label.trials == "leave_out" else terms


def actual_end(terms: pd.DataFrame) -> pd.Series:
    """Return when each term ends, as far as its ``terminated_on`` tells: an agreed end that was overrun ends later."""
    return terms["terminated_on"].fillna(terms["agreed_end"])


def spells(subscriptions: pd.DataFrame, *, grace_days: int, observed_until: date) -> pd.DataFrame:
    """Join subscription terms into spells: unbroken customer relationships, seen with hindsight.

    A term that starts at most `grace_days` after everything before it ended continues the spell; a later one starts
    a new spell (a reactivated account is new). Add-ons do not keep an account alive.

    Parameters
    ----------
    subscriptions : DataFrame
        From `subscription_frame`.
    grace_days : int
        Days within which a follow-up counts as a renewal.
    observed_until : date
        First day the data does not cover.

    Returns
    -------
    DataFrame
        One row per account and spell: ``account_id, spell, started_on, ended_on, churned``. ``ended_on`` is
        exclusive: the day churn takes effect. ``churned`` is True only where the grace period was wholly observed.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": ["a", "a"], "is_addon": [False, False],
    ...     "started_on": [day("2026-01-01"), day("2026-02-05")],
    ...     "actual_end": [day("2026-02-01"), day("2026-03-01")]})
    >>> spells(terms, grace_days=14, observed_until=date(2026, 6, 1))[["started_on", "ended_on", "churned"]]
      started_on   ended_on  churned
    0 2026-01-01 2026-03-01     True
    """
    terms = subscriptions[~subscriptions["is_addon"] & (subscriptions["actual_end"] > subscriptions["started_on"])]
    if terms.empty:
        raise DataError(
            Text.of("fault-no_plan_rows"),
            where="subscriptions",
            got=Text.of("fault-no_plan_rows.got", n=len(subscriptions)),
            code="data.no_plan_rows",
        )
    terms = terms.sort_values(["account_id", "started_on", "actual_end"], kind="stable")
    covered_until = terms.groupby("account_id", sort=False)["actual_end"].cummax()
    before = covered_until.groupby(terms["account_id"], sort=False).shift()
    fresh = before.isna() | (terms["started_on"] > before + pd.Timedelta(days=grace_days))
    spell = fresh.groupby(terms["account_id"], sort=False).cumsum().astype("int64")
    out = (
        pd.DataFrame(
            {
                "account_id": terms["account_id"],
                "spell": spell,
                "started_on": terms["started_on"],
                "ended_on": covered_until,
            }
        )
        .groupby(["account_id", "spell"], as_index=False, sort=False)
        .agg(started_on=("started_on", "min"), ended_on=("ended_on", "max"))
    )
    last = out.groupby("account_id")["spell"].transform("max") == out["spell"]
    settled = out["ended_on"] + pd.Timedelta(days=grace_days) <= pd.Timestamp(observed_until)
    out["churned"] = (~last) | settled
    return out


def covered_at(subscriptions: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the accounts under contract at an ``as_of``, as known just before it.

    `subscriptions` carries the columns of `churnml.snapshots.terms.superseded`: a term that overlaps its successor
    counts no more once that is known.

    An account counts when a plan it started before ``as_of`` runs at least until ``as_of`` (ending on that very
    midnight still counts: the renewal of that day is not known yet) and not every such plan is under notice.

    Returns
    -------
    DataFrame
        One row per account: ``account_id, first_on`` (first start known), ``arr`` (12 × the MRR running, add-ons
        included; NaN where no MRR is known).
    """
    known = knowledge.frame_known_before(subscriptions, "subscriptions", as_of, begun=False)
    started = known["started_on"] < as_of
    alive = actual_end(known) >= as_of
    noticed = known["notice_at"].notna()
    plan = ~known["is_addon"]
    holds = known.loc[plan & alive & started, "account_id"].unique()
    stays = known.loc[plan & alive & ~noticed, "account_id"].unique()
    accounts = np.intersect1d(holds, stays)
    first = known.loc[plan & started].groupby("account_id")["started_on"].min()
    # A term that ends on as_of still counts: its follower, which starts on as_of, is not known yet.
    counts = started & alive & known["mrr"].notna() & ~(known["superseded_known"] < as_of)
    arr = 12.0 * known[counts].groupby("account_id")["mrr"].sum()
    return pd.DataFrame(
        {
            "account_id": pd.Series(accounts, dtype="str"),
            "first_on": first.reindex(accounts).to_numpy(),
            "arr": arr.reindex(accounts).to_numpy(),
        }
    )


def renewal_anchors(subscriptions: pd.DataFrame, days_before: tuple[int, ...]) -> pd.DataFrame:
    """Return the rows ``(account_id, as_of)`` that lie so many days before agreed ends known by then.

    A term whose successor runs and is known already is not up for renewal any more.
    """
    plans = subscriptions[~subscriptions["is_addon"] & subscriptions["ends_on"].notna()]
    rows = []
    for days in days_before:
        as_of = plans["ends_on"] - pd.Timedelta(days=days)
        usable = knowledge.frame_is_known(plans, "subscriptions", as_of) & ~(plans["superseded_known"] < as_of)
        rows.append(pd.DataFrame({"account_id": plans["account_id"], "as_of": as_of})[usable])
    return pd.concat(rows).drop_duplicates().sort_values(["as_of", "account_id"], kind="stable", ignore_index=True)


def due_within(subscriptions: pd.DataFrame, as_of: pd.Timestamp, days: int) -> pd.Index:
    """Return the accounts of which a running plan ends as agreed within so many days, as known before an ``as_of``."""
    known = knowledge.frame_known_before(subscriptions, "subscriptions", as_of)
    running = ~known["is_addon"] & (known["ends_on"] >= as_of) & ~(known["superseded_known"] < as_of)
    due = running & (known["ends_on"] <= as_of + pd.Timedelta(days=days))
    accounts: pd.Index = pd.Index(known.loc[due, "account_id"].unique())
    return accounts
