"""Contributions of many rows at once: the same numbers as LightGBM's own, many times faster.

Tree SHAP walks every tree for every row. The ``woodelf`` package (extra ``fast-explain``) works on leaf patterns of
the whole batch instead. Where it is not installed, or where it does not reproduce LightGBM's numbers on a sample of
the rows, LightGBM's own are returned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.explain.contract import Explainable

if TYPE_CHECKING:
    import lightgbm as lgb

__all__ = ["batch_contributions", "fast_contributions", "frame_contributions", "row_parts"]

Array = npt.NDArray[np.float64]

_WORTH_IT = 60_000
"""Rows × leaves of a tree from which reading the leaf patterns pays."""

_ROWS_AT_ONCE = 16_384
"""So many rows of the smallest trees are worth the leaf patterns."""
_SAMPLE = 16
_TOLERANCE = 1e-4
_LEAVES = re.compile(r"^num_leaves=(\d+)$", re.MULTILINE)
_CATEGORY_SPLITS = re.compile(r"^num_cat=(\d+)$", re.MULTILINE)
"""How many splits on sets of words each tree of LightGBM's text format has."""


def batch_contributions(model: Explainable, X: Array) -> Array:
    """Return a model's contributions (n, k + 1), the expected value last, by the fastest way that is exact to 1e-4.

    Parameters
    ----------
    model : ChurnModel
        Any other model with `contributions` is simply asked.
    X : array of shape (n, k)
        Its matrix.
    """
    from churnml.training import ChurnModel

    # A season is a column of its own beside those of the trees; the model itself knows where it goes.
    if not isinstance(model, ChurnModel) or model.ensemble.trees is None or model.ensemble.season is not None:
        return model.contributions(X)
    if len(X) * _mean_leaves(model.ensemble.trees.boosters[0]) < _WORTH_IT:
        return model.contributions(X)
    ensemble, trees = model.ensemble, model.ensemble.trees
    total = (1.0 - ensemble.linear_weight) * fast_contributions(trees.boosters, X)
    if ensemble.linear is not None:
        total += ensemble.linear_weight * ensemble.linear.contributions(X)
    return np.asarray(total, dtype=np.float64)


def frame_contributions(model: Explainable, frame: pd.DataFrame) -> Array:
    """Return the `batch_contributions` of a frame's rows, whose matrix is made some thousand rows at a time.

    Parameters
    ----------
    model : ChurnModel
    frame : DataFrame
        With the model's features.
    """
    parts = row_parts(len(frame))
    if len(parts) < 2:
        return batch_contributions(model, model.matrix(frame))
    out = np.empty((len(frame), len(model.features) + 1))
    for part in parts:
        out[part] = batch_contributions(model, model.matrix(frame.iloc[part]))
    return out


def row_parts(rows: int) -> list[slice]:
    """Return parts of so many rows to be looked at one after the other: evenly large, none small beside others.

    Examples
    --------
    >>> row_parts(0)
    []
    >>> row_parts(100)
    [slice(0, 100, None)]
    >>> [part.stop - part.start for part in row_parts(50_000)]
    [16666, 16667, 16667]
    """
    if not rows:
        return []
    count = max(rows // _ROWS_AT_ONCE, 1)
    ends = [rows * number // count for number in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def fast_contributions(boosters: Sequence[lgb.Booster], X: Array) -> Array:
    """Return tree SHAP values (n, k + 1) of the boosters' mean log-odds, the expected value last.

    Parameters
    ----------
    boosters : sequence of lightgbm.Booster
        Binary or regression boosters on the same k columns.
    X : array of shape (n, k)
        NaN is missing.

    References
    ----------
    Lundberg et al. 2020, 10.1038/s42256-019-0138-9 (tree SHAP, path-dependent).
    """
    rows = np.ascontiguousarray(X, dtype=np.float64)
    total: Array = np.zeros((len(rows), rows.shape[1] + 1))
    for booster in boosters:
        contributions = _by_patterns(booster, rows) if find_spec("woodelf") is not None else None
        total += booster.predict(rows, pred_contrib=True, num_threads=1) if contributions is None else contributions
    return total / len(boosters)


def _by_patterns(booster: lgb.Booster, rows: Array) -> Array | None:
    """Return the contributions by leaf patterns, None where they are not LightGBM's on a sample of rows.

    Trees that split on sets of words have no leaf patterns; LightGBM explains those, one run of trees at a time.
    """
    import lightgbm
    from woodelf import WoodelfExplainer

    pick = np.unique(np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).round().astype(int))
    exact = np.asarray(booster.predict(rows[pick], pred_contrib=True, num_threads=1))
    frame = pd.DataFrame(rows, columns=booster.feature_name())
    values: Array = np.zeros(rows.shape)
    for start, count, has_words in _runs(booster):
        if has_words:
            part = booster.predict(rows, pred_contrib=True, num_threads=1, start_iteration=start, num_iteration=count)
            values += np.asarray(part)[:, :-1]
        else:
            run = lightgbm.Booster(model_str=booster.model_to_string(start_iteration=start, num_iteration=count))
            explainer = WoodelfExplainer(run, feature_perturbation="tree_path_dependent")
            values += np.asarray(explainer.shap_values(frame, verbose=False), dtype=np.float64)
    if np.abs(values[pick] - exact[:, :-1]).max() > _TOLERANCE:
        return None
    # The expected value is the same in every row.
    return np.column_stack([values, np.full(len(rows), exact[0, -1])])


def _mean_leaves(booster: lgb.Booster) -> float:
    return float(np.mean([int(count) for count in _LEAVES.findall(booster.model_to_string())] or [1]))


def _runs(booster: lgb.Booster) -> list[tuple[int, int, bool]]:
    """Return runs of trees of one sort: first tree, how many, whether they split on sets of words."""
    words = [count != "0" for count in _CATEGORY_SPLITS.findall(booster.model_to_string())]
    runs, start = [], 0
    for has_words, group in groupby(words):
        count = len(list(group))
        runs.append((start, count, has_words))
        start += count
    return runs
