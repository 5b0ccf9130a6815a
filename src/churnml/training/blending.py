"""How many trees, and how much the regression weighs beside them: judged by parts that learnt from nearly all rows.

Folds cut by date teach their parts a quarter to two thirds of the rows, and trees gain more by further rows than a
regression does. So the parts are fitted once more with what those folds chose, without a quarter of the accounts at a
time, and the accounts left out say how many trees pay and how the two are weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.training.folds import InnerFold
from churnml.training.judging import Judge
from churnml.training.linear import Regressions, Strength
from churnml.training.threads import one_blas_thread
from churnml.training.trees import BinnedRows, TreeSettings, side_by_side, validation_curve

__all__ = ["blend_weight", "left_out_regression", "left_out_trees"]

Array = npt.NDArray[np.float64]

_WEIGHTS = np.linspace(0.0, 1.0, 21)[1:-1]
"""Weights of the logistic part that are weighed against each other; at 0 and 1 the prior has no mass."""


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


def left_out_trees(
    binned: BinnedRows,
    left_out: Sequence[InnerFold],
    shape: TreeSettings,
    count: int,
    seed: int,
    monotone: Sequence[int] | None,
    weights: Array | None,
) -> tuple[int, Array]:
    """Return how many trees to fit, and the log-odds of the rows left out by so many trees of the others.

    The number is the geometric mean of `count`, which later dates chose, and of the one that is best for the accounts
    left out. Later dates want fewer trees because churn changes, which is a reason, and because there was little to
    learn from, which is none.

    Parameters
    ----------
    binned : BinnedRows
        All rows.
    left_out : sequence of InnerFold
        Rows to learn from, and the rows of accounts that are not among them.
    shape : TreeSettings
    count : int
        Trees of a booster that the folds cut by date chose.
    seed : int
    monotone : sequence of int, optional
    weights : array of shape (n,) or None

    Returns
    -------
    count, scores : int, array of shape (rows left out,)
        Scores fold after fold.
    """

    def curve_of(fold: InnerFold) -> tuple[lgb.Booster, Array]:
        learnt, judged = binned.fold(fold.train, fold.valid)
        return validation_curve(learnt, judged, settings=shape, seed=seed, monotone=monotone)

    binned.all()  # at once for all threads
    curves = side_by_side([partial(curve_of, fold) for fold in left_out])
    mass = [float(len(fold.valid) if weights is None else weights[fold.valid].sum()) for fold in left_out]
    pooled = np.sum([curve * own for (_, curve), own in zip(curves, mass, strict=True)], axis=0)
    wanted = max(round(float(np.sqrt(count * (np.argmin(pooled) + 1.0)))), 1)

    def grown(booster: lgb.Booster) -> lgb.Booster:
        if booster.current_iteration() < wanted:  # patience ran out before
            # LightGBM's level of messages is a thread's own, and this thread has not told it one yet.
            booster.predict(binned.X[:1], num_threads=1, verbosity=-1)
        for _ in range(wanted - booster.current_iteration()):
            booster.update()
        return booster

    boosters = side_by_side([partial(grown, booster) for booster, _ in curves])
    scores = [
        booster.predict(binned.X[fold.valid], raw_score=True, num_iteration=wanted, num_threads=1)
        for booster, fold in zip(boosters, left_out, strict=True)
    ]
    return wanted, np.concatenate(scores)


def left_out_regression(
    X: Array,
    y: Array,
    left_out: Sequence[InnerFold],
    strengths: Sequence[tuple[Strength, float]],
    signs: Sequence[int] | None,
    categorical: Sequence[int],
    expected: Sequence[float] | None,
    weights: Array | None,
) -> Array:
    """Return the log-odds of the rows left out by regressions of the others, fold after fold.

    Parameters
    ----------
    X, y, categorical, expected, weights
        As for `churnml.training.linear.fit_linear`.
    left_out : sequence of InnerFold
        Rows to learn from, and the rows of accounts that are not among them.
    strengths : sequence of (Strength, float)
        Each with its share.
    signs : sequence of int, optional
        Directions that the regression keeps to.
    """
    shares = np.array([share for _, share in strengths])

    def scores_of(fold: InnerFold) -> Array:
        regressions = Regressions(X, y, categorical, expected, weights, rows=fold.train)
        solutions = regressions.solve([strength for strength, _ in strengths], signs)
        return np.asarray(shares @ regressions.log_odds(solutions, X, fold.valid))

    with one_blas_thread():
        return np.concatenate(side_by_side([partial(scores_of, fold) for fold in left_out]))
