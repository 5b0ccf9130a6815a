"""What unseen rows say of the trees: which shape they have, and how many there are.

Folds cut by date teach their trees a quarter to two thirds of the rows, so that they want fewer trees than all rows
would. The trees are grown once more, therefore, without a part of the accounts at a time, and the accounts left out
have a say in the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.parallel import side_by_side
from churnml.training.folds import InnerFold
from churnml.training.judging import Judge
from churnml.training.recipe import Recipe
from churnml.training.trees import BinnedRows, TreeSettings, validation_curve

__all__ = ["TunedTrees", "tune_trees"]

Array = npt.NDArray[np.float64]

_DEFAULT_TREES = 80


@dataclass(frozen=True)
class TunedTrees:
    """How the trees are grown, and what they say of rows that they had not seen.

    Parameters
    ----------
    shape : TreeSettings
    count : int
        Trees per booster.
    dated_count : int
        What later dates alone would choose.
    scores : array or None
        Log-odds of the rows judged on later dates; None where there are none.
    left_out_scores : array or None
        Of the accounts left out, fold after fold; None where none are.
    """

    shape: TreeSettings
    count: int
    dated_count: int
    scores: Array | None = None
    left_out_scores: Array | None = None

    @classmethod
    def untried(cls, recipe: Recipe) -> TunedTrees:
        """Return the simplest shape and the usual number of trees, where there are no rows to judge on."""
        count = min(_DEFAULT_TREES, recipe.trees[0].max_trees)
        return cls(recipe.trees[0], count, count)


def tune_trees(
    binned: BinnedRows, folds: Sequence[InnerFold], left_out: Sequence[InnerFold], recipe: Recipe, judge: Judge
) -> TunedTrees:
    """Choose the shape of the trees by the pooled loss on later rows, and their number there and for accounts left out.

    A shape that is not the simplest has to beat it by two standard errors. It is tried on the latest block first, whose
    model has the most rows to learn from, and only where it is better there on the others.

    Parameters
    ----------
    binned : BinnedRows
        All rows.
    folds, left_out, recipe
        As for `churnml.training.choice.choose`.
    judge : Judge
        Of the folds' later rows.
    """
    curves = _Curves(binned, [*folds, *left_out], recipe)
    latest, accounts = len(folds) - 1, range(len(folds), len(folds) + len(left_out))
    richer = range(1, len(recipe.trees))
    if richer:
        curves.grow([(shape, latest) for shape in (*reversed(richer), 0)])
    promising = [shape for shape in richer if curves.least(shape, latest) < curves.least(0, latest)]
    # Which shape it will be is clear here unless a richer one is still in the running. The longest come first, so that
    # no core is left waiting for them.
    ahead = [] if promising else [(0, cut) for cut in accounts]
    curves.grow([*ahead, *((shape, cut) for shape in (0, *promising) for cut in reversed(range(len(folds))))])
    chosen, (count, scores) = 0, curves.judged(0, folds, judge)
    for shape in promising:
        rival = curves.judged(shape, folds, judge)
        if judge.beats(rival[1], scores):
            chosen, (count, scores) = shape, rival
    settings = recipe.trees[chosen]
    if not left_out:
        return TunedTrees(settings, count, count, scores)
    curves.grow([(chosen, cut) for cut in accounts])
    wanted, others = curves.left_out(chosen, accounts, count, judge.all_weights)
    return TunedTrees(settings, wanted, count, scores, others)


class _Curves:
    """Boosters of several shapes on several cuts of the rows, each grown once, with its loss after every tree."""

    def __init__(self, binned: BinnedRows, cuts: Sequence[InnerFold], recipe: Recipe) -> None:
        binned.all()  # at once for all threads, and needed for the last fit anyway
        self._rows, self._cuts, self._recipe = binned, cuts, recipe
        self._parts = side_by_side([partial(binned.fold, cut.train, cut.valid) for cut in cuts])
        self._grown: dict[tuple[int, int], tuple[lgb.Booster, Array]] = {}

    def grow(self, wanted: Sequence[tuple[int, int]]) -> None:
        """Grow a booster for each shape and cut, given by number, that has none yet."""
        missing = [one for one in wanted if one not in self._grown]
        self._grown.update(zip(missing, side_by_side([partial(self._curve, *one) for one in missing]), strict=True))

    def _curve(self, shape: int, cut: int) -> tuple[lgb.Booster, Array]:
        learnt, judged = self._parts[cut]
        settings, seed = self._recipe.trees[shape], self._recipe.seeds[0]
        return validation_curve(learnt, judged, settings=settings, seed=seed, monotone=self._recipe.monotone)

    def least(self, shape: int, cut: int) -> float:
        """Return the lowest loss of a shape on a cut."""
        return float(self._grown[shape, cut][1].min())

    def judged(self, shape: int, folds: Sequence[InnerFold], judge: Judge) -> tuple[int, Array]:
        """Return the number of trees of the lowest loss on all later rows, and the log-odds there."""
        spread = np.split(judge.weights, np.cumsum([len(fold.valid) for fold in folds])[:-1])
        curves = [self._grown[shape, cut][1] for cut in range(len(folds))]
        count = int(np.argmin(np.sum([curve * own.sum() for curve, own in zip(curves, spread, strict=True)], axis=0)))
        # No further than the fold's own best: what came after only served to see that it was.
        trees = [min(count, int(curve.argmin())) + 1 for curve in curves]
        return count + 1, np.concatenate([self._log_odds(shape, cut, of_cut) for cut, of_cut in enumerate(trees)])

    def left_out(self, shape: int, cuts: Sequence[int], count: int, weights: Array | None) -> tuple[int, Array]:
        """Return how many trees to grow, and the log-odds of the rows left out by so many trees of the others.

        The number is the geometric mean of `count`, which later dates chose, and of the one that is best for the
        accounts left out. Later dates want fewer trees because churn changes, which is a reason, and because there was
        little to learn from, which is none.
        """
        rows = [self._cuts[cut].valid for cut in cuts]
        mass = [float(len(own) if weights is None else weights[own].sum()) for own in rows]
        pooled = np.sum([self._grown[shape, cut][1] * own for cut, own in zip(cuts, mass, strict=True)], axis=0)
        wanted = max(round(float(np.sqrt(count * (np.argmin(pooled) + 1.0)))), 1)
        side_by_side([partial(self._grow_further, shape, cut, wanted) for cut in cuts])
        return wanted, np.concatenate([self._log_odds(shape, cut, wanted) for cut in cuts])

    def _grow_further(self, shape: int, cut: int, wanted: int) -> None:
        booster, _ = self._grown[shape, cut]
        if booster.current_iteration() < wanted:  # patience ran out before
            # LightGBM's level of messages is a thread's own, and this thread has not told it one yet.
            booster.predict(self._rows.X[:1], num_threads=1, verbosity=-1)
        for _ in range(wanted - booster.current_iteration()):
            booster.update()

    def _log_odds(self, shape: int, cut: int, trees: int) -> Array:
        booster, rows = self._grown[shape, cut][0], self._rows.X[self._cuts[cut].valid]
        return np.asarray(booster.predict(rows, raw_score=True, num_iteration=trees, num_threads=1))
