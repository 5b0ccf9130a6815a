"""What a person sees of a training beside the headline metrics: standing, capacity, segments, retraining, money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from churnml.language import Quantity, Section, number, percent, phrases

if TYPE_CHECKING:
    from rich.console import Console

    from churnml.pipeline.results import TrainingReport

__all__ = ["capacity", "prospects", "standing"]


def standing(console: Console, report: TrainingReport, lang: str) -> None:
    """Show how the model stands to a regression, what was fitted and tuned and why, and whether the rules are used.

    Parameters
    ----------
    console : Console
    report : TrainingReport
    lang : str
        Language.
    """
    say = phrases(lang)
    t = Section(say, "cli-train")
    for name, one in report.backtest["verdict"]["beside"].items():
        beside = say.or_plain(f"card-named.{name}", name)
        outcome = f"[bold]{escape(t('outcome.' + one['outcome']))}[/]"
        console.print(f"{escape(t('beside', name=beside))} {outcome} – {escape(say.stored(one['reason']))}")
    console.print(escape(t("kind", kind=report.kind, reason=report.kind_reason)))
    if report.tuning is not None:
        used = t.used if report.tuning.applied else t.not_used
        console.print(escape(t("tuning", used=used, reason=report.tuning.reason)))
        if report.tuning.applied:
            params = ", ".join(f"{name}: {value:.4g}" for name, value in report.tuning.params.items())
            console.print(escape(t("keep_params", params="{" + params + "}")))
    for warning in report.warnings:
        console.print(f"[yellow]{escape(say.text(warning))}[/]")


def capacity(console: Console, backtest: Mapping[str, Any], lang: str, target: str = "churn") -> None:
    """Show what contacting as many accounts as the team can catches: pooled, per fold, per segment, with intervals.

    `target` is what is predicted.
    """
    say = phrases(lang)
    t = Section(say, "cli-train")
    caught = backtest["capacity"]
    share = Quantity(value=caught["share"], unit="share")
    table = Table(title=t("capacity", likeliest=say(f"card-likeliest.{target}"), share=share), title_justify="left")
    table.add_column("")
    for label in (t.cases, "ROC AUC", t.caught, t.caught_arr, t.precision, t.lift):
        table.add_column(label, justify="right")
    intervals = backtest["pooled"]["intervals"]
    _part(table, say("card-all"), caught["pooled"], intervals.get("roc_auc"), lang, "bold")
    for fold in backtest["folds"]:
        _part(table, _fold(fold["name"], lang), caught["folds"][fold["name"]], fold["intervals"]["roc_auc"], lang)
    areas = {(one["segment"], one["value"]): one for one in backtest["segments"]}
    for one in caught["segments"]:
        row = areas.get((one["segment"], one["value"]), {})
        auc = {"value": row.get("roc_auc"), "low": row.get("roc_auc_low"), "high": row.get("roc_auc_high")}
        own = f"card-own.{one['segment']}" in say
        segment = say.or_plain(f"card-own.{one['segment']}", str(one["segment"]))
        value = say.or_plain(f"card-is.{str(one['value']).split()[0]}", str(one["value"])) if own else str(one["value"])
        _part(table, f"{segment} = {value}", one, auc, lang)
    console.print(table)


def prospects(console: Console, backtest: Mapping[str, Any], currency: str, lang: str) -> None:
    """Show lead time, decay with the retraining interval that follows from it, and what the ranking is worth."""
    say = phrases(lang)
    t = Section(say, "cli-train")
    lead = backtest["lead_time"]
    if lead["median_days"] is not None:
        days = {name: Quantity(value=lead[f"{name}_days"], digits=0) for name in ("median", "lower_quartile")}
        console.print(
            escape(
                t(
                    "lead",
                    alerted=lead["alerted"],
                    churners=lead["churners"],
                    median=days["median"],
                    lower=days["lower_quartile"],
                    upper=Quantity(value=lead["upper_quartile_days"], digits=0),
                    share=Quantity(value=lead["share_30_days"], unit="share", digits=0),
                )
            )
        )
    contacts = backtest.get("treatment")
    if contacts is not None:
        colour = "yellow" if contacts["outcome"] == "bent" else "default"
        console.print(f"[{colour}]{escape(say.stored(contacts['reason']))}[/]")
    decay = backtest["decay"]
    months = [t("month", months=row["months"], auc=_value(row["roc_auc"], lang)) for row in decay["months"]]
    again = say("card-retrain", months=decay["retrain_every_months"])
    console.print(f"{escape(again)} {escape(say.stored(decay['reason']))}")
    console.print(escape(t("oldest", months=say.joined(months))))
    profit = backtest["profit"]
    if profit is not None:
        worth, area = profit["expected_maximum"], profit["area_under_curve"]
        best = max((name for name in worth if name != "model"), key=lambda name: worth[name]["profit_per_account"])
        model, rival = (
            t(
                "worth",
                name=t.model if name == "model" else say.or_plain(f"card-named.{name}", name),
                worth=number(worth[name]["profit_per_account"], lang, 2),
                currency=currency,
                area=_value(area[name], lang),
            )
            for name in ("model", best)
        )
        often = {name: profit[name] for name in ("campaigns", "every_days")}
        console.print(escape(t("profit", model=model, rival=rival, **often)))


def _fold(name: str, lang: str) -> str:
    """Return the name of a fold in words, a company's own as it stands."""
    at = name.removeprefix("fold ")
    return phrases(lang)("card-fold_name", n=int(at)) if at.isdigit() else name


def _part(
    table: Table,
    name: str,
    part: Mapping[str, Any],
    auc: Mapping[str, Any] | None,
    lang: str,
    style: str | None = None,
) -> None:
    shares = (_interval(part[metric], lang, share=True) for metric in ("recall", "revenue_recall", "precision"))
    cells: Sequence[str] = (
        number(part["positives"], lang),
        _interval(auc or {}, lang),
        *shares,
        _interval(part["lift"], lang, digits=1),
    )
    table.add_row(escape(name), *cells, style=style)


def _interval(one: Mapping[str, Any], lang: str, *, digits: int = 3, share: bool = False) -> str:
    if one.get("value") is None:
        return "–"
    value = percent(one["value"], lang, 0) if share else number(one["value"], lang, digits)
    if one.get("low") is None or one.get("high") is None:
        return value
    factor, places = (100.0, 0) if share else (1.0, digits)
    low, high = (number(factor * one[bound], lang, places) for bound in ("low", "high"))
    return f"{value} ({low}–{high})"


def _value(value: float | None, lang: str) -> str:
    return "–" if value is None else number(value, lang, 3)
