"""``churnml alerts``: what waits for somebody, what came of it, and what the rules would have caught."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli.events import print_one
from churnml.cli.options import AsJson, Author, ConfigPath, Lang, Note, config_of
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.actions import AlertsBacktest
    from churnml.config import Config
    from churnml.store import Alert

__all__ = ["alerts_app"]

alerts_app = typer.Typer(no_args_is_help=True)

AlertId = Annotated[int, typer.Argument(metavar="ID", help="As `alerts list` prints it")]


@alerts_app.command("list")
def alerts_list(
    config: ConfigPath,
    owner: Annotated[str | None, typer.Option(help="Only this owner's")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Snoozed and closed ones too")] = False,
    held_back: Annotated[bool, typer.Option("--held-back", help="Only what the weekly budget holds back")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many")] = 50,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """List the alerts that wait, the largest avoidable loss first; what the budget holds back stands last."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        language = session.speak(lang)
        states: Any = ("open", "acknowledged", "snoozed", "closed") if everything else ("open", "acknowledged")
        listed = pipeline.list_alerts(settings, owner=owner, states=states, held_back=held_back or None, limit=limit)
        listed.sort(key=lambda alert: alert.held_back)
        session.show(
            {"alerts": [_as_json(alert, language) for alert in listed]}, lambda: _print_list(settings, listed, language)
        )


@alerts_app.command("show")
def alerts_show(config: ConfigPath, alert: AlertId, lang: Lang = None, as_json: AsJson = False) -> None:
    """Show one alert and everything that happened to it."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        language = session.speak(lang)
        shown, events = pipeline.show_alert(settings, alert)
        document = {**_as_json(shown, language), "events": [event.model_dump(mode="json") for event in events]}
        session.show(document, lambda: print_one(document, _line(document, session.language), session.language))


@alerts_app.command("acknowledge")
def alerts_acknowledge(
    config: ConfigPath, alert: AlertId, by: Author, note: Note = None, as_json: AsJson = False
) -> None:
    """Say that you have it."""
    _answer(config, alert, by, as_json, state="acknowledged", note=note)


@alerts_app.command("snooze")
def alerts_snooze(
    config: ConfigPath,
    alert: AlertId,
    by: Author,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day on which it comes back")],
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """Put an alert off until a day."""
    _answer(config, alert, by, as_json, state="snoozed", snoozed_until=until.date(), note=note)


@alerts_app.command("close")
def alerts_close(
    config: ConfigPath,
    alert: AlertId,
    by: Author,
    outcome: Annotated[str, typer.Option(help="saved, lost, false_alarm or not_a_risk")],
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """Close an alert with what came of it."""
    _answer(config, alert, by, as_json, state="closed", outcome=outcome, note=note)


@alerts_app.command("reopen")
def alerts_reopen(config: ConfigPath, alert: AlertId, by: Author, note: Note = None, as_json: AsJson = False) -> None:
    """Open a closed, snoozed or acknowledged alert again."""
    _answer(config, alert, by, as_json, state="open", note=note)


@alerts_app.command("assign")
def alerts_assign(
    config: ConfigPath,
    alert: AlertId,
    by: Author,
    to: Annotated[str, typer.Option(help="The new owner")],
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """Give an alert to somebody else."""
    _answer(config, alert, by, as_json, owner=to, note=note)


@alerts_app.command("backtest")
def alerts_backtest(config: ConfigPath, as_json: AsJson = False) -> None:
    """Say what the rules would have caught on dates that the model had not seen: how many, how right, how early."""
    with Session(as_json) as session:
        from churnml import pipeline

        tried = pipeline.backtest_alerts(config_of(config, session), session.stages)
        session.show(tried.model_dump(mode="json"), lambda: _print_backtest(tried, session.language))


def _answer(config: Path, alert: int, by: str, as_json: bool, *, outcome: Any = None, **asked: Any) -> None:
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.errors import UsageError
        from churnml.language import Text

        given = ("saved", "lost", "false_alarm", "not_a_risk")
        if outcome is not None and outcome not in given:
            raise UsageError(Text.of("fault-no_outcome"), where="--outcome", got=outcome, expected=", ".join(given))
        settings = config_of(config, session)
        answered = pipeline.answer_alert(settings, alert, by, outcome=outcome, **asked)
        document = _as_json(answered, settings.language)
        session.show(document, lambda: print_one(document, _line(document, session.language), session.language))


def _as_json(alert: Alert, language: str) -> dict[str, Any]:
    from churnml.language import render

    return {**alert.model_dump(mode="json", exclude={"text"}), "sentence": render(alert.text, language)}


def _print_list(config: Config, alerts: list[Alert], language: str) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.cli.terminal import out
    from churnml.language import Quantity, Section, phrases

    console, say = out(), phrases(language)
    t = Section(say, "cli-alerts")
    if not alerts:
        console.print(t.none)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "account", "alert", "owner", "due", "loss", "state"):
        table.add_column(t(f"column.{name}"), justify="right" if name in ("id", "loss") else "left")
    for alert in alerts:
        loss = alert.avoidable_loss
        money = (
            ""
            if loss is None
            else say("amount", n=Quantity(value=round(loss), unit="currency", currency=config.currency))
        )
        state = t(f"state.{'held_back' if alert.held_back else alert.state}")
        words = (str(alert.id), alert.account_id, say.text(alert.text), alert.owner)
        table.add_row(*(Plain(word) for word in (*words, f"{alert.due_at:%Y-%m-%d}", money, state)))
    console.print(table)
    held = sum(alert.held_back for alert in alerts)
    if held:
        console.print(t("held", n=held, budget=config.alerts.weekly_budget))


def _line(document: dict[str, Any], language: str) -> str:
    """Return an alert's state in a line."""
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-alerts")
    due = date.fromisoformat(document["due_at"][:10])
    parts = [
        t("one", id=str(document["id"])),
        t(f"state.{document['state']}"),
        phrases(language)(f"severity-{document['severity']}"),
        document["owner"],
        t("due", on=f"{due}"),
    ]
    return " · ".join([*parts, *([t(f"outcome.{document['outcome']}")] if document["outcome"] else [])])


def _print_backtest(report: AlertsBacktest, language: str) -> None:
    from rich.table import Table

    from churnml.cli.terminal import out, whole
    from churnml.language import Quantity, Section, number, percent, phrases

    console, t = out(), Section(phrases(language), "cli-alerts")

    def share(value: float | None) -> str:
        return "–" if value is None else percent(value, language, 0)

    per_week = Quantity(value=report.alerts_per_owner_week)
    span = {"from": f"{report.first}", "until": f"{report.last}"}
    console.print(t("tried", snapshots=report.snapshots, **span, per_week=per_week, held=report.held_back))
    console.print(
        t(
            "caught",
            precision=share(report.precision),
            base=share(report.base_rate),
            early=share(report.warned_early),
            churners=report.churners,
        )
    )
    console.print(t(f"tried_by.{report.ranked_by}"))
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "alerts", "held_back", "judged", "left", "precision", "lift", "early"):
        table.add_column(t(f"column.{name}"), justify="left" if name == "rule" else "right")
    for rule in report.rules:
        lift = "–" if rule.lift is None else number(rule.lift, language, 1)
        counts = (rule.alerts, rule.held_back, rule.judged, rule.churned)
        shown = (whole(count, language) for count in counts)
        table.add_row(rule.kind, *shown, share(rule.precision), lift, whole(rule.warned_early, language))
    console.print(table)
    for kind, column in report.off.items():
        console.print(t("off", kind=kind, column=column))
