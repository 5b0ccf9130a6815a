"""To which group each account belongs, month by month: by plan, by attribute, by cohort, by what it is part of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.tables import Tables, knowledge
from churnml.tables.parents import top_of

if TYPE_CHECKING:
    from churnml.retention.panel import Panel

__all__ = ["ALONE", "PARENT", "YEAR_MONTHS", "Groups", "families", "groups_of", "has_parents"]

YEAR_MONTHS = 12
PARENT = "parent"
"""Groups by the account at the top of each one's chain of parents."""
ALONE = "~"
"""Of these the group of all accounts that have nobody above or below them."""

Words = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Groups:
    """To which group each account belongs, month by month.

    Parameters
    ----------
    names : tuple of str
        The groups, sorted.
    of_month, of_year : ndarray of int, months × accounts
        The group of each account for a month, and for the twelve months that end with it; −1 = none.
    """

    names: tuple[str, ...]
    of_month: npt.NDArray[np.int64]
    of_year: npt.NDArray[np.int64]


def has_parents(tables: Tables) -> bool:
    """Tell whether a company's accounts say what they are part of."""
    return tables.has("accounts", "parent_id")


def families(tables: Tables) -> int:
    """Return how many groups of accounts there are by the newest parents, those that stand alone not counted."""
    if not has_parents(tables):
        return 0
    versions = tables["accounts"].select("account_id", "parent_id", "known_at").to_pandas()
    newest = knowledge.frame_newest(versions, pd.Timestamp(tables.observed_until))
    return len(_shared(top_of(newest.set_index("account_id")["parent_id"].astype("object"))).unique())


def groups_of(panel: Panel, name: str) -> Groups:
    """Return the groups by plan, cohort, parent or an attribute of the accounts.

    An account belongs to the group that it was known to be in at the month's start (its end, for one that came later),
    and stays in the group that it was in at the start of a year's period.

    Parameters
    ----------
    panel : Panel
    name : str
        ``"plan"``, ``"cohort"``, an attribute of the accounts, or ``"parent"``: the account at the top of the chain of
        parents, over however many levels, and `ALONE` for accounts that have nobody above or below them. Where
        accounts have no parents, that is an attribute like any other.
    """
    ways: dict[str, Callable[[Panel], list[Words]]] = {"plan": _plans, "cohort": _cohorts}
    if has_parents(panel.tables):
        ways[PARENT] = _tops
    table = ways.get(name, partial(_attribute, name=name))(panel)
    spoken = sorted({word for column in table for word in column if word is not None})
    position = pd.Index(spoken, dtype="object")
    codes = np.array([position.get_indexer(column) for column in table], dtype=np.int64)
    codes = codes.reshape(len(panel.edges), len(panel.accounts))
    of_month = np.where(codes[:-1] >= 0, codes[:-1], codes[1:])
    of_year = np.full_like(of_month, -1)
    of_year[YEAR_MONTHS - 1 :] = codes[: max(panel.months - YEAR_MONTHS + 1, 0)]
    return Groups(tuple(str(word) for word in spoken), of_month, of_year)


def _plans(panel: Panel) -> list[Words]:
    """Return the plan (or product) of each account on each edge: that of its term with the highest MRR."""
    terms = panel.contracts.terms[~panel.contracts.terms["is_addon"]]
    terms = terms.sort_values(["mrr", "started_on"], ascending=False, kind="stable")
    named = terms["plan"].fillna(terms["product"])
    word = np.array([None if pd.isna(value) else str(value) for value in named], dtype="object")
    account, started, ended = (
        panel.code(terms["account_id"]),
        _times(terms["started_on"]),
        _times(terms["actual_end"]),
    )
    out = []
    for day in panel.edges.to_numpy().astype("datetime64[us]"):
        begun = np.flatnonzero(started <= day)
        lapsed = ended[begun] <= day
        rows = np.concatenate([begun[~lapsed], begun[lapsed]])
        accounts, first = np.unique(account[rows], return_index=True)
        words = np.full(len(panel.accounts), None, dtype="object")
        words[accounts] = word[rows[first]]
        out.append(words)
    return out


def _cohorts(panel: Panel) -> list[Words]:
    """Return the quarter in which each account became a customer."""
    begun = panel.lives["started_on"].dt.to_period("Q").astype("str").to_numpy(dtype="object")
    words = np.concatenate([begun, np.array([None], dtype="object")])
    return [words[row] for row in panel.life]


def _attribute(panel: Panel, name: str) -> list[Words]:
    out = []
    for newest in _versions(panel, name):
        words = np.full(len(panel.accounts), None, dtype="object")
        words[panel.code(newest.index.to_series())] = newest.to_numpy()
        out.append(words)
    return out


def _tops(panel: Panel) -> list[Words]:
    """Return the account at the top of each one's chain of parents; nobody is left out, so that the groups add up."""
    own = panel.accounts.to_numpy()
    out: list[Words] = []
    for newest in _versions(panel, "parent_id"):
        tops = top_of(newest)
        words = np.full(len(own), None, dtype="object")
        shared = _shared(tops)
        words[panel.code(tops.index.to_series())] = ALONE
        words[panel.code(shared.index.to_series())] = shared.to_numpy()
        out.append(words)
    coming = np.zeros(len(own), dtype=bool)
    for words in reversed(out):  # who becomes known within the month is then in the group of its end
        nowhere = np.asarray(pd.isna(words), dtype=bool)
        words[nowhere & ~coming] = ALONE
        coming = ~nowhere
    return out


def _shared(tops: pd.Series) -> pd.Series:
    """Return the tops of those who have somebody above, below or beside them."""
    return tops[tops.duplicated(keep=False) | (tops != tops.index)]


def _versions(panel: Panel, name: str) -> Iterator[pd.Series]:
    """Yield, for each edge, the words of a column of the accounts by account, as they were known then."""
    versions: pd.DataFrame = panel.tables["accounts"].select("account_id", name, "known_at").to_pandas()
    versions["account_id"] = versions["account_id"].astype("str")
    values = versions[name].astype("object")
    versions[name] = values.where(values.notna(), None).map(lambda value: None if value is None else str(value))
    # In the order that the newest are taken in, so that sorting again is quick.
    versions = versions.sort_values(["account_id", "known_at"], na_position="first", kind="stable")
    for day in panel.edges:
        newest = knowledge.frame_newest(versions, day + pd.Timedelta(days=1))
        yield newest.set_index("account_id")[name].astype("object")


def _times(values: pd.Series) -> npt.NDArray[Any]:
    return pd.to_datetime(values).to_numpy().astype("datetime64[us]")
