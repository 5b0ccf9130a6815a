"""One 0–100 health score per account and date, with its band, its coverage and what capped it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from churnml.errors import DataError, UsageError
from churnml.health.recipe import HealthRecipe
from churnml.health.verdict import HealthVerdict
from churnml.language import Quantity, Text
from churnml.scorecard import Measure, MeasureScores

__all__ = ["LIFT_POINTS", "band_of", "lift_score", "measures", "score_health"]

LIFT_POINTS: tuple[tuple[float, float], ...] = ((0.25, 97.0), (1.0, 70.0), (3.0, 40.0), (8.0, 3.0))
"""Churn probability ÷ base rate → score of the model part, piecewise-linear in the logarithm of the lift.

Beyond both ends the score nears 100 and 0 without reaching them: of two accounts the riskier one never scores the same.
"""

_KEY = ["account_id", "as_of"]


def lift_score(probability: np.ndarray, base_rate: float) -> np.ndarray:
    """Return the model part of the score, 0–100, from churn probabilities.

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Churn probabilities, NaN where unknown.
    base_rate : float
        Share of accounts that churn within the horizon, in (0, 1].

    Examples
    --------
    >>> lift_score(np.array([0.0, 0.01, 0.04, 0.12, 0.32, 0.64]), 0.04).round(6).tolist()
    [100.0, 97.0, 70.0, 40.0, 3.0, 1.5]

    Where four in ten churn no lift can pass 2.5, and certain churn is as far from the base rate as a lift of 8:

    >>> lift_score(np.array([0.1, 0.4, 0.65, 1.0]), 0.4).round().tolist()
    [97.0, 70.0, 40.0, 3.0]
    """
    if not 0 < base_rate <= 1:
        raise UsageError(Text.of("fault-base_rate"), got=str(base_rate))
    points, score = zip(*LIFT_POINTS, strict=True)
    lowest, highest = points[0], points[-1]
    lift = np.asarray(probability, dtype=float) / base_rate
    if base_rate * highest > 1.0 and base_rate < 1.0:
        stretched = np.power(np.fmax(lift, 1.0), np.log(highest) / -np.log(base_rate))
        lift = np.where(lift > 1.0, stretched, lift)
    values = np.interp(np.log(np.clip(lift, lowest, highest)), np.log(points), score)
    values = np.where(lift < lowest, 100.0 - (100.0 - score[0]) * lift / lowest, values)
    values = np.where(lift > highest, score[-1] * highest / np.fmax(lift, highest), values)
    return np.asarray(np.where(np.isnan(probability), np.nan, values), dtype=float)


def measures(frame: pd.DataFrame, scale: HealthRecipe) -> pd.DataFrame:
    """Score every measure of every row.

    Parameters
    ----------
    frame : DataFrame
        Feature frame, keyed (account_id, as_of).
    scale : HealthRecipe
        The recipe.

    Returns
    -------
    DataFrame
        One row per (account_id, as_of, measure), rows of an account together in the scale's order: ``account_id,
        as_of, measure, group, feature, value, score, weight, weight_effective, status``. ``weight`` is the share
        with all data present, ``weight_effective`` the share after missing measures have handed theirs on; each
        adds up to 1 per row (the latter to 0 where nothing is known). ``status`` is ok, stale or missing.
    """
    parts = _measured(frame, scale)
    count = len(scale.measures)
    status = np.where(parts.known, "ok", np.where(parts.stale, "stale", "missing"))
    return pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy().repeat(count),
            "as_of": frame["as_of"].to_numpy().repeat(count),
            "measure": [measure.name for measure in scale.measures] * len(frame),
            "group": [measure.group for measure in scale.measures] * len(frame),
            "feature": [measure.feature for measure in scale.measures] * len(frame),
            "value": parts.raw.ravel(),
            "score": parts.scores.ravel(),
            "weight": parts.nominal.ravel(),
            "weight_effective": parts.effective.ravel(),
            "status": status.ravel(),
        }
    )


def score_health(
    frame: pd.DataFrame, scores: pd.DataFrame, *, scale: HealthRecipe, base_rate: float, verdict: HealthVerdict
) -> pd.DataFrame:
    """Blend weighted measures and the churn model into one score per account and date.

    Parameters
    ----------
    frame : DataFrame
        Feature frame, keyed (account_id, as_of).
    scores : DataFrame
        ``account_id, as_of, churn_probability`` of the same rows; a row without a score is blended from rules alone.
    scale : HealthRecipe
        The recipe.
    base_rate : float
        Churn share within the horizon, which turns a probability into a lift.
    verdict : HealthVerdict
        With ``rules_only`` the model has no part: alpha is 0 and every row's reasons say so. So it is with
        ``another_target``, where the model predicts something else than churn and `scores` may lack the column.

    Returns
    -------
    DataFrame
        One row per row of `frame`, in its order: ``account_id, as_of, health_score`` (0–100 or NaN), ``band``
        (red, yellow, green or unknown), ``coverage`` (0–1), ``rules_score, model_score, alpha`` (the share the model
        really had), ``reasons`` (list of codes) and ``reason_texts`` (what they say, as texts).

    Raises
    ------
    DataError
        The frame or the scores hold a row twice.
    UsageError
        An unknown verdict, or a base rate outside (0, 1].
    """
    try:
        part = HealthVerdict(verdict)
    except ValueError as error:
        raise UsageError(Text.of("fault-verdict"), got=repr(verdict), expected=" or ".join(HealthVerdict)) from error
    parts = _measured(frame, scale)
    rules = parts.weighted
    chances = np.full(len(frame), np.nan) if part is HealthVerdict.ANOTHER_TARGET else _probabilities(frame, scores)
    model = lift_score(chances, base_rate)
    alpha = np.where(
        np.isnan(model) | (part is HealthVerdict.RULES_ONLY), 0.0, np.where(np.isnan(rules), 1.0, scale.alpha)
    )
    blended = np.clip(alpha * np.nan_to_num(model) + (1 - alpha) * np.nan_to_num(rules), 0.0, 100.0)
    # An account of which nothing is known has no score: the model's guess would be that of any unknown account.
    unknown = np.isnan(rules) & np.any([measure.feature is not None for measure in scale.measures])
    score = np.where(unknown | ((alpha == 0) & np.isnan(rules)), np.nan, blended)
    alpha = np.where(unknown, 0.0, alpha)
    coverage = (parts.nominal * parts.known).sum(axis=1)
    band = band_of(score, scale.red_below, scale.green_from)
    capped = (alpha > 0) & (model < scale.red_below) & (band == "green")
    band = np.where(capped, "yellow", band)
    held = (alpha > 0) & (band == "green") & scale.at_most_yellow(frame, chances)
    band = np.where(held, "yellow", band)
    # Shares are sums of products: 0.5 must count as 0.5 whatever the order of the measures.
    thin = (coverage < scale.min_coverage - 1e-9) | np.isnan(score)
    band = np.where(thin, "unknown", band)
    coverage = np.clip(coverage, 0.0, 1.0)
    return pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy(),
            "as_of": frame["as_of"].to_numpy(),
            "health_score": score,
            "band": band.astype(object),
            "coverage": coverage,
            "rules_score": rules,
            "model_score": model,
            "alpha": alpha,
            **_reasons(parts, scale, coverage, np.isnan(model), capped & ~thin, held & ~thin, thin, part),
        }
    )


def band_of(score: np.ndarray, red_below: float, green_from: float) -> np.ndarray:
    """Return red, yellow, green, or unknown for NaN; scores are compared unrounded.

    Examples
    --------
    >>> band_of(np.array([39.999, 40.0, 69.999, 70.0, np.nan]), 40.0, 70.0).tolist()
    ['red', 'yellow', 'yellow', 'green', 'unknown']
    """
    return np.select(
        [np.isnan(score), score < red_below, score < green_from], ["unknown", "red", "yellow"], default="green"
    )


def _measured(frame: pd.DataFrame, scale: HealthRecipe) -> MeasureScores:
    if len(frame) > 1 and frame.duplicated(_KEY).any():
        twice = frame.loc[frame.duplicated(_KEY), "account_id"].iloc[0]
        raise DataError(
            Text.of("fault-feature_row_twice"), where=Text.of("fault-feature_row_twice.where", account=repr(twice))
        )
    return MeasureScores(frame, scale)


def _probabilities(frame: pd.DataFrame, scores: pd.DataFrame) -> np.ndarray:
    if len(scores) == len(frame) and all((scores[name].to_numpy() == frame[name].to_numpy()).all() for name in _KEY):
        return scores["churn_probability"].to_numpy(dtype=float)
    if scores.duplicated(_KEY).any():
        twice = scores.loc[scores.duplicated(_KEY), "account_id"].iloc[0]
        raise DataError(
            Text.of("fault-score_row_twice"), where=Text.of("fault-score_row_twice.where", account=repr(twice))
        )
    matched = frame[_KEY].merge(scores[[*_KEY, "churn_probability"]], on=_KEY, how="left", validate="one_to_one")
    return matched["churn_probability"].to_numpy(dtype=float)


def _reasons(
    parts: MeasureScores,
    scale: HealthRecipe,
    coverage: np.ndarray,
    unscored: np.ndarray,
    capped: np.ndarray,
    held: np.ndarray,
    thin: np.ndarray,
    part: HealthVerdict,
) -> dict[str, np.ndarray]:
    """Return what capped or limited each score: columns of lists of codes and of texts."""
    codes, texts = (np.empty(len(coverage), dtype=object) for _ in range(2))
    stale = [_stale(measure) for measure in scale.measures]
    flags = (flag.tolist() for flag in (unscored, capped, held, thin, parts.stale.any(axis=1)))
    for row, (is_unscored, is_capped, is_held, is_thin, is_stale) in enumerate(zip(*flags, strict=True)):
        reasons: list[Text] = []
        if not part.speaks:
            reasons.append(_TEXTS[part])
        elif is_unscored:
            reasons.append(_TEXTS["no_model_score"])
        if is_capped:
            reasons.append(_TEXTS["model_red_cap"])
        if is_held:
            reasons.append(_far_cap(int(scale.far_days)))
        if is_thin:
            reasons.append(_low_coverage(round(float(coverage[row]), 2)))
        if is_stale:
            reasons += [stale[column] for column in np.flatnonzero(parts.stale[row])]
        codes[row] = [_code(text) for text in reasons]
        texts[row] = reasons
    return {
        "reasons": codes,
        "reason_texts": texts,
    }


_TEXTS = {
    name: Text.of(f"health-{name}")
    for name in (HealthVerdict.RULES_ONLY, HealthVerdict.ANOTHER_TARGET, "no_model_score", "model_red_cap")
}


@lru_cache(maxsize=256)
def _low_coverage(share: float) -> Text:
    return Text.of("health-low_coverage", share=Quantity(value=share, unit="share", digits=0))


@lru_cache(maxsize=16)
def _far_cap(days: int) -> Text:
    return Text.of("health-far_cap", days=days)


def _stale(measure: Measure) -> Text:
    days = Quantity(value=measure.valid_days or 0, unit="days")
    return Text.of("health-stale", name=measure.name, measure=measure.label, days=days)


def _code(text: Text) -> str:
    code = text.code.removeprefix("health-")
    return f"stale:{text.arguments['name']}" if code == "stale" else code
