"""What the inner folds decide: shape and number of trees, strengths of the regression, and how the two are blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.parallel import both
from churnml.training.blending import blend_weight
from churnml.training.facts import EnsembleFacts
from churnml.training.folds import InnerFold
from churnml.training.judging import Judge
from churnml.training.level import Timeline
from churnml.training.linear import Strength
from churnml.training.linear_tuning import TunedRegression, tune_regression
from churnml.training.recipe import Recipe
from churnml.training.threads import one_blas_thread
from churnml.training.tree_tuning import TunedTrees, tune_trees
from churnml.training.trees import BinnedRows, TreeSettings

__all__ = ["Chosen", "choose"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """What the inner folds decided.

    Parameters
    ----------
    shape : TreeSettings
    count : int
        Trees per booster.
    strengths : tuple of (Strength, float)
        Of the logistic part, each with its share.
    linear_weight : float
        Weight of the logistic part, 0–1.
    signs : tuple of int or None
        Directions that the logistic part keeps to.
    scores, linear_scores : array or None
        Log-odds of the whole, and of the logistic part, on the judged rows, which their models had not seen.
    facts : EnsembleFacts
        Rows, churners and losses.
    """

    shape: TreeSettings
    count: int
    strengths: tuple[tuple[Strength, float], ...]
    linear_weight: float
    signs: tuple[int, ...] | None
    scores: Array | None
    linear_scores: Array | None
    facts: EnsembleFacts


def choose(
    X: Array,
    y: Array,
    folds: Sequence[InnerFold],
    recipe: Recipe,
    timeline: Timeline | None = None,
    weights: Array | None = None,
    binned: BinnedRows | None = None,
    left_out: Sequence[InnerFold] = (),
) -> Chosen:
    """Choose shape and number of trees, penalty and blend by the loss on rows that their models had not seen.

    Parameters
    ----------
    X, y, folds, recipe, timeline, weights
        As for `churnml.training.ensemble.fit_ensemble`.
    binned : BinnedRows, optional
        The same rows in bins, if at hand.
    left_out : sequence of InnerFold, optional
        Accounts to judge the blend and the number of trees on by models of all the others; without them both are judged
        on `folds`.
    """
    judge = Judge(y, folds, timeline, weights)
    rows = binned or BinnedRows(X, y, recipe.categorical, recipe.trees[0], weights)

    def of_trees() -> TunedTrees:
        if not folds or recipe.kind == "logistic":
            return TunedTrees.untried(recipe)
        return tune_trees(rows, folds, left_out, recipe, judge)

    def of_regression() -> TunedRegression:
        if not folds or recipe.kind == "lightgbm":
            return TunedRegression.untried(recipe)
        return tune_regression(X, y, folds, left_out, recipe, judge)

    with one_blas_thread():
        trees, linear = both(of_trees, of_regression)
        others = Judge(y, left_out, timeline, weights) if left_out else judge
        weight = _weight(trees, linear, others, recipe)
        losses: dict[str, float] = {}
        scores = trees.scores if linear.scores is None else linear.scores
        if linear.scores is not None:
            losses["linear_log_loss"] = judge.loss(linear.scores)
        if trees.scores is not None:
            losses["trees_log_loss"] = judge.loss(trees.scores)
        if trees.scores is not None and linear.scores is not None:
            scores = (1 - weight) * trees.scores + weight * linear.scores
            losses["blend_log_loss"] = judge.loss(scores)
    facts = EnsembleFacts(judged_rows=len(judge.y), judged_churners=int(judge.y.sum()), folds=len(folds), **losses)
    return Chosen(trees.shape, trees.count, linear.strengths, weight, linear.signs, scores, linear.scores, facts)


def _weight(trees: TunedTrees, linear: TunedRegression, judge: Judge, recipe: Recipe) -> float:
    """Return the weight of the logistic part; where there are no rows to judge on, the mean of its prior."""
    of_trees = trees.scores if trees.left_out_scores is None else trees.left_out_scores
    of_linear = linear.scores if linear.left_out_scores is None else linear.left_out_scores
    if of_trees is not None and of_linear is not None:
        return blend_weight(judge, of_trees, of_linear, recipe.weight_prior)
    high, low = recipe.weight_prior
    return {"lightgbm": 0.0, "logistic": 1.0, "blend": round((high + 1.0) / (high + low + 2.0), 2)}[recipe.kind]
