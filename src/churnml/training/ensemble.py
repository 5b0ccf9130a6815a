"""What a fitted estimator is made of: trees, a logistic regression or both, added in log-odds, then calibrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.special import log_expit

from churnml.metrics import roc_auc
from churnml.training.calibration import Calibrator, calibrate, calibrate_level
from churnml.training.facts import EnsembleFacts
from churnml.training.folds import InnerFold
from churnml.training.level import Season, Timeline, find_level, within_slope
from churnml.training.linear import Linear, Strength, fit_linear, mixed
from churnml.training.trees import Trees, TreeSettings, side_by_side, validation_curve

__all__ = ["Chosen", "Ensemble", "Recipe", "choose", "fit_ensemble", "judged_rows", "straightened_losses"]

Array = npt.NDArray[np.float64]

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Inverse L2 strengths tried for the logistic part."""
_TRUSTING = 0.0001
"""Tried as well where the logistic part is pulled to other companies' coefficients, to stay nearer to them."""

_WEIGHTS = np.linspace(0.0, 1.0, 21)[1:-1]
"""Weights of the logistic part that are weighed against each other; at 0 and 1 the prior has no mass."""
_PRIOR = (0.5, 2.0)
"""Exponents of a Beta(1.5, 3) prior on the logistic part's weight: trees have the greater part until rows disagree."""
_INFORMED_PRIOR = (3.0, 1.0)
"""Of a Beta(4, 2) prior, where the logistic part knows what other companies' churn depended on."""
_ROWS_PER_FACT = 2.0
"""Rows of neighbouring dates tell mostly the same, so so many count as one."""
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
    """

    kind: Literal["lightgbm", "logistic", "blend"]
    trees: tuple[TreeSettings, ...]
    seeds: tuple[int, ...]
    calibration: Literal["auto", "none", "platt", "beta", "isotonic"]
    categorical: tuple[int, ...]
    monotone: tuple[int, ...] | None
    expected: tuple[float, ...] | None = None
    directions: tuple[int, ...] | None = None

    @property
    def strengths(self) -> list[Strength]:
        """What the logistic part may be held by."""
        own = [Strength(penalty) for penalty in PENALTIES]
        if self.expected is None:
            return own
        return [*own, *(Strength(penalty, 1.0) for penalty in (_TRUSTING, *PENALTIES))]

    @property
    def weight_prior(self) -> tuple[float, float]:
        """Exponents of the Beta prior on the logistic part's weight."""
        return _PRIOR if self.expected is None else _INFORMED_PRIOR


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
    season : Season or None
        What the time of year adds to the raw log-odds, in the units of the calibrated ones.
    slope : float
        Calibrated log-odds per raw log-odds.
    logistic : Ensemble, optional
        Of a blend: its logistic part alone, with a calibration of its own. A rival at no cost; not saved.
    """

    trees: Trees | None
    linear: Linear | None
    linear_weight: float
    calibrator: Calibrator
    facts: EnsembleFacts
    season: Season | None = None
    slope: float = 1.0
    logistic: Ensemble | None = None

    def log_odds(self, X: Array) -> Array:
        """Return the raw log-odds of each row."""
        return self._sum(X, lambda part: part.log_odds(X), (len(X),))

    def contributions(self, X: Array) -> Array:
        """Return (n, k + 1) contributions to the log-odds, the expected value last; a row sums to its log-odds."""
        return self._sum(X, lambda part: part.contributions(X), (len(X), X.shape[1] + 1))

    def seasonal(self, dates: npt.ArrayLike) -> Array:
        """Return what the time of year adds to the raw log-odds at each ``as_of``; 0 where no season is known."""
        days = np.asarray(dates)
        return np.zeros(len(days)) if self.season is None else self.season.shift(days) / self.slope

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
) -> Chosen:
    """Choose shape and number of trees, penalty and blend by the loss on rows that their models had not seen.

    Parameters
    ----------
    X, y, folds, recipe, timeline, weights
        As for `fit_ensemble`.
    """
    judge = _Judge(y, folds, timeline, weights)
    losses: dict[str, float] = {}
    tree_scores = linear_scores = None
    shape, signs = recipe.trees[0], recipe.monotone
    usual = Strength(PENALTIES[1]) if recipe.expected is None else Strength(PENALTIES[0], 1.0)
    strengths: tuple[tuple[Strength, float], ...] = ((usual, 1.0),)
    count = min(_DEFAULT_TREES, shape.max_trees)
    if folds and recipe.kind != "lightgbm":
        strengths, linear_scores = _tune_linear(X, y, folds, recipe, judge)
        if recipe.directions is not None and recipe.directions != recipe.monotone:
            held, held_scores = _tune_linear(X, y, folds, replace(recipe, monotone=recipe.directions), judge)
            if judge.concordance(linear_scores) - judge.concordance(held_scores) <= _DIRECTIONS_MAY_COST:
                signs, strengths, linear_scores = recipe.directions, held, held_scores
        losses["linear_log_loss"] = judge.loss(linear_scores)
    if folds and recipe.kind != "logistic":
        shape, count, tree_scores = _tune_trees(X, y, folds, recipe, judge)
        losses["trees_log_loss"] = judge.loss(tree_scores)
    high, low = recipe.weight_prior
    # Where there are no rows to judge on, the weight is its prior's mean.
    weight = {"lightgbm": 0.0, "logistic": 1.0, "blend": round((high + 1.0) / (high + low + 2.0), 2)}[recipe.kind]
    scores = tree_scores if linear_scores is None else linear_scores
    if tree_scores is not None and linear_scores is not None:
        weight = _blend(judge, tree_scores, linear_scores, recipe.weight_prior)
        scores = (1 - weight) * tree_scores + weight * linear_scores
        losses["blend_log_loss"] = judge.loss(scores)
    churners = int(judge.y.sum())
    facts = EnsembleFacts(judged_rows=len(judge.y), judged_churners=churners, folds=len(folds), **losses)
    return Chosen(shape, count, strengths, weight, signs, scores, linear_scores, facts)


class _Judge:
    """How well scores of rows that their models had not seen fit what happened.

    Parameters
    ----------
    y, folds, timeline, weights
        As for `fit_ensemble`.
    """

    def __init__(self, y: Array, folds: Sequence[InnerFold], timeline: Timeline | None, weights: Array | None) -> None:
        rows = judged_rows(folds)
        self.y, self.all_weights = y[rows], weights
        self.weights = np.ones(len(rows)) if weights is None else weights[rows]
        self.dates = None if timeline is None or not folds else timeline.places(rows)
        # A model of more rows is nearer to the one that will be used, so its period counts for more.
        learnt = np.concatenate([np.full(len(one.valid), float(len(one.train))) for one in folds]) if folds else rows
        self.counted = self.weights * (learnt / learnt.mean() if folds else 1.0)

    def losses(self, scores: Array) -> Array:
        """Return each row's log loss once slope and level are right; the level of each date, where dates are known."""
        if self.dates is None:
            return straightened_losses(self.y, scores, self.weights)
        slope, level = within_slope(scores, self.y, self.dates, self.weights)
        return np.asarray(-log_expit(np.where(self.y == 1, 1.0, -1.0) * (slope * scores + level[self.dates])))

    def loss(self, scores: Array) -> float:
        """Return the mean log loss."""
        return float(np.average(self.losses(scores), weights=self.weights))

    def concordance(self, scores: Array) -> float:
        """Return how often a churner has a higher score than a stayer of the same date; 0.5 without such a pair."""
        dates = np.zeros(len(scores), dtype=np.intp) if self.dates is None else self.dates
        right, pairs = 0.0, 0.0
        for date in range(int(dates.max()) + 1):
            rows = dates == date
            area = roc_auc(self.y[rows], scores[rows])
            if area is not None:
                churned = float(self.y[rows].sum())
                count = churned * (float(rows.sum()) - churned)
                right, pairs = right + count * area, pairs + count
        return right / pairs if pairs else 0.5

    def belief(self, losses: Sequence[Array], prior: npt.ArrayLike = 0.0) -> Array:
        """Return how far each of several scores is to be believed, adding up to 1, given each row's losses.

        A few dozen churners cannot tell the best from the next, and picking one then overfits; a mean by belief stays
        near the prior's until the rows speak clearly (Hoeting, Madigan, Raftery and Volinsky 1999).
        """
        support = np.asarray(prior) - np.array([float(self.counted @ loss) for loss in losses]) / _ROWS_PER_FACT
        share = np.exp(support - support.max())
        return np.asarray(share / share.sum())

    def beats(self, scores: Array, rival: Array) -> bool:
        """Whether scores have a lower loss than a rival's by more than two standard errors of the difference."""
        gain = self.weights * (self.losses(rival) - self.losses(scores))
        return bool(gain.mean() > 2.0 * gain.std() / np.sqrt(len(gain)))


def judged_rows(folds: Sequence[InnerFold]) -> npt.NDArray[np.intp]:
    """Return the row numbers that the folds judge on, in the order of `Chosen.scores`."""
    return np.concatenate([fold.valid for fold in folds]) if folds else np.empty(0, dtype=np.intp)


def fit_ensemble(
    X: Array,
    y: Array,
    folds: Sequence[InnerFold],
    recipe: Recipe,
    timeline: Timeline | None = None,
    weights: Array | None = None,
) -> Ensemble:
    """Tune and calibrate on the inner folds, then refit on every row.

    Number of trees, penalty, blend and calibration all come from predictions of models that had not seen the rows
    they are judged on. The refit uses all rows with those choices. With a `timeline` the calibration's slope is learnt
    within dates and its level is the training rate, moved by what later periods have in common (see
    `churnml.training.level`); without one it is learnt from all judged rows at once.

    Parameters
    ----------
    X : array of shape (n, k)
    y : array of shape (n,)
        Outcomes, 0 or 1; both must occur.
    folds : sequence of InnerFold
        Empty: a fixed number of trees, no calibration.
    recipe : Recipe
    timeline : Timeline, optional
        When the rows are, where the folds are cut by date.
    weights : array of shape (n,), optional
        Weight of each row, above 0.
    """
    chosen = choose(X, y, folds, recipe, timeline, weights)
    weight = chosen.linear_weight
    parts: dict[str, float] = {"linear_weight": weight}
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
            weights=weights,
        )
        parts |= {"trees": chosen.count, "leaves": int(chosen.shape.params["num_leaves"])}
    if recipe.kind != "lightgbm":
        strengths = [strength for strength, _ in chosen.strengths]
        fitted = fit_linear(X, y, strengths, recipe.categorical, chosen.signs, recipe.expected, weights)
        linear = mixed(fitted, [share for _, share in chosen.strengths])
        parts |= {"penalty": linear.penalty, "trust": sum(one.trust * share for one, share in chosen.strengths)}
    facts = chosen.facts.model_copy(update=parts)
    whole = Ensemble(trees, linear if weight > 0.0 else None, weight, Calibrator("none"), facts)
    whole = _calibrated(whole, chosen.scores, X, y, folds, recipe, timeline, weights)
    if recipe.kind != "blend" or chosen.linear_scores is None:
        return whole
    alone = EnsembleFacts(penalty=parts["penalty"], trust=parts["trust"], linear_weight=1.0)
    rival = Ensemble(None, linear, 1.0, Calibrator("none"), alone)
    return replace(whole, logistic=_calibrated(rival, chosen.linear_scores, X, y, folds, recipe, timeline, weights))


def _calibrated(
    ensemble: Ensemble,
    scores: Array | None,
    X: Array,
    y: Array,
    folds: Sequence[InnerFold],
    recipe: Recipe,
    timeline: Timeline | None,
    weights: Array | None,
) -> Ensemble:
    """Return the refitted ensemble with its calibration, given the scores of rows that its like had not seen."""
    if scores is None:
        return ensemble
    rows = judged_rows(folds)
    mass = np.ones(len(y)) if weights is None else weights
    if timeline is None:
        return replace(ensemble, calibrator=calibrate(scores, y[rows], recipe.calibration, mass[rows]))
    if recipe.calibration == "none":
        return ensemble
    fitted = ensemble.log_odds(X)
    level = find_level(scores, fitted, y, folds, timeline, mass)
    facts = ensemble.facts.model_copy(update={"drift": level.drift, "seasonal": level.season is not None})
    levelled = replace(ensemble, season=level.season, slope=level.slope, facts=facts)
    fitted = fitted + levelled.seasonal(timeline.dates)
    calibrator = calibrate_level(level, y[rows], fitted, y, recipe.calibration, judged_weights=mass[rows], weights=mass)
    return replace(levelled, calibrator=calibrator)


def straightened_losses(y: Array, scores: Array, weights: Array | None = None) -> Array:
    """Return each row's log loss after the best straight line through the log-odds."""
    p = np.clip(calibrate(scores, y, "platt", weights)(scores), 1e-15, 1 - 1e-15)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def _blend(judge: _Judge, trees: Array, linear: Array, prior: tuple[float, float]) -> float:
    """Return the weight of the logistic part: its posterior mean given the loss of every weight on unseen rows."""
    losses = [judge.losses((1 - weight) * trees + weight * linear) for weight in _WEIGHTS]
    belief = judge.belief(losses, prior[0] * np.log(_WEIGHTS) + prior[1] * np.log1p(-_WEIGHTS))
    return round(float(belief @ _WEIGHTS), 2)


def _tune_trees(
    X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe, judge: _Judge
) -> tuple[TreeSettings, int, Array]:
    """Choose the shape and the number of trees by the pooled loss on later rows; return them and the scores there.

    A shape that is not the simplest has to beat it by two standard errors.
    """
    spread = np.split(judge.weights, np.cumsum([len(fold.valid) for fold in folds])[:-1])

    def curve_of(shape: TreeSettings, number: int) -> tuple[lgb.Booster, Array]:
        fold = folds[number]
        even = bool((judge.weights == 1.0).all())
        return validation_curve(
            X[fold.train],
            y[fold.train],
            X[fold.valid],
            y[fold.valid],
            settings=shape,
            seed=recipe.seeds[0],
            categorical=recipe.categorical,
            monotone=recipe.monotone,
            weights=None if even or judge.all_weights is None else judge.all_weights[fold.train],
            valid_weights=None if even else spread[number],
        )

    jobs = [(shape, number) for shape in recipe.trees for number in range(len(folds))]
    judged = iter(side_by_side([partial(curve_of, shape, number) for shape, number in jobs]))
    chosen: tuple[TreeSettings, int, Array] | None = None
    for shape in recipe.trees:
        fitted = [next(judged) for _ in folds]
        pooled = np.sum([curve * own.sum() for (_, curve), own in zip(fitted, spread, strict=True)], axis=0)
        count = int(np.argmin(pooled)) + 1
        scores = np.concatenate(
            [
                booster.predict(X[fold.valid], raw_score=True, num_iteration=count, num_threads=1)
                for (booster, _), fold in zip(fitted, folds, strict=True)
            ]
        )
        if chosen is None or judge.beats(scores, chosen[2]):
            chosen = shape, count, scores
    assert chosen is not None, "a recipe has at least one shape of tree"
    return chosen


def _tune_linear(
    X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe, judge: _Judge
) -> tuple[tuple[tuple[Strength, float], ...], Array]:
    """Weigh the strengths by their loss on later rows; return those that count, and the mean's scores there."""
    per_fold = [
        [
            model.log_odds(X[fold.valid])
            for model in fit_linear(
                X[fold.train],
                y[fold.train],
                recipe.strengths,
                recipe.categorical,
                recipe.monotone,
                recipe.expected,
                None if judge.all_weights is None else judge.all_weights[fold.train],
            )
        ]
        for fold in folds
    ]
    pooled = [np.concatenate(scores) for scores in zip(*per_fold, strict=True)]
    belief = judge.belief([judge.losses(scores) for scores in pooled])
    belief = np.where(belief < _LEAST_BELIEF, 0.0, belief)
    belief = belief / belief.sum()
    counted = [(strength, float(share)) for strength, share in zip(recipe.strengths, belief, strict=True) if share]
    return tuple(counted), np.asarray(belief @ np.array(pooled))
