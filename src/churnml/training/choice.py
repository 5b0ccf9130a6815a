"""What the inner folds decide: shape and number of trees, strengths of the regression, and how the two are blended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.training.blending import blend_weight, left_out_regression, left_out_trees
from churnml.training.facts import EnsembleFacts
from churnml.training.folds import InnerFold
from churnml.training.judging import Judge
from churnml.training.level import Timeline
from churnml.training.linear import Regressions, Strength
from churnml.training.threads import one_blas_thread
from churnml.training.trees import BinnedRows, TreeSettings, side_by_side, validation_curve

__all__ = ["Chosen", "Recipe", "choose"]

Array = npt.NDArray[np.float64]
_Curve = tuple[lgb.Booster, Array]

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Inverse L2 strengths tried for the logistic part."""
_TRUSTING = 0.0001
"""Tried as well where the logistic part is pulled to other companies' coefficients, to stay nearer to them."""

_PRIOR = (0.5, 2.0)
"""Exponents of a Beta(1.5, 3) prior on the logistic part's weight: trees have the greater part until rows disagree."""
_INFORMED_PRIOR = (3.0, 1.0)
"""Of a Beta(4, 2) prior, where the logistic part knows what other companies' churn depended on."""
_DEFAULT_TREES = 80
_DIRECTIONS_MAY_COST = 0.003
"""Concordance within a date that keeping to the directions of domain knowledge may cost on unseen rows."""
_LEAST_BELIEF = 0.05
"""A strength of the regression that is believed less is left out."""


@dataclass(frozen=True)
class Recipe:
    """How to fit an ensemble.

    Parameters
    ----------
    kind : {"lightgbm", "logistic", "blend"}
        Which parts to fit; a blend weighs them by their loss on later rows.
    trees : tuple of TreeSettings
        Shapes of tree, the simplest first; a later one has to be better beyond noise.
    seeds : tuple of int
        One booster per seed.
    calibration : str
        As `churnml.training.calibration.calibrate` takes it.
    categorical : tuple of int
        Columns that hold word codes.
    monotone : tuple of int or None
        Declared direction per column.
    expected : tuple of float or None
        Other companies' coefficients per column, for the logistic part, as `churnml.training.linear.fit_linear` takes
        them.
    directions : tuple of int or None
        What domain knowledge says of each column, −1, 0 or 1: the logistic part keeps to it where that costs next to
        nothing on unseen rows.
    penalties : tuple of float
        Inverse L2 strengths to try for the logistic part.
    """

    kind: Literal["lightgbm", "logistic", "blend"]
    trees: tuple[TreeSettings, ...]
    seeds: tuple[int, ...]
    calibration: Literal["auto", "none", "platt", "beta", "isotonic"]
    categorical: tuple[int, ...]
    monotone: tuple[int, ...] | None
    expected: tuple[float, ...] | None = None
    directions: tuple[int, ...] | None = None
    penalties: tuple[float, ...] = PENALTIES

    @property
    def strengths(self) -> list[Strength]:
        """What the logistic part may be held by."""
        own = [Strength(penalty) for penalty in self.penalties]
        if self.expected is None:
            return own
        return [*own, *(Strength(penalty, 1.0) for penalty in (_TRUSTING, *self.penalties))]

    @property
    def weight_prior(self) -> tuple[float, float]:
        """Exponents of the Beta prior on the logistic part's weight."""
        return _PRIOR if self.expected is None else _INFORMED_PRIOR


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


@dataclass(frozen=True)
class _Regressed:
    """Strengths of the regression that count, each with its share, and their mean's scores of the judged rows."""

    strengths: tuple[tuple[Strength, float], ...]
    scores: Array


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
    losses: dict[str, float] = {}
    tree_scores = linear_scores = left_out_scores = None
    shape, signs = recipe.trees[0], recipe.monotone
    usual = Strength(PENALTIES[1]) if recipe.expected is None else Strength(PENALTIES[0], 1.0)
    strengths: tuple[tuple[Strength, float], ...] = ((usual, 1.0),)
    count = min(_DEFAULT_TREES, shape.max_trees)
    if folds and recipe.kind != "lightgbm":
        free, *bound = _tune_linear(X, y, folds, recipe, judge)
        strengths, linear_scores = free.strengths, free.scores
        for held in bound:
            if judge.concordance(free.scores) - judge.concordance(held.scores) <= _DIRECTIONS_MAY_COST:
                signs, strengths, linear_scores = recipe.directions, held.strengths, held.scores
        losses["linear_log_loss"] = judge.loss(linear_scores)
    if folds and recipe.kind != "logistic":
        binned = binned or BinnedRows(X, y, recipe.categorical, shape, weights)
        shape, count, tree_scores = _tune_trees(binned, folds, recipe, judge)
        losses["trees_log_loss"] = judge.loss(tree_scores)
        left_out_scores = tree_scores
        if left_out:
            count, left_out_scores = left_out_trees(
                binned, left_out, shape, count, recipe.seeds[0], recipe.monotone, weights
            )
    high, low = recipe.weight_prior
    # Where there are no rows to judge on, the weight is its prior's mean.
    weight = {"lightgbm": 0.0, "logistic": 1.0, "blend": round((high + 1.0) / (high + low + 2.0), 2)}[recipe.kind]
    scores = tree_scores if linear_scores is None else linear_scores
    if tree_scores is not None and linear_scores is not None and left_out_scores is not None:
        rows, of_trees, of_linear = judge, tree_scores, linear_scores
        if left_out:
            rows, of_trees = Judge(y, left_out, timeline, weights), left_out_scores
            of_linear = left_out_regression(
                X, y, left_out, strengths, signs, recipe.categorical, recipe.expected, weights
            )
        weight = blend_weight(rows, of_trees, of_linear, recipe.weight_prior)
        scores = (1 - weight) * tree_scores + weight * linear_scores
        losses["blend_log_loss"] = judge.loss(scores)
    churners = int(judge.y.sum())
    facts = EnsembleFacts(judged_rows=len(judge.y), judged_churners=churners, folds=len(folds), **losses)
    return Chosen(shape, count, strengths, weight, signs, scores, linear_scores, facts)


def _tune_linear(X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe, judge: Judge) -> list[_Regressed]:
    """Weigh the strengths by their loss on later rows: with the declared directions, then with those of the domain."""
    signs = [recipe.monotone]
    if recipe.directions is not None and recipe.directions != recipe.monotone:
        signs.append(recipe.directions)

    def scores_of(fold: InnerFold) -> list[Array]:
        regressions = Regressions(X, y, recipe.categorical, recipe.expected, judge.all_weights, rows=fold.train)
        solutions = [regressions.solve(recipe.strengths, held) for held in signs]
        return [regressions.log_odds(thetas, X, fold.valid) for thetas in solutions]

    # Held here for all folds: each would set the number of threads back while another one is at work.
    with one_blas_thread():
        per_fold = side_by_side([partial(scores_of, fold) for fold in folds])
    regressed = []
    for number in range(len(signs)):
        pooled = np.concatenate([scores[number] for scores in per_fold], axis=1)
        belief = judge.belief([judge.losses(scores) for scores in pooled])
        belief = np.where(belief < _LEAST_BELIEF, 0.0, belief)
        belief = belief / belief.sum()
        counted = [(strength, float(share)) for strength, share in zip(recipe.strengths, belief, strict=True) if share]
        regressed.append(_Regressed(tuple(counted), np.asarray(belief @ pooled)))
    return regressed


def _tune_trees(
    binned: BinnedRows, folds: Sequence[InnerFold], recipe: Recipe, judge: Judge
) -> tuple[TreeSettings, int, Array]:
    """Choose the shape and the number of trees by the pooled loss on later rows; return them and the scores there.

    A shape that is not the simplest has to beat it by two standard errors. It is tried on the latest block first, whose
    model has the most rows to learn from, and only where it is better there on the others.
    """
    spread = np.split(judge.weights, np.cumsum([len(fold.valid) for fold in folds])[:-1])
    binned.all()  # at once for all threads, and needed for the last fit anyway
    parts = side_by_side([partial(binned.fold, fold.train, fold.valid) for fold in folds])

    def curve_of(shape: TreeSettings, number: int) -> _Curve:
        train, valid = parts[number]
        return validation_curve(train, valid, settings=shape, seed=recipe.seeds[0], monotone=recipe.monotone)

    def scored(shape: TreeSettings, fitted: Sequence[_Curve]) -> tuple[TreeSettings, int, Array]:
        pooled = np.sum([curve * own.sum() for (_, curve), own in zip(fitted, spread, strict=True)], axis=0)
        count = int(np.argmin(pooled)) + 1
        scores = [
            # No further than the fold's own best: what came after only served to see that it was.
            booster.predict(
                binned.X[fold.valid], raw_score=True, num_iteration=min(count, int(curve.argmin()) + 1), num_threads=1
            )
            for (booster, curve), fold in zip(fitted, folds, strict=True)
        ]
        return shape, count, np.concatenate(scores)

    simplest, *richer = recipe.trees
    last = len(folds) - 1
    jobs: list[Callable[[], _Curve]] = [partial(curve_of, shape, last) for shape in richer]
    # The longest first, so that no core is left waiting for it.
    jobs += [partial(curve_of, simplest, number) for number in reversed(range(len(folds)))]
    judged = side_by_side(jobs)
    latest, fitted = judged[: len(richer)], judged[len(richer) :][::-1]
    chosen = scored(simplest, fitted)
    promising = [number for number, (_, curve) in enumerate(latest) if curve.min() < fitted[last][1].min()]
    others = side_by_side([partial(curve_of, richer[number], place) for number in promising for place in range(last)])
    for at, number in enumerate(promising):
        rival = scored(richer[number], [*others[at * last : (at + 1) * last], latest[number]])
        chosen = rival if judge.beats(rival[2], chosen[2]) else chosen
    return chosen
