"""What a fitted estimator is made of: trees, a logistic regression or both, added in log-odds, then calibrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.training.calibration import Calibrator, calibrate
from churnml.training.facts import EnsembleFacts
from churnml.training.folds import InnerFold
from churnml.training.linear import Linear, fit_linear
from churnml.training.trees import Trees, TreeSettings, side_by_side, validation_curve

__all__ = ["Chosen", "Ensemble", "Recipe", "choose", "fit_ensemble", "judged_rows", "straightened_losses"]

Array = npt.NDArray[np.float64]

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Inverse L2 strengths tried for the logistic part."""

_WEIGHTS = np.linspace(0.0, 1.0, 21)[1:-1]
"""Weights of the logistic part that are weighed against each other; at 0 and 1 the prior has no mass."""
_PRIOR = (0.5, 2.0)
"""Exponents of a Beta(1.5, 3) prior on the logistic part's weight: trees have the greater part until rows disagree."""
_UNJUDGED = round((_PRIOR[0] + 1.0) / (sum(_PRIOR) + 2.0), 2)
"""The weight where there are no rows to judge on: the prior's mean."""
_ROWS_PER_FACT = 2.0
"""Rows of neighbouring dates tell mostly the same, so so many count as one."""
_DEFAULT_TREES = 80


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
    """

    kind: Literal["lightgbm", "logistic", "blend"]
    trees: tuple[TreeSettings, ...]
    seeds: tuple[int, ...]
    calibration: Literal["auto", "none", "platt", "beta", "isotonic"]
    categorical: tuple[int, ...]
    monotone: tuple[int, ...] | None


@dataclass(frozen=True)
class Ensemble:
    """A weighted sum of log-odds and the calibration of that sum.

    Parameters
    ----------
    trees : Trees or None
    linear : Linear or None
    linear_weight : float
        Weight of the logistic part, 0–1; the trees have the rest.
    calibrator : Calibrator
    facts : EnsembleFacts
        How it was made: number of trees, losses on later rows, rows that calibrated it.
    logistic : Ensemble, optional
        Of a blend: its logistic part alone, with a calibration of its own. A rival at no cost; not saved.
    """

    trees: Trees | None
    linear: Linear | None
    linear_weight: float
    calibrator: Calibrator
    facts: EnsembleFacts
    logistic: Ensemble | None = None

    def log_odds(self, X: Array) -> Array:
        """Return the raw log-odds of each row."""
        return self._sum(X, lambda part: part.log_odds(X), (len(X),))

    def contributions(self, X: Array) -> Array:
        """Return (n, k + 1) contributions to the log-odds, the expected value last; a row sums to its log-odds."""
        return self._sum(X, lambda part: part.contributions(X), (len(X), X.shape[1] + 1))

    def _sum(self, X: Array, of: Callable[[Any], Array], shape: tuple[int, ...]) -> Array:
        total = np.zeros(shape)
        if self.trees is not None:
            total += (1.0 - self.linear_weight) * of(self.trees)
        if self.linear is not None:
            total += self.linear_weight * of(self.linear)
        return total

    def probability(self, X: Array) -> Array:
        """Return calibrated probabilities."""
        return self.calibrator(self.log_odds(X))


@dataclass(frozen=True)
class Chosen:
    """What the inner folds decided.

    Parameters
    ----------
    shape : TreeSettings
    count : int
        Trees per booster.
    penalty : float
        Of the logistic part.
    linear_weight : float
        Weight of the logistic part, 0–1.
    scores, linear_scores : array or None
        Log-odds of the whole, and of the logistic part, on the judged rows, which their models had not seen.
    facts : EnsembleFacts
        Rows, churners and losses.
    """

    shape: TreeSettings
    count: int
    penalty: float
    linear_weight: float
    scores: Array | None
    linear_scores: Array | None
    facts: EnsembleFacts


def choose(X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe) -> Chosen:
    """Choose shape and number of trees, penalty and blend by the loss on rows that their models had not seen.

    Parameters
    ----------
    X, y, folds, recipe
        As for `fit_ensemble`.
    """
    outcome = y[judged_rows(folds)]
    losses: dict[str, float] = {}
    tree_scores = linear_scores = None
    shape, penalty = recipe.trees[0], PENALTIES[1]
    count = min(_DEFAULT_TREES, shape.max_trees)
    if folds and recipe.kind != "logistic":
        shape, count, tree_scores = _tune_trees(X, y, folds, recipe)
        losses["trees_log_loss"] = _loss(outcome, tree_scores)
    if folds and recipe.kind != "lightgbm":
        penalty, linear_scores = _tune_linear(X, y, folds, recipe)
        losses["linear_log_loss"] = _loss(outcome, linear_scores)
    weight = {"lightgbm": 0.0, "logistic": 1.0, "blend": _UNJUDGED}[recipe.kind]
    scores = tree_scores if linear_scores is None else linear_scores
    if tree_scores is not None and linear_scores is not None:
        weight = _blend(outcome, tree_scores, linear_scores)
        scores = (1 - weight) * tree_scores + weight * linear_scores
        losses["blend_log_loss"] = _loss(outcome, scores)
    facts = EnsembleFacts(judged_rows=len(outcome), judged_churners=int(outcome.sum()), folds=len(folds), **losses)
    return Chosen(shape, count, penalty, weight, scores, linear_scores, facts)


def judged_rows(folds: Sequence[InnerFold]) -> npt.NDArray[np.intp]:
    """Return the row numbers that the folds judge on, in the order of `Chosen.scores`."""
    return np.concatenate([fold.valid for fold in folds]) if folds else np.empty(0, dtype=np.intp)


def fit_ensemble(X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe) -> Ensemble:
    """Tune and calibrate on the inner folds, then refit on every row.

    Number of trees, penalty, blend and calibration all come from predictions of models that had not seen the rows
    they are judged on. The refit uses all rows with those choices, and keeps the calibration.

    Parameters
    ----------
    X : array of shape (n, k)
    y : array of shape (n,)
        Outcomes, 0 or 1; both must occur.
    folds : sequence of InnerFold
        Empty: a fixed number of trees, no calibration.
    recipe : Recipe
    """
    chosen = choose(X, y, folds, recipe)
    outcome, weight = y[judged_rows(folds)], chosen.linear_weight
    parts: dict[str, float] = {"linear_weight": weight}
    periods = np.concatenate([np.full(len(fold.valid), number) for number, fold in enumerate(folds)]) if folds else None
    calibrator = Calibrator("none")
    if chosen.scores is not None:
        calibrator = calibrate(chosen.scores, outcome, recipe.calibration, periods)
    trees = linear = None
    if weight < 1.0:
        trees = Trees.fit(
            X,
            y,
            settings=chosen.shape,
            seeds=recipe.seeds,
            trees=chosen.count,
            categorical=recipe.categorical,
            monotone=recipe.monotone,
        )
        parts |= {"trees": chosen.count, "leaves": int(chosen.shape.params["num_leaves"])}
    if recipe.kind != "lightgbm":
        (linear,) = fit_linear(X, y, [chosen.penalty], recipe.categorical, recipe.monotone)
        parts["penalty"] = chosen.penalty
    facts = chosen.facts.model_copy(update=parts)
    rival = None
    if recipe.kind == "blend" and chosen.linear_scores is not None:
        calibration = calibrate(chosen.linear_scores, outcome, recipe.calibration, periods)
        rival = Ensemble(None, linear, 1.0, calibration, EnsembleFacts(penalty=chosen.penalty, linear_weight=1.0))
    return Ensemble(trees, linear if weight > 0.0 else None, weight, calibrator, facts, rival)


def _loss(y: Array, scores: Array) -> float:
    """Return the log loss of log-odds after the best straight line: the calibration will draw one anyway."""
    return float(straightened_losses(y, scores).mean())


def straightened_losses(y: Array, scores: Array) -> Array:
    """Return each row's log loss after the best straight line through the log-odds."""
    p = np.clip(calibrate(scores, y, "platt")(scores), 1e-15, 1 - 1e-15)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def _beats(y: Array, scores: Array, rival: Array) -> bool:
    """Whether scores have a lower loss than a rival's by more than two standard errors of the difference."""
    gain = straightened_losses(y, rival) - straightened_losses(y, scores)
    return bool(gain.mean() > 2.0 * gain.std() / np.sqrt(len(y)))


def _blend(y: Array, trees: Array, linear: Array) -> float:
    """Return the weight of the logistic part: its posterior mean given the loss of every weight on unseen rows.

    A few dozen churners cannot tell the best weight from the next, and picking one then overfits; the mean stays near
    the prior's until the rows speak clearly (Bayesian model averaging: Hoeting, Madigan, Raftery and Volinsky 1999).
    """
    losses = np.array([straightened_losses(y, (1 - weight) * trees + weight * linear).sum() for weight in _WEIGHTS])
    support = _PRIOR[0] * np.log(_WEIGHTS) + _PRIOR[1] * np.log1p(-_WEIGHTS) - losses / _ROWS_PER_FACT
    belief = np.exp(support - support.max())
    return round(float((belief * _WEIGHTS).sum() / belief.sum()), 2)


def _tune_trees(X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe) -> tuple[TreeSettings, int, Array]:
    """Choose the shape and the number of trees by the pooled loss on later rows; return them and the scores there.

    A shape that is not the simplest has to beat it by two standard errors.
    """

    def judge(shape: TreeSettings, fold: InnerFold) -> tuple[lgb.Booster, Array]:
        return validation_curve(
            X[fold.train],
            y[fold.train],
            X[fold.valid],
            y[fold.valid],
            settings=shape,
            seed=recipe.seeds[0],
            categorical=recipe.categorical,
            monotone=recipe.monotone,
        )

    jobs = [(shape, fold) for shape in recipe.trees for fold in folds]
    judged = iter(side_by_side([partial(judge, shape, fold) for shape, fold in jobs]))
    outcome = np.concatenate([y[fold.valid] for fold in folds])
    chosen: tuple[TreeSettings, int, Array] | None = None
    for shape in recipe.trees:
        fitted = [next(judged) for _ in folds]
        pooled = np.sum([curve * len(fold.valid) for (_, curve), fold in zip(fitted, folds, strict=True)], axis=0)
        count = int(np.argmin(pooled)) + 1
        scores = np.concatenate(
            [
                booster.predict(X[fold.valid], raw_score=True, num_iteration=count, num_threads=1)
                for (booster, _), fold in zip(fitted, folds, strict=True)
            ]
        )
        if chosen is None or _beats(outcome, scores, chosen[2]):
            chosen = shape, count, scores
    assert chosen is not None, "a recipe has at least one shape of tree"
    return chosen


def _tune_linear(X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe) -> tuple[float, Array]:
    """Choose the penalty with the lowest pooled loss on later rows; return it and the scores there."""
    per_fold = [
        [
            model.log_odds(X[fold.valid])
            for model in fit_linear(X[fold.train], y[fold.train], PENALTIES, recipe.categorical, recipe.monotone)
        ]
        for fold in folds
    ]
    outcome = np.concatenate([y[fold.valid] for fold in folds])
    pooled = [np.concatenate(scores) for scores in zip(*per_fold, strict=True)]
    best = int(np.argmin([_loss(outcome, scores) for scores in pooled]))
    return PENALTIES[best], pooled[best]
