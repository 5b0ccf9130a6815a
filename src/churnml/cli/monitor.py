"""``churnml monitor``: is the data still what it was, is the model still right, is it due."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console

    from churnml.config import Config
    from churnml.monitoring.report import MonitoringReport

__all__ = ["monitor"]

_MOST_FEATURES = 10


def monitor(
    config: ConfigPath,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Judge the day before this one  [default: newest]"),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write it as an HTML page")] = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Judge the newest day of the data and the model in use, say what is wrong, and whether a model is due."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session, lang)
        report = pipeline.monitor(settings, session.stages, as_of=as_of.date() if as_of else None)
        if html is not None:
            from churnml.files import write_text
            from churnml.reports.monitoring import monitoring_page

            budget = settings.monitoring.false_alarms_per_month
            write_text(html, monitoring_page(report, language=session.language, budget=budget))
        session.show(report, lambda: _draw(report, settings, session.language))


def _draw(report: MonitoringReport, config: Config, language: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from churnml.cli.terminal import out
    from churnml.language import Quantity, Section, day, number, phrases, render

    say = Section(phrases(language), "monitor")
    console = out()
    console.print(f"[bold]{escape(say('title', name=config.name, as_of=day(str(report.as_of), language)))}[/]")
    if report.alarms:
        console.print(escape(say("alarms", n=len(report.alarms))))
        for alarm in report.alarms:
            marks = [say.severe] if alarm.severe else []
            marks += [say.new] if alarm.key in report.new else []
            remark = f" ({', '.join(marks)})" if marks else ""
            style = "bold red" if alarm.severe else "yellow"
            console.print(f"  [{style}]{alarm.code}{escape(remark)}[/] {escape(render(alarm.said, language))}")
        console.print(f"[dim]{escape(say.what_to_do)}[/]")
    else:
        budget = config.monitoring.false_alarms_per_month
        console.print(escape(say("no_alarm", tests=report.tests, budget=Quantity(value=budget))))
    if report.held:
        console.print(f"[bold red]{escape(say.held)}[/]")
    table = Table(say.table, say.newest, say.last_day, say.usual_day, say.last_week, say.usual_day, say.codes)
    for one in report.tables:
        usual = [
            "–" if value is None else number(round(value), language)
            for value in (one.expected_last_day, one.expected_last_week)
        ]
        newest = "–" if one.newest_on is None else day(str(one.newest_on), language)
        table.add_row(
            one.table, newest, number(one.rows_last_day, language), usual[0], number(one.rows_last_week, language),
            usual[1], " ".join(one.alarms),
        )  # fmt: skip
    console.print(table)
    if report.unjudged:
        console.print(escape(say("unjudged", tables=", ".join(report.unjudged))))
    _draw_model(console, report, language)
    decision = report.retraining
    if report.model_version is None:
        console.print(escape(say.no_model))
    elif decision.due:
        console.print(f"[yellow]{escape(say.due)}[/]")
        for reason in decision.reasons:
            console.print(f"  [yellow]{reason.code}[/] {escape(render(reason.said, language))}")
    else:
        age, due = (Quantity(value=value or 0, unit="days") for value in (decision.age_days, decision.due_days))
        console.print(escape(say("not_due", age=age, due=due)))


def _draw_model(console: Console, report: MonitoringReport, language: str) -> None:
    """Show promised, realised and expected performance, and what drifted."""
    from rich.table import Table

    from churnml.language import Quantity, Section, phrases, render
    from churnml.reports.monitoring import performance_head, performance_rows

    say = Section(phrases(language), "monitor")
    rows = performance_rows(report, language)
    if rows:
        table = Table("", *performance_head(language), title=say.performance, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        if report.performance is not None and not report.performance.realised:
            console.print(say.nothing_mature)
    if report.drift is None:
        return
    if not report.drift.features:
        console.print(say.no_drift)
        return
    table = Table(say.feature, say.psi, say.effect, title=say.drift, title_justify="left")
    for one in report.drift.features[:_MOST_FEATURES]:
        table.add_row(one.feature, f"{one.psi:.2f}", render(Quantity(value=one.effect, unit="share"), language))
    console.print(table)
