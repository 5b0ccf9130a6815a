"""The model card: what a model was made of, what it is worth, and where it must not be trusted."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment

from churnml.config import Config, target_words
from churnml.evaluation.verdict import BASELINE_WORDS
from churnml.metrics.headline import summary
from churnml.metrics.intervals import clustered_bootstrap
from churnml.metrics.reliability import calibration_bins
from churnml.registry.bundle import Bundle
from churnml.reports.page import environment

__all__ = ["METRICS", "as_html", "as_markdown", "model_card"]

METRICS: dict[str, str] = {
    "roc_auc": "ROC AUC: chance that {one} ranks above {other}",
    "average_precision": "Average precision: precision over all recalls; the base rate is its floor",
    "log_loss": "Log loss, nats; lower is better",
    "brier": "Brier score; lower is better",
    "ece": "Calibration error: mean distance of probability and {noun} rate; lower is better",
    "lift_at_10": "Lift of the {likeliest} tenth over the base rate",
    "recall_at_10": "Share of {many} in the {likeliest} tenth",
    "precision_at_10": "{noun} rate of the {likeliest} tenth",
    "recall_at_capacity": "Share of {many} among those the team can contact per snapshot",
    "revenue_recall_at_capacity": "The same by ARR",
}
"""The metrics of a card and what they mean, in the words of `churnml.config.TargetWords`."""

_REPEATS = 100
_SEGMENT_GAP = 0.05
_FEW_CHURNERS = 100


def model_card(
    config: Config, bundle: Bundle, backtest: Mapping[str, Any], predictions: pd.DataFrame, ranking: pd.DataFrame
) -> dict[str, Any]:
    """Return everything a model card says, as plain data.

    Parameters
    ----------
    config : Config
        The resolved config.
    bundle : Bundle
        The model; its manifest holds versions, fingerprint and verdict.
    backtest : mapping
        As `churnml.training.Backtest.as_dict` gives it.
    predictions : DataFrame
        account_id, as_of, fold, churned, arr, p_model and ``p_<baseline>`` per baseline.
    ranking : DataFrame
        Features by effect, from `churnml.reports.contributions.Contributions.ranking`.

    Returns
    -------
    dict
        ``title, version, verdict, data, label, metrics, baselines, folds, segments, calibration, features, limits,
        capacity, packages`` and what goes with them.
    """
    manifest, info, words = bundle.manifest, bundle.model.info, asdict(target_words(bundle.model.target))
    return {
        "title": config.registered_model,
        "version": bundle.version,
        "created_at": manifest.created_at.isoformat(timespec="seconds"),
        "seed": config.seed,
        "config_hash": config.hash,
        "verdict": manifest.verdict,
        "verdict_reason": manifest.verdict_reason,
        "scored_by": _scored_by(bundle),
        "beside": dict(backtest["verdict"].get("beside") or {}),
        "tuning": info.tuning,
        "kind": str(info.kind),
        "kind_reason": str(info.kind_reason or ""),
        "data": {
            "from": str(info.as_of_from),
            "until": str(info.as_of_until),
            "rows": info.rows,
            "accounts": info.accounts,
            "churned_rows": info.churned_rows,
            "churned_accounts": info.churned_accounts,
            "base_rate": bundle.model.base_rate,
            "features": len(bundle.model.features),
            "fingerprint": manifest.fingerprint,
        },
        "words": words,
        "meaning": {name: _sentence(text.format(**words)) for name, text in METRICS.items()},
        "label": {**config.as_dict()["label"], "sentence": _label(config)},
        "tested": {
            "rows": len(predictions),
            "accounts": int(predictions["account_id"].nunique()),
            "churned": int(predictions["churned"].sum()),
            "from": f"{predictions['as_of'].min():%Y-%m-%d}",
            "until": f"{predictions['as_of'].max():%Y-%m-%d}",
        },
        "metrics": _metrics(backtest["pooled"], predictions, config),
        "baselines": _baselines(backtest),
        "folds": [dict(fold) for fold in backtest["folds"]],
        "horizons": [dict(further) for further in (backtest.get("horizons") or {}).values()],
        "segments": list(backtest.get("segments") or []),
        "at_capacity": _at_capacity(backtest),
        "profit": backtest.get("profit"),
        "lead_time": backtest.get("lead_time"),
        "retraining": (backtest.get("decay") or {}).get("reason"),
        "retrain_every_months": (backtest.get("decay") or {}).get("retrain_every_months"),
        "calibration": [asdict(part) for part in calibration_bins(predictions["churned"], predictions["p_model"])],
        "calibration_method": info.calibration,
        "calibration_figures": backtest.get("calibration") or {},
        "families": _families(ranking),
        "capacity": config.capacity.model_dump(),
        "currency": config.currency,
        "limits": _limits(config, bundle, backtest),
        "python": manifest.python,
        "packages": dict(manifest.packages),
    }


def as_markdown(card: Mapping[str, Any]) -> str:
    """Return a card as Markdown."""
    return _environment().get_template("card.md.j2").render(card=card, meaning=card["meaning"])


def as_html(card: Mapping[str, Any], plots: Mapping[str, bytes]) -> str:
    """Return a card as one HTML page that needs no other file.

    Parameters
    ----------
    card : mapping
        From `model_card`.
    plots : mapping of str to bytes
        Name → PNG.
    """
    images = {name: base64.b64encode(image).decode("ascii") for name, image in plots.items()}
    return _environment().get_template("card.html.j2").render(card=card, meaning=card["meaning"], plots=images)


@cache
def _environment() -> Environment:
    templates = environment().overlay()
    templates.filters = {
        **templates.filters,
        "cell": _cell,
        "num": _number,
        "pct": lambda value, digits=1: _number(value, digits, 100.0) + ("" if value is None else " %"),
    }
    return templates


def _cell(text: object) -> str:
    r"""Return text that can stand in a cell of a Markdown table and starts no HTML.

    Examples
    --------
    >>> _cell("a|b <i>")
    'a\\|b &lt;i>'
    """
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _number(value: float | None, digits: int = 3, factor: float = 1.0) -> str:
    if value is None or value != value:
        return "–"
    # Adding 0.0 takes the sign off a rounded zero.
    return f"{round(value * factor, digits) + 0.0:,.{digits}f}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _label(config: Config) -> str:
    """Return what happened to an account whose label is 1, in one or two sentences."""
    label = config.label
    start = f"{label.gap_days} days after the snapshot" if label.gap_days else "on the day of the snapshot"
    if label.churn == "contractual":
        what = f"the last subscription ends and none follows within {label.grace_days} days"
    else:
        what = f"the account does nothing for {label.silence} days"
    window = f"the label window is {label.horizon_days} days long and begins {start}."
    if label.target == "churn":
        return f"An account churns when {what}; {window}"
    share = f"{label.change_share:.0%}"
    if label.target == "contraction":
        return (
            f"An account contracts when its MRR falls by {share} or more and it stays; it churns when {what}, which is "
            f"no contraction; {window}"
        )
    signs = {
        "mrr": f"its MRR rises by {share} or more",
        "seats": f"its seats rise by {share} or more",
        "deals": "an upsell or cross-sell is won",
    }
    return f"An account expands when {' or '.join(signs[sign] for sign in label.expansion_by)}; {window}"


def _metrics(pooled: Mapping[str, Any], predictions: pd.DataFrame, config: Config) -> list[dict[str, Any]]:
    """Return every metric with its 95 % interval: the backtest's where it has one, else from draws of accounts."""
    intervals: dict[str, Mapping[str, float | None]] = dict(pooled.get("intervals") or {})
    wanted = [name for name in METRICS if name in pooled["model"]]
    if not set(wanted) <= set(intervals):
        intervals = {**_drawn(predictions, config), **intervals}
    return [
        {"name": name, "value": pooled["model"][name], "low": intervals[name]["low"], "high": intervals[name]["high"]}
        for name in wanted
    ]


def _drawn(predictions: pd.DataFrame, config: Config) -> dict[str, Mapping[str, float | None]]:
    """Return percentile intervals of every headline metric over draws of whole accounts."""
    columns = [predictions[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("churned", "p_model", "arr")]
    dates = predictions["as_of"].to_numpy()
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for draw in clustered_bootstrap(predictions["account_id"], _REPEATS, config.seed):
        rows = np.repeat(np.arange(len(draw)), draw.astype(int))
        y, p, arr = (column[rows] for column in columns)
        scores = summary(y, p, share=config.capacity.share, value=arr, dates=dates[rows])
        for name, values in found.items():
            value = getattr(scores, name, None)
            if value is not None:
                values.append(float(value))
    bounds: dict[str, Mapping[str, float | None]] = {}
    for name, values in found.items():
        low, high = np.quantile(values, [0.025, 0.975]).tolist() if len(values) > 1 else (None, None)
        bounds[name] = {"low": low, "high": high}
    return bounds


def _baselines(backtest: Mapping[str, Any]) -> list[dict[str, Any]]:
    gains = backtest["verdict"]["gains"]
    empty = {"value": None, "low": None, "high": None}
    return [
        {
            "name": name,
            "scores": scores,
            "roc_auc_gain": gains.get(name, {}).get("roc_auc", empty),
            "log_loss_gain": gains.get(name, {}).get("log_loss", empty),
        }
        for name, scores in backtest["pooled"]["baselines"].items()
    ]


def _scored_by(bundle: Bundle) -> str:
    """Return in words what gives the probabilities: the model, or a rule where the model failed its gate."""
    rule = bundle.model.rule
    return "the model" if rule is None else f"the rule {BASELINE_WORDS[rule.name]!r}"


def _at_capacity(backtest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the capacity catches: over all rows, per fold and per segment."""
    found = backtest.get("capacity")
    if found is None:
        return []
    folds = [{"name": name, **part} for name, part in found["folds"].items()]
    segments = [{"name": f"{part['segment']} = {part['value']}", **part} for part in found["segments"]]
    return [{"name": "all", **found["pooled"]}, *folds, *segments]


def _families(ranking: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the families by their share of all effects, each with its three strongest features."""
    found = [
        {"family": family, "share": float(rows["share"].sum()), "top": rows.head(3).to_dict("records")}
        for family, rows in ranking.groupby("family", sort=False)
    ]
    return sorted(found, key=lambda one: float(one["share"]), reverse=True)


def _limits(config: Config, bundle: Bundle, backtest: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know before trusting the numbers."""
    info, words = bundle.model.info, target_words(bundle.model.target)
    limits = [
        f"At the horizon of {further['horizon_days']} days: {further['verdict']['reason']}"
        for further in (backtest.get("horizons") or {}).values()
        if further["verdict"]["verdict"] != "publishable"
    ]
    if bundle.manifest.verdict != "publishable":
        limits.append(
            "The model did not pass its gate, so its probabilities are not published: scoring falls back to the rules, "
            f"with probabilities from {_scored_by(bundle)} and health from its measures."
        )
    if int(info.churned_accounts) < _FEW_CHURNERS:
        limits.append(
            f"It learnt from {info.churned_accounts} accounts that {words.happened}: expect wide intervals, "
            "and distrust single features."
        )
    wanted = len(config.splits.fixed) or config.splits.folds
    if len(backtest["folds"]) < wanted:
        limits.append(f"The history allowed {len(backtest['folds'])} of {wanted} backtest folds.")
    for row in backtest.get("segments") or []:
        off = row["mean_probability"] - row["churn_rate"]
        if abs(off) > _SEGMENT_GAP:
            too = "high" if off > 0 else "low"
            limits.append(
                f"In {row['segment']} = {row['value']} the probabilities were too {too} by "
                f"{100 * abs(off):.1f} percentage points."
            )
    limits += [
        f"Told and happened differ beyond noise in {level['name']} of the risk (10 is the riskiest): "
        f"{level['told']:.1%} were told, {level['happened']:.1%} {words.happened}."
        for level in (backtest.get("calibration") or {}).get("gaps") or []
    ]
    limits.append(
        f"A probability holds for {bundle.model.horizon_days} days from its snapshot and for accounts like those "
        "of the training period; a new product, price or market is outside of it."
    )
    causes = f"Contributions say what the model goes by, not what causes {words.noun}"
    if bundle.model.target == "churn":
        rate = f"{config.capacity.save_rate:.0%}"
        limits.append(f"{causes}; the assumed save rate ({rate}) is an assumption until outreach is randomised.")
    else:
        limits.append(f"{causes}. The health score beside it is made of rules alone: it is about churn.")
    return limits
