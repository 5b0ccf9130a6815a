"""How well scores of rows that their models had not seen fit what happened, and how far each is to be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import log_expit

from churnml.metrics import roc_auc
from churnml.training.calibration import calibrate
from churnml.training.folds import InnerFold
from churnml.training.level import Timeline, within_slope

__all__ = ["Judge", "judged_rows", "straightened_losses"]

Array = npt.NDArray[np.float64]

_ROWS_PER_FACT = 2.0
"""Rows of neighbouring dates tell mostly the same, so so many count as one."""


def judged_rows(folds: Sequence[InnerFold]) -> npt.NDArray[np.intp]:
    """Return the row numbers that the folds judge on, in the order of `Chosen.scores`."""
    return np.concatenate([fold.valid for fold in folds]) if folds else np.empty(0, dtype=np.intp)


def straightened_losses(y: Array, scores: Array, weights: Array | None = None) -> Array:
    """Return each row's log loss after the best straight line through the log-odds."""
    p = np.clip(calibrate(scores, y, "platt", weights)(scores), 1e-15, 1 - 1e-15)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


class Judge:
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
