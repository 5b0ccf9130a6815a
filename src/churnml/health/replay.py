"""Replay the health score over past dates without hindsight, for several presets side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from churnml.config import Config, HealthConfig
from churnml.errors import DataError
from churnml.features.spec import FeatureSet
from churnml.health.backtest import HealthBacktest, health_backtest
from churnml.health.scale import HealthScale
from churnml.health.score import band_of, health, measures
from churnml.training import Backtest

__all__ = ["replay", "replayed"]

_KEY = ["account_id", "as_of"]
_PRESETS = ("reference", "balanced", "fitted")


def replay(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    config: Config,
    tested: Backtest,
    presets: Sequence[str] = _PRESETS,
) -> list[HealthBacktest]:
    """Backtest the configured health score, the other presets, the rules alone and the model alone.

    Every fold of the model's backtest makes its scale from its own training dates and scores its test dates with
    that fold's probabilities, so no reading knows its future.

    Parameters
    ----------
    frame : DataFrame
        Spine and features of all dates.
    feature_set, config
        As in training.
    tested : Backtest
        The model's backtest on the same frame.
    presets : sequence of str
        Presets to compare; the config's own comes first, with its overrides.

    Returns
    -------
    list of HealthBacktest
        ``configured``, the other presets, ``rules_alone`` (the configured rules without the model), ``model_alone``.
    """
    found = []
    variants = {"configured": config.health}
    for name in presets:
        if name != config.health.preset:
            variants[name] = _plain(config.health, name)
    variants["rules_alone"] = config.health.model_copy(update={"alpha": 0.0})
    for name, section in variants.items():
        history, causes = replayed(frame, feature_set, config.model_copy(update={"health": section}), tested)
        found.append(_judge(history, name, config, causes))
    alone, _ = replayed(frame, feature_set, config, tested)
    alone["health_score"] = alone["model_score"]
    alone["band"] = band_of(alone["model_score"].to_numpy(), config.health.red_below, config.health.green_from)
    found.append(_judge(alone, "model_alone", config, None))
    return found


def replayed(
    frame: pd.DataFrame, feature_set: FeatureSet, config: Config, tested: Backtest
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the readings of all folds with their outcome, and per reading the measure that cost most.

    Raises
    ------
    DataError
        The backtest's predictions are not of the frame's rows.
    """
    readings, causes = [], []
    seen: list[pd.DataFrame] = []
    for split in tested.splits:
        predicted = tested.predictions[tested.predictions["fold"] == split.name]
        scores = predicted[[*_KEY, "p_model"]].rename(columns={"p_model": "churn_probability"})
        training = frame[frame["as_of"].isin(split.train) & frame["churned"].notna()]
        test = frame.merge(scores[_KEY], on=_KEY, how="inner", validate="one_to_one")
        if len(test) != len(scores):
            raise DataError(
                "The backtest's predictions are not of this frame",
                where=f"fold {split.name}",
                got=f"{len(test)} of {len(scores)} rows found",
            )
        scale = _scale(training, feature_set, config, seen)
        base_rate = float(training["churned"].mean())
        scored = health(test, scores, scale=scale, base_rate=base_rate, verdict="publishable")
        outcome = test[[*_KEY, "churned", "churn_on"]]
        probability = scored[_KEY].merge(scores, on=_KEY)["churn_probability"]
        scored = scored.assign(churn_probability=probability, fold=split.name).merge(outcome, on=_KEY)
        readings.append(scored)
        causes.append(_worst(test, scale))
        seen.append(scores)
    history = pd.concat(readings, ignore_index=True).drop_duplicates(_KEY, keep="last")
    return history.reset_index(drop=True), pd.concat(causes, ignore_index=True).drop_duplicates(_KEY, keep="last")


def _scale(
    training: pd.DataFrame, feature_set: FeatureSet, config: Config, seen: Sequence[pd.DataFrame]
) -> HealthScale:
    """Fit a fold's scale; a fitted blend learns from the probabilities that earlier folds gave to unseen rows."""
    if config.health.alpha != "fitted":
        return HealthScale.fit(training, config, feature_set)
    if not seen:
        half = config.model_copy(update={"health": config.health.model_copy(update={"alpha": 0.5})})
        return HealthScale.fit(training, half, feature_set)
    earlier = pd.concat(seen, ignore_index=True).drop_duplicates(_KEY, keep="last")
    return HealthScale.fit(training, config, feature_set, scores=earlier)


def _worst(frame: pd.DataFrame, scale: HealthScale) -> pd.DataFrame:
    """Return the label of the measure that cost each row most against the edge of green, '' where none did."""
    count = len(scale.measures)
    parts = measures(frame, scale)
    cost = np.nan_to_num(parts["weight_effective"] * (scale.green_from - parts["score"])).reshape(-1, count)
    labels = np.array([measure.label_en for measure in scale.measures])
    worst = np.where(cost.max(axis=1) > 0, labels[cost.argmax(axis=1)], "")
    return frame[_KEY].reset_index(drop=True).assign(worst=worst)


def _judge(history: pd.DataFrame, name: str, config: Config, causes: pd.DataFrame | None) -> HealthBacktest:
    return health_backtest(history, name=name, capacity_share=config.capacity.share, seed=config.seed, causes=causes)


def _plain(health_config: HealthConfig, name: str) -> HealthConfig:
    """Return a preset as it comes, with the config's blend and bands."""
    return HealthConfig.model_validate(
        {
            "preset": name,
            "alpha": health_config.alpha,
            "red_below": health_config.red_below,
            "green_from": health_config.green_from,
            "min_coverage": health_config.min_coverage,
        }
    )
