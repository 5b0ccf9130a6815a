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
from churnml.cli.terminal import money, near, number, out, whole
from churnml.language import Argument, Day, Quantity, Section, day, percent, phrases
from churnml.language import number as language_number
from churnml.training.publication import Publication

if TYPE_CHECKING:
    from churnml.assessment import WhatIf
    from churnml.config import Config
    from churnml.evaluation.finding import Finding
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
_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_at_10")
_BAND_STYLE = {"red": "bold red", "yellow": "yellow", "green": "green", "unknown": "dim"}


def simulated(made: Simulated, lang: str) -> None:
    """Show what the simulator wrote."""
    t = Section(phrases(lang), "cli-check")
    table = Table(t.table, t.rows, title=t("simulated", folder=near(made.folder)), title_justify="left")
    for name, rows in made.tables.items():
        table.add_row(name, whole(rows, lang))
    out().print(table)


def checked(outcome: Checked, lang: str) -> None:
    """Show the canonical tables, what was set aside and what a reader should know."""
    console, say = out(), phrases(lang)
    t = Section(say, "cli-check")
    report = outcome.report()
    table = Table(t.table, t.rows, title=t.canonical, title_justify="left")
    for name, rows in report.tables.items():
        table.add_row(name, whole(rows, lang))
    console.print(table)
    span = {"from": f"{report.observed_from}", "until": f"{report.observed_until}"}
    console.print(escape(t("observed", **span)))
    if report.rejected:
        aside = Table(t.table, t.reason, t.rows, title=t.aside, title_justify="left")
        for name, reasons in report.rejected.items():
            for reason, rows in reasons.items():
                code = reason.partition(" ")[0]
                aside.add_row(name, escape(f"{code} {say(f'check-{code}')}"), whole(rows, lang))
        console.print(aside)
    for note in report.notes:
        console.print(f"• {escape(say.text(note))}")
    usability.shown(console, report, lang)


def prepared(report: FrameReport, lang: str) -> None:
    """Show the size of the training frame."""
    console, t = out(), Section(phrases(lang), "cli-frame")
    dates = report.snapshots
    size = {"rows": report.rows, "accounts": report.accounts, "snapshots": len(dates), "features": report.features}
    console.print(escape(t("size", **size, **{"from": f"{dates[0]}", "until": f"{dates[-1]}"})))
    console.print(escape(t("labelled", rows=report.labelled, positive=report.churned)))
    off(console, report.skipped, lang)
    if report.path is not None:
        written(report.path, lang)


def trained(settings: Config, outcome: Trained, lang: str) -> None:
    """Show the backtest beside its baselines, and the verdict."""
    console, say = out(), phrases(lang)
    t, metric = Section(say, "cli-train"), Section(say, "models")
    pooled = outcome.backtest["pooled"]
    folds = outcome.backtest["folds"]
    model, target = pooled["model"], settings.label.target
    title = t(
        "backtest",
        folds=len(folds),
        rows=model["n"],
        positives=model["positives"],
        happened=say(f"card-happened.{target}"),
        **{"from": str(folds[0]["test_from"]), "until": str(folds[-1]["test_until"])},
    )
    table = Table(title=escape(title), title_justify="left")
    table.add_column("")
    for name in _METRICS:
        table.add_column(metric(f"metric.{name}"), justify="right")
    for name, values in {"model": model, **pooled["baselines"]}.items():
        cells = [number(values.get(one)) for one in _METRICS]
        words = t.model if name == "model" else say.or_plain(f"card-named.{name}", name.replace("_", " "))
        table.add_row(words, *cells, style="bold" if name == "model" else None)
    console.print(table)
    manifest = outcome.bundle.manifest
    style = "green" if manifest.verdict == Publication.PUBLISHABLE else "yellow"
    for days, horizon in outcome.backtest.get("horizons", {}).items():
        values = horizon["pooled"]["model"]
        figures = say.joined(f"{metric(f'metric.{name}')} {number(values.get(name))}" for name in _METRICS)
        counts = {"positives": values["positives"], "rows": values["n"]}
        console.print(escape(t("horizon", days=int(days), figures=figures, **counts)))
    verdict = f"[{style}]{say(f'verdict-is.{manifest.verdict}')}[/]"
    console.print(f"{t.verdict} {verdict} – {escape(say.text(manifest.verdict_reason))}")
    evidence.standing(console, outcome.report(), lang)
    evidence.capacity(console, outcome.backtest, lang, target)
    evidence.prospects(console, outcome.backtest, settings.currency, lang)
    became = t("champion" if outcome.decision.promote else "no_champion", version=outcome.bundle.version)
    console.print(f"{escape(became)} {escape(say.text(outcome.decision.reason))}")
    for note in outcome.notes:
        console.print(f"• {escape(say.text(note))}")


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
    for row, chance, explanation in zip(table.head(_TOP).itertuples(), chances, outcome.explanations, strict=False):
        reasons = worded(explanation, [lang])[f"told_{lang}"]
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
        console.print(f"[yellow]{escape(say.text(warning))}[/]")
    _where(console, settings, path, outcome)


def explained(explanation: Mapping[str, Any], lang: str) -> None:
    """Show one account's explanation, all of it in one language."""
    from churnml.explain.movement import change_of
    from churnml.reports import change_sentence

    console, say = out(), phrases(lang)
    target = str(explanation.get("target", "churn"))
    name = f"[bold]{escape(str(explanation['account_id']))}[/]"
    console.print(f"{name}  {say('page-as_of')} {day(str(explanation['as_of']), lang)}")
    chance, health = explanation[f"{target}_probability"], explanation["health_score"]
    head = say(
        "explained-head",
        target=say(f"target-{target}"),
        chance="–" if chance is None else Quantity(value=chance, unit="share", digits=1),
        health="–" if health is None else Quantity(value=health, digits=0),
    )
    band = f"[{_BAND_STYLE[explanation['band']]}]{say('band-' + str(explanation['band']))}[/]"
    console.print(f"{escape(head)} ({band})")
    for reason in explanation.get(f"reasons_{lang}", []):
        console.print(f"[yellow]{escape(reason)}[/]")
    if explanation.get("frozen"):
        console.print(f"[bold]{escape(explanation['frozen'][f'text_{lang}'])}[/]")
    if moved := change_sentence(change_of(explanation), lang):
        console.print(escape(moved))
    for fact in explanation.get("indicators", []):
        console.print(f"• {escape(fact[f'text_{lang}'])}")
    if not explanation["families"]:
        console.print(escape(explanation[f"summary_{lang}"]))
    for side in ("raising", "lowering"):
        drivers: Sequence[Mapping[str, Any]] = explanation[side]
        tree = Tree(
            say(f"page-{side}") if target == "churn" else say(f"explained-{side}", target=say(f"target-{target}"))
        )
        for driver in drivers:
            tree.add(escape(driver[f"sentence_{lang}"]))
        if drivers:
            console.print(tree)
    if explanation.get(f"other_signals_{lang}"):
        console.print(escape(explanation[f"other_signals_{lang}"]))
    for play in explanation.get("plays", []):
        owner = say.or_plain(f"owner-{play['owner']}", str(play["owner"]))
        tree = Tree(f"{escape(play[f'title_{lang}'])} ({escape(owner)}, {say('page-due')} {day(play['due_on'], lang)})")
        for step in play[f"steps_{lang}"]:
            tree.add(escape(step))
        console.print(tree)


def supposed(answer: WhatIf, lang: str) -> None:
    """Show a what-if: before and after."""
    console, say = out(), phrases(lang)
    t = Section(say, "cli-what_if")
    title = t("heading", account=escape(answer.account_id))
    table = Table("", t.before, t.after, title=title, title_justify="left")
    for name, change in answer.changes.items():
        table.add_row(name, number(change.before, 2), number(change.after, 2))
    chances = (percent(chance, lang, 1) for chance in (answer.probability_before, answer.probability_after))
    table.add_row(t("probability", target=say("target-churn")), *chances)
    table.add_row(t.health, number(answer.health_before, 1), number(answer.health_after, 1))
    table.add_row(t.band, *(say(f"band-{band}") for band in (answer.band_before, answer.band_after)))
    console.print(table)
    console.print(escape(t.no_promise))
    if answer.outside:
        console.print(f"[yellow]{escape(t('outside', features=say.joined(answer.outside)))}[/]")
    if answer.linked:
        console.print(escape(t("linked", features=say.joined(answer.linked))))


def audited(findings: Sequence[Finding], lang: str) -> None:
    """Show the leakage audit, a line per check."""
    say = phrases(lang)
    t = Section(say, "audit")
    columns = (t(f"column.{name}") for name in ("check", "looks_for", "status", "found", "where", "remedy"))
    table = Table(*columns, title=t.heading, title_justify="left")
    style = {"found": "bold red", "clear": "green", "not_applicable": "dim"}
    for one in findings:
        status = f"[{style[one.status]}]{t(f'status.{one.status}')}[/]"
        what = "" if one.status == "clear" else say.text(one.what)
        cells = (what, ", ".join(one.where[:8]), say.text(one.remedy))
        table.add_row(one.code, escape(t(one.code)), status, *(escape(cell) for cell in cells))
    out().print(table)


def written(path: Path, lang: str) -> None:
    """Show where a page was written."""
    out().print(phrases(lang)("cli-written", path=near(path)))


def config(settings: Config) -> None:
    """Show the resolved config as YAML."""
    import yaml

    console = out()
    console.print(f"# config hash {settings.hash}")
    console.print(
        escape(yaml.safe_dump(settings.as_dict(), sort_keys=False, allow_unicode=True)), end="", soft_wrap=True
    )


def off(console: Console, skipped: Mapping[str, Argument], lang: str) -> None:
    """Show what is off, the features of one cause together."""
    say = phrases(lang)
    causes: dict[str, list[str]] = {}
    for name, why in skipped.items():
        causes.setdefault(say.text(why), []).append(name)
    for cause, names in causes.items():
        console.print(f"• {escape(say('cli-off', why=cause, names=', '.join(names)))}")


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
