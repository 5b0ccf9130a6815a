"""Facts about the departure itself: words that only accounts that left have, and kinds that come just before the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.evaluation.hindsight import Split
from churnml.tables import Tables

__all__ = ["DepartureFact", "departure_facts"]

_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "tickets": ("opened_at", ("category", "priority")),
    "surveys": ("sent_at", ("kind",)),
    "invoices": ("issued_on", ()),
    "touchpoints": ("occurred_at", ("channel",)),
    "events": ("occurred_at", ("event_type",)),
    "campaign_events": ("occurred_at", ("kind",)),
    "milestones": ("planned_at", ("kind",)),
}
"""Table → when its facts happen, and the words that say what they are."""
_LAST_DAYS = (7, 14, 30)
_EARLIER_DAYS = (60, 90, 120)
_LEAST_LEFT = 10
_OFTEN = 0.5
_RARER = 4.0


@dataclass(frozen=True)
class DepartureFact:
    """A kind of fact that tells of the departure rather than of what leads to it.

    Parameters
    ----------
    where : str
        Table, or table and column.
    detail : str
        The word and the counts.
    """

    where: str
    detail: str


def departure_facts(tables: Tables, rows: pd.DataFrame) -> list[DepartureFact]:
    """Look for facts that are written when an account leaves, though they are dated before.

    Two signs: a word in use among accounts that left and hardly any other (a ticket of category "cancellation"), and a
    kind of fact that most leavers have in their last days and rarely had before (a survey at the exit, a last invoice).
    Facts are looked at whether a feature reads them or not.

    Parameters
    ----------
    tables : Tables
    rows : DataFrame
        Spine with final labels: account_id, as_of, churned, churn_on.
    """
    left = rows[(rows["churned"] == 1) & rows["churn_on"].notna()].groupby("account_id")["churn_on"].max()
    last = rows.groupby("account_id")["as_of"].max()
    stayed = last.index[(last == last.max()) & ~last.index.isin(left.index)]
    if len(left) < _LEAST_LEFT or len(stayed) < _LEAST_LEFT:
        return []
    since = rows.groupby("account_id")["as_of"].min()[left.index]
    found = []
    for name, (at, words) in _SOURCES.items():
        if not tables.has(name, at):
            continue
        for column in [word for word in words if tables.has(name, word)] or [""]:
            facts = _facts(tables, name, at, column)
            found += _exclusive(facts, name, column, left, stayed)
            found += _late(facts, name, column, left, since)
    return found


def _facts(tables: Tables, name: str, at: str, column: str) -> pd.DataFrame:
    """Return account, day and word of every fact, each once."""
    import ibis

    table = tables[name]
    word = table[column] if column else ibis.literal(name)
    day = table[at].cast("timestamp").truncate("D")
    facts = table.select("account_id", day=day, word=word).distinct().to_pandas()
    facts["day"] = pd.to_datetime(facts["day"]).dt.tz_localize(None)
    return facts.dropna()


def _exclusive(
    facts: pd.DataFrame, name: str, column: str, left: pd.Series, stayed: pd.Index
) -> Iterator[DepartureFact]:
    if not column:
        return
    for word, of in facts.groupby("word"):
        has = of["account_id"].unique()
        split = Split(
            f"“{word}”",
            int(np.isin(left.index, has).sum() + np.isin(stayed, has).sum()),
            int(np.isin(left.index, has).sum()),
            int((~np.isin(left.index, has)).sum() + (~np.isin(stayed, has)).sum()),
            int((~np.isin(left.index, has)).sum()),
        )
        if split.decides():
            yield DepartureFact(f"{name}.{column}", f"“{word}” in {split.accounts} accounts, {split.left} of them left")


def _late(
    facts: pd.DataFrame, name: str, column: str, left: pd.Series, since: pd.Series
) -> Iterator[DepartureFact]:
    leaving = facts[facts["account_id"].isin(left.index)]
    days = (leaving["account_id"].map(left) - leaving["day"]).dt.days
    past = (left - since).dt.days
    where = f"{name}.{column}" if column else name
    for word in sorted(leaving["word"].unique(), key=str):
        mine = (leaving["word"] == word).to_numpy()
        for window in _LAST_DAYS:

            def share(start: int, mine: np.ndarray = mine, window: int = window) -> tuple[float, int]:
                """Return the share of leavers with such a fact in the days from `start` before, and how many."""
                asked = past[past >= start + window].index
                inside = mine & ((days > start) & (days <= start + window)).to_numpy()
                has = leaving.loc[inside, "account_id"].unique()
                count = int(np.isin(asked, has).sum())
                return (count / len(asked) if len(asked) >= _LEAST_LEFT else np.nan), count

            latest, count = share(0)
            earlier = np.array([share(start)[0] for start in _EARLIER_DAYS])
            if np.isnan(latest) or np.isnan(earlier).all() or count < _LEAST_LEFT:
                continue
            usual = float(np.nanmean(earlier))
            if latest >= _OFTEN and latest >= _RARER * usual:
                label = f"“{word}” " if column else ""
                yield DepartureFact(
                    where,
                    f"{label}in the last {window} days of {latest:.0%} of the accounts that left, "
                    f"in as many days earlier of {usual:.0%}",
                )
                break
