"""What a person sees: tables on stdout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from churnml.cli import evidence

if TYPE_CHECKING:
    from churnml.config import Config
    from churnml.features import FeatureSet
    from churnml.pipeline import Checked, Scored, Trained

__all__ = [
    "audited",
    "catalogue",
    "checked",
    "compared",
    "config",
    "explained",
    "health_judged",
    "models",
    "overall",
    "prepared",
    "promoted",
    "run",
    "scored",
    "simulated",
    "supposed",
    "thresholds",
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
_SIDES = {
    "en": (("raising", "Associated with a higher risk"), ("lowering", "Associated with a lower risk")),
    "ja": (("raising", "解約リスクの上昇と関連"), ("lowering", "解約リスクの低下と関連")),
}
_SHARES = {
    "en": {"since": "Change of health since {}", "data": "data", "weights": "weights", "model": "model"},
    "ja": {"since": "{}以降のヘルススコアの変化", "data": "データ", "weights": "重み", "model": "モデル"},
}
_BAND_STYLE = {"red": "bold red", "yellow": "yellow", "green": "green", "unknown": "dim"}


def _out() -> Console:
    console = Console(highlight=False)
    # A pipe has no width of its own; reasons need room.
    return console if console.is_terminal else Console(highlight=False, width=160)


def simulated(made: Mapping[str, Any]) -> None:
    """Show what the simulator wrote."""
    table = Table("table", "rows", title=f"A simulated company in {made['folder']}", title_justify="left")
    for name, rows in made["tables"].items():
        table.add_row(name, f"{rows:,}")
    _out().print(table)


def checked(found: Checked) -> None:
    """Show the canonical tables, what was set aside and what a reader should know."""
    console = _out()
    report = found.as_dict()
    table = Table("table", "rows", title="Canonical tables", title_justify="left")
    for name, rows in report["tables"].items():
        table.add_row(name, f"{rows:,}")
    console.print(table)
    console.print(f"Observed from {report['observed_from']} until {report['observed_until']} (exclusive).")
    if report["rejected"]:
        aside = Table("table", "reason", "rows", title="Set aside", title_justify="left")
        for name, reasons in report["rejected"].items():
            for reason, rows in reasons.items():
                aside.add_row(name, escape(reason), f"{rows:,}")
        console.print(aside)
    for note in report["notes"]:
        console.print(f"• {escape(note)}")


def prepared(report: Mapping[str, Any]) -> None:
    """Show the size of the training frame."""
    console = _out()
    dates = report["snapshots"]
    console.print(
        f"{report['rows']:,} rows of {report['accounts']:,} accounts at {len(dates)} snapshots "
        f"({dates[0]} to {dates[-1]}), {report['features']} features."
    )
    console.print(f"{report['labelled']:,} rows have a final label, {report['churned']:,} of them positive.")
    _off(console, report["skipped"])
    console.print(f"Written to {report['path']}")


def catalogue(features: FeatureSet, skipped: Mapping[str, str]) -> None:
    """Show every feature."""
    table = Table("feature", "family", "unit", "window", "meaning", "missing means")
    for spec in features:
        window = f"{spec.window_days} d" if spec.window_days else ""
        table.add_row(spec.name, spec.family, spec.unit, window, escape(spec.description_en), escape(spec.missing))
    console = _out()
    console.print(table)
    _off(console, skipped)


def trained(settings: Config, outcome: Trained) -> None:
    """Show the backtest beside its baselines, and the verdict."""
    console = _out()
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
        cells = [_number(values.get(metric)) for metric in _METRICS]
        table.add_row(name.replace("_", " "), *cells, style="bold" if name == "model" else None)
    console.print(table)
    manifest = outcome.bundle.manifest
    style = "green" if manifest["verdict"] == "publishable" else "yellow"
    for days, further in outcome.backtest.get("horizons", {}).items():
        values = further["pooled"]["model"]
        told = ", ".join(f"{label} {_number(values.get(metric))}" for metric, label in _METRICS.items())
        console.print(f"Horizon of {days} days: {told} ({values['positives']:,} of {values['n']:,} rows)")
    console.print(f"Verdict: [{style}]{manifest['verdict']}[/] – {escape(str(manifest['verdict_reason']))}")
    evidence.standing(console, outcome.as_dict())
    evidence.capacity(console, outcome.backtest)
    evidence.prospects(console, outcome.backtest, settings.currency)
    became = "is the champion now" if outcome.decision.promote else "does not replace the champion"
    console.print(f"Version {outcome.bundle.version} {became}. {escape(outcome.decision.reason)}")
    for note in outcome.notes:
        console.print(f"• {escape(note)}")


def models(listed: Mapping[str, Any]) -> None:
    """Show every version, and who was promoted when and why."""
    console = _out()
    table = Table(
        "version", "made", "verdict", "ROC AUC", "log loss", "", title=str(listed["name"]), title_justify="left"
    )
    for found in listed["versions"]:
        metrics = found["backtest"]
        cells = [_number(metrics.get("roc_auc")), _number(metrics.get("log_loss"))]
        mark = "[green]champion[/]" if found["champion"] else ""
        table.add_row(found["version"], str(found["created_at"]), str(found["verdict"]), *cells, mark)
    console.print(table)
    for entry in listed["promotions"]:
        by = " (forced)" if entry["forced"] else ""
        console.print(f"• {entry['at']}  {entry['version']}{by}: {escape(entry['reason'])}")


def compared(report: Mapping[str, Any]) -> None:
    """Show two versions' backtests side by side and their paired difference."""
    console = _out()
    table = Table("version", *_METRICS.values(), title="Each on its own backtest", title_justify="left")
    for version, metrics in report["versions"].items():
        table.add_row(version, *(_number(metrics.get(metric)) for metric in _METRICS))
    console.print(table)
    paired = report["paired"]
    console.print(escape(paired["reason"]) if paired else "Their backtests share no rows, so there is no paired gain.")


def promoted(entry: Mapping[str, Any]) -> None:
    """Show a promotion."""
    _out().print(f"{entry['version']} is the champion now (before: {entry['previous'] or 'none'}).")


def scored(settings: Config, path: Path, outcome: Scored) -> None:
    """Show the accounts with the highest expected loss, and where everything lies."""
    from churnml.pipeline.outcomes import expected_column

    console = _out()
    table, model = outcome.table, outcome.bundle.model
    expected = expected_column(model.target)
    share = "" if model.target == "churn" else f" × {settings.label.change_share:g}"
    by_worth = f"{expected.replace('_', ' ')} (probability × ARR{share})"
    shown = Table(
        title=f"{min(_TOP, len(table))} accounts with the highest "
        + (by_worth if table[expected].notna().any() else f"{model.target} probability")
        + f", as of {outcome.as_of}",
        title_justify="left",
        show_lines=True,
    )
    shown.add_column("account", overflow="fold")
    for label in (f"ARR {settings.currency}", model.target, "health"):
        shown.add_column(label, justify="right", no_wrap=True)
    shown.add_column("band", no_wrap=True)
    shown.add_column("top reasons", ratio=1)
    chances = table[model.output].head(_TOP)
    for row, chance, told in zip(table.head(_TOP).itertuples(), chances, outcome.explanations, strict=False):
        reasons = [driver[f"sentence_{settings.language}"] for driver in told["raising"]]
        name = f"{row.account_id}" + (f"\n{row.name}" if isinstance(row.name, str) else "")
        shown.add_row(
            escape(name),
            _money(row.arr),
            f"{100 * chance:.1f} %",
            _number(row.health_score, 0),
            f"[{_BAND_STYLE[str(row.band)]}]{row.band}[/]",
            "\n".join(f"• {escape(reason)}" for reason in reasons) or "–",
        )
    console.print(shown)
    bands = outcome.as_dict()["bands"]
    console.print(
        f"{len(table):,} accounts: " + ", ".join(f"{count:,} {band}" for band, count in bands.items() if count)
    )
    for warning in outcome.as_dict()["warnings"]:
        console.print(f"[yellow]{escape(warning)}[/]")
    _where(console, settings, path, outcome)


def run(settings: Config, path: Path, training: Trained, scoring: Scored) -> None:
    """Show the scores, the backtest and the next steps."""
    trained(settings, training)
    scored(settings, path, scoring)


def explained(told: Mapping[str, Any], lang: str) -> None:
    """Show one account's explanation."""
    console = _out()
    console.print(f"[bold]{escape(str(told['account_id']))}[/]  as of {str(told['as_of'])[:10]}")
    target = str(told.get("target", "churn"))
    console.print(
        f"{target} probability {100 * told[f'{target}_probability']:.1f} %, health {_number(told['health_score'], 0)} "
        f"([{_BAND_STYLE[told['band']]}]{told['band']}[/])"
    )
    for reason in told.get(f"reasons_{lang}", []):
        console.print(f"[yellow]{escape(reason)}[/]")
    if told.get("frozen"):
        console.print(f"[bold]{escape(told['frozen'][f'text_{lang}'])}[/]")
    change = told.get("change")
    if change and change["change"] is not None:
        shares = ", ".join(f"{_SHARES[lang][name]} {change[name]:+.1f}" for name in ("data", "weights", "model"))
        console.print(f"{_SHARES[lang]['since'].format(change['since'])}: {change['change']:+.1f} ({shares})")
    for side, title in _SIDES[lang] if target == "churn" else _sides_of(target, lang):
        drivers: Sequence[Mapping[str, Any]] = told[side]
        tree = Tree(title)
        for driver in drivers:
            tree.add(escape(driver[f"sentence_{lang}"]))
        if drivers:
            console.print(tree)
    for play in told.get("plays", []):
        tree = Tree(f"{escape(play[f'title_{lang}'])} ({escape(play['owner'])}, {play['due_on']})")
        for step in play[f"steps_{lang}"]:
            tree.add(escape(step))
        console.print(tree)


def overall(found: Mapping[str, Any], page: Path, lang: str) -> None:
    """Show what goes with churn over all accounts: families, patterns of those who left."""
    console = _out()
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
        console.print(patterns)
    else:
        console.print(f"Too few churned accounts for patterns: {found['churned']:,}.")
    console.print(f"Report: {_near(page)}")


def _sides_of(target: str, lang: str) -> tuple[tuple[str, str], ...]:
    """Return the headings of drivers where the model predicts something else than churn."""
    if lang == "ja":
        noun = {"expansion": "契約拡大", "contraction": "契約縮小"}[target]
        return (("raising", f"{noun}確率の上昇と関連"), ("lowering", f"{noun}確率の低下と関連"))
    return tuple(
        (side, f"Associated with {what} {target}")
        for side, what in (("raising", "likelier"), ("lowering", "less likely"))
    )


def supposed(answer: Mapping[str, Any]) -> None:
    """Show a what-if: before and after."""
    console = _out()
    table = Table(
        "", "before", "after", title=f"What if, for {escape(str(answer['account_id']))}", title_justify="left"
    )
    for name, change in answer["changes"].items():
        table.add_row(name, _number(change["before"], 2), _number(change["after"], 2))
    chances = (f"{100 * answer[f'probability_{when}']:.1f} %" for when in ("before", "after"))
    table.add_row("churn probability", *chances)
    table.add_row("health", _number(answer["health_before"], 1), _number(answer["health_after"], 1))
    table.add_row("band", answer["band_before"], answer["band_after"])
    console.print(table)
    console.print("This asks the model, not the world: it is no promise of what a call would change.")
    if answer["outside"]:
        console.print(f"[yellow]Outside what was seen in training:[/] {escape(', '.join(answer['outside']))}")
    if answer["linked"]:
        console.print(f"Left as they are, though they measure the same: {escape(', '.join(answer['linked']))}")


def audited(findings: Sequence[Mapping[str, Any]]) -> None:
    """Show the leakage audit, a line per check."""
    from churnml.training.audit import CHECKS

    columns = ("check", "looks for", "status", "found", "where", "what to do")
    table = Table(*columns, title="Leakage audit", title_justify="left")
    style = {"found": "bold red", "clear": "green", "not_applicable": "dim"}
    for one in findings:
        status = f"[{style[one['status']]}]{one['status'].replace('_', ' ')}[/]"
        told = "" if one["status"] == "clear" else one["what"]
        cells = (told, ", ".join(one["where"][:8]), one["remedy"])
        table.add_row(one["code"], CHECKS[one["code"]], status, *(escape(cell) for cell in cells))
    _out().print(table)


def health_judged(results: Sequence[Mapping[str, Any]], page: Path) -> None:
    """Show what the health score was worth, beside other presets and the model alone."""
    console = _out()
    main = results[0]
    dates = f"{main['dates'][0]} to {main['dates'][-1]}"
    title = f"Churn by band: {main['rows']:,} readings, {main['churned']:,} churned, {dates}"
    bands = Table("band", "readings", "share", "churn rate", "lift", "95 % interval", title=title, title_justify="left")
    for row in main["bands"]:
        lift = f"{_number(row['lift_low'], 2)} to {_number(row['lift_high'], 2)}"
        share, rate = (f"{100 * row[name]:.1f} %" if row[name] is not None else "–" for name in ("share", "churn_rate"))
        bands.add_row(row["band"], f"{row['rows']:,}", share, rate, _number(row["lift"], 2), lift)
    console.print(bands)
    beside = Table(
        "score", "ROC AUC", "precision at capacity", "lift at capacity", title="Side by side", title_justify="left"
    )
    for one in results:
        ranking = one["ranking"]
        cells = (ranking["roc_auc"], ranking["precision_at_capacity"], ranking["lift_at_capacity"])
        beside.add_row(one["name"].replace("_", " "), *(_number(value) for value in cells))
    console.print(beside)
    if main["verdict"] == "rules_only":
        console.print("[yellow]The model does not pass its gate on this history: the scores are rules alone.[/]")
    for line in main["acceptance"]:
        mark = "[green]holds[/]" if line["holds"] else "[red]does not hold[/]"
        spread = "" if line["low"] is None else f", 95 % interval {line['low']:.2f} to {line['high']:.2f}"
        found = f"{_number(line['value'], 2)} (wanted {escape(str(line['wanted']))}{spread})"
        console.print(f"{mark}  {escape(str(line['line']))}: {found}")
        if not line["holds"] and line.get("would_hold"):
            edge, green = line["would_hold"]["green_from"], line["would_hold"]["green_share"]
            console.print(f"    Two thirds of them scored below {edge}, where {100 * green:.0f} % would be green.")
    console.print(f"Report: {_near(page)}")


def thresholds(proposed: Mapping[str, Any]) -> None:
    """Show the red threshold that fits the team."""
    console, accounts = _out(), f"{proposed['accounts']:,} accounts with a band as of {proposed['as_of']}"
    if proposed["capacity_share"] is None:
        team = f"{proposed['csms']} × {proposed['calls_per_week']} calls a week for {proposed['weeks']} weeks"
        console.print(f"{accounts}; the team can call {proposed['calls']:,} of them ({team}).")
    else:
        share = f"capacity.share {100 * proposed['capacity_share']:.0f} %"
        console.print(f"{accounts}; the team can contact {proposed['calls']:,} of them ({share}).")
    console.print(f"Red below {proposed['red_below_now']:g} makes {proposed['red_now']:,} accounts red.")
    console.print(f"Red below [bold]{proposed['red_below']:g}[/] would make {proposed['red']:,} red.")
    if proposed["red_below"] >= proposed["green_from"]:
        console.print(f"Green begins at {proposed['green_from']:g}: the team can call every account below green.")
    else:
        console.print(f"To use it, set health.red_below: {proposed['red_below']:g} in the config and train again.")


def written(path: Path) -> None:
    """Show where a page was written."""
    _out().print(f"Written to {_near(path)}")


def config(settings: Config) -> None:
    """Show the resolved config as YAML."""
    import yaml

    console = _out()
    console.print(f"# config hash {settings.hash}")
    console.print(
        escape(yaml.safe_dump(settings.as_dict(), sort_keys=False, allow_unicode=True)), end="", soft_wrap=True
    )


def _off(console: Console, skipped: Mapping[str, str]) -> None:
    """Show what is off, the features of one cause together."""
    causes: dict[str, list[str]] = {}
    for name, why in skipped.items():
        causes.setdefault(why, []).append(name)
    for why, names in causes.items():
        console.print(f"• {escape(why)}: {escape(', '.join(names))} off")


def _where(console: Console, settings: Config, path: Path, outcome: Scored) -> None:
    tree = Tree("Where everything lies")
    tree.add(f"scores        {_near(outcome.path)}")
    tree.add(f"explanations  {_near(outcome.path.with_name('explanations.json'))}")
    tree.add(f"model bundle  {_near(outcome.bundle.path)}")
    tree.add(
        f"experiments   {settings.tracking_uri.replace(str(settings.workspace_dir), _near(settings.workspace_dir))}"
    )
    console.print(tree)
    uri = settings.tracking_uri
    console.print("Next:")
    first = escape(str(outcome.table["account_id"].iloc[0]))
    serve = [f"churnml serve {path}"] if outcome.bundle.model.target == "churn" else []
    for command in (
        f"churnml explain {path} {first}",
        *serve,
        f"mlflow ui --backend-store-uri {uri.replace(str(settings.workspace_dir), _near(settings.workspace_dir))}",
    ):
        console.print(f"  {command}", soft_wrap=True)


def _near(path: Path) -> str:
    """Return a path relative to here where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _number(value: Any, digits: int = 3) -> str:
    if value is None or not math.isfinite(float(value)):
        return "–"
    return f"{float(value):.{digits}f}"


def _money(value: Any) -> str:
    return "–" if value is None or not math.isfinite(float(value)) else f"{float(value):,.0f}"
