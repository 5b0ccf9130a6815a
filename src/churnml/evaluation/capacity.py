"""What contacting as many accounts as the team can is worth: pooled, per fold and per segment, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.metrics.intervals import Interval, clustered_bootstrap

__all__ = ["CapacityReport", "Reach", "SegmentReach", "at_capacity", "contacted"]

Array = npt.NDArray[np.float64]

_REPEATS = 200
_LEAST_ROWS = 50
_RATIOS: Mapping[str, tuple[str, str]] = {
    "contacted_share": ("contacted", "rows"),
    "recall": ("caught", "churned"),
    "precision": ("caught", "contacted"),
    "revenue_recall": ("caught_arr", "churned_arr"),
}


@dataclass(frozen=True)
class Reach:
    """What the contacts catch among some rows; ratios with 95 % intervals, their bounds None where undefined.

    Parameters
    ----------
    n, positives : int
        Rows, and rows that churned.
    contacted_share : Interval
        Contacted rows over all.
    recall : Interval
        Churners caught over churners.
    precision : Interval
        Churners among the contacted.
    revenue_recall : Interval
        ARR of churners caught over the ARR of churners; unknown ARR counts as 0.
    lift : Interval
        Precision over the churn rate.
    """

    n: int
    positives: int
    contacted_share: Interval
    recall: Interval
    precision: Interval
    revenue_recall: Interval
    lift: Interval


@dataclass(frozen=True)
class SegmentReach(Reach):
    """What the same contacts catch within one value of one segmentation."""

    segment: str
    value: str


@dataclass(frozen=True)
class CapacityReport:
    """What contacting the riskiest `share` of each snapshot catches: pooled, per fold, per segment."""

    share: float
    pooled: Reach
    folds: Mapping[str, Reach]
    segments: tuple[SegmentReach, ...]


def contacted(predictions: pd.DataFrame, share: float) -> Array:
    """Return the part of each row that is contacted when the riskiest `share` of each snapshot is, shape (n,).

    1 above the edge, 0 below; rows tied at the edge share what is left of the capacity, so no order of rows matters.

    Parameters
    ----------
    predictions : DataFrame
        fold, as_of and p_model.
    share : float
        0–1.

    Examples
    --------
    >>> rows = pd.DataFrame({"fold": "a", "as_of": 1, "p_model": [0.9, 0.5, 0.5, 0.1]})
    >>> contacted(rows, 0.5).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    by = predictions.groupby(["fold", "as_of"])["p_model"]
    rank = {method: by.rank(method=method, ascending=False).to_numpy() for method in ("min", "max")}
    above, tied = rank["min"] - 1.0, rank["max"] - rank["min"] + 1.0
    room = share * by.transform("size").to_numpy(dtype=np.float64)
    return np.asarray(np.clip((room - above) / tied, 0.0, 1.0))


def at_capacity(predictions: pd.DataFrame, segments: pd.DataFrame, share: float, seed: int) -> CapacityReport:
    """Return what contacting the riskiest `share` of each snapshot catches.

    The 95 % intervals draw whole accounts; who is contacted is decided once, on all of them. A segment is judged by
    the same contacts as everybody, so the segments show whom the capacity goes to.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, fold, churned, arr and p_model.
    segments : DataFrame
        One column of words per segmentation, in the rows of `predictions`; values of under 50 rows are left out.
    share : float
        Share of accounts that can be contacted per snapshot, 0–1.
    seed : int
        Seed of the draws.

    Returns
    -------
    CapacityReport

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": list("abcd"), "as_of": 1, "fold": "f", "churned": [1.0, 0.0, 1.0, 0.0],
    ...                      "arr": [300.0, 1.0, 100.0, 1.0], "p_model": [0.9, 0.8, 0.2, 0.1]})
    >>> reach = at_capacity(rows, pd.DataFrame(index=range(4)), share=0.5, seed=0).pooled
    >>> reach.recall.value, reach.revenue_recall.value, reach.lift.value
    (0.5, 0.75, 1.0)
    """
    taken = contacted(predictions, share)
    churned = predictions["churned"].to_numpy(dtype=np.float64)
    arr = np.nan_to_num(predictions["arr"].to_numpy(dtype=np.float64, na_value=np.nan))
    columns = {
        "rows": np.ones(len(taken)),
        "contacted": taken,
        "churned": churned,
        "caught": taken * churned,
        "churned_arr": churned * arr,
        "caught_arr": taken * churned * arr,
    }
    table = np.column_stack(list(columns.values()))
    accounts = predictions["account_id"].to_numpy()
    folds = predictions["fold"].to_numpy()

    def reach(rows: npt.NDArray[np.bool_]) -> Reach:
        ratios = _ratios(table[rows], list(columns), accounts[rows], seed)
        return Reach(n=int(rows.sum()), positives=int(churned[rows].sum()), **ratios)

    within = []
    for name in segments.columns:
        words = segments[name].astype("object").reset_index(drop=True)
        for value in sorted(words.dropna().unique(), key=str):
            rows = (words == value).to_numpy(dtype=bool)
            if rows.sum() >= _LEAST_ROWS:
                within.append(SegmentReach(**vars(reach(rows)), segment=str(name), value=str(value)))
    everyone = np.ones(len(taken), dtype=bool)
    return CapacityReport(
        share=share,
        pooled=reach(everyone),
        folds={str(fold): reach(folds == fold) for fold in dict.fromkeys(folds)},
        segments=tuple(within),
    )


def _ratios(table: Array, names: Sequence[str], accounts: npt.NDArray[Any], seed: int) -> dict[str, Interval]:
    """Return every ratio of column sums with its interval."""
    # Rows of an account are drawn together, so its sums are all that a draw needs.
    drawn, account = np.unique(accounts.astype(str), return_inverse=True)
    own = np.column_stack([np.bincount(account, weights=column, minlength=len(drawn)) for column in table.T])
    draws = np.array(clustered_bootstrap(drawn, _REPEATS, seed))
    sums = dict(zip(names, np.vstack([own.sum(axis=0), draws @ own]).T, strict=True))
    ratios = {name: _ratio(sums[top], sums[bottom]) for name, (top, bottom) in _RATIOS.items()}
    ratios["lift"] = _ratio(ratios["precision"], _ratio(sums["churned"], sums["rows"]))
    return {name: _bounded(values) for name, values in ratios.items()}


def _ratio(top: Array, bottom: Array) -> Array:
    return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))


def _bounded(values: Array) -> Interval:
    """Return the first value with the percentile interval of the others."""
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or len(drawn) < 2:
        return Interval(None if np.isnan(values[0]) else float(values[0]), None, None)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))
