"""Which rows a model learns from where there are very many: all that churned, and a sample of those that stayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["LearningRows", "learning_rows"]

_LEAST_STAYERS = 30_000
"""So many rows that stayed are always learnt from, where there are so many: no smaller company is sampled."""
_MOST_STAYERS = 100_000
"""And no more than this: a hundred thousand show what accounts that stay look like, however many churned."""


@dataclass(frozen=True)
class LearningRows:
    """Rows to learn from, and for how many each one stands.

    Parameters
    ----------
    place : array of int, shape (m,)
        Their numbers, in rising order.
    weights : array of shape (m,) or None
        None where every row stands for itself.
    """

    place: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64] | None = None


def learning_rows(
    rows: pd.DataFrame,
    stayers_per_churner: int | None,
    seed: int,
    *,
    least_stayers: int = _LEAST_STAYERS,
    most_stayers: int = _MOST_STAYERS,
) -> LearningRows:
    """Keep every row that churned and, of each date's rows that stayed, a random share that stands for all of them.

    Beside each row that churned, k rows that stayed hold k ÷ (k + 1) of what all of them would tell of a coefficient
    (Ury 1975, Biometrics 31:643). Neighbouring snapshots of an account that stays tell much the same besides. The
    weights give every date its number of rows back, so levels and base rates are those of all rows.

    Parameters
    ----------
    rows : DataFrame
        Labelled rows: ``as_of`` and ``churned``.
    stayers_per_churner : int or None
        Rows that stayed to keep for each that churned; None keeps all.
    seed : int
        Of the sample.
    least_stayers, most_stayers : int
        No fewer rows that stayed than this are kept, and no more.

    Examples
    --------
    >>> dates = pd.to_datetime(["2026-01-01"] * 6 + ["2026-02-01"] * 4)
    >>> rows = pd.DataFrame({"as_of": dates, "churned": [1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0]})
    >>> sample = learning_rows(rows, stayers_per_churner=3, seed=7, least_stayers=0)
    >>> rows["churned"].iloc[sample.place].tolist(), sample.weights.tolist()
    ([1.0, 0.0, 0.0, 0.0, 0.0], [1.0, 2.5, 2.5, 2.0, 2.0])
    """
    churned = rows["churned"].to_numpy() == 1
    stayed = int((~churned).sum())
    if stayers_per_churner is None:
        return LearningRows(np.arange(len(rows)))
    wanted = max(min(stayers_per_churner * int(churned.sum()), most_stayers), least_stayers)
    if wanted >= stayed:
        return LearningRows(np.arange(len(rows)))
    date = rows["as_of"].factorize(sort=True)[0]
    draw = np.random.default_rng(seed).random(len(rows))
    order = np.lexsort((draw, date, churned))[:stayed]  # those who stayed: by date, within a date at random
    among = np.bincount(date[order])
    sizes = np.ceil(among * (wanted / stayed)).astype(np.intp)
    place = np.arange(stayed) - np.repeat(np.cumsum(among) - among, among)
    chosen = order[place < np.repeat(sizes, among)]
    weights = np.where(churned, 1.0, 0.0)
    weights[chosen] = (among / np.maximum(sizes, 1))[date[chosen]]
    learnt = np.flatnonzero(weights)
    return LearningRows(learnt, weights[learnt])
