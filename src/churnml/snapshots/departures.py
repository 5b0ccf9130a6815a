"""Accounts that have left: when and why, as far as it was known on a date."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pandas as pd

from churnml.config import LabelConfig
from churnml.snapshots.contract import actual_end, customer_terms
from churnml.snapshots.silence import activity_known
from churnml.tables import Tables, knowledge

__all__ = ["Departure", "departures"]

Why = Literal["ended", "notice", "silent", "left"]


@dataclass(frozen=True)
class Departure:
    """Why an account is scored no more.

    Parameters
    ----------
    last : date
        The `as_of` of its last score.
    why : {"ended", "notice", "silent", "left"}
        Its contract has ended, notice was given, it has fallen silent, or nobody could know why.
    on : date, optional
        The day the contract ended, notice was given, or of the last activity; None where it has left.
    """

    last: date
    why: Why = "left"
    on: date | None = None


def departures(
    tables: Tables, label: LabelConfig, last_scored: Mapping[str, date], as_of: pd.Timestamp
) -> dict[str, Departure]:
    """Return why accounts that were scored before are scored no more.

    Parameters
    ----------
    tables : Tables
        Only what was known before `as_of` is read.
    label : LabelConfig
        Whether contracts end or accounts fall silent, and after how many days.
    last_scored : mapping of str to date
        The accounts that have left → `as_of` of their last score.
    as_of : Timestamp
        The date of the snapshot that no longer holds them.

    Returns
    -------
    dict of str to Departure
        In the accounts' order.
    """
    if not last_scored:
        return {}
    finder = _contracts if label.churn == "contractual" else _silences
    known = finder(tables, label, last_scored.keys(), as_of)
    return {account: Departure(last, *known.get(account, ("left", None))) for account, last in last_scored.items()}


def _contracts(
    tables: Tables, label: LabelConfig, accounts: Collection[str], as_of: pd.Timestamp
) -> dict[str, tuple[Why, date]]:
    """Return the end of the contract, or the notice, as known before the date."""
    terms = customer_terms(tables, label, sorted(accounts))
    terms = terms[~terms["is_addon"]]
    terms = knowledge.frame_known_before(terms, "subscriptions", as_of)
    terms["end"] = actual_end(terms)
    departed: dict[str, tuple[Why, date]] = {}
    for account, own in terms.groupby("account_id"):
        ended, notice = own["end"].max(), own.loc[own["end"] >= as_of, "notice_at"].max()
        if ended < as_of:
            departed[str(account)] = ("ended", ended.date())
        elif pd.notna(notice):
            departed[str(account)] = ("notice", notice.date())
    return departed


def _silences(
    tables: Tables, label: LabelConfig, accounts: Collection[str], as_of: pd.Timestamp
) -> dict[str, tuple[Why, date]]:
    """Return the last day of activity, as known before the date."""
    seen = activity_known(tables, pd.DatetimeIndex([as_of]), label.activity).at(as_of)
    quiet_since = as_of - pd.Timedelta(days=label.silence)
    seen = seen[seen["account_id"].isin(accounts) & (seen["last_on"] <= quiet_since)]
    return {
        str(account): ("silent", last_on.date())
        for account, last_on in zip(seen["account_id"], seen["last_on"], strict=True)
    }
