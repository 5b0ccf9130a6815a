"""Facts about the departure itself: words of accounts that left alone, and kinds that come just before the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.evaluation.hindsight import AccountSplit
from churnml.language import Quantity, Text
from churnml.tables import Tables

__all__ = ["SOURCES", "DepartureFact", "departure_facts"]

SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
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
_RARER = 3.0


@dataclass(frozen=True)
class DepartureFact:
    """A kind of fact that tells of the departure rather than of what leads to it.

    Parameters
    ----------
    where : str
        Table, or table and column.
    detail : Text
        The word and the counts.
    """

    where: str
    detail: Text


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
    facts: list[DepartureFact] = []
    for name, (at, words) in SOURCES.items():
        if not tables.has(name, at):
            continue
        for column in [word for word in words if tables.has(name, word)] or [""]:
            if column:
                facts += _exclusive(_held(tables, name, column), f"{name}.{column}", left, stayed)
            facts += _late(_before_leaving(tables, name, at, column, left), name, column, left, since)
    return facts


def _held(tables: Tables, name: str, column: str) -> pd.DataFrame:
    """Return every account with every word that it ever had."""
    table = tables[name]
    held: pd.DataFrame = table.select("account_id", word=table[column]).distinct().to_pandas()
    return held.dropna()


def _before_leaving(tables: Tables, name: str, at: str, column: str, left: pd.Series) -> pd.DataFrame:
    """Return account, word and days before leaving of the facts of accounts that left, each day once."""
    import ibis

    table = tables[name]
    leavers = ibis.memtable(pd.DataFrame({"account_id": left.index.astype(str), "left_at": left.to_numpy()}))
    facts = table.select(
        "account_id",
        day=table[at].cast("timestamp").truncate("D"),
        word=table[column] if column else ibis.literal(name),
    )
    facts = facts.inner_join(leavers, "account_id")
    reach = max(_EARLIER_DAYS) + max(_LAST_DAYS)
    near = facts.filter((facts.day < facts.left_at) & (facts.day >= facts.left_at - ibis.interval(days=reach)))
    dated: pd.DataFrame = near.select("account_id", "day", "left_at", "word").distinct().to_pandas().dropna()
    days = (pd.to_datetime(dated["left_at"]) - pd.to_datetime(dated["day"])).dt.days
    return dated[["account_id", "word"]].assign(days=days)


def _exclusive(held: pd.DataFrame, where: str, left: pd.Series, stayed: pd.Index) -> Iterator[DepartureFact]:
    # A free text that is mapped as a kind has a word per fact, so all words are counted in one pass.
    pairs = held[["account_id", "word"]].drop_duplicates()
    leavers = pairs.loc[pairs["account_id"].isin(left.index), "word"].value_counts()
    stayers = pairs.loc[pairs["account_id"].isin(stayed), "word"].value_counts()
    for word in sorted(leavers.index[leavers >= _LEAST_LEFT], key=str):
        gone, remaining = int(leavers[word]), int(stayers.get(word, 0))
        others = len(left) - gone + len(stayed) - remaining
        split = AccountSplit(f"“{word}”", gone + remaining, gone, others, len(left) - gone)
        if split.decides():
            yield DepartureFact(where, Text.of("audit-leavers_word", word=str(word), n=split.accounts, left=split.left))


def _late(leaving: pd.DataFrame, name: str, column: str, left: pd.Series, since: pd.Series) -> Iterator[DepartureFact]:
    past = (left - since).dt.days
    where = f"{name}.{column}" if column else name
    place, known = left.index.get_indexer(pd.Index(leaving["account_id"])), past.to_numpy()
    days, words = leaving["days"].to_numpy(), leaving["word"].to_numpy()
    recent = leaving.loc[days <= max(_LAST_DAYS)].groupby("word")["account_id"].nunique()
    for word in sorted(recent.index[recent >= _LEAST_LEFT], key=str):
        mine = (words == word) & (place >= 0)
        account, before = place[mine], days[mine]
        for window in _LAST_DAYS:

            def share(
                start: int, account: np.ndarray = account, before: np.ndarray = before, window: int = window
            ) -> tuple[float, int]:
                """Return the share of leavers with such a fact in the days from `start` before, and how many."""
                asked = known >= start + window
                has = np.zeros(len(known), dtype=bool)
                has[account[(before > start) & (before <= start + window)]] = True
                count, everyone = int((has & asked).sum()), int(asked.sum())
                return (count / everyone if everyone >= _LEAST_LEFT else np.nan), count

            latest, count = share(0)
            earlier = np.array([share(start)[0] for start in _EARLIER_DAYS])
            if np.isnan(latest) or np.isnan(earlier).all() or count < _LEAST_LEFT:
                continue
            usual = float(np.nanmean(earlier))
            if latest >= _OFTEN and latest >= _RARER * usual:
                days_and_shares = {
                    "days": window,
                    "latest": Quantity(value=latest, unit="share", digits=0),
                    "usual": Quantity(value=usual, unit="share", digits=0),
                }
                last = Text.of("audit-last_days", **days_and_shares)
                yield DepartureFact(
                    where,
                    Text.of("audit-last_days_of", word=str(word), last=last) if column else last,
                )
                break
