"""What a person sees: tables on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from churnml.cli import evidence, usability
from churnml.cli.terminal import money, near, number, out
from churnml.language import Day, Quantity, Section, day, percent, phrases
from churnml.language import number as language_number

if TYPE_CHECKING:
    from churnml.assessment import WhatIf
    from churnml.config import Config
    from churnml.pipeline.results import Checked, FrameReport, Scored, Simulated, Trained

__all__ = [
    "audited",
    "checked",
    "config",
    "explained",
    "off",
    "prepared",
    "scored",
    "simulated",
    "supposed",
    "trained",
    "written",
]

_TOP = 20
_METRICS = {
    "roc_auc": "ROC AUC",
    "average_precision": "PR AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "cal. error",
    "lift_at_10": "lift at 10 %",
}
_BAND_STYLE = {"red": "bold red", "yellow": "yellow", "green": "green", "unknown": "dim"}


def simulated(made: Simulated) -> None:
    """Show what the simulator wrote."""
    table = Table("table", "rows", title=f"A simulated company in {near(made.folder)}", title_justify="left")
    for name, rows in made.tables.items():
        table.add_row(name, f"{rows:,}")
    out().print(table)


def checked(found: Checked) -> None:
    """Show the canonical tables, what was set aside and what a reader should know."""
    console = out()
    report = found.report()
    table = Table("table", "rows", title="Canonical tables", title_justify="left")
    for name, rows in report.tables.items():
        table.add_row(name, f"{rows:,}")
    console.print(table)
    console.print(f"Observed from {report.observed_from} until {report.observed_until} (exclusive).")
    if report.rejected:
        aside = Table("table", "reason", "rows", title="Set aside", title_justify="left")
        for name, reasons in report.rejected.items():
            for reason, rows in reasons.items():
                aside.add_row(name, escape(reason), f"{rows:,}")
        console.print(aside)
    for note in report.notes:
        console.print(f"• {escape(note)}")
    usability.shown(console, report)


def prepared(report: FrameReport) -> None:
    """Show the size of the training frame."""
    console = out()
    dates = report.snapshots
    console.print(
        f"{report.rows:,} rows of {report.accounts:,} accounts at {len(dates)} snapshots "
        f"({dates[0]} to {dates[-1]}), {report.features} features."
    )
    console.print(f"{report.labelled:,} rows have a final label, {report.churned:,} of them positive.")
    off(console, report.skipped)
    if report.path is not None:
        console.print(f"Written to {near(report.path)}")


def trained(settings: Config, outcome: Trained) -> None:
    """Show the backtest beside its baselines, and the verdict."""
    console = out()
    pooled = outcome.backtest["pooled"]
    folds = outcome.backtest["folds"]
    model = pooled["model"]
    table = Table(
        title=f"Backtest out of time: {len(folds)} fold{'s' if len(folds) > 1 else ''}, as_of {folds[0]['test_from']} "
        f"to {folds[-1]['test_until']}, {model['n']:,} rows, {model['positives']:,} {settings.label.words.happened}",
        title_justify="left",
    )
    table.add_column("")
    for label in _METRICS.values():
        table.add_column(label, justify="right")
    for name, values in {"model": model, **pooled["baselines"]}.items():
        cells = [number(values.get(metric)) for metric in _METRICS]
        table.add_row(name.replace("_", " "), *cells, style="bold" if name == "model" else None)
    console.print(table)
    manifest = outcome.bundle.manifest
    style = "green" if manifest.verdict == "publishable" else "yellow"
    for days, further in outcome.backtest.get("horizons", {}).items():
        values = further["pooled"]["model"]
        told = ", ".join(f"{label} {number(values.get(metric))}" for metric, label in _METRICS.items())
        console.print(f"Horizon of {days} days: {told} ({values['positives']:,} of {values['n']:,} rows)")
    console.print(f"Verdict: [{style}]{manifest.verdict}[/] – {escape(manifest.verdict_reason)}")
    evidence.standing(console, outcome.report())
    evidence.capacity(console, outcome.backtest, settings.label.words.likeliest)
    evidence.prospects(console, outcome.backtest, settings.currency)
    became = "is the champion now" if outcome.decision.promote else "does not replace the champion"
    console.print(f"Version {outcome.bundle.version} {became}. {escape(outcome.decision.reason)}")
    for note in outcome.notes:
        console.print(f"• {escape(note)}")


def scored(settings: Config, path: Path, outcome: Scored) -> None:
    """Show the accounts with the highest expected loss, and where everything lies."""
    from churnml.pipeline.results import expected_column

    console, lang = out(), settings.language
    say = phrases(lang)
    t = Section(say, "scored")
    table, model = outcome.table, outcome.bundle.model
    expected = expected_column(model.target)
    share = "" if model.target == "churn" else f" × {language_number(settings.label.change_share, lang, 2)}"
    known = bool(table[expected].notna().any())
    ranked_by = t(expected, share=share) if known else t("chance", target=say(f"target-{model.target}"))
    title = t("heading", n=min(_TOP, len(table)), by=ranked_by, on=Day(on=outcome.as_of.isoformat()))
    shown = Table(title=title, title_justify="left", show_lines=True)
    shown.add_column(t.account, overflow="fold")
    for label in (f"ARR {settings.currency}", say(f"target-{model.target}"), t.health):
        shown.add_column(label, justify="right", no_wrap=True)
    shown.add_column(t.band, no_wrap=True)
    shown.add_column(t.reasons, ratio=1)
    from churnml.explain.stored import worded

    chances = table[model.output].head(_TOP)
    for row, chance, told in zip(table.head(_TOP).itertuples(), chances, outcome.explanations, strict=False):
        reasons = worded(told, [lang])[f"told_{lang}"]
        name = f"{row.account_id}" + (f"\n{row.name}" if isinstance(row.name, str) else "")
        shown.add_row(
            escape(name),
            money(row.arr),
            percent(chance, lang, 1),
            number(row.health_score, 0),
            f"[{_BAND_STYLE[str(row.band)]}]{say(f'band-{row.band}')}[/]",
            "\n".join(f"• {escape(reason)}" for reason in reasons) or "–",
        )
    console.print(shown)
    bands = outcome.report().bands
    counted = [t("in_band", n=count, band=say(f"band-{band}")) for band, count in bands.items() if count]
    console.print(escape(t("bands", n=len(table), bands=say.joined(counted))))
    for warning in outcome.report().warnings:
        console.print(f"[yellow]{escape(warning)}[/]")
    _where(console, settings, path, outcome)


def explained(told: Mapping[str, Any], lang: str) -> None:
    """Show one account's explanation, all of it in one language."""
    from churnml.reports import change_told

    console, say = out(), phrases(lang)
    target = str(told.get("target", "churn"))
    name = f"[bold]{escape(str(told['account_id']))}[/]"
    console.print(f"{name}  {say('page-as_of')} {day(str(told['as_of']), lang)}")
    chance, health = told[f"{target}_probability"], told["health_score"]
    head = say(
        "explained-head",
        target=say(f"target-{target}"),
        chance="–" if chance is None else Quantity(value=chance, unit="share", digits=1),
        health="–" if health is None else Quantity(value=health, digits=0),
    )
    band = f"[{_BAND_STYLE[told['band']]}]{say('band-' + str(told['band']))}[/]"
    console.print(f"{escape(head)} ({band})")
    for reason in told.get(f"reasons_{lang}", []):
        console.print(f"[yellow]{escape(reason)}[/]")
    if told.get("frozen"):
        console.print(f"[bold]{escape(told['frozen'][f'text_{lang}'])}[/]")
    if moved := change_told(told.get("change"), lang):
        console.print(escape(moved))
    for fact in told.get("indicators", []):
        console.print(f"• {escape(fact[f'text_{lang}'])}")
    if not told["families"]:
        console.print(escape(told[f"summary_{lang}"]))
    for side in ("raising", "lowering"):
        drivers: Sequence[Mapping[str, Any]] = told[side]
        tree = Tree(
            say(f"page-{side}") if target == "churn" else say(f"explained-{side}", target=say(f"target-{target}"))
        )
        for driver in drivers:
            tree.add(escape(driver[f"sentence_{lang}"]))
        if drivers:
            console.print(tree)
    if told.get(f"other_signals_{lang}"):
        console.print(escape(told[f"other_signals_{lang}"]))
    for play in told.get("plays", []):
        owner = say.or_plain(f"owner-{play['owner']}", str(play["owner"]))
        tree = Tree(f"{escape(play[f'title_{lang}'])} ({escape(owner)}, {say('page-due')} {day(play['due_on'], lang)})")
        for step in play[f"steps_{lang}"]:
            tree.add(escape(step))
        console.print(tree)


def supposed(answer: WhatIf) -> None:
    """Show a what-if: before and after."""
    console = out()
    table = Table("", "before", "after", title=f"What if, for {escape(answer.account_id)}", title_justify="left")
    for name, change in answer.changes.items():
        table.add_row(name, number(change.before, 2), number(change.after, 2))
    chances = (f"{100 * chance:.1f} %" for chance in (answer.probability_before, answer.probability_after))
    table.add_row("churn probability", *chances)
    table.add_row("health", number(answer.health_before, 1), number(answer.health_after, 1))
    table.add_row("band", answer.band_before, answer.band_after)
    console.print(table)
    console.print("This asks the model, not the world: it is no promise of what a call would change.")
    if answer.outside:
        console.print(f"[yellow]Outside what was seen in training:[/] {escape(', '.join(answer.outside))}")
    if answer.linked:
        console.print(f"Left as they are, though they measure the same: {escape(', '.join(answer.linked))}")


def audited(findings: Sequence[Mapping[str, Any]]) -> None:
    """Show the leakage audit, a line per check."""
    from churnml.evaluation.audit import CHECKS

    columns = ("check", "looks for", "status", "found", "where", "what to do")
    table = Table(*columns, title="Leakage audit", title_justify="left")
    style = {"found": "bold red", "clear": "green", "not_applicable": "dim"}
    for one in findings:
        status = f"[{style[one['status']]}]{one['status'].replace('_', ' ')}[/]"
        told = "" if one["status"] == "clear" else one["what"]
        cells = (told, ", ".join(one["where"][:8]), one["remedy"])
        table.add_row(one["code"], CHECKS[one["code"]], status, *(escape(cell) for cell in cells))
    out().print(table)


def written(path: Path) -> None:
    """Show where a page was written."""
    out().print(f"Written to {near(path)}")


def config(settings: Config) -> None:
    """Show the resolved config as YAML."""
    import yaml

    console = out()
    console.print(f"# config hash {settings.hash}")
    console.print(
        escape(yaml.safe_dump(settings.as_dict(), sort_keys=False, allow_unicode=True)), end="", soft_wrap=True
    )


def off(console: Console, skipped: Mapping[str, str]) -> None:
    """Show what is off, the features of one cause together."""
    causes: dict[str, list[str]] = {}
    for name, why in skipped.items():
        causes.setdefault(why, []).append(name)
    for why, names in causes.items():
        console.print(f"• {escape(why)}: {escape(', '.join(names))} off")


def _where(console: Console, settings: Config, path: Path, outcome: Scored) -> None:
    from churnml.config.secrets import mask_url

    uri = escape(mask_url(settings.tracking_uri)).replace(
        escape(str(settings.workspace_dir)), near(settings.workspace_dir)
    )
    t = Section(phrases(settings.language), "scored")
    tree = Tree(t.where)
    for label, place in (
        (t.scores, near(outcome.path)),
        (t.explanations, near(outcome.path.with_name("explanations.json"))),
        (t.bundle, near(outcome.bundle.path)),
        (t.experiments, uri),
    ):
        tree.add(f"{label}  {place}")
    console.print(tree)
    console.print(t.next)
    first = escape(str(outcome.table["account_id"].iloc[0]))
    serve = [f"churnml serve {path}"] if outcome.bundle.model.target == "churn" else []
    for command in (
        f"churnml explain {path} {first}",
        *serve,
        f"mlflow ui --backend-store-uri {uri}",
    ):
        console.print(f"  {command}", soft_wrap=True)
