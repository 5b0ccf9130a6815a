"""What unseen rows say of the logistic part: how strongly it is held, and whether it keeps to the domain's signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from churnml.parallel import side_by_side
from churnml.training.folds import InnerFold
from churnml.training.judging import Judge
from churnml.training.linear import Regressions, Strength
from churnml.training.recipe import Recipe

__all__ = ["TunedRegression", "tune_regression"]

Array = npt.NDArray[np.float64]

_DIRECTIONS_MAY_COST = 0.003
"""Concordance within a date that keeping to the directions of domain knowledge may cost on unseen rows."""
_LEAST_BELIEF = 0.05
"""A strength of the regression that is believed less is left out."""


@dataclass(frozen=True)
class TunedRegression:
    """How the logistic part is fitted, and what it says of rows that it had not seen.

    Parameters
    ----------
    strengths : tuple of (Strength, float)
        Those that count, each with its share.
    signs : tuple of int or None
        Directions that it keeps to.
    scores : array or None
        Log-odds of the rows judged on later dates; None where there are none.
    left_out_scores : array or None
        Of the accounts left out, fold after fold; None where none are.
    """

    strengths: tuple[tuple[Strength, float], ...]
    signs: tuple[int, ...] | None
    scores: Array | None = None
    left_out_scores: Array | None = None

    @classmethod
    def untried(cls, recipe: Recipe) -> TunedRegression:
        """Return the usual strength, where there are no rows to judge on."""
        return cls(((recipe.usual, 1.0),), recipe.monotone)


def tune_regression(
    X: Array, y: Array, folds: Sequence[InnerFold], left_out: Sequence[InnerFold], recipe: Recipe, judge: Judge
) -> TunedRegression:
    """Weigh the strengths by their loss on later rows, with the declared directions or with those of the domain.

    Parameters
    ----------
    X, y, folds, left_out, recipe
        As for `churnml.training.choice.choose`.
    judge : Judge
        Of the folds' later rows.
    """
    (tuned, free), *bound = _by_directions(X, y, folds, recipe, judge)
    for held, concordance in bound:
        if free - concordance <= _DIRECTIONS_MAY_COST:
            tuned = held
    if not left_out:
        return tuned
    strengths, shares = [one for one, _ in tuned.strengths], np.array([share for _, share in tuned.strengths])

    def scores_of(fold: InnerFold) -> Array:
        regressions = Regressions(X, y, recipe.categorical, recipe.expected, judge.all_weights, rows=fold.train)
        solutions = regressions.solve(strengths, tuned.signs)
        return np.asarray(shares @ regressions.log_odds(solutions, X, fold.valid))

    scores = side_by_side([partial(scores_of, fold) for fold in left_out])
    return TunedRegression(tuned.strengths, tuned.signs, tuned.scores, np.concatenate(scores))


def _by_directions(
    X: Array, y: Array, folds: Sequence[InnerFold], recipe: Recipe, judge: Judge
) -> list[tuple[TunedRegression, float]]:
    """Return the regression with the declared directions, then with those of the domain where they are others.

    Beside each stands its concordance within a date on the rows that it had not seen.
    """
    signs = [recipe.monotone]
    if recipe.directions is not None and recipe.directions != recipe.monotone:
        signs.append(recipe.directions)

    def scores_of(fold: InnerFold) -> list[Array]:
        regressions = Regressions(X, y, recipe.categorical, recipe.expected, judge.all_weights, rows=fold.train)
        solutions = [regressions.solve(recipe.strengths, held) for held in signs]
        return [regressions.log_odds(thetas, X, fold.valid) for thetas in solutions]

    per_fold = side_by_side([partial(scores_of, fold) for fold in folds])
    tuned = []
    for number, held in enumerate(signs):
        pooled = np.concatenate([scores[number] for scores in per_fold], axis=1)
        belief = judge.belief([judge.losses(scores) for scores in pooled])
        belief = np.where(belief < _LEAST_BELIEF, 0.0, belief)
        belief = belief / belief.sum()
        counted = [(strength, float(share)) for strength, share in zip(recipe.strengths, belief, strict=True) if share]
        scores: Array = belief @ pooled
        tuned.append((TunedRegression(tuple(counted), held, scores), judge.concordance(scores)))
    return tuned
