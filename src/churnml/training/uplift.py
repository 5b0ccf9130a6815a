"""`UpliftTrees`: how much churn a contact avoids, account by account, learnt from accounts held out by chance.

References
----------
Jaskowski and Jaroszewicz 2012, Uplift modeling for clinical trial data (class transformation).
Kennedy 2023, 10.1214/23-EJS2157 (the transformed outcome adjusted by regressions: the DR-learner).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnml.errors import DataError
from churnml.language import Text
from churnml.metrics.uplift import adjusted_effects
from churnml.training.uplift_model import RISK, UpliftModel, numbers

__all__ = ["UpliftTrees", "time_blocks"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_PARAMS: dict[str, object] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 4,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 63,
    "boost_from_average": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_MOST_TREES, _TREES_A_STEP = 100, 20
_LEAST_IN_LEAF, _LEAVES = 30, 12
"""A leaf holds at least a twelfth of the rows: an effect is read from two arms, each noisier than a rate."""
_RIDGE = 1.0
"""Rows that say that risk makes no difference: an arm of a few accounts has no slope of its own."""


class UpliftTrees(BaseEstimator):  # type: ignore[misc]
    """Trees on top of what a ranking by risk assumes: that a contact avoids the same share of everybody's churn.

    Each row gives one noisy reading of its own effect (`churnml.metrics.uplift.adjusted_effects`): held out, and
    whether it churned, against what is expected of its risk; expectations come from rows of other accounts and other
    times. Least squares finds the share that suits all of them best; LightGBM then learns where accounts depart from
    it. How many trees is chosen on rows left out; where none helps there are none, and the ranking is that by risk.

    Parameters
    ----------
    columns : sequence of str
        What to learn from, beside `RISK`.
    random_state : int
        Seed of the trees.

    Attributes
    ----------
    model_ : UpliftModel
    trees_ : int
        How many trees it has.
    effects_ : array of shape (n,)
        The readings that it was fitted to.

    See Also
    --------
    churnml.actions.uplift.compare_rankings : whether it beats a ranking by risk on rows that it has not seen.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({RISK: rng.uniform(0.1, 0.6, 4000), "seats": rng.integers(1, 3, 4000)})
    >>> contacted = rng.random(4000) < 0.5
    >>> chance = X[RISK] * np.where(contacted & (X["seats"] == 2), 0.2, 1.0)
    >>> churned = (rng.random(4000) < chance).astype(float)
    >>> blocks, accounts = np.arange(4000) % 5, np.arange(4000)
    >>> trees = UpliftTrees(["seats"]).fit(X, churned, contacted, 0.5, blocks=blocks, accounts=accounts)
    >>> one, two = trees.predict(pd.DataFrame({RISK: [0.4, 0.4], "seats": [1, 2]}))
    >>> bool(two > one + 0.1)
    True
    """

    def __init__(self, columns: Sequence[str] = (), *, random_state: int = 0) -> None:
        self.columns = columns
        self.random_state = random_state

    def fit(
        self,
        X: pd.DataFrame,
        y: npt.ArrayLike,
        contacted: npt.ArrayLike,
        share_held_out: npt.ArrayLike,
        *,
        blocks: npt.ArrayLike,
        accounts: npt.ArrayLike,
    ) -> Self:
        """Learn from accounts that chance has contacted or held out.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            `RISK` and `columns`, as they were when the lots were drawn.
        y : array of shape (n,)
            Churned: 1 or 0.
        contacted : array of shape (n,)
            False where held out.
        share_held_out : float or array of shape (n,)
            Chance with which a row was held out.
        blocks : array of shape (n,)
            Rows that are left out together, from `time_blocks`.
        accounts : array of shape (n,)
            An account that is left out is left out everywhere.

        Raises
        ------
        DataError
            There are fewer than two blocks, or a share is not between 0 and 1.
        """
        names = (RISK, *(name for name in self.columns if name != RISK))
        read, churned, arm = numbers(X, names), np.asarray(y, dtype=np.float64), np.asarray(contacted, dtype=bool)
        share = np.broadcast_to(np.asarray(share_held_out, dtype=np.float64), churned.shape)
        if not ((share > 0) & (share < 1)).all():
            raise DataError(
                Text.of("fault-uplift_share"),
                got=Text.of("fault-uplift_share.got", min=f"{share.min():g}", max=f"{share.max():g}"),
                code="uplift.share",
            )
        parts = list(_apart(np.asarray(blocks), np.asarray(accounts)))
        if len(parts) < 2:
            raise DataError(Text.of("fault-uplift_blocks"), got=f"{len(parts)}", code="uplift.blocks")
        effects = np.zeros(len(churned))
        for judged, learnt in parts:
            expected = [_expected(read[learnt, 0], churned[learnt], arm[learnt] == one) for one in (True, False)]
            if_contacted, if_held_out = (line(read[judged, 0]) for line in expected)
            effects[judged] = adjusted_effects(churned[judged], arm[judged], share[judged], if_contacted, if_held_out)
        self.trees_ = self._choose(read, effects, parts)
        slope = _slope(read[:, 0], effects)
        trees = self._boosted(read, effects - slope * read[:, 0], self.trees_) if self.trees_ else None
        text = None if trees is None else trees.model_to_string()
        self.model_ = UpliftModel(columns=names, slope=slope, trees=text)
        self.effects_ = effects
        return self

    def predict(self, X: pd.DataFrame) -> Array:
        """Return the churn that a contact avoids, of each row, in points of the churn probability."""
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def _choose(self, read: Array, effects: Array, parts: Sequence[tuple[Mask, Mask]]) -> int:
        """Return how many trees come nearest to the readings of rows that they have not seen.

        None, where the nearest is within one standard error of having none: by chance alone some number of trees
        comes a little nearer half of the time, and ranks worse.
        """
        steps = range(0, _MOST_TREES + 1, _TREES_A_STEP)
        loss = np.zeros((len(steps), len(read)))
        for judged, learnt in parts:
            slope = _slope(read[learnt, 0], effects[learnt])
            trees = self._boosted(read[learnt], effects[learnt] - slope * read[learnt, 0], _MOST_TREES)
            left = effects[judged] - slope * read[judged, 0]
            for place, count in enumerate(steps):
                predicted = np.asarray(trees.predict(read[judged], num_iteration=count)) if count else 0.0
                loss[place, judged] = (left - predicted) ** 2
        best = int(np.argmin(loss.sum(axis=1)))
        nearer = loss[0] - loss[best]
        return int(steps[best]) if nearer.sum() > np.sqrt(len(nearer)) * nearer.std() else 0

    def _boosted(self, read: Array, left: Array, count: int) -> lgb.Booster:
        leaf = max(_LEAST_IN_LEAF, len(left) // _LEAVES)
        params = {**_PARAMS, "min_data_in_leaf": leaf, "seed": self.random_state}
        return lgb.train(params, lgb.Dataset(read, label=left), num_boost_round=count)


def time_blocks(days: npt.ArrayLike, accounts: npt.ArrayLike, count: int = 5) -> npt.NDArray[np.intp]:
    """Return the block of each row: so many of equal size by time, a day that does not fit into one cut by account.

    Parameters
    ----------
    days : array of shape (n,)
        When each row was drawn.
    accounts : array of shape (n,)
    count : int

    Examples
    --------
    >>> time_blocks(["2026-02-01", "2026-01-01", "2026-01-01", "2026-03-01"], ["a", "b", "c", "a"], 2).tolist()
    [1, 0, 0, 1]
    """
    order = np.lexsort((np.asarray(accounts).astype(str), np.asarray(days, dtype="datetime64[D]")))
    blocks = np.empty(len(order), dtype=np.intp)
    blocks[order] = np.arange(len(order)) * count // max(1, len(order))
    return blocks


def _apart(blocks: npt.NDArray[Any], accounts: npt.NDArray[Any]) -> list[tuple[Mask, Mask]]:
    """Return, for each block, its rows and the rows of other accounts in other blocks."""
    parts = []
    for block in np.unique(blocks):
        judged = blocks == block
        learnt = ~judged & ~np.isin(accounts, accounts[judged])
        if learnt.any():
            parts.append((judged, learnt))
    return parts


def _expected(risk: Array, churned: Array, arm: Mask) -> Callable[[Array], Array]:
    """Return the straight line from risk to churn in one arm; where an arm is empty, that of all."""
    if not arm.any():
        arm = np.ones_like(arm)
    x, y = risk[arm], churned[arm]
    middle, rate = float(x.mean()), float(y.mean())
    slope = float((x - middle) @ (y - rate)) / (float((x - middle) @ (x - middle)) + _RIDGE)

    def line(asked: Array) -> Array:
        expected: Array = np.clip(rate + slope * (asked - middle), 0.0, 1.0)
        return expected

    return line


def _slope(risk: Array, effects: Array) -> float:
    """Return the share of their risk that a contact takes from all alike, by least squares; never below 0."""
    return max(0.0, float(risk @ effects) / max(float(risk @ risk), 1e-12))
