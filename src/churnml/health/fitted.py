"""Weights and blend learned from history: never negative, readable as percentages."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd

from churnml.errors import TrainingError
from churnml.health.ranking import ranking_gain
from churnml.health.recipe import HealthRecipe
from churnml.health.score import measures, score_health
from churnml.health.verdict import HealthVerdict
from churnml.language import Text

__all__ = ["fit_alpha", "fit_weights"]

_PENALTY = 0.5
_MAY_LOSE = 0.005
_Z_ONE_SIDED = 1.645

Recipe = TypeVar("Recipe", bound=HealthRecipe)


def fit_weights(scale: Recipe, frame: pd.DataFrame, *, min_churners: int = 7) -> Recipe:
    """Return the scale with weights learned from labelled history.

    A logistic regression of churn on the measure scores, its coefficients held at or above 0, so a measure can only
    count in its declared direction. A missing score takes the mean of the row's known scores, which is what
    handing its weight on means. A small ridge penalty spreads weight over measures that say the same.

    Parameters
    ----------
    scale : HealthRecipe
        Measures with their scales; its weights are replaced, per-segment and per-phase ones dropped.
    frame : DataFrame
        Feature frame with ``churned`` (1, 0 or NaN; NaN rows are left out).
    min_churners : int
        Fewer churned accounts than this are refused.

    Returns
    -------
    HealthRecipe
        Weights in percent of the total; where nothing tells churners apart, the weights are left as they were.

    Raises
    ------
    TrainingError
        Too few churned or staying rows to learn from.
    """
    labelled = frame.loc[frame["churned"].notna()]
    churned = labelled["churned"].to_numpy(dtype=float)
    positives = int(churned.sum())
    accounts = labelled.loc[churned == 1, "account_id"].nunique()
    if accounts < min_churners or positives == len(churned):
        raise TrainingError(
            Text.of("fault-weights", least=str(min_churners)),
            got=Text.of("fault-weights.got", accounts=str(accounts), positives=str(positives), rows=len(churned)),
        )
    coefficients = _non_negative_logistic(_risk(scale, labelled), churned)
    if coefficients.sum() <= 1e-9:
        return scale
    shares = 100.0 * coefficients / coefficients.sum()
    groups = {measure.group: 0.0 for measure in scale.measures}
    for measure, share in zip(scale.measures, shares, strict=True):
        groups[measure.group] += float(share)
    weighed = tuple(
        replace(measure, weight=float(share)) for measure, share in zip(scale.measures, shares, strict=True)
    )
    return replace(scale, measures=weighed, weights=groups, by_segment={}, by_phase={})


def fit_alpha(scale: HealthRecipe, frame: pd.DataFrame, scores: pd.DataFrame) -> float:
    """Return the least share of the model with which the blend surely ranks churners no worse than the model alone.

    Surely no worse: the upper 95 % bound of what it loses in AUC is at most 0.005, accounts drawn as a whole (DeLong
    1988, 10.2307/2531595). With few churners that asks for nearly all of the model; the rest is left to the rules,
    which a reader can follow.

    Parameters
    ----------
    scale : HealthRecipe
        The recipe; its own alpha is not used.
    frame : DataFrame
        Feature frame with ``churned``, of rows the model was not trained on.
    scores : DataFrame
        ``account_id, as_of, churn_probability``.

    Returns
    -------
    float
        One of 0, 0.05 … 1; 0.5 where all rows share one label.
    """
    labelled = frame.loc[frame["churned"].notna()]
    churned = labelled["churned"].to_numpy(dtype=float)
    if churned.sum() in (0, len(churned)):
        return 0.5
    base_rate = float(churned.mean())
    parts = score_health(labelled, scores, scale=scale, base_rate=base_rate, verdict=HealthVerdict.PUBLISHABLE)
    usable = (parts["rules_score"].notna() & parts["model_score"].notna()).to_numpy()
    if usable.sum() == 0 or churned[usable].sum() in (0, usable.sum()):
        return 0.5
    rules, model = parts["rules_score"].to_numpy()[usable], parts["model_score"].to_numpy()[usable]
    grid = [step / 20 for step in range(21)]
    account = pd.factorize(labelled["account_id"])[0][usable]
    for alpha in grid:
        gain = ranking_gain(-(alpha * model + (1 - alpha) * rules), -model, churned[usable], account)
        if gain.gain - _Z_ONE_SIDED * gain.error >= -_MAY_LOSE:
            return alpha
    return 1.0


def _risk(scale: HealthRecipe, frame: pd.DataFrame) -> np.ndarray:
    """Return 1 − score/100 per row and measure, unknown ones at the row's mean (0.5 where nothing is known)."""
    count = len(scale.measures)
    score = measures(frame, scale)["score"].to_numpy(dtype=float).reshape(-1, count)
    known = ~np.isnan(score)
    total = np.where(known, score, 0.0).sum(axis=1)
    mean = np.divide(total, known.sum(axis=1), out=np.full(len(score), 50.0), where=known.any(axis=1))
    return np.asarray(1.0 - np.where(known, score, mean[:, None]) / 100.0)


def _non_negative_logistic(risk: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Return the coefficients (measures,) of a ridge logistic regression bounded at 0; the intercept is free."""
    # Loads scipy's optimiser, which only learning needs.
    from churnml.training.logistic import fit_logistic

    varying = risk.std(axis=0) > 1e-9
    coefficients = np.zeros(risk.shape[1])
    coefficients[varying] = fit_logistic(risk[:, varying], churned, _PENALTY, lower=np.zeros(int(varying.sum())))[:-1]
    return coefficients
