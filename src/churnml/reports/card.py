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

from churnml.config import LabelConfig
from churnml.config.needs import CardSections
from churnml.language import Language, Quantity, Section, Text, argument, number, percent, phrases
from churnml.metrics.headline import summary
from churnml.metrics.intervals import clustered_bootstrap
from churnml.metrics.reliability import calibration_bins
from churnml.registry.bundle import Bundle
from churnml.reports.page import environment
from churnml.training.publication import Publication

__all__ = ["METRICS", "as_html", "as_markdown", "model_card"]

METRICS = (
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "ece",
    "lift_at_10",
    "recall_at_10",
    "precision_at_10",
    "recall_at_capacity",
    "revenue_recall_at_capacity",
)
"""The metrics of a card, in order; the catalogue says what they mean."""

_REPEATS = 100
_SEGMENT_GAP = 0.05
_FEW_CHURNERS = 100


def model_card(
    config: CardSections, bundle: Bundle, backtest: Mapping[str, Any], predictions: pd.DataFrame, ranking: pd.DataFrame
) -> dict[str, Any]:
    """Return everything a model card says, its sentences as texts.

    Parameters
    ----------
    config : CardSections
        Any object with these sections: the resolved config.
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
    manifest, info = bundle.manifest, bundle.model.info
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
        "kind_reason": info.kind_reason,
        "data": {
            "from": str(info.as_of_from),
            "until": str(info.as_of_until),
            "rows": info.rows,
            "accounts": info.accounts,
            "learnt_rows": info.learnt_rows if info.learnt_rows != info.rows else None,
            "churned_rows": info.churned_rows,
            "churned_accounts": info.churned_accounts,
            "base_rate": bundle.model.base_rate,
            "features": len(bundle.model.features),
            "fingerprint": manifest.fingerprint,
        },
        "target": bundle.model.target,
        "label": {**config.as_dict()["label"], "sentence": _label(config.label)},
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
        "survival": _survival(bundle),
        "horizons": [dict(longer) for longer in (backtest.get("horizons") or {}).values()],
        "segments": list(backtest.get("segments") or []),
        "at_capacity": _at_capacity(backtest),
        "profit": backtest.get("profit"),
        "lead_time": backtest.get("lead_time"),
        "treatment": backtest.get("treatment"),
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


def as_markdown(card: Mapping[str, Any], language: Language = "en") -> str:
    """Return a card as Markdown, in a language."""
    return _environment(language).get_template("card.md.j2").render(card=card, **_said(card, language))


def as_html(card: Mapping[str, Any], plots: Mapping[str, bytes], language: Language = "en") -> str:
    """Return a card as one HTML page that needs no other file.

    Parameters
    ----------
    card : mapping
        From `model_card`.
    plots : mapping of str to bytes
        Name → PNG.
    language : str
        Of the page.
    """
    images = {name: base64.b64encode(image).decode("ascii") for name, image in plots.items()}
    template = _environment(language).get_template("card.html.j2")
    return template.render(card=card, plots=images, **_said(card, language))


def _said(card: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """Return what the templates say in a language: its messages, and the sentences with numbers."""
    say, target = phrases(language), card["target"]
    t = Section(say, "card")
    noun, happened = say(f"target-{target}"), t(f"happened.{target}")
    who = {name: t(f"{name}.{target}") for name in ("one", "other", "many", "likeliest")}

    def decimal(value: float | None, digits: int) -> str:
        return _number(value, digits, language)

    def share(value: float | None, digits: int) -> str:
        return "–" if value is None else percent(value, language, digits)

    tested, lead, profit, calibration = (
        card[name] for name in ("tested", "lead_time", "profit", "calibration_figures")
    )
    said: dict[str, Any] = {
        "t": t,
        "say": say,
        "language": language,
        "noun": noun,
        "happened": happened,
        "span": lambda first, last: t("span", **{"from": str(first), "until": str(last)}),
        "meaning": lambda name: _sentence(t(f"means-{name}", noun=noun, **who)),
        "tested": t("tested_text", **tested, happened=happened),
        "part_name": lambda part: say.text(_part_name(part)),
        "baseline": lambda name: t(f"named.{name}") if f"card-named.{name}" in say else str(name).replace("_", " "),
        "direction": lambda words: t(f"direction.{words.replace(' ', '_')}"),
        "plot": lambda name: t(f"plot.{name}") if f"card-plot.{name}" in say else name.replace("_", " "),
    }
    if lead and lead["median_days"] is not None:
        days = {name: decimal(lead[f"{name}_days"], 0) for name in ("median", "lower_quartile", "upper_quartile")}
        said["lead"] = t(
            "lead",
            noun=noun,
            median=days["median"],
            lower=days["lower_quartile"],
            upper=days["upper_quartile"],
            share=share(lead["share_30_days"], 0),
        )
    if profit:
        worth = decimal(profit["expected_maximum"]["model"]["profit_per_account"], 2)
        area = decimal(profit["area_under_curve"]["model"], 3)
        often = {name: profit[name] for name in ("campaigns", "every_days")}
        said["profit"] = t("profit", worth=worth, currency=card["currency"], area=area, **often)
    if (
        calibration.get("slope")
        and calibration["slope"]["low"] is not None
        and calibration["expected_over_observed"]["low"] is not None
    ):
        figures: dict[str, str] = {}
        for name, part in (
            ("ratio", calibration["expected_over_observed"]),
            ("slope", calibration["slope"]),
            ("error", calibration["error"]),
        ):
            for ending, bound in (("", "value"), ("_low", "low"), ("_high", "high")):
                value = part[bound]
                figures[f"{name}{ending}"] = share(value, 1) if name == "error" else decimal(value, 2)
        said["figures"] = t("figures", **figures)
    return said


def _survival(bundle: Bundle) -> dict[str, Any] | None:
    """Return what came of the survival curves; None where they were not tried, or by an earlier version."""
    verdict = bundle.survival
    return None if verdict is None else {**verdict.as_dict(), "reason": verdict.reason}


_OWN_SEGMENTS = {"arr", "tenure"}
"""Segments that are no words of the data, see `churnml.evaluation.diagnostics.segments_of`."""


def _part_name(part: Mapping[str, Any]) -> Text:
    """Return what a part of the rows is called: a fold, a segment, or all of them."""
    if "segment" in part:
        name, value = str(part["segment"]), str(part["value"])
        own = name in _OWN_SEGMENTS
        label: Text | str = Text.of(f"card-own.{name}") if own else name
        return Text.of("card-part", segment=label, value=Text.of(f"card-is.{value.split()[0]}") if own else value)
    number = str(part["name"]).removeprefix("fold ")
    if number.isdigit():
        return Text.of("card-fold_name", n=int(number))
    return Text.of("card-all") if part["name"] == "all" else Text.of("card-plain", name=str(part["name"]))


@cache
def _environment(language: Language) -> Environment:
    templates = environment().overlay()
    templates.filters = {
        **templates.filters,
        "cell": _cell,
        "capital": _sentence,
        "num": lambda value, digits=3: _number(value, digits, language),
        "pct": lambda value, digits=1: "–" if value is None or value != value else percent(value, language, digits),
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


def _number(value: float | None, digits: int, language: Language) -> str:
    if value is None or value != value:
        return "–"
    # Adding 0.0 takes the sign off a rounded zero.
    return number(round(value, digits) + 0.0, language, digits)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _label(label: LabelConfig) -> Text:
    """Return what happened to an account whose label is 1."""
    start = Text.of("card-starts-later", days=label.gap_days) if label.gap_days else Text.of("card-starts-at_once")
    days = label.grace_days if label.churn == "contractual" else label.silence
    said: dict[str, Any] = {
        "what": Text.of(f"card-ends-{label.churn}", days=days),
        "window": Text.of("card-window", days=label.horizon_days, start=start),
    }
    share = Quantity(value=label.change_share, unit="share", digits=0)
    if label.target == "contraction":
        said["share"] = share
    if label.target == "expansion":
        signs = [Text.of(f"card-sign-{sign}", share=share) for sign in label.expansion_by]
        joint = signs[0]
        for sign in signs[1:]:
            joint = Text.of("card-either", first=joint, second=sign)
        said["signs"] = joint
    return Text.of(f"card-label-{label.target}", **said)


def _metrics(pooled: Mapping[str, Any], predictions: pd.DataFrame, config: CardSections) -> list[dict[str, Any]]:
    """Return every metric with its 95 % interval: the backtest's where it has one, else from draws of accounts."""
    intervals: dict[str, Mapping[str, float | None]] = dict(pooled.get("intervals") or {})
    wanted = [name for name in METRICS if name in pooled["model"]]
    if not set(wanted) <= set(intervals):
        intervals = {**_drawn(predictions, config), **intervals}
    return [
        {"name": name, "value": pooled["model"][name], "low": intervals[name]["low"], "high": intervals[name]["high"]}
        for name in wanted
    ]


def _drawn(predictions: pd.DataFrame, config: CardSections) -> dict[str, Mapping[str, float | None]]:
    """Return percentile intervals of every headline metric over draws of whole accounts."""
    columns = [predictions[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("churned", "p_model", "arr")]
    dates = predictions["as_of"].to_numpy()
    draws: dict[str, list[float]] = {name: [] for name in METRICS}
    for draw in clustered_bootstrap(predictions["account_id"], _REPEATS, config.seed):
        rows = np.repeat(np.arange(len(draw)), draw.astype(int))
        y, p, arr = (column[rows] for column in columns)
        scores = summary(y, p, share=config.capacity.share, value=arr, dates=dates[rows])
        for name, values in draws.items():
            value = getattr(scores, name, None)
            if value is not None:
                values.append(float(value))
    bounds: dict[str, Mapping[str, float | None]] = {}
    for name, values in draws.items():
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


def _scored_by(bundle: Bundle) -> Text:
    """Return what gives the probabilities: the model, or a rule where the model failed its gate."""
    rule = bundle.model.rule
    return Text.of("card-by-model") if rule is None else Text.of("card-by-rule", rule=Text.of(f"card-rule.{rule.name}"))


def _at_capacity(backtest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the capacity catches: over all rows, per fold and per segment."""
    capacity = backtest.get("capacity")
    if capacity is None:
        return []
    folds = [{"name": name, **part} for name, part in capacity["folds"].items()]
    segments = [dict(part) for part in capacity["segments"]]
    return [{"name": "all", **capacity["pooled"]}, *folds, *segments]


def _families(ranking: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the families by their share of all effects, each with its three strongest features."""
    families = [
        {"family": family, "share": float(rows["share"].sum()), "top": rows.head(3).to_dict("records")}
        for family, rows in ranking.groupby("family", sort=False)
    ]
    return sorted(families, key=lambda one: float(one["share"]), reverse=True)


def _limits(config: CardSections, bundle: Bundle, backtest: Mapping[str, Any]) -> list[Text]:
    """Return what a reader must know before trusting the numbers."""
    info, target = bundle.model.info, bundle.model.target
    noun, happened = Text.of(f"target-{target}"), Text.of(f"card-happened.{target}")
    limits = [
        Text.of("card-limit-horizon", days=longer["horizon_days"], reason=argument(longer["verdict"]["reason"]))
        for longer in (backtest.get("horizons") or {}).values()
        if longer["verdict"]["verdict"] != Publication.PUBLISHABLE
    ]
    if bundle.manifest.verdict != Publication.PUBLISHABLE:
        limits.append(Text.of("card-limit-rules_only", by=_scored_by(bundle)))
    if int(info.churned_accounts) < _FEW_CHURNERS:
        limits.append(Text.of("card-limit-few", accounts=info.churned_accounts, happened=happened))
    wanted = len(config.splits.fixed) or config.splits.folds
    if len(backtest["folds"]) < wanted:
        limits.append(Text.of("card-limit-folds", count=len(backtest["folds"]), wanted=wanted))
    for row in backtest.get("segments") or []:
        off = row["mean_probability"] - row["churn_rate"]
        if abs(off) > _SEGMENT_GAP:
            too, points = "high" if off > 0 else "low", Quantity(value=100 * abs(off), digits=1)
            limits.append(Text.of(f"card-limit-too_{too}", part=_part_name(row), points=points))
    for level in (backtest.get("calibration") or {}).get("gaps") or []:
        said, share = (Quantity(value=level[name], unit="share", digits=1) for name in ("told", "happened"))
        tenth = str(level["name"]).removeprefix("tenth ")
        limits.append(Text.of("card-limit-tenth", tenth=tenth, told=said, share=share, happened=happened))
    limits.append(Text.of("card-limit-scope", days=bundle.model.horizon_days))
    if target == "churn":
        rate = Quantity(value=config.capacity.save_rate, unit="share", digits=0)
        limits.append(Text.of("card-limit-causes", noun=noun, rate=rate))
    else:
        limits.append(Text.of("card-limit-causes_other", noun=noun))
    return limits
