"""Inner folds: rows to learn from and later rows to tune and calibrate on, all inside one training set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

__all__ = ["InnerFold", "grouped_folds", "temporal_folds"]

Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class InnerFold:
    """Row numbers to train on and row numbers to judge on."""

    train: Index
    valid: Index


def temporal_folds(
    dates: npt.ArrayLike, y: npt.ArrayLike, purge_days: int, folds: int = 3, min_train_share: float = 0.25
) -> list[InnerFold]:
    """Cut the later part of a training period into consecutive blocks, each judged by a model of its own past.

    The model of a block sees only rows whose whole label window ends before the block begins.

    Parameters
    ----------
    dates : array of datetime64, shape (n,)
        ``as_of`` of each row.
    y : array of shape (n,)
        Outcomes, 0 or 1.
    purge_days : int
        Gap + horizon of the label.
    folds : int
        Blocks wanted; fewer where the period is short.
    min_train_share : float
        A block must have at least this share of all rows to learn from.

    Returns
    -------
    list of InnerFold
        Oldest first; empty when no block has both a past and outcomes of both kinds.

    Examples
    --------
    >>> dates = np.repeat(np.array(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], "datetime64[D]"), 2)
    >>> fold, = temporal_folds(dates, [0, 1] * 4, purge_days=31, folds=1)
    >>> fold.train.tolist(), fold.valid.tolist()
    ([0, 1], [4, 5, 6, 7])
    """
    day = np.asarray(dates).astype("datetime64[D]")
    outcome = np.asarray(y)
    distinct, counts = np.unique(day, return_counts=True)
    purge = np.timedelta64(purge_days, "D")
    before = np.searchsorted(distinct, distinct - purge, side="right")
    learnt = np.concatenate([[0], np.cumsum(counts)])[before] / len(day)
    open_dates = np.flatnonzero(learnt >= min_train_share)
    # At most the later half of the dates: early blocks tell little about a model trained on everything.
    open_dates = open_dates[open_dates >= len(distinct) // 2]
    inner: list[InnerFold] = []
    for block in np.array_split(open_dates, min(folds, max(len(open_dates), 1))):
        if not len(block):
            continue
        first, last = distinct[block[0]], distinct[block[-1]]
        train = np.flatnonzero(day <= first - purge)
        valid = np.flatnonzero((day >= first) & (day <= last))
        if len(np.unique(outcome[train])) == 2 and len(np.unique(outcome[valid])) == 2:
            inner.append(InnerFold(train, valid))
    return inner


def grouped_folds(y: npt.ArrayLike, groups: npt.ArrayLike, folds: int = 5, seed: int = 0) -> list[InnerFold]:
    """Split by account with churners spread evenly: for data without dates, or with too short a history.

    Examples
    --------
    >>> len(grouped_folds([0, 1] * 10, np.arange(20), folds=5))
    5
    """
    outcome, group = np.asarray(y), np.asarray(groups)
    churners = len(np.unique(group[outcome == 1]))
    stayers = len(np.unique(group[outcome == 0]))
    count = min(folds, churners, stayers)
    if count < 2:
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    cut = [InnerFold(train, valid) for train, valid in splitter.split(outcome, outcome, group)]
    return [fold for fold in cut if len(np.unique(outcome[fold.train])) == 2 and len(fold.valid)]
