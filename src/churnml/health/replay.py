"""Replay the health score over past dates without hindsight, for several presets side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from churnml.config import CapacityConfig, HealthConfig, ModelConfig, SnapshotConfig
from churnml.config.needs import HealthSections, ReplaySections
from churnml.errors import DataError
from churnml.features.spec import FeatureSet
from churnml.health.backtest import health_backtest
from churnml.health.backtest_report import Advice, HealthBacktest, WeightShare
from churnml.health.capacity import PastRed, SizedRed, propose_threshold, weeks_current
from churnml.health.ranking import ranking_gain
from churnml.health.scale import HealthScale
from churnml.health.score import measures, score_health
from churnml.health.verdict import HealthVerdict
from churnml.language import Text
from churnml.snapshots import Split
from churnml.training.publication import Publication

__all__ = ["Predicted", "replay", "replayed"]

_KEY = ["account_id", "as_of"]
_PRESETS = ("reference", "balanced", "fitted")


@dataclass(frozen=True)
class Predicted:
    """What a replay needs of the model's backtest.

    Parameters
    ----------
    predictions : DataFrame
        ``account_id, as_of, fold, p_model``: probabilities by models that knew only the past of their fold.
    splits : sequence of Split
        The folds.
    verdict : Publication
    """

    predictions: pd.DataFrame
    splits: Sequence[Split]
    verdict: Publication


def replay(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    config: ReplaySections,
    tested: Predicted,
    presets: Sequence[str] = _PRESETS,
) -> list[HealthBacktest]:
    """Backtest the configured health score, the other presets, the rules alone and the model alone.

    Every fold of the model's backtest makes its scale from its own training dates and scores its test dates with
    that fold's probabilities, so no reading knows its future. Where blend or bands are learned, the first fold's
    readings only serve to learn them, for nothing came before. Where the model fails its gate on this backtest, the
    blended scores are rules alone, as they would be published.

    Parameters
    ----------
    frame : DataFrame
        Spine and features of all dates; with ``contract_days`` accounts with long terms are judged apart.
    feature_set : FeatureSet
        As in training.
    config : Config
        Any object with the sections `health`, `capacity`, `snapshots`, `model`, and `seed`.
    tested : Predicted
        The model's backtest on the same frame.
    presets : sequence of str
        Presets to compare; the config's own comes first, with its overrides.

    Returns
    -------
    list of HealthBacktest
        ``configured``, the other presets, ``rules_alone`` (the configured rules without the model), ``model_alone``.
    """
    verdict = HealthVerdict.of(tested.verdict, "churn")
    backtests: list[HealthBacktest] = []
    histories: dict[str, pd.DataFrame] = {}
    variants = {"configured": config.health}
    for name in presets:
        if name != config.health.preset:
            variants[name] = _plain(config.health, name)
    variants["rules_alone"] = config.health.model_copy(update={"alpha": 0.0})
    for name, section in variants.items():
        varied = _with_health(config, section)
        history, causes, scale = replayed(frame, feature_set, varied, tested, verdict)
        judged = _judge(history, name, config, causes, scale)
        histories[name] = history
        backtests.append(replace(judged, verdict=verdict, weights=_percentages(scale)))
    by_model = config.health.model_copy(update={"alpha": 1.0, "min_coverage": 0.0})
    alone, _, scale = replayed(frame, feature_set, _with_health(config, by_model), tested)
    backtests.append(replace(_judge(alone, "model_alone", config, None, scale), verdict=verdict))
    settings = {f"preset: {name}": histories[name] for name in presets if name in histories}
    if verdict.speaks:
        settings["alpha: 1"] = alone
    configured = histories["configured"]
    advice = tuple(_advice(setting, configured, other) for setting, other in settings.items())
    return [replace(backtests[0], advice=advice), *backtests[1:]]


@dataclass(frozen=True)
class _Sections:
    """The sections of a replay whose health section is another one."""

    health: HealthConfig
    capacity: CapacityConfig
    snapshots: SnapshotConfig
    model: ModelConfig


def _with_health(config: HealthSections, health: HealthConfig) -> _Sections:
    return _Sections(health=health, capacity=config.capacity, snapshots=config.snapshots, model=config.model)


def _advice(setting: str, configured: pd.DataFrame, other: pd.DataFrame) -> Advice:
    """Compare a setting with the configured one on the readings that both scored and whose outcome is known."""
    columns = [*_KEY, "health_score", "band"]
    both = configured[[*columns, "churned"]].merge(other[columns], on=_KEY, suffixes=("", "_other"))
    both = both.dropna(subset=["churned", "health_score", "health_score_other"])
    account = pd.factorize(both["account_id"])[0]
    churned = both["churned"].to_numpy(dtype=float)
    risk, now = -both["health_score_other"].to_numpy(dtype=float), -both["health_score"].to_numpy(dtype=float)
    gain = ranking_gain(risk, now, churned, account)
    base = ranking_gain(risk, np.zeros(len(risk)), churned, account).gain + 0.5
    unknown = float((both["band_other"] == "unknown").mean())
    sure = gain.low > 0 and unknown <= float((both["band"] == "unknown").mean())
    return Advice(setting, base, gain.gain, gain.low, gain.high, unknown, sure)


def replayed(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    config: HealthSections,
    tested: Predicted,
    verdict: HealthVerdict = HealthVerdict.PUBLISHABLE,
) -> tuple[pd.DataFrame, pd.DataFrame, HealthScale]:
    """Return the readings of all folds with their outcome, per reading the measure that cost most, the last scale.

    Raises
    ------
    DataError
        The backtest's predictions are not of the frame's rows.
    """
    readings, causes = [], []
    seen: list[pd.DataFrame] = []
    section = config.health
    learns = isinstance(section.alpha, str) or "auto" in (section.red_below, section.green_from)
    for number, split in enumerate(tested.splits):
        predicted = tested.predictions[tested.predictions["fold"] == split.name]
        scores = predicted[[*_KEY, "p_model"]].rename(columns={"p_model": "churn_probability"})
        training = frame[frame["as_of"].isin(split.train) & frame["churned"].notna()]
        test = frame.merge(scores[_KEY], on=_KEY, how="inner", validate="one_to_one")
        if len(test) != len(scores):
            raise DataError(
                Text.of("fault-other_frame"),
                where=Text.of("fault-other_frame.where", name=split.name),
                got=Text.of("fault-other_frame.got", n=len(test), all=len(scores)),
            )
        scale = _scale(frame, split, feature_set, config, seen, verdict)
        base_rate = float(training["churned"].mean())
        scored = score_health(test, scores, scale=scale, base_rate=base_rate, verdict=verdict)
        outcome = test[[*_KEY, "churned", "churn_on", *(["contract_days"] if "contract_days" in test else [])]]
        probability = scored[_KEY].merge(scores, on=_KEY)["churn_probability"]
        scored = scored.assign(churn_probability=probability, fold=split.name).merge(outcome, on=_KEY)
        seen.append(scores)
        if learns and number == 0 and len(tested.splits) > 1:
            continue  # nothing came before it that blend and bands could be learned from
        readings.append(scored)
        causes.append(_worst(test, scale))
    history = pd.concat(readings, ignore_index=True).drop_duplicates(_KEY, keep="last")
    worst = pd.concat(causes, ignore_index=True).drop_duplicates(_KEY, keep="last")
    return history.reset_index(drop=True), worst, scale


def _scale(
    frame: pd.DataFrame,
    split: Split,
    feature_set: FeatureSet,
    config: HealthSections,
    seen: Sequence[pd.DataFrame],
    verdict: HealthVerdict,
) -> HealthScale:
    """Fit a fold's scale; blend and bands learn from what earlier folds gave to unseen rows, as far as it had ended."""
    training = frame[frame["as_of"].isin(split.train) & frame["churned"].notna()]
    if seen:
        earlier = pd.concat(seen, ignore_index=True).drop_duplicates(_KEY, keep="last")
        earlier = earlier[earlier["as_of"] < split.test[0]]
        rows = frame.merge(earlier[_KEY], on=_KEY, how="inner")
        ended = rows["as_of"] <= split.train[-1]
        rows = rows.assign(churned=rows["churned"].where(ended), churn_on=rows["churn_on"].where(ended))
        return HealthScale.fit(training, config, feature_set, scores=earlier, held_out=rows, verdict=verdict)
    section = config.health
    if section.alpha == "fitted":
        section = section.model_copy(update={"alpha": 0.5})
    return HealthScale.fit(training, _with_health(config, section), feature_set)


def _worst(frame: pd.DataFrame, scale: HealthScale) -> pd.DataFrame:
    """Return the measure that cost each row most against the edge of green, '' where none did."""
    count = len(scale.measures)
    parts = measures(frame, scale)
    cost = np.nan_to_num(parts["weight_effective"] * (scale.green_from - parts["score"])).reshape(-1, count)
    named, at = cost.max(axis=1) > 0, cost.argmax(axis=1)
    names = np.array([measure.name for measure in scale.measures])
    return frame[_KEY].reset_index(drop=True).assign(cause=np.where(named, names[at], ""))


def _percentages(scale: HealthScale) -> tuple[WeightShare, ...]:
    """Return each measure's share of the whole weight, percent, with all data present."""
    total = sum(scale.weights.get(group, 0.0) for group in {measure.group for measure in scale.measures})
    inside: dict[str, float] = {}
    for measure in scale.measures:
        inside[measure.group] = inside.get(measure.group, 0.0) + measure.weight
    shares = [
        100.0 * scale.weights.get(measure.group, 0.0) / total * measure.weight / inside[measure.group]
        if total > 0 and inside[measure.group] > 0
        else 0.0
        for measure in scale.measures
    ]
    return tuple(
        WeightShare(measure=measure.name, group=measure.group, label=measure.label, percent=round(share, 2))
        for measure, share in zip(scale.measures, shares, strict=True)
    )


def _judge(
    history: pd.DataFrame, name: str, config: ReplaySections, causes: pd.DataFrame | None, scale: HealthScale
) -> HealthBacktest:
    judged = health_backtest(
        history,
        name=name,
        capacity_share=config.capacity.share,
        seed=config.seed,
        causes=causes,
        green_from=scale.green_from,
    )
    return replace(judged, capacity=_sized(history, config, judged.base_rate, scale.red_below))


def _sized(history: pd.DataFrame, config: HealthSections, base_rate: float, red_below: float) -> SizedRed | None:
    """Return the red threshold that fits the team on the newest date, and what it would have caught."""
    newest = history[history["as_of"] == history["as_of"].max()]
    if not (newest["band"] != "unknown").any():
        return None
    proposal = propose_threshold(
        newest, config.capacity, red_below=red_below, weeks=weeks_current(config.snapshots.every)
    )
    known = history[history["churned"].notna() & (history["band"] != "unknown")]
    red = known["health_score"] < proposal.red_below
    churned = known["churned"] == 1
    rate = float(churned[red].mean()) if red.any() else None
    past = PastRed(
        readings=int(red.sum()),
        churn_rate=rate,
        lift=rate / base_rate if rate is not None else None,
        share_of_churn=float((red & churned).sum() / churned.sum()) if churned.any() else None,
    )
    return SizedRed(proposal, past)


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
