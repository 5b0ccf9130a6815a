"""Leaks that show per account: values written after the departure stand in the whole past of accounts that left.

A sign of trouble comes some time before an account leaves. A value overwritten when it leaves (a status "closed", an
owner "off-boarding", a plan set to nought) stands in every earlier snapshot as well, and long before the departure it
tells who will leave as surely as on the day before. So accounts are compared by rows **older than the label window**:
there an honest column may lean, it does not decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.features.spec import FeatureSet
from churnml.language import Argument, Quantity, Text
from churnml.metrics.predictions import roc_auc
from churnml.metrics.within_date import concordance

__all__ = ["AccountSplit", "Telltale", "account_rates", "telltales"]

Flags = npt.NDArray[np.bool_]

_LEAST_LEFT = 10
_DECIDED = 0.9
_OTHERS = 0.5
_MOST_WORDS = 50
_STEADY = 0.95
_ORDERED = 0.9


@dataclass(frozen=True)
class AccountSplit:
    """Accounts with a value against those without it, long before anybody left.

    Parameters
    ----------
    value : Text or str
        Which value.
    accounts, left : int
        Accounts with the value, and how many of them left in the end.
    others, others_left : int
        The same of accounts without it.
    """

    value: Argument
    accounts: int
    left: int
    others: int
    others_left: int

    @property
    def share(self) -> float:
        """Share of the accounts with the value that left, 0–1."""
        return self.left / self.accounts if self.accounts else 0.0

    @property
    def others_share(self) -> float:
        """Share of the other accounts that left, 0–1."""
        return self.others_left / self.others if self.others else 1.0

    @property
    def text(self) -> Text:
        """The counts in a sentence."""
        return Text.of("audit-split", **vars(self))

    def decides(self, share: float = _DECIDED, others: float = _OTHERS) -> bool:
        """Whether nearly all with the value left, enough of them, and most of the others did not."""
        return self.left >= _LEAST_LEFT and self.share >= share and self.others_share <= others


@dataclass(frozen=True)
class Telltale:
    """A column that gives away who leaves, long before it happens."""

    column: str
    detail: Text


@dataclass(frozen=True)
class _Past:
    """Rows older than anybody's label window, and who left in the end."""

    all_rows: pd.DataFrame
    chosen: Flags
    account: npt.NDArray[np.intp]
    left: Flags
    entered: npt.NDArray[np.datetime64]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Past:
        """Keep rows whose account did not leave within the label window, of accounts whose fate is known."""
        last = rows["as_of"].max()
        by = rows.groupby("account_id")
        left = by["churned"].max() == 1
        # An account that vanished without a labelled departure is neither: it may have left between two snapshots.
        known = left | (by["as_of"].max() == last)
        chosen = ((rows["churned"] == 0) & rows["account_id"].map(known)).to_numpy(dtype=bool)
        names, account = np.unique(rows.loc[chosen, "account_id"].astype(str), return_inverse=True)
        fate = left.set_axis(left.index.astype(str))
        entered = by["as_of"].min().set_axis(left.index.astype(str))
        return cls(rows, chosen, account, fate.loc[names].to_numpy(dtype=bool), entered.loc[names].to_numpy())

    def column(self, name: str) -> pd.Series:
        """Return a column of these rows."""
        return self.all_rows.loc[self.chosen, name]

    def split(self, value: Argument, side: Flags) -> AccountSplit:
        """Divide the accounts by whether any of their rows is on a side."""
        has = np.bincount(self.account, weights=side, minlength=len(self.left)) > 0
        return AccountSplit(
            value,
            int(has.sum()),
            int((has & self.left).sum()),
            int((~has).sum()),
            int((~has & self.left).sum()),
        )


def telltales(rows: pd.DataFrame, feature_set: FeatureSet) -> list[Telltale]:
    """Find columns that tell long before who leaves.

    Looked at per account: whether a column is known at all; each word, or each value of a column of few; and, of
    columns that hardly ever change, how well their order separates those who left in the end.

    Parameters
    ----------
    rows : DataFrame
        Spine and features with final labels.
    feature_set : FeatureSet
        The columns a model would read.

    Examples
    --------
    >>> from churnml.features.spec import FeatureSpec
    >>> days = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
    >>> rows = pd.DataFrame([(f"a{i}", day, float(i < 20 and day == days[-1]), "closed" if i < 20 else "open")
    ...                      for i in range(60) for day in days], columns=["account_id", "as_of", "churned", "status"])
    >>> spec = FeatureSpec("status", "context", "", "", "", "", "accounts", categorical=True)
    >>> [found.column for found in telltales(rows, FeatureSet([spec]))]
    ['status']
    """
    past = _Past.of(rows)
    if past.left.sum() < _LEAST_LEFT or (~past.left).sum() < _LEAST_LEFT:
        return []
    columns = []
    for spec in feature_set:
        detail = _decided(past, past.column(spec.name)) or _ordered(past, past.column(spec.name))
        if detail is not None:
            columns.append(Telltale(spec.name, detail))
    return columns


def account_rates(rows: pd.DataFrame, column: str) -> list[AccountSplit]:
    """Return each word of a column with how many accounts that had it long before left in the end."""
    past = _Past.of(rows)
    return list(_values(past, past.column(column))) if past.chosen.any() else []


def _decided(past: _Past, values: pd.Series) -> Text | None:
    splits = [split for split in (*_knownness(past, values), *_values(past, values)) if split.decides()]
    if not splits:
        return None
    return max(splits, key=lambda split: split.left).text


def _knownness(past: _Past, values: pd.Series) -> Iterator[AccountSplit]:
    known = values.notna().to_numpy()
    if known.any() and not known.all():
        yield past.split(Text.of("audit-filled"), known)
        yield past.split(Text.of("audit-empty"), ~known)


def _values(past: _Past, values: pd.Series) -> Iterator[AccountSplit]:
    """Give every value of a column of few: one pass over the rows, whatever their number."""
    plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf"
    code, distinct = pd.factorize(values.to_numpy() if plain else values.astype("object"))
    if len(distinct) > _MOST_WORDS:
        return
    has = np.zeros((len(past.left), len(distinct)), dtype=bool)
    has[past.account[code >= 0], code[code >= 0]] = True
    everyone, left = has.sum(axis=0), has[past.left].sum(axis=0)
    for place in sorted(range(len(distinct)), key=lambda place: str(distinct[place])):
        accounts, gone = int(everyone[place]), int(left[place])
        yield AccountSplit(
            f"“{distinct[place]}”", accounts, gone, len(past.left) - accounts, int(past.left.sum()) - gone
        )


def _ordered(past: _Past, values: pd.Series) -> Text | None:
    """Tell how well the order of a steady column separates accounts, where that is implausibly well."""
    plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf"
    numbers = (values if plain else pd.to_numeric(values.astype("object"), errors="coerce")).to_numpy(dtype=np.float64)
    known = ~np.isnan(numbers)
    if known.mean() < 0.5:
        return None
    account, number = past.account[known], numbers[known]
    order = np.argsort(account, kind="stable")
    account, number = account[order], number[order]
    same = account[1:] == account[:-1]
    if not same.any() or (number[1:] == number[:-1])[same].mean() < _STEADY:
        return None
    first = np.unique(account, return_index=True)[1]
    left, entered = past.left[account[first]], past.entered[account[first]]
    if left.sum() < _LEAST_LEFT or (~left).sum() < _LEAST_LEFT:
        return None
    # Among accounts seen from the same day on: a total as of today grows with the time that an account had.
    alike = concordance(left.astype(np.float64), number[first], account[first], entered).value or 0.5
    overall = roc_auc(left.astype(np.float64), number[first]) or 0.5
    best = max(alike, 1.0 - alike, overall, 1.0 - overall)
    return Text.of("audit-order", auc=Quantity(value=best, digits=3)) if best >= _ORDERED else None
