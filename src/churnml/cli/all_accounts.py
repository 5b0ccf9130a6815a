"""What a person sees of all accounts: what goes with churn, whether the health score predicts, its thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from churnml.cli.terminal import near, number, out
from churnml.language import phrases

if TYPE_CHECKING:
    from churnml.pipeline.health import Thresholds

__all__ = ["health_judged", "overall", "thresholds"]


def overall(found: Mapping[str, Any], page: Path, lang: str) -> None:
    """Show what goes with churn over all accounts: families, patterns of those who left."""
    console = out()
    console.print(
        f"{found['rows']:,} readings of {found['accounts']:,} accounts, {found['as_of_from']} to {found['as_of_until']}"
    )
    table = Table("family", "share of the effect", title="What moves the risk", title_justify="left")
    for row in found["families"]:
        table.add_row(row["family"], f"{100 * row['share']:.0f} %")
    console.print(table)
    if found["patterns"]:
        patterns = Table(
            "pattern", "share", "accounts", "visible before", "example",
            title=f"Patterns among {found['churned']:,} churned accounts", title_justify="left",
        )  # fmt: skip
        for one in found["patterns"]:
            lead = one["median_lead_days"]
            before = "–" if lead is None else f"{lead:.0f} days"
            reasons = "".join(f"\n• {escape(driver[f'sentence_{lang}'])}" for driver in one["drivers"])
            cells = (f"{100 * one['share']:.0f} %", f"{one['accounts']:,}", before)
            patterns.add_row(escape(one[f"title_{lang}"]), *cells, f"{escape(one['example'])}{reasons}")
        if len(found["patterns"]) == 1:
            console.print(phrases(lang)("overall-one_pattern", churned=found["churned"]))
        console.print(patterns)
    else:
        console.print(f"Too few churned accounts for patterns: {found['churned']:,}.")
    console.print(f"Report: {near(page)}")


def health_judged(results: Sequence[Mapping[str, Any]], page: Path, lang: str) -> None:
    """Show what the health score was worth, beside other presets and the model alone."""
    console, say = out(), phrases(lang)
    main = results[0]
    dates = f"{main['dates'][0]} to {main['dates'][-1]}"
    title = f"Churn by band: {main['rows']:,} readings, {main['churned']:,} churned, {dates}"
    bands = Table("band", "readings", "share", "churn rate", "lift", "95 % interval", title=title, title_justify="left")
    for row in main["bands"]:
        lift = f"{number(row['lift_low'], 2)} to {number(row['lift_high'], 2)}"
        share, rate = (f"{100 * row[name]:.1f} %" if row[name] is not None else "–" for name in ("share", "churn_rate"))
        bands.add_row(row["band"], f"{row['rows']:,}", share, rate, number(row["lift"], 2), lift)
    console.print(bands)
    beside = Table(
        "score", "ROC AUC", "precision at capacity", "lift at capacity", title="Side by side", title_justify="left"
    )
    for one in results:
        ranking = one["ranking"]
        cells = (ranking["roc_auc"], ranking["precision_at_capacity"], ranking["lift_at_capacity"])
        beside.add_row(one["name"].replace("_", " "), *(number(value) for value in cells))
    console.print(beside)
    if main["verdict"] == "rules_only":
        console.print("[yellow]The model does not pass its gate on this history: the scores are rules alone.[/]")
    for line in main["acceptance"]:
        mark = "[green]holds[/]" if line["holds"] else "[red]does not hold[/]"
        spread = "" if line["low"] is None else f", 95 % interval {line['low']:.2f} to {line['high']:.2f}"
        found = f"{number(line['value'], 2)} (wanted {escape(str(line['wanted']))}{spread})"
        promise = say(f"backtest-line-{line['code']}")
        console.print(f"{mark}  {escape(promise)}: {found}")
        if not line["holds"] and line.get("would_hold"):
            edge, green = line["would_hold"]["green_from"], line["would_hold"]["green_share"]
            console.print(
                f"    Two thirds of the churners scored below {edge}, where {100 * green:.0f} % would be green."
            )
    for one in main["advice"]:
        if one["proposed"]:
            console.print(
                f"With health.{one['setting']} the score would have ranked better: ROC AUC {one['roc_auc']:.3f}, "
                f"{one['gain']:+.3f} (95 % interval {one['low']:+.3f} to {one['high']:+.3f})."
            )
    console.print(f"Report: {near(page)}")


def thresholds(proposed: Thresholds) -> None:
    """Show the red threshold that fits the team."""
    console, accounts = out(), f"{proposed.accounts:,} accounts with a band as of {proposed.as_of}"
    if proposed.capacity_share is None:
        team = f"{proposed.csms} × {proposed.calls_per_week} calls a week for {proposed.weeks} weeks"
        console.print(f"{accounts}; the team can call {proposed.calls:,} of them ({team}).")
    else:
        share = f"capacity.share {100 * proposed.capacity_share:.0f} %"
        console.print(f"{accounts}; the team can contact {proposed.calls:,} of them ({share}).")
    console.print(f"Red below {proposed.red_below_now:g} makes {proposed.red_now:,} accounts red.")
    console.print(f"Red below [bold]{proposed.red_below:g}[/] would make {proposed.red:,} red.")
    if proposed.red_below >= proposed.green_from:
        console.print(f"Green begins at {proposed.green_from:g}: the team can call every account below green.")
    else:
        console.print(f"To use it, set health.red_below: {proposed.red_below:g} in the config and train again.")
