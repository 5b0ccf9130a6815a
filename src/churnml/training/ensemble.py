"""A fitted estimator: trees, a logistic regression or both, added in log-odds, then calibrated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.parallel import both
from churnml.training.calibration import Calibrator, calibrate, calibrate_level
from churnml.training.choice import choose
from churnml.training.facts import EnsembleFacts
from churnml.training.folds import InnerFold
from churnml.training.judging import judged_rows
from churnml.training.level import Season, Timeline, find_level
from churnml.training.linear import Linear, fit_linear, mixed
from churnml.training.recipe import Recipe
from churnml.training.threads import one_blas_thread
from churnml.training.trees import BinnedRows, Trees

__all__ = ["Ensemble", "fit_ensemble"]

Array = npt.NDArray[np.float64]


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
    judged : array, optional
        Raw log-odds of the rows that the inner folds judged on, by models that had not seen them; not saved.
    """

    trees: Trees | None
    linear: Linear | None
    linear_weight: float
    calibrator: Calibrator
    facts: EnsembleFacts
    season: Season | None = None
    slope: float = 1.0
    logistic: Ensemble | None = None
    judged: Array | None = None

    def settings(self) -> dict[str, Any]:
        """Return all but trees and regression as JSON-ready data."""
        return {
            "calibration": self.calibrator.as_dict(),
            "linear_weight": self.linear_weight,
            "season": list(self.season.months) if self.season is not None else None,
            "slope": self.slope,
            "facts": self.facts.model_dump(mode="json", exclude_none=True),
        }

    @classmethod
    def of_settings(cls, trees: Trees | None, linear: Linear | None, settings: Mapping[str, Any]) -> Ensemble:
        """Rebuild the ensemble of its parts and its `settings`."""
        season = settings.get("season")
        return cls(
            trees,
            linear,
            linear_weight=float(settings["linear_weight"]),
            calibrator=Calibrator.from_dict(settings["calibration"]),
            facts=EnsembleFacts.model_validate(settings["facts"]),
            season=Season(tuple(float(month) for month in season)) if season else None,
            slope=float(settings.get("slope", 1.0)),
        )

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


def fit_ensemble(
    X: Array,
    y: Array,
    folds: Sequence[InnerFold],
    recipe: Recipe,
    timeline: Timeline | None = None,
    weights: Array | None = None,
    left_out: Sequence[InnerFold] = (),
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
    left_out : sequence of InnerFold, optional
        Accounts to judge the blend on, see `churnml.training.choice.choose`.
    """
    binned = BinnedRows(X, y, recipe.categorical, recipe.trees[0], weights)
    chosen = choose(X, y, folds, recipe, timeline, weights, binned, left_out)
    weight = chosen.linear_weight
    parts: dict[str, float] = {"linear_weight": weight}

    def of_trees() -> Trees | None:
        if weight == 1.0:
            return None
        return Trees.fit(
            binned, settings=chosen.shape, seeds=recipe.seeds, trees=chosen.count, monotone=recipe.monotone
        )

    def of_regression() -> Linear | None:
        if recipe.kind == "lightgbm":
            return None
        strengths = [strength for strength, _ in chosen.strengths]
        fitted = fit_linear(X, y, strengths, recipe.categorical, chosen.signs, recipe.expected, weights)
        return mixed(fitted, [share for _, share in chosen.strengths])

    with one_blas_thread():
        trees, linear = both(of_trees, of_regression)
    if trees is not None:
        parts |= {"trees": chosen.count, "leaves": int(chosen.shape.params["num_leaves"])}
    if linear is not None:
        parts |= {"penalty": linear.penalty, "trust": sum(one.trust * share for one, share in chosen.strengths)}
    facts = chosen.facts.model_copy(update=parts)
    whole = Ensemble(trees, linear if weight > 0.0 else None, weight, Calibrator("none"), facts, judged=chosen.scores)
    calibrated = partial(_calibrated, X=X, y=y, folds=folds, recipe=recipe, timeline=timeline, weights=weights)
    if recipe.kind != "blend" or chosen.linear_scores is None:
        return calibrated(whole, chosen.scores)
    alone = EnsembleFacts(penalty=parts["penalty"], trust=parts["trust"], linear_weight=1.0)
    rival = Ensemble(None, linear, 1.0, Calibrator("none"), alone)
    with one_blas_thread():
        whole, rival = both(partial(calibrated, whole, chosen.scores), partial(calibrated, rival, chosen.linear_scores))
    return replace(whole, logistic=rival)


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
