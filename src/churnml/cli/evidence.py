"""What a person sees of a training beside the headline metrics: standing, capacity, segments, retraining, money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from churnml.pipeline.results import TrainingReport

__all__ = ["capacity", "prospects", "standing"]

_OUTCOMES = {"beats": "beats it", "level": "draws level", "loses": "loses to it"}


def standing(console: Console, report: TrainingReport) -> None:
    """Show how the model stands to a regression, what was fitted and tuned and why, and whether the rules are used.

    Parameters
    ----------
    console : Console
    report : TrainingReport
    """
    for name, one in report.backtest["verdict"]["beside"].items():
        console.print(f"Beside a {name} regression: [bold]{_OUTCOMES[one['outcome']]}[/] – {escape(one['reason'])}")
    console.print(f"Kind: {report.kind} – {escape(report.kind_reason)}.")
    if report.tuning is not None:
        used = "used" if report.tuning.applied else "not used"
        console.print(f"Tuning: what was found is {used} – {escape(report.tuning.reason)}")
        if report.tuning.applied:
            found = ", ".join(f"{name}: {value:.4g}" for name, value in report.tuning.params.items())
            console.print(f"Put them under model.params to keep them without a search: {{{escape(found)}}}")
    for warning in report.warnings:
        console.print(f"[yellow]{escape(warning)}[/]")


def capacity(console: Console, backtest: Mapping[str, Any], likeliest: str = "riskiest") -> None:
    """Show what contacting as many accounts as the team can catches: pooled, per fold, per segment, with intervals.

    `likeliest` is what the accounts ranked first are called.
    """
    found = backtest["capacity"]
    title = f"Contacting the {likeliest} {100 * found['share']:g} % of each snapshot (95 % intervals draw accounts)"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for label in ("cases", "ROC AUC", "caught", "their ARR caught", "precision", "lift"):
        table.add_column(label, justify="right")
    intervals = backtest["pooled"]["intervals"]
    _part(table, "all", found["pooled"], intervals.get("roc_auc"), "bold")
    for fold in backtest["folds"]:
        _part(table, fold["name"], found["folds"][fold["name"]], fold["intervals"]["roc_auc"])
    areas = {(one["segment"], one["value"]): one for one in backtest["segments"]}
    for one in found["segments"]:
        row = areas.get((one["segment"], one["value"]), {})
        auc = {"value": row.get("roc_auc"), "low": row.get("roc_auc_low"), "high": row.get("roc_auc_high")}
        _part(table, f"{one['segment']} = {one['value']}", one, auc)
    console.print(table)


def prospects(console: Console, backtest: Mapping[str, Any], currency: str) -> None:
    """Show lead time, decay with the retraining interval that follows from it, and what the ranking is worth."""
    lead = backtest["lead_time"]
    if lead["median_days"] is not None:
        console.print(
            f"Lead time: {lead['alerted']:,} of {lead['churners']:,} cases were at alert level beforehand, "
            f"median {lead['median_days']:.0f} days (quartiles {lead['lower_quartile_days']:.0f} and "
            f"{lead['upper_quartile_days']:.0f}), {100 * lead['share_30_days']:.0f} % at least 30 days."
        )
    decay = backtest["decay"]
    months = ", ".join(f"{row['months']} mo {_value(row['roc_auc'])}" for row in decay["months"])
    every = decay["retrain_every_months"]
    console.print(f"Retrain every {every} month{'s' if every != 1 else ''}: {escape(decay['reason'])}")
    console.print(f"ROC AUC of the oldest fold's model by months since its training: {months}.")
    profit = backtest["profit"]
    if profit is not None:
        worth, area = profit["expected_maximum"], profit["area_under_curve"]
        best = max((name for name in worth if name != "model"), key=lambda name: worth[name]["profit_per_account"])
        told = [
            f"{name.replace('_', ' ')} {worth[name]['profit_per_account']:,.2f} {currency} an account "
            f"(area under the profit curve {_value(area[name])})"
            for name in ("model", best)
        ]
        console.print(
            f"Expected maximum profit of a campaign at the assumed save rate: {'; best baseline: '.join(told)}. "
            f"Over {profit['campaigns']} campaigns at least {profit['every_days']} days apart: none is saved twice."
        )


def _part(
    table: Table, name: str, part: Mapping[str, Any], auc: Mapping[str, Any] | None, style: str | None = None
) -> None:
    shares = (_interval(part[metric], 100.0, 0) for metric in ("recall", "revenue_recall", "precision"))
    cells: Sequence[str] = (f"{part['positives']:,}", _interval(auc or {}), *shares, _interval(part["lift"], digits=1))
    table.add_row(escape(name), *cells, style=style)


def _interval(one: Mapping[str, Any], factor: float = 1.0, digits: int = 3) -> str:
    if one.get("value") is None:
        return "–"
    unit = " %" if factor != 1.0 else ""
    value = f"{factor * one['value']:.{digits}f}{unit}"
    if one.get("low") is None:
        return value
    return f"{value} ({factor * one['low']:.{digits}f}–{factor * one['high']:.{digits}f})"


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
