"""How the chance of being lost at one kind of question is learnt: of features, of what is usual, and of refits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from churnml.features.spec import FeatureSet
from churnml.training.beta_geometric import BetaGeometric
from churnml.training.encoding import categories_of
from churnml.training.ensemble import fit_ensemble
from churnml.training.estimator import ChurnClassifier
from churnml.training.experience import expected_coefficients
from churnml.training.risk import (
    APART_FROM,
    NEAR_DAYS,
    Chance,
    Risk,
    dispersion,
    judged_chances,
    lines_by_days,
    rate_of,
    refitted,
    risk_matrix,
)
from churnml.training.stacking import Stack
from churnml.training.telling import Telling

__all__ = ["ChanceLearner", "Kind", "Learning", "pooled"]

Array = npt.NDArray[np.float64]

_REPLACED = ("days_to_renewal",)
"""Measures that the stack tells better: there the days to the decision are a question's own."""
_CALENDAR_MONTH = 31
_OWN_NEAR, _OWN_FAR = 0.7, 0.5
"""What the features' chance of a decision weighs beside the one that knows none; farther ahead they tell less."""
_STEPS = {"learning_rate": 0.08}
_PENALTIES = (0.001, 0.01)
"""Larger steps and fewer strengths than a model of one horizon has: over 12 months the curves of these three companies
are no worse so, and every training fits three models of the hazard."""


@dataclass(frozen=True)
class Kind:
    """One kind of question.

    Parameters
    ----------
    name : str
    extras : tuple of str
        Names of what is a question's own, beside the features.
    wait_days : int
        Days after its due date at which an answer is known.
    least_spread : float
        By how much such chances are taken to be off at least, in log-odds: what a short history cannot show of it.
    """

    name: str
    extras: tuple[str, ...]
    wait_days: int
    least_spread: float


class Learning(Protocol):
    """What is asked of a learner; `churnml.training.hazard.HazardModel` says what each is."""

    features: FeatureSet
    kind: Literal["auto", "lightgbm", "logistic"]
    params: Mapping[str, float | int | str | bool] | None
    seeds: int
    calibration: Literal["auto", "platt", "isotonic", "beta", "none"]
    random_state: int
    min_lost: int
    most_features: int


class ChanceLearner:
    """Learns chances on stacks of the same snapshots.

    Parameters
    ----------
    settings : Learning
    frame : DataFrame
        Spine and features, with a plain index.
    account : array of str, shape (n,)
        Account of each snapshot.
    draws : sequence of arrays of shape (n,)
        Weight of each snapshot in each refit.
    rows : array of int
        Snapshots that the stacks are of, in rising order.
    """

    def __init__(
        self,
        settings: Learning,
        frame: pd.DataFrame,
        account: npt.NDArray[np.str_],
        draws: Sequence[Array],
        rows: npt.NDArray[np.intp],
    ) -> None:
        self._settings, self._frame, self._account, self._draws = settings, frame, account, draws
        left = [spec for spec in settings.features if not {spec.measure, spec.name} & set(_REPLACED)]
        self._rows, self._telling = rows, Telling.of(frame.iloc[rows], left)

    def learn(self, stack: Stack, kind: Kind, norm: BetaGeometric | None = None) -> Chance:
        """Return the chance that a stack tells of, near and far apart where each side has losses enough for trees.

        Parameters
        ----------
        stack : Stack
        kind : Kind
            What is asked.
        norm : BetaGeometric, optional
            What is usual at such questions; where it is given, chances lie between it and what features tell.
        """
        near = stack.asked.day < NEAR_DAYS
        sides = [stack.taken(near), stack.taken(~near)]
        if min(len(np.unique(self._account[side.asked.row[side.lost == 1]])) for side in sides) < APART_FROM:
            whole = self._risk(stack, kind, norm)
            return Chance(whole, whole)
        return Chance(*(self._risk(side, kind, norm) for side in sides))

    def _risk(self, stack: Stack, kind: Kind, norm: BetaGeometric | None) -> Risk:
        settings, frame, asked = self._settings, self._frame, stack.asked
        groups = self._account[asked.row]
        weights = [stack.weight * draw[asked.row] for draw in self._draws]
        rate, *rates = (rate_of(stack, weight) for weight in [stack.weight, *weights])
        lost, stayed = (len(np.unique(groups[stack.lost == side])) for side in (1, 0))
        if min(lost, stayed) < settings.min_lost:
            return Risk((), {}, rate, rates=tuple(rates), spread=kind.least_spread)
        place = np.searchsorted(self._rows, asked.row)
        specs = self._telling.features(place, stack.lost, settings.most_features)
        names = tuple(spec.name for spec in specs)
        words = [spec.name for spec in specs if spec.categorical]
        categories = categories_of(frame.iloc[np.unique(asked.row)], words)
        X = risk_matrix(frame, asked, names, categories)
        expected = expected_coefficients(FeatureSet(specs))
        none = [0] * len(kind.extras)
        classifier = ChurnClassifier(
            kind=settings.kind,
            params={**_STEPS, **(settings.params or {})},
            seeds=settings.seeds,
            calibration=settings.calibration,
            # A question falls due within its calendar month, and its answer is known later.
            purge_days=_CALENDAR_MONTH + kind.wait_days,
            categorical=[place for place, spec in enumerate(specs) if spec.categorical],
            monotone=[*(0 if spec.categorical else spec.monotone for spec in specs), *none],
            directions=[*(spec.monotone or spec.risk_direction for spec in specs), *none],
            random_state=settings.random_state,
            expected=[*expected, *none],
        )
        plan = classifier.plan(X, stack.lost, dates=stack.due, groups=groups, sample_weight=stack.weight)
        plan = replace(plan, recipe=replace(plan.recipe, penalties=_PENALTIES))
        ensemble = fit_ensemble(plan.matrix, plan.outcome, plan.folds, plan.recipe, plan.timeline, plan.weights)
        by_days = lines_by_days(ensemble, plan, stack, groups)
        judged, p = judged_chances(ensemble, plan, stack, by_days)
        if norm is not None:
            p = pooled(p, norm.chances(frame, asked)[judged], asked.day[judged])
        spread = max(dispersion(p, stack.lost[judged], stack.due[judged], groups[judged]), kind.least_spread)
        refits = tuple(refitted(ensemble, plan, weights))
        return Risk(names, categories, rate, ensemble, refits, by_days=by_days, spread=spread)


def pooled(p: Array, norm: Array, day: Array) -> Array:
    """Return the chance of a decision between what features tell and what is usual, in log-odds.

    Parameters
    ----------
    p, norm : array of shape (q,)
        What features tell; what is usual.
    day : array of shape (q,)
        Days ahead.
    """
    own = np.where(day < NEAR_DAYS, _OWN_NEAR, _OWN_FAR)
    sides = (logit(np.clip(one, 1e-9, 1.0 - 1e-9)) for one in (p, norm))
    return np.asarray(expit(own * next(sides) + (1.0 - own) * next(sides)))
