"""Contributions of many rows at once: the same numbers as LightGBM's own, many times faster.

Tree SHAP walks every tree for every row. The ``woodelf`` package (extra ``fast-explain``) works on leaf patterns of
the whole batch instead. Where it is not installed, where a tree splits on sets of words, or where it does not
reproduce LightGBM's numbers on a sample of the rows, LightGBM's own are returned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.explain.contract import Explainable
from churnml.training import ChurnModel

__all__ = ["batch_contributions", "fast_contributions"]

Array = npt.NDArray[np.float64]

_SMALL = 500
_SAMPLE = 16
_TOLERANCE = 1e-4
_CATEGORY_SPLIT = re.compile(r"num_cat=[1-9]")
"""A tree that splits on a set of words, which leaf patterns cannot express."""


def batch_contributions(model: Explainable, X: Array) -> Array:
    """Return a model's contributions (n, k + 1), the expected value last, by the fastest way that is exact to 1e-4.

    Parameters
    ----------
    model : ChurnModel
        Any other model with `contributions` is simply asked.
    X : array of shape (n, k)
        Its matrix.
    """
    if not isinstance(model, ChurnModel) or model.ensemble.trees is None or len(X) < _SMALL:
        return model.contributions(X)
    ensemble, trees = model.ensemble, model.ensemble.trees
    total = (1.0 - ensemble.linear_weight) * fast_contributions(trees.boosters, X)
    if ensemble.linear is not None:
        total += ensemble.linear_weight * ensemble.linear.contributions(X)
    return np.asarray(total, dtype=np.float64)


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
        found = _by_patterns(booster, rows) if find_spec("woodelf") is not None else None
        total += booster.predict(rows, pred_contrib=True, num_threads=1) if found is None else found
    return total / len(boosters)


def _by_patterns(booster: lgb.Booster, rows: Array) -> Array | None:
    """Return the contributions by leaf patterns, None where they are not LightGBM's on a sample of rows."""
    from woodelf import WoodelfExplainer

    if _CATEGORY_SPLIT.search(booster.model_to_string()):
        return None
    pick = np.unique(np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).round().astype(int))
    exact = np.asarray(booster.predict(rows[pick], pred_contrib=True, num_threads=1))
    frame = pd.DataFrame(rows, columns=booster.feature_name())
    explainer = WoodelfExplainer(booster, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(frame, verbose=False), dtype=np.float64)
    if np.abs(values[pick] - exact[:, :-1]).max() > _TOLERANCE:
        return None
    # The expected value is the same in every row.
    return np.column_stack([values, np.full(len(rows), exact[0, -1])])
