"""How much the regression weighs beside the trees: judged as it will be used, by parts of nearly all rows.

Folds cut by date teach their parts a quarter to two thirds of the rows, and trees gain more by further rows than a
regression does. So the parts are fitted once more with what those folds chose, without a quarter of the accounts at a
time, and the weight is judged on the accounts left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from churnml.training.folds import InnerFold
from churnml.training.judging import Judge
from churnml.training.linear import Regressions, Strength
from churnml.training.threads import one_blas_thread
from churnml.training.trees import BinnedRows, TreeSettings, side_by_side

__all__ = ["Parts", "blend_weight", "left_out_scores"]

Array = npt.NDArray[np.float64]

_WEIGHTS = np.linspace(0.0, 1.0, 21)[1:-1]
"""Weights of the logistic part that are weighed against each other; at 0 and 1 the prior has no mass."""


@dataclass(frozen=True)
class Parts:
    """What the two parts of a blend are fitted with.

    Parameters
    ----------
    shape : TreeSettings
    count : int
        Trees of a booster.
    seed : int
    strengths : tuple of (Strength, float)
        Of the regression, each with its share.
    signs : tuple of int or None
        Directions that the regression keeps to.
    categorical : tuple of int
        Columns that hold word codes.
    monotone : tuple of int or None
        Declared direction per column, for the trees.
    expected : tuple of float or None
        Other companies' coefficients per column, for the regression.
    """

    shape: TreeSettings
    count: int
    seed: int
    strengths: tuple[tuple[Strength, float], ...]
    signs: tuple[int, ...] | None
    categorical: tuple[int, ...]
    monotone: tuple[int, ...] | None
    expected: tuple[float, ...] | None


def blend_weight(judge: Judge, trees: Array, linear: Array, prior: tuple[float, float]) -> float:
    """Return the weight of the logistic part: its posterior mean given the loss of every weight on unseen rows.

    Parameters
    ----------
    judge : Judge
    trees, linear : array of shape (judged rows,)
        Log-odds of the judged rows by parts that had not seen them.
    prior : pair of float
        Exponents of a Beta prior on the weight.
    """
    losses = [judge.losses((1 - weight) * trees + weight * linear) for weight in _WEIGHTS]
    belief = judge.belief(losses, prior[0] * np.log(_WEIGHTS) + prior[1] * np.log1p(-_WEIGHTS))
    return round(float(belief @ _WEIGHTS), 2)


def left_out_scores(
    y: Array, binned: BinnedRows, left_out: Sequence[InnerFold], parts: Parts, weights: Array | None
) -> tuple[Array, Array]:
    """Return the log-odds of the rows left out by trees and by a regression of the others, fold after fold.

    Parameters
    ----------
    y : array of shape (n,)
    binned : BinnedRows
        All rows.
    left_out : sequence of InnerFold
        Rows to learn from, and the rows of accounts that are not among them.
    parts : Parts
    weights : array of shape (n,) or None
    """
    X = binned.X
    shares = np.array([share for _, share in parts.strengths])

    def by_trees(fold: InnerFold) -> Array:
        booster = binned.booster(fold.train, parts.shape.for_seed(parts.seed, parts.monotone), parts.count)
        return np.asarray(booster.predict(X[fold.valid], raw_score=True, num_threads=1))

    def by_regression(fold: InnerFold) -> Array:
        regressions = Regressions(X, y, parts.categorical, parts.expected, weights, rows=fold.train)
        solutions = regressions.solve([strength for strength, _ in parts.strengths], parts.signs)
        return np.asarray(shares @ regressions.log_odds(solutions, X, fold.valid))

    with one_blas_thread():
        scores = side_by_side([partial(by, fold) for by in (by_trees, by_regression) for fold in left_out])
    return np.concatenate(scores[: len(left_out)]), np.concatenate(scores[len(left_out) :])
