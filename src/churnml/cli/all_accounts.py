"""What a person sees of all accounts: what goes with churn, whether the health score predicts, its thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from churnml.cli.terminal import near, out
from churnml.health.acceptance import EarlyWarning
from churnml.health.verdict import HealthVerdict
from churnml.language import Day, Quantity, Section, amount, number, percent, phrases

if TYPE_CHECKING:
    from churnml.assessment import Overall
    from churnml.health import HealthBacktest
    from churnml.pipeline.health import Thresholds

__all__ = ["health_judged", "overall", "thresholds"]


def overall(report: Overall, page: Path, lang: str) -> None:
    """Show what goes with churn over all accounts: families, patterns of those who left."""
    console, say = out(), phrases(lang)
    t = Section(say, "overall")
    first, last = Day(on=report.as_of_from.isoformat()), Day(on=report.as_of_until.isoformat())
    console.print(escape(t("terminal_rows", rows=report.rows, accounts=report.accounts, first=first, last=last)))
    table = Table(t.family, t.part, title=t.families, title_justify="left")
    for row in report.families:
        table.add_row(escape(say.or_plain(f"family-{row.family}", row.family)), percent(row.share, lang, 0))
    console.print(table)
    if report.patterns:
        title = t("terminal_patterns", churned=report.churned)
        heads = (t.terminal_pattern, t.part, t.terminal_accounts, t.terminal_before, t.terminal_example)
        patterns = Table(*heads, title=title, title_justify="left")
        for one in report.patterns:
            pattern, lead = one.pattern, one.pattern.median_lead_days
            before = "–" if lead is None else amount(round(lead), "days", lang)
            reasons = "".join(f"\n• {escape(say.text(driver.sentence))}" for driver in one.drivers)
            cells = (percent(pattern.share, lang, 0), number(pattern.accounts, lang), before)
            patterns.add_row(escape(say.text(pattern.title)), *cells, f"{escape(pattern.example)}{reasons}")
        console.print(patterns)
    else:
        console.print(escape(t("too_few", churned=report.churned)))
    console.print(f"{say('backtest-terminal_report')}: {near(page)}")


def health_judged(results: Sequence[HealthBacktest], page: Path, lang: str) -> None:
    """Show what the health score was worth, beside other presets and the model alone."""
    console, say, main = out(), phrases(lang), results[0]
    t = Section(say, "backtest")

    def decimal(value: float | None, digits: int = 3) -> str:
        return "–" if value is None or not math.isfinite(value) else number(value, lang, digits)

    def share(value: float | None, digits: int = 1) -> str:
        known = value is not None and math.isfinite(value)
        return say.text(Quantity(value=value or 0.0, unit="share", digits=digits)) if known else "–"

    title = t(
        "terminal_bands", rows=main.rows, churned=main.churned, first=Day(on=main.dates[0]), last=Day(on=main.dates[-1])
    )
    bands = Table(t.band, t.readings, t.share, t.churned, t.lift, title=title, title_justify="left")
    for row in main.bands.to_dict("records"):
        spread = f"{decimal(row['lift'], 2)} ({decimal(row['lift_low'], 2)}–{decimal(row['lift_high'], 2)})"
        bands.add_row(
            say(f"band-{row['band']}"), number(row["rows"], lang), share(row["share"]), share(row["churn_rate"]), spread
        )
    console.print(bands)
    beside = Table(t.score, "ROC AUC", t.precision, t.capacity_lift, title=t.beside, title_justify="left")
    for one in results:
        ranking = one.ranking
        cells = (ranking.roc_auc, ranking.precision_at_capacity, ranking.lift_at_capacity)
        beside.add_row(say(f"backtest-name-{one.name}"), *map(decimal, cells))
    console.print(beside)
    if main.verdict == HealthVerdict.RULES_ONLY:
        console.print(f"[yellow]{escape(t.rules_only)}[/]")
    for line in main.acceptance:
        mark = f"[green]{t.holds}[/]" if line.holds else f"[red]{t.fails}[/]"
        measured = t("terminal_line", value=decimal(line.value, 2), wanted=line.wanted)
        spread = (
            "" if line.low is None else t("terminal_interval", low=decimal(line.low, 2), high=decimal(line.high, 2))
        )
        console.print(
            f"{mark}  {escape(say(f'backtest-line-{line.code}'))}: {escape(measured)} {escape(spread)}".rstrip()
        )
        if isinstance(line, EarlyWarning) and not line.holds and line.would_hold is not None:
            edge = Quantity(value=line.would_hold.green_from, digits=1)
            green = Quantity(value=line.would_hold.green_share, unit="share", digits=0)
            console.print(f"    {escape(t('would_hold', edge=edge, share=green))}")
    if main.long_terms is not None:
        long = main.long_terms
        figures = {"share": share(long.below_green, 0), "green": share(long.green_share, 0)}
        console.print(escape(t("long_terms", days=long.days_before, churners=long.churners, **figures)))
    for advice in main.advice:
        if advice.proposed:
            figures = {name: decimal(getattr(advice, name)) for name in ("roc_auc", "gain", "low", "high")}
            console.print(escape(t("terminal_advice", setting=f"health.{advice.setting}", **figures)))
    console.print(f"{t.terminal_report}: {near(page)}")


def thresholds(proposed: Thresholds, lang: str) -> None:
    """Show the red threshold that fits the team."""
    console, t = out(), Section(phrases(lang), "thresholds")
    accounts = {"accounts": proposed.accounts, "as_of": Day(on=proposed.as_of.isoformat()), "calls": proposed.calls}
    if proposed.capacity_share is None:
        team = {"csms": proposed.csms, "each": proposed.calls_per_week, "weeks": proposed.weeks}
        console.print(escape(t("calls", **accounts, **team)))
    else:
        part = Quantity(value=proposed.capacity_share, unit="share")
        console.print(escape(t("share", **accounts, share=part)))
    console.print(escape(t("now", edge=proposed.red_below_now, red=proposed.red_now)))
    console.print(escape(t("proposed", edge=proposed.red_below, red=proposed.red)))
    if proposed.red_below >= proposed.green_from:
        console.print(escape(t("every_one", green=proposed.green_from)))
    else:
        # A key of the config is written as the config writes it.
        console.print(escape(t("to_use", setting=f"health.red_below: {proposed.red_below:g}")))
