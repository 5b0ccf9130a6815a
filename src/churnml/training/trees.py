"""Gradient-boosted trees: LightGBM with defaults for a few hundred churners, averaged over seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.errors import ConfigError

__all__ = ["DEFAULTS", "TreeSettings", "Trees", "side_by_side", "tree_settings", "validation_curve"]

Array = npt.NDArray[np.float64]
Result = TypeVar("Result")

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

_FIXED: dict[str, float | int | str | bool] = {
    "objective": "binary",
    "deterministic": True,
    "force_col_wise": True,
    # One thread each: boosters are trained side by side instead, which no busy neighbour can stall.
    "num_threads": 1,
    "verbosity": -1,
    "feature_pre_filter": False,
}
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


def tree_settings(params: Mapping[str, float | int | str | bool]) -> tuple[TreeSettings, ...]:
    """Return the shapes of tree to try, the simplest first, and check the parameters that override the defaults.

    A tree of four leaves holds interactions of two or three features, which is what a few hundred churners can show;
    sixteen smaller leaves may be tried beside it, unless the parameters name a number of leaves.

    Raises
    ------
    ConfigError
        A parameter is fixed by churnml (the objective, determinism, class weights).

    Examples
    --------
    >>> tree_settings({"n_estimators": 50, "num_leaves": 6})
    (TreeSettings(params={'num_leaves': 6}, max_trees=50, patience=60),)
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
                f"The LightGBM parameter {name} cannot be set",
                where=f"model.params.{name}",
                expected="objective, threads and determinism are fixed; classes are not weighted, the probability is "
                "calibrated instead; `seed` is a key of its own",
                code="config.model_params",
            )
    shapes = [own] if "num_leaves" in own else [{**shape, **own} for shape in _SHAPES]
    most = {"max_trees": int(trees[0])} if trees else {}
    # A richer shape has learnt what it can, or overfits, within fewer trees.
    return tuple(TreeSettings(shape, **most, patience=30 if number else 60) for number, shape in enumerate(shapes))


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run independent jobs on as many threads as there are cores; LightGBM releases Python's lock while it trains."""
    with ThreadPoolExecutor(max_workers=max(min(len(jobs), os.cpu_count() or 1), 1)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def _dataset(
    X: Array, y: Array, categorical: Sequence[int], settings: TreeSettings, weights: Array | None
) -> lgb.Dataset:
    params = {**DEFAULTS, **settings.params, **_FIXED}
    keys = ("max_bin", "verbosity", "feature_pre_filter", "num_threads", "force_col_wise", "min_data_in_leaf")
    return lgb.Dataset(
        X,
        label=y,
        weight=weights,
        categorical_feature=[int(column) for column in categorical] or "auto",
        params={key: params[key] for key in keys},
    )


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
        X: Array,
        y: Array,
        *,
        settings: TreeSettings,
        seeds: Sequence[int],
        trees: int,
        categorical: Sequence[int] = (),
        monotone: Sequence[int] | None = None,
        weights: Array | None = None,
    ) -> Trees:
        """Fit one booster of `trees` trees per seed."""

        def booster(seed: int) -> lgb.Booster:
            data = _dataset(X, y, categorical, settings, weights)
            return lgb.train(settings.for_seed(seed, monotone), data, num_boost_round=trees)

        return cls(tuple(side_by_side([partial(booster, seed) for seed in seeds])))

    def log_odds(self, X: Array) -> Array:
        """Return the mean log-odds of each row."""
        rows = np.ascontiguousarray(X, dtype=np.float64)
        total: Array = sum(
            (booster.predict(rows, raw_score=True, num_threads=1) for booster in self.boosters), np.zeros(len(rows))
        )
        return total / len(self.boosters)

    def contributions(self, X: Array) -> Array:
        """Return tree SHAP values (n, k + 1) of the mean log-odds, the expected value last."""
        rows = np.ascontiguousarray(X, dtype=np.float64)
        total: Array = sum(
            (booster.predict(rows, pred_contrib=True, num_threads=1) for booster in self.boosters),
            np.zeros((len(rows), rows.shape[1] + 1)),
        )
        return total / len(self.boosters)

    def texts(self) -> list[str]:
        """Return the boosters in LightGBM's text format."""
        return [booster.model_to_string() for booster in self.boosters]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Trees:
        """Rebuild the boosters from `texts`."""
        return cls(tuple(lgb.Booster(model_str=text) for text in texts))


def validation_curve(
    X: Array,
    y: Array,
    valid_X: Array,
    valid_y: Array,
    *,
    settings: TreeSettings,
    seed: int,
    categorical: Sequence[int] = (),
    monotone: Sequence[int] | None = None,
    weights: Array | None = None,
    valid_weights: Array | None = None,
) -> tuple[lgb.Booster, Array]:
    """Train one booster and record its log loss on later rows after every tree.

    Returns
    -------
    booster, curve : Booster, array of shape (max_trees,)
        The curve keeps its last value from where patience ran out.
    """
    train = _dataset(X, y, categorical, settings, weights)
    valid = lgb.Dataset(valid_X, label=valid_y, weight=valid_weights, reference=train)
    record: dict[str, dict[str, list[float]]] = {}
    params = {**settings.for_seed(seed, monotone), "metric": "binary_logloss"}
    booster = lgb.train(
        params,
        train,
        num_boost_round=settings.max_trees,
        valid_sets=[valid],
        valid_names=["later"],
        callbacks=[
            lgb.record_evaluation(record),
            lgb.early_stopping(settings.patience, verbose=False),
        ],
    )
    losses = np.asarray(record["later"]["binary_logloss"])
    curve = np.concatenate([losses, np.full(settings.max_trees - len(losses), losses[-1])])
    return booster, curve
