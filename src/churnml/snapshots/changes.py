"""Expansion and contraction: what runs under contract rises or falls, or a deal is won, seen with hindsight."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from churnml.config import LabelConfig
from churnml.errors import DataError
from churnml.language import Text
from churnml.snapshots.contract import subscription_frame
from churnml.snapshots.terms import continuations
from churnml.tables import Tables, knowledge

__all__ = ["first_changes", "levels"]

_SAME = 1e-9
_DEALS = ("upsell", "cross_sell")


def first_changes(members: pd.DataFrame, tables: Tables, label: LabelConfig) -> pd.DataFrame:
    """Return, per row of the cohort, when the target's change first takes effect on its ``as_of`` or later.

    A change is judged against what ran on the eve of ``as_of``. Expansion: seats of the plans, or MRR with add-ons,
    reach ``1 + change_share`` times as much, or an upsell or cross-sell is won, whichever comes first. Contraction:
    MRR falls to ``1 − change_share`` times as much or less and is not zero: nothing left is churn, not contraction.

    Parameters
    ----------
    members : DataFrame
        ``account_id, as_of``.
    tables : Tables
        Subscriptions, opportunities, or both.
    label : LabelConfig

    Returns
    -------
    DataFrame
        One row per row of `members`, its index: ``change_on`` (datetime64 or NaT), ``decided`` (the change was agreed
        and known before ``as_of``: nothing is left to predict), ``comparable`` (there is something to judge by).

    Raises
    ------
    DataError
        No table holds what the target is told by.
    """
    rising = label.target == "expansion"
    signs = set(label.expansion_by) if rising else {"mrr"}
    last = pd.Timedelta(days=label.gap_days + max(label.horizons))
    terms = subscription_frame(tables) if "subscriptions" in tables and signs & {"mrr", "seats"} else None
    change_on = pd.Series(pd.NaT, index=members.index, dtype="datetime64[us]")
    comparable = pd.Series(False, index=members.index)
    carriers = 0
    if terms is not None:
        for measure in sorted(signs & {"mrr", "seats"}):
            path = levels(terms, "mrr" if measure == "mrr" else "seats", grace_days=label.grace_days)
            carriers += len(path)
            base, on = _reached(members, path, last, label.change_share, rising=rising)
            change_on = _earlier(change_on, on)
            comparable |= base > 0
    decided = _agreed_before(members, change_on, terms)
    if "deals" in signs and "opportunities" in tables:
        won = _first_won(members, tables, last)
        decided &= ~(won < change_on)
        change_on = _earlier(change_on, won)
        comparable[:] = True
        carriers += 1
    if not carriers:
        raise DataError(
            Text.of(f"fault-no_change.{label.target}"),
            where="label.target",
            got=Text.of("fault-no_change.got-rising" if rising else "fault-no_change.got"),
            expected=" or ".join(sorted(signs)),
            remedy=Text.of("fault-no_change.map-rising" if rising else "fault-no_change.map"),
            code="data.no_change",
        )
    return pd.DataFrame({"change_on": change_on, "decided": decided, "comparable": comparable})


def levels(terms: pd.DataFrame, measure: Literal["mrr", "seats"], *, grace_days: int) -> pd.DataFrame:
    """Return the level of MRR or seats of each account from day to day, as the days on which it changes.

    An early or a late renewal at the same price is no change; `churnml.snapshots.terms` says what goes on as what.
    Up to `grace_days` in which one product runs beside another, or neither does, are none either.

    Parameters
    ----------
    terms : DataFrame
        From `churnml.snapshots.contract.subscription_frame`.
    measure : {"mrr", "seats"}
        MRR counts add-ons, seats are those of the plans.
    grace_days : int

    Returns
    -------
    DataFrame
        ``account_id, day, level``, sorted; the level holds from that day on.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": "a", "product": "crm", "is_addon": False, "mrr": [100.0, 130.0],
    ...     "started_on": [day("2026-01-01"), day("2026-02-04")], "actual_end": [day("2026-02-01"), day("2026-05-01")]})
    >>> terms = terms.assign(agreed_end=terms["actual_end"], terminated_on=pd.NaT, notice_at=pd.NaT,
    ...     known_at=pd.NaT)
    >>> [(f"{row.day:%m-%d}", row.level) for row in levels(terms, "mrr", grace_days=14).itertuples()]
    [('01-01', 100.0), ('02-04', 130.0), ('05-01', 0.0)]
    """
    terms = terms.assign(until=continuations(terms, grace_days=grace_days)["until"])
    counted = terms[measure].notna() & (terms["until"] > terms["started_on"])
    if measure == "seats":
        counted &= ~terms["is_addon"]
    rows = terms[counted]
    steps = pd.concat(
        [
            pd.DataFrame({"account_id": rows["account_id"], "day": rows[column], "level": sign * rows[measure]})
            for column, sign in (("started_on", 1.0), ("until", -1.0))
        ]
    )
    path = steps.groupby(["account_id", "day"], as_index=False).agg(level=("level", "sum"))
    path["level"] = path.groupby("account_id")["level"].cumsum().round(6)
    path = _changed(path)
    by_account = path.groupby("account_id")
    before, after = by_account["level"].shift(fill_value=0.0), by_account["level"].shift(-1)
    short = by_account["day"].shift(-1) - path["day"] <= pd.Timedelta(days=grace_days)
    spike = (path["level"] - before) * (after - path["level"]) < 0
    return _changed(path[~(short & spike)])


def _changed(path: pd.DataFrame) -> pd.DataFrame:
    """Keep the days on which the level moves."""
    before = path.groupby("account_id")["level"].shift(fill_value=0.0)
    return path[(path["level"] - before).abs() > _SAME].reset_index(drop=True)


def _reached(
    members: pd.DataFrame, path: pd.DataFrame, last: pd.Timedelta, share: float, *, rising: bool
) -> tuple[pd.Series, pd.Series]:
    """Return what ran on the eve of each row's ``as_of``, and the first day from then on that it is passed enough."""
    base = pd.Series(np.nan, index=members.index)
    on = pd.Series(pd.NaT, index=members.index, dtype="datetime64[us]")
    for as_of, rows in members.groupby("as_of"):
        start = pd.Timestamp(as_of)  # type: ignore[arg-type]
        past = path[path["day"] < start].drop_duplicates("account_id", keep="last").set_index("account_id")["level"]
        past = past[past > _SAME]
        ahead = path[(path["day"] >= start) & (path["day"] < start + last)]
        factor = ahead["level"] / past.reindex(ahead["account_id"]).to_numpy()
        hit = factor >= 1 + share - _SAME if rising else (factor <= 1 - share + _SAME) & (ahead["level"] > _SAME)
        first = ahead[hit].drop_duplicates("account_id").set_index("account_id")["day"]
        base[rows.index] = past.reindex(rows["account_id"]).to_numpy()
        on[rows.index] = first.reindex(rows["account_id"]).to_numpy()
    return base, on


def _agreed_before(members: pd.DataFrame, change_on: pd.Series, terms: pd.DataFrame | None) -> pd.Series:
    """Tell which changes were known before ``as_of``.

    The terms that begin on the day of the change were all signed before ``as_of``; or none begins, and those that end
    were under notice.
    """
    decided = pd.Series(False, index=members.index)
    rows = members.assign(day=change_on)[change_on.notna()]
    if terms is None or rows.empty:
        return decided
    signed = terms.assign(signed_at=knowledge.frame_known_since(terms, "subscriptions", begun=False))
    begins = signed.groupby(["account_id", "started_on"])["signed_at"].max()
    notices = terms.groupby(["account_id", "actual_end"])["notice_at"]
    ends = notices.max().where(notices.count() == notices.size())
    keys = pd.MultiIndex.from_frame(rows[["account_id", "day"]])
    agreed_at = pd.Series(begins.reindex(keys).to_numpy(), index=rows.index)
    agreed_at = agreed_at.fillna(pd.Series(ends.reindex(keys).to_numpy(), index=rows.index))
    decided[rows.index] = agreed_at < rows["as_of"]
    return decided


def _first_won(members: pd.DataFrame, tables: Tables, last: pd.Timedelta) -> pd.Series:
    """Return the day of the first upsell or cross-sell won on each row's ``as_of`` or later; NaT where none is."""
    deals = tables["opportunities"].select("account_id", "kind", "closed_at", "outcome").to_pandas()
    deals = deals[deals["kind"].isin(_DEALS) & (deals["outcome"] == "won") & deals["closed_at"].notna()]
    deals["account_id"] = deals["account_id"].astype("str")
    deals["day"] = pd.to_datetime(deals["closed_at"]).astype("datetime64[us]").dt.floor("D")
    won = pd.merge_asof(
        members[["account_id", "as_of"]].reset_index().sort_values("as_of", kind="stable"),
        deals[["account_id", "day"]].sort_values("day", kind="stable"),
        left_on="as_of",
        right_on="day",
        by="account_id",
        direction="forward",
    ).set_index("index")["day"]
    won = won.reindex(members.index)
    return won.where(won < members["as_of"] + last)


def _earlier(left: pd.Series, right: pd.Series) -> pd.Series:
    return left.where(~(right < left) & left.notna(), right)
