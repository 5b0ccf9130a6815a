"""Labels: what became of each row of the cohort inside its label window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from churnml.config import LabelConfig
from churnml.snapshots.changes import first_changes
from churnml.snapshots.contract import customer_terms, spells, subscription_frame
from churnml.snapshots.silence import silent_stretches
from churnml.tables import Tables
from churnml.tables.reach import reach

__all__ = ["SPINE_COLUMNS", "contract_ends", "final_until", "horizon_column", "labelled"]

SPINE_COLUMNS = ["account_id", "as_of", "churned", "churn_on", "arr"]

Outcomes = tuple[np.ndarray, np.ndarray, pd.Series]
"""Per row: whether it happened inside the gap, whether inside the window, and on which day."""


def horizon_column(days: int) -> str:
    """Return the spine's column of the label at a further horizon.

    Examples
    --------
    >>> horizon_column(30)
    'churned_30d'
    """
    return f"churned_{days}d"


def labelled(members: pd.DataFrame, tables: Tables, label: LabelConfig) -> pd.DataFrame:
    """Add the labels to the cohort: one at the horizon, one per further horizon.

    The facts behind the labels are gathered once; each horizon looks at them through its own window and waits until
    that window, with grace and settling days, is wholly observed.

    Parameters
    ----------
    members : DataFrame
        ``account_id, as_of, arr``.
    tables : Tables
        Everything that happened, seen with hindsight.
    label : LabelConfig

    Returns
    -------
    DataFrame
        `SPINE_COLUMNS`, then a column per further horizon; see `churnml.snapshots.spine`.
    """
    happened, wait = _happened(members, tables, label)
    opens = members["as_of"] + pd.Timedelta(days=label.gap_days)
    until = pd.Timestamp(final_until(tables, label)) - pd.Timedelta(days=wait)

    def at(horizon_days: int) -> tuple[np.ndarray, pd.Series]:
        closes = opens + pd.Timedelta(days=horizon_days)
        in_gap, in_window, on = happened(opens, closes)
        observed = (closes <= until).to_numpy()
        outcome = np.where(in_window, 1.0, 0.0)
        outcome[in_gap | ~observed] = np.nan
        return outcome, on.where(pd.Series((in_gap | in_window) & observed, index=members.index))

    out = members.copy()
    out["churned"], out["churn_on"] = at(label.horizon_days)
    longer = {horizon_column(days): at(days)[0] for days in label.further_horizons_days}
    return out[SPINE_COLUMNS].assign(**longer)


def final_until(tables: Tables, label: LabelConfig) -> date:
    """Return how far the table that decides the labels reaches: what happened since nobody could know.

    That is ``events`` for churn by silence, else ``subscriptions``, of which a renewal, a notice and a termination
    are news as well. A table that is as old as the others reaches as far as the data.
    """
    if label.churn == "silence" and label.target == "churn":
        counted = tables["events"].group_by(day=tables["events"].occurred_at.date()).agg(facts=lambda t: t.count())
        days = counted.to_pandas().set_index("day")["facts"]
        facts = days.set_axis(pd.DatetimeIndex(pd.to_datetime(days.index)))
    elif "subscriptions" in tables:
        terms = subscription_frame(tables)
        news = pd.concat([terms["known_at"], terms["notice_at"].fillna(terms["terminated_on"])]).dropna()
        facts = news.dt.normalize().value_counts()
    else:
        return tables.observed_until
    known = reach(facts, tables.observed_until)
    return tables.observed_until if known is None else known.until


def _happened(
    members: pd.DataFrame, tables: Tables, label: LabelConfig
) -> tuple[Callable[[pd.Series, pd.Series], Outcomes], int]:
    """Return a function that looks at what happened through windows, and the days to wait after one ends."""
    if label.target != "churn":
        return _Changes(members, tables, label), label.grace_days + label.settle_days
    if label.churn == "silence":
        return _Silences(members, tables, label), label.settle_days
    churn_on = contract_ends(members, tables, label)

    def ended(opens: pd.Series, closes: pd.Series) -> Outcomes:
        return (
            (churn_on < opens).to_numpy(),
            ((churn_on >= opens) & (churn_on < closes)).to_numpy(),
            churn_on,
        )

    return ended, label.grace_days + label.settle_days


def contract_ends(members: pd.DataFrame, tables: Tables, label: LabelConfig) -> pd.Series:
    """Return the day churn takes effect for the spell each row lies in; NaT where it has not ended."""
    terms = customer_terms(tables, label)
    stretches = spells(terms, grace_days=label.grace_days, observed_until=tables.observed_until)
    stretches["ended_on"] = stretches["ended_on"].where(stretches["churned"])
    rows = members[["account_id", "as_of"]].reset_index().sort_values("as_of", kind="stable")
    # The spell a row lies in is the last that started before its as_of.
    matched = pd.merge_asof(
        rows,
        stretches.sort_values("started_on", kind="stable")[["account_id", "started_on", "ended_on"]],
        left_on="as_of",
        right_on="started_on",
        by="account_id",
        allow_exact_matches=False,
    ).set_index("index")
    return matched["ended_on"].reindex(members.index).astype("datetime64[us]")


class _Changes:
    """Expansion or contraction, seen through windows.

    Full churn is neither: an account that churns inside its window without having expanded or contracted before
    counts as one that did not. A fall that comes no more than the grace days before the account's churn is part of
    that churn. Where a change was agreed before ``as_of``, takes effect inside the gap, or cannot be told because
    nothing ran that it could be judged by, and where the account churns inside the gap, there is no label.
    """

    def __init__(self, members: pd.DataFrame, tables: Tables, label: LabelConfig) -> None:
        changes = first_changes(members, tables, label)
        self.on = changes["change_on"]
        self.churn_on: pd.Series | None = None
        if label.churn == "contractual":
            self.churn_on = contract_ends(members, tables, label)
            # What an account does that has left and come back is a new account's.
            part = label.grace_days if label.target == "contraction" else 0
            self.on = self.on.where(~(self.churn_on <= self.on + pd.Timedelta(days=part)))
        self.unknown = (changes["decided"] & self.on.notna()) | ~changes["comparable"]

    def __call__(self, opens: pd.Series, closes: pd.Series) -> Outcomes:
        """Return which rows have no label or changed inside the gap, which changed in the window, and the day."""
        out = self.unknown | (self.on < opens)
        if self.churn_on is not None:
            out |= self.churn_on < opens
        inside = (self.on >= opens) & (self.on < closes)
        return out.to_numpy(), inside.to_numpy(), self.on.where(~self.unknown & (self.on < closes))


class _Silences:
    """Churn by silence, seen through windows.

    A row churns when a stretch of ``silence_days`` days without activity lies wholly inside its window. With
    ``silence_days = horizon_days`` that is: no activity in the whole window.
    """

    def __init__(self, members: pd.DataFrame, tables: Tables, label: LabelConfig) -> None:
        days = label.silence
        self.need = pd.Timedelta(days=days)
        self.index = members.index
        stretches = silent_stretches(tables, silence_days=days, activity=label.activity)
        rows = members[["account_id", "as_of"]].assign(row=np.arange(len(members)))
        self.pairs = rows.merge(stretches, on="account_id", how="inner")

    def __call__(self, opens: pd.Series, closes: pd.Series) -> Outcomes:
        """Return which rows fall silent inside the gap and inside the window, and the first silent day there."""
        count = len(self.index)
        row = self.pairs["row"].to_numpy()
        window_opens, window_closes = (
            pd.Series(bound.to_numpy()[row], index=self.pairs.index) for bound in (opens, closes)
        )
        start, hit = self._inside(window_opens, window_closes)
        in_window = np.zeros(count, dtype=bool)
        in_window[row[hit]] = True
        first = pd.Series(start[hit].to_numpy(), index=row[hit], dtype="datetime64[us]")
        churn_on = first.groupby(level=0).min().reindex(np.arange(count))
        _, gone = self._inside(self.pairs["as_of"], window_opens)
        in_gap = np.zeros(count, dtype=bool)
        in_gap[row[gone]] = True
        return in_gap, in_window, churn_on.set_axis(self.index)

    def _inside(self, left: pd.Series, right: pd.Series) -> tuple[pd.Series, np.ndarray]:
        """Return where each stretch begins inside its bounds, and whether it is long enough there."""
        start = pd.concat([self.pairs["silent_from"], left], axis=1).max(axis=1)
        stop = pd.concat([self.pairs["silent_until"].fillna(right), right], axis=1).min(axis=1)
        return start, (stop - start >= self.need).to_numpy()
