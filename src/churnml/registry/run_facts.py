"""What a run in MLflow says of a training: tags, few well-named metrics (the rest under prefixes), a description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from churnml.language import Language, Text, phrases
from churnml.registry.bundle import Bundle
from churnml.training.survival_verdict import SurvivalVerdict

__all__ = ["describe", "details", "flat", "headline", "survival_figures", "tags"]


_HEADLINE = {
    "roc_auc": "roc_auc",
    "average_precision": "average_precision",
    "log_loss": "log_loss",
    "brier": "brier_score",
    "ece": "calibration_error",
    "lift_at_10": "lift_at_10_percent",
}
"""The model's metrics that a run shows first → what they are called there."""


def headline(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the few metrics by which models are compared, undefined ones left out."""
    return _numbers({name: scores["model"].get(metric) for metric, name in _HEADLINE.items()})


def details(scores: Mapping[str, Any], prefix: str = "detail/") -> dict[str, float]:
    """Return all others, such as ``detail/interval/roc_auc_low`` and ``detail/recency/roc_auc``."""
    groups: dict[str, Mapping[str, Any]] = {
        "model": {name: value for name, value in scores["model"].items() if name not in _HEADLINE},
        **scores["baselines"],
        "interval": {
            f"{_HEADLINE.get(name, name)}_{bound}": interval[bound]
            for name, interval in scores.get("intervals", {}).items()
            for bound in ("low", "high")
        },
    }
    return _numbers(
        {f"{prefix}{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
    )


def survival_figures(verdict: SurvivalVerdict) -> dict[str, float]:
    """Return what survival curves were judged by, such as ``detail/survival/integrated_brier/hazard``."""
    figures: dict[str, Any] = {}
    if verdict.far is not None:
        figures |= {f"integrated_brier/{name}": score for name, score in verdict.far.brier.items()}
    if verdict.near is not None:
        for metric in ("roc_auc", "log_loss"):
            figures |= {f"{metric}/{name}": value for name, value in getattr(verdict.near, metric).items()}
    return {f"detail/survival/{name}": value for name, value in _numbers(figures).items()}


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted names; MLflow cuts values at 6,000 characters, so do we."""
    out: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict) and value and prefix.count(".") < 2:
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:6000]
    return out


def tags(bundle: Bundle) -> dict[str, Any]:
    """Return the tags of a training's run: what it was made of, and what it came to."""
    manifest, model = bundle.manifest, bundle.model
    return {
        "churnml.config_hash": manifest.config_hash,
        "churnml.data_fingerprint": manifest.fingerprint,
        "churnml.seed": manifest.seed,
        "churnml.verdict": manifest.verdict,
        "churnml.target": model.target,
        "churnml.scored_by": "model" if model.rule is None else model.rule.name,
        **{f"churnml.beside.{name}": one["outcome"] for name, one in _beside(manifest.backtest).items()},
        "churnml.bundle_version": bundle.version,
        **{f"churnml.package.{name}": version for name, version in manifest.packages.items()},
    }


def _beside(backtest: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """Return how the model stood beside each candidate of its backtest."""
    standings: Mapping[str, Mapping[str, str]] = backtest["verdict"].get("beside", {})
    return standings


def describe(bundle: Bundle, frame: pd.DataFrame, language: Language = "en") -> str:
    """Return what a reader of the registry must know of a version: data, period, model, verdict."""
    manifest, model, say = bundle.manifest, bundle.model, phrases(language)
    labelled = frame[frame["churned"].notna()]
    trained = say(
        "mlflow-trained",
        at=f"{manifest.created_at:%Y-%m-%d %H:%M}",
        rows=len(labelled),
        accounts=int(labelled["account_id"].nunique()),
        positive=int(labelled["churned"].sum()),
        **{"from": f"{labelled['as_of'].min():%Y-%m-%d}", "until": f"{labelled['as_of'].max():%Y-%m-%d}"},
    )
    predicts = say(
        "mlflow-predicts",
        target=Text.of(f"target-{model.target}"),
        days=model.horizon_days,
        features=len(model.features),
        kind=model.info.kind,
        data=manifest.fingerprint[:12],
        config=manifest.config_hash[:12],
        bundle=bundle.version,
    )
    verdict = say("mlflow-verdict", verdict=str(manifest.verdict), reason=manifest.verdict_reason)
    return "\n\n".join((trained, predicts, verdict.strip()))
