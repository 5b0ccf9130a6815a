"""Gradient-boosted trees: LightGBM with defaults for a few hundred churners, averaged over seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.errors import ConfigError
from churnml.language import Text
from churnml.parallel import side_by_side

__all__ = [
    "DEFAULTS",
    "BinnedRows",
    "TreeSettings",
    "Trees",
    "tree_settings",
    "validation_curve",
]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

DEFAULTS: dict[str, float | int | str | bool] = {
    "learning_rate": 0.04,
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 2.0,
    "lambda_l2": 10.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "max_bin": 127,
    "cat_smooth": 50.0,
    "cat_l2": 100.0,
    "min_data_per_group": 50,
    "max_cat_threshold": 16,
}
"""Slow, strongly shrunk trees on random parts of the rows: a few hundred churners support no more."""

_SHAPES: tuple[dict[str, float | int | str | bool], ...] = (
    {"num_leaves": 4},
    {"num_leaves": 16, "min_data_in_leaf": 15, "min_sum_hessian_in_leaf": 1.0, "lambda_l2": 3.0},
)

_PATIENCE, _PATIENCE_OF_RICHER = 60, 30
"""Trees without a gain after which no more are grown."""

_FIXED: dict[str, float | int | str | bool] = {
    "objective": "binary",
    "deterministic": True,
    "force_col_wise": True,
    # One thread each: boosters are trained side by side instead, which no busy neighbour can stall.
    "num_threads": 1,
    "verbosity": -1,
    "feature_pre_filter": False,
}
_SHARED_FROM_ROWS = 20_000
"""A fold of fewer rows has bins of its own."""
_ROWS_A_THREAD = 2_000
"""Fewer rows than this are not worth a thread of their own."""
_BINNING = (
    "max_bin",
    "min_data_in_bin",
    "min_data_in_leaf",
    "feature_pre_filter",
    "num_threads",
    "force_col_wise",
    "verbosity",
)
"""Parameters that bins and their layout depend on."""
_TREES = ("n_estimators", "num_iterations", "num_boost_round")


@dataclass(frozen=True)
class TreeSettings:
    """LightGBM parameters and the most trees a booster may have."""

    params: Mapping[str, float | int | str | bool]
    max_trees: int = 1000
    patience: int = 60

    def for_seed(self, seed: int, monotone: Sequence[int] | None) -> dict[str, object]:
        """Return the parameters of one booster."""
        params: dict[str, object] = {**DEFAULTS, **self.params, **_FIXED, "seed": seed}
        if monotone is not None and any(monotone):
            params["monotone_constraints"] = list(monotone)
            params["monotone_constraints_method"] = "intermediate"
        return params


def tree_settings(params: Mapping[str, float | int | str | bool], *, steps: int = 1) -> tuple[TreeSettings, ...]:
    """Return the shapes of tree to try, the simplest first, and check the parameters that override the defaults.

    A tree of four leaves holds interactions of two or three features, which is what a few hundred churners can show;
    sixteen smaller leaves may be tried beside it, unless the parameters name a number of leaves. With many churners
    larger steps and fewer trees are as good.

    Parameters
    ----------
    params : mapping
        LightGBM parameters.
    steps : int
        How many times as large as usual the steps of the simplest shape are, where the parameters say nothing of them;
        those of a richer one, half as many times.

    Raises
    ------
    ConfigError
        A parameter is fixed by churnml (the objective, determinism, class weights).

    Examples
    --------
    >>> tree_settings({"n_estimators": 50, "num_leaves": 6})
    (TreeSettings(params={'num_leaves': 6}, max_trees=50, patience=60),)
    >>> [(shape.params["num_leaves"], shape.params.get("learning_rate")) for shape in tree_settings({}, steps=3)]
    [(4, 0.12), (16, 0.06)]
    """
    own = dict(params)
    trees = [own.pop(name) for name in _TREES if name in own]
    for name in own:
        if name in _FIXED or name in (
            "is_unbalance",
            "scale_pos_weight",
            "monotone_constraints",
            "seed",
        ):
            raise ConfigError(
                Text.of("fault-model_params", name=name), where=f"model.params.{name}", code="config.model_params"
            )
    shapes = [own] if "num_leaves" in own else [{**shape, **own} for shape in _SHAPES]
    most = {"max_trees": int(trees[0])} if trees else {}
    patience = [_PATIENCE, _PATIENCE_OF_RICHER]
    if steps > 1 and not {"num_leaves", "learning_rate"} & set(own):
        for shape, factor in zip(shapes, (steps, steps / 2), strict=True):
            shape["learning_rate"] = round(float(DEFAULTS["learning_rate"]) * factor, 3)
        patience[0] = 2 * _PATIENCE // (steps + 1)  # larger steps have learnt what they can within fewer trees
    return tuple(TreeSettings(shape, **most, patience=waits) for shape, waits in zip(shapes, patience, strict=False))


class BinnedRows:
    """Training rows put into bins once, for every booster that learns from all of them or from a fold.

    A large fold takes the bins of all rows, its judged ones too; of outcomes that tells nothing. A small one is binned
    by itself, once for all shapes of tree: where its own values lie makes a difference there.

    Parameters
    ----------
    X : array of shape (n, k)
    y : array of shape (n,)
    categorical : sequence of int
        Columns that hold word codes.
    settings : TreeSettings
        Name the most bins, and what else bins depend on; shapes of tree that are tried together do not differ in it.
    weights : array of shape (n,), optional
    """

    def __init__(
        self, X: Array, y: Array, categorical: Sequence[int], settings: TreeSettings, weights: Array | None = None
    ) -> None:
        params = {**DEFAULTS, **settings.params, **_FIXED}
        self.X, self._y, self._weights = X, y, weights
        self._categorical = [int(column) for column in categorical]
        self._params = {key: params[key] for key in _BINNING if key in params}
        self._all: lgb.Dataset | None = None

    def all(self) -> lgb.Dataset:
        """Return all rows."""
        if self._all is None:
            self._all = self._binned(None)
        return self._all

    def fold(self, train: Index, valid: Index) -> tuple[lgb.Dataset, lgb.Dataset]:
        """Return the rows that a fold learns from and those it judges, given by number in rising order."""
        if len(train) >= _SHARED_FROM_ROWS:
            return self._part(train), self._part(valid)
        learnt = self._binned(train)
        weights = None if self._weights is None else self._weights[valid]
        judged = lgb.Dataset(
            self.X[valid], label=self._y[valid], weight=weights, reference=learnt, params=dict(self._params)
        )
        return learnt, judged.construct()

    def _binned(self, rows: Index | None) -> lgb.Dataset:
        chosen = slice(None) if rows is None else rows
        return lgb.Dataset(
            self.X[chosen],
            label=self._y[chosen],
            weight=None if self._weights is None else self._weights[chosen],
            categorical_feature=self._categorical or "auto",
            params=dict(self._params),
        ).construct()

    def _part(self, rows: Index) -> lgb.Dataset:
        return self.all().subset(rows.tolist(), params=dict(self._params)).construct()


@dataclass(frozen=True)
class Trees:
    """Boosters whose log-odds are averaged, so contributions stay additive.

    Parameters
    ----------
    boosters : tuple of lightgbm.Booster
        One per seed.
    """

    boosters: tuple[lgb.Booster, ...]

    @classmethod
    def fit(
        cls,
        binned: BinnedRows,
        *,
        settings: TreeSettings,
        seeds: Sequence[int],
        trees: int,
        monotone: Sequence[int] | None = None,
    ) -> Trees:
        """Fit one booster of `trees` trees per seed to all rows."""
        data = binned.all()

        def booster(seed: int) -> lgb.Booster:
            made = lgb.Booster(settings.for_seed(seed, monotone), data)
            for _ in range(trees):
                made.update()
            return made.free_dataset()

        return cls(tuple(side_by_side([partial(booster, seed) for seed in seeds])))

    def log_odds(self, X: Array) -> Array:
        """Return the mean log-odds of each row."""
        return np.concatenate(side_by_side([partial(self._mean, part) for part in _parts_of(X)]))

    def contributions(self, X: Array) -> Array:
        """Return tree SHAP values (n, k + 1) of the mean log-odds, the expected value last."""
        return np.concatenate(side_by_side([partial(self._mean, part, pred_contrib=True) for part in _parts_of(X)]))

    def _mean(self, X: Array, *, pred_contrib: bool = False) -> Array:
        rows = np.ascontiguousarray(X, dtype=np.float64)
        if pred_contrib and not len(rows):  # LightGBM divides by their number
            return np.zeros((0, rows.shape[1] + 1))
        total: Array = sum(
            (
                booster.predict(rows, raw_score=True, pred_contrib=pred_contrib, num_threads=1)
                for booster in self.boosters
            ),
            np.zeros((len(rows), rows.shape[1] + 1) if pred_contrib else len(rows)),
        )
        return total / len(self.boosters)

    def texts(self) -> list[str]:
        """Return the boosters in LightGBM's text format."""
        return [booster.model_to_string() for booster in self.boosters]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Trees:
        """Rebuild the boosters from `texts`."""
        return cls(tuple(lgb.Booster(model_str=text) for text in texts))


def _parts_of(X: Array) -> list[Array]:
    """Return the rows in parts for as many threads as there are cores; a few are one part."""
    return np.array_split(X, max(min(os.cpu_count() or 1, len(X) // _ROWS_A_THREAD), 1))


def validation_curve(
    train: lgb.Dataset,
    valid: lgb.Dataset,
    *,
    settings: TreeSettings,
    seed: int,
    monotone: Sequence[int] | None = None,
) -> tuple[lgb.Booster, Array]:
    """Train one booster and record its log loss on later rows after every tree.

    Parameters
    ----------
    train, valid : lightgbm.Dataset
        From one `BinnedRows`.
    settings, seed, monotone
        Of the booster.

    Returns
    -------
    booster, curve : Booster, array of shape (max_trees,)
        The curve keeps its last value from where patience ran out.
    """
    booster = lgb.Booster({**settings.for_seed(seed, monotone), "metric": "binary_logloss"}, train)
    booster.add_valid(valid, "later")
    losses: list[float] = []
    best = 0
    while len(losses) < settings.max_trees and len(losses) - 1 - best < settings.patience:
        booster.update()
        ((_, _, loss, _),) = booster.eval_valid()
        losses.append(float(loss))
        best = best if losses[best] <= losses[-1] else len(losses) - 1
    return booster, np.asarray(losses + losses[-1:] * (settings.max_trees - len(losses)))
