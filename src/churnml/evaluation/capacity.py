"""What contacting as many accounts as the team can is worth: pooled, per fold and per segment, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.metrics.intervals import clustered_bootstrap

__all__ = ["at_capacity", "contacted"]

Array = npt.NDArray[np.float64]

_REPEATS = 200
_LEAST_ROWS = 50
_RATIOS: Mapping[str, tuple[str, str]] = {
    "contacted_share": ("contacted", "rows"),
    "recall": ("caught", "churned"),
    "precision": ("caught", "contacted"),
    "revenue_recall": ("caught_arr", "churned_arr"),
}


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


def at_capacity(predictions: pd.DataFrame, segments: pd.DataFrame, share: float, seed: int) -> dict[str, Any]:
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
    dict
        ``share``; ``pooled``; ``folds``: name → the same; ``segments``: list with ``segment`` and ``value``. Each has
        ``n``, ``positives``, and ``contacted_share``, ``recall`` (churners caught), ``precision`` (churners among the
        contacted), ``lift`` (precision over the churn rate), ``revenue_recall`` (their ARR caught; unknown counts as
        0), each with ``value``, ``low`` and ``high``, None where undefined.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": list("abcd"), "as_of": 1, "fold": "f", "churned": [1.0, 0.0, 1.0, 0.0],
    ...                      "arr": [300.0, 1.0, 100.0, 1.0], "p_model": [0.9, 0.8, 0.2, 0.1]})
    >>> found = at_capacity(rows, pd.DataFrame(index=range(4)), share=0.5, seed=0)["pooled"]
    >>> found["recall"]["value"], found["revenue_recall"]["value"], found["lift"]["value"]
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

    def judged(rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return _judged(table[rows], list(columns), accounts[rows], seed)

    found = []
    for name in segments.columns:
        words = segments[name].astype("object").reset_index(drop=True)
        for value in sorted(words.dropna().unique(), key=str):
            rows = (words == value).to_numpy(dtype=bool)
            if rows.sum() >= _LEAST_ROWS:
                found.append({"segment": name, "value": str(value), **judged(rows)})
    return {
        "share": share,
        "pooled": judged(np.ones(len(taken), dtype=bool)),
        "folds": {str(fold): judged(folds == fold) for fold in dict.fromkeys(folds)},
        "segments": found,
    }


def _judged(table: Array, names: Sequence[str], accounts: npt.NDArray[Any], seed: int) -> dict[str, Any]:
    """Return every ratio of column sums with its interval."""
    # Rows of an account are drawn together, so its sums are all that a draw needs.
    drawn, account = np.unique(accounts.astype(str), return_inverse=True)
    own = np.column_stack([np.bincount(account, weights=column, minlength=len(drawn)) for column in table.T])
    draws = np.array(clustered_bootstrap(drawn, _REPEATS, seed))
    sums = dict(zip(names, np.vstack([own.sum(axis=0), draws @ own]).T, strict=True))
    ratios = {name: _ratio(sums[top], sums[bottom]) for name, (top, bottom) in _RATIOS.items()}
    ratios["lift"] = _ratio(ratios["precision"], _ratio(sums["churned"], sums["rows"]))
    return {
        "n": len(table),
        "positives": int(sums["churned"][0]),
        **{name: _bounded(values) for name, values in ratios.items()},
    }


def _ratio(top: Array, bottom: Array) -> Array:
    return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))


def _bounded(values: Array) -> dict[str, float | None]:
    """Return the first value with the percentile interval of the others."""
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or len(drawn) < 2:
        return {"value": None if np.isnan(values[0]) else float(values[0]), "low": None, "high": None}
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}
