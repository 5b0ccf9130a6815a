"""Decisions to come and ends that came: when an account may leave, as known at a date, and when it left.

The two views of `churnml.snapshots.contract` again. *Knowledge*: the next day on which the contract ends unless it is
renewed, and how long such a term lasts, so that the decisions after it can be foreseen. *Hindsight*: after how many
days the account was lost, and for how many days it can be told at all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.config import LabelConfig
from churnml.snapshots.contract import actual_end, customer_terms
from churnml.snapshots.labels import contract_ends, final_until
from churnml.snapshots.silence import silent_stretches
from churnml.snapshots.terms import superseded
from churnml.tables import Tables, knowledge

__all__ = ["DECISION_COLUMNS", "END_COLUMNS", "coming_decisions", "seen_ends", "seen_until"]

DECISION_COLUMNS = ["next_decision_days", "contract_days"]
END_COLUMNS = ["ended_days", "seen_days"]

_MONTH = 365.25 / 12.0
_SAME_END_DAYS = 5
_SHORTEST_DAYS = 25.0
"""Shorter terms come so thick that leaving at one of them is leaving at any time."""


def coming_decisions(members: pd.DataFrame, tables: Tables, label: LabelConfig) -> pd.DataFrame:
    """Return when each row's contract next ends unless it is renewed, and how long its terms last, as known by then.

    Of several plans that run the one that ends last decides: until then the account stays a customer. A term that was
    begun anew on the way to the same end (more seats, say) began when the first of them did.

    Parameters
    ----------
    members : DataFrame
        ``account_id, as_of``.
    tables : Tables
    label : LabelConfig

    Returns
    -------
    DataFrame
        On the index of `members`:

        - ``next_decision_days`` (float): days from ``as_of`` to the end, 0 or more; NaN where no end is agreed, where
          terms are shorter than 25 days, and with churn by silence
        - ``contract_days`` (float): length of a term; a whole number of months where it is nearly one

    Examples
    --------
    >>> from datetime import date
    >>> terms = pd.DataFrame({"subscription_id": ["1", "2"], "account_id": ["a", "b"],
    ...     "started_on": pd.to_datetime(["2026-01-01", "2026-01-01"]),
    ...     "ends_on": pd.to_datetime(["2027-01-01", None])})
    >>> tables = Tables.from_pandas({"subscriptions": terms}, observed_until=date(2026, 6, 1))
    >>> rows = pd.DataFrame({"account_id": ["a", "b"], "as_of": pd.Timestamp("2026-04-01")})
    >>> coming_decisions(rows, tables, LabelConfig(churn="contractual"))
       next_decision_days  contract_days
    0               275.0         365.25
    1                 NaN            NaN
    """
    out = pd.DataFrame(np.nan, index=members.index, columns=DECISION_COLUMNS)
    if label.churn != "contractual" or "subscriptions" not in tables:
        return out
    terms = customer_terms(tables, label)
    terms = terms.join(superseded(terms))
    for as_of in members["as_of"].unique():
        accounts = members.loc[members["as_of"] == as_of, "account_id"]
        out.loc[accounts.index] = _ends_known(terms, pd.Timestamp(as_of)).reindex(accounts).to_numpy()
    return out


def seen_ends(members: pd.DataFrame, tables: Tables, label: LabelConfig) -> pd.DataFrame:
    """Return after how many days each row's account was lost, and up to which day that is known; with hindsight.

    Returns
    -------
    DataFrame
        On the index of `members`:

        - ``ended_days`` (float): days from ``as_of`` to the day churn takes effect; NaN where it has not by
          ``seen_days``. A label of `churnml.snapshots.spine` is 1 where it lies in ``[gap, gap + horizon)``. With
          churn by silence it is the day on which the silence is complete
        - ``seen_days`` (float): an end on any day before this one is known; below 0 where nothing is
    """
    if label.target != "churn":
        raise ValueError(f"the end of an account is told of churn, not of {label.target}")
    seen = (seen_until(tables, label) - members["as_of"]).dt.days.astype("float64")
    if label.churn == "contractual":
        ended = (contract_ends(members, tables, label) - members["as_of"]).dt.days.astype("float64")
    else:
        ended = _silent_after(members, tables, label)
    return pd.DataFrame({"ended_days": ended.where(ended < seen), "seen_days": seen}, index=members.index)


def seen_until(tables: Tables, label: LabelConfig) -> pd.Timestamp:
    """Return the day before which every end is known, once late renewals and late facts have had their time."""
    return pd.Timestamp(final_until(tables, label)) - pd.Timedelta(days=label.final_after_days)


def _ends_known(terms: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the columns of `coming_decisions` per account, from what was known before a date."""
    known = knowledge.frame_known_before(terms, "subscriptions", as_of, begun=False)
    plans = known[~known["is_addon"]].copy()
    plans["end"] = actual_end(plans)
    running = plans[(plans["end"] >= as_of) & plans["notice_at"].isna() & ~(plans["superseded_known"] < as_of)]
    last = running.sort_values(["account_id", "end", "started_on"], kind="stable").drop_duplicates(
        "account_id", keep="last"
    )
    last = last[last["ends_on"].notna() | last["terminated_on"].notna()].set_index("account_id")
    # Terms on the way to the same agreed end are one term that was changed.
    others = plans[["account_id", "started_on", "ends_on"]].merge(
        last["ends_on"].rename("agreed"), left_on="account_id", right_index=True
    )
    same = (others["ends_on"] - others["agreed"]).abs() <= pd.Timedelta(days=_SAME_END_DAYS)
    begun = others[same].groupby("account_id")["started_on"].min().reindex(last.index).fillna(last["started_on"])
    length = _whole_months((last["agreed_end"].where(last["ends_on"].notna(), last["end"]) - begun).dt.days)
    often = (length < _SHORTEST_DAYS).to_numpy()
    days = (last["end"] - as_of).dt.days.astype("float64")
    return pd.DataFrame({"next_decision_days": days.where(~often), "contract_days": length.where(~often)})


def _whole_months(days: pd.Series) -> pd.Series:
    """Return lengths that are nearly whole months as those, in days."""
    length = days.astype("float64")
    months = (length / _MONTH).round()
    near = (months >= 1) & ((length - months * _MONTH).abs() <= 3.0 + 0.03 * length)
    return length.where(~near, months * _MONTH)


def _silent_after(members: pd.DataFrame, tables: Tables, label: LabelConfig) -> pd.Series:
    """Return after how many days the first silence is complete that lies wholly after ``as_of``, less one.

    A silence of s days from ``as_of`` on is complete with the last moment of day s − 1, so that, as with contracts, an
    end within h days is one of less than h.
    """
    need = label.silence
    until = pd.Timestamp(final_until(tables, label))
    stretches = silent_stretches(tables, silence_days=need, activity=label.activity)
    pairs = members[["account_id", "as_of"]].assign(row=np.arange(len(members))).merge(stretches, on="account_id")
    start = pairs[["silent_from", "as_of"]].max(axis=1)
    complete = start + pd.Timedelta(days=need)
    holds = complete <= pairs["silent_until"].fillna(until)
    days = ((complete - pairs["as_of"]).dt.days - 1.0)[holds]
    first = days.groupby(pairs.loc[holds, "row"]).min().reindex(np.arange(len(members)))
    return pd.Series(first.to_numpy(dtype=np.float64), index=members.index)
