"""``churnml alerts``: what waits for somebody, what came of it, and what the rules would have caught."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli.options import AsJson, Author, ConfigPath, Lang, Note
from churnml.cli.session import Session, language_of

if TYPE_CHECKING:
    from churnml.actions import AlertsBacktest
    from churnml.config import Config
    from churnml.store import Alert

__all__ = ["alerts_app"]

alerts_app = typer.Typer(
    no_args_is_help=True, help="Alerts: list them, answer them, and try the rules on the past.", rich_markup_mode="rich"
)

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
        from churnml.config import load_config

        settings = load_config(config)
        language = language_of(lang, settings)
        states: Any = ("open", "acknowledged", "snoozed", "closed") if everything else ("open", "acknowledged")
        found = pipeline.list_alerts(settings, owner=owner, states=states, held_back=held_back or None, limit=limit)
        found.sort(key=lambda alert: alert.held_back)
        session.show(
            {"alerts": [_as_json(alert, language) for alert in found]}, lambda: _print_list(settings, found, language)
        )


@alerts_app.command("show")
def alerts_show(config: ConfigPath, alert: AlertId, lang: Lang = None, as_json: AsJson = False) -> None:
    """Show one alert and everything that happened to it."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config

        settings = load_config(config)
        language = language_of(lang, settings)
        found, events = pipeline.show_alert(settings, alert)
        document = {**_as_json(found, language), "events": [event.model_dump(mode="json") for event in events]}
        session.show(document, lambda: _print_one(settings, document))


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
        from churnml.config import load_config

        found = pipeline.backtest_alerts(load_config(config), session.stages)
        session.show(found.model_dump(mode="json"), lambda: _print_backtest(found))


def _answer(config: Path, alert: int, by: str, as_json: bool, *, outcome: Any = None, **asked: Any) -> None:
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config
        from churnml.errors import UsageError

        given = ("saved", "lost", "false_alarm", "not_a_risk")
        if outcome is not None and outcome not in given:
            raise UsageError("There is no such outcome", where="--outcome", got=outcome, expected=", ".join(given))
        settings = load_config(config)
        found = pipeline.answer_alert(settings, alert, by, outcome=outcome, **asked)
        document = _as_json(found, settings.language)
        session.show(document, lambda: _print_one(settings, document))


def _as_json(alert: Alert, language: str) -> dict[str, Any]:
    from churnml.language import render

    return {**alert.model_dump(mode="json", exclude={"text"}), "sentence": render(alert.text, language)}


def _print_list(config: Config, alerts: list[Alert], language: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.language import Quantity, phrases, render

    console = Console()
    if not alerts:
        console.print("No alert waits. They are evaluated after each `churnml score`.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "account", "alert", "owner", "due", "avoidable loss", "state"):
        table.add_column(name, justify="right" if name in ("id", "avoidable loss") else "left")
    say = phrases(language)
    for alert in alerts:
        loss = alert.avoidable_loss
        money = "" if loss is None else say.text(Quantity(value=loss, unit="currency", currency=config.currency))
        state = "held back" if alert.held_back else alert.state
        words = (str(alert.id), alert.account_id, render(alert.text, language), alert.owner)
        table.add_row(*(Plain(word) for word in (*words, f"{alert.due_at:%Y-%m-%d}", money, state)))
    console.print(table)
    held = sum(alert.held_back for alert in alerts)
    if held:
        console.print(
            f"{held} held back: each owner gets at most {config.alerts.weekly_budget} new ones a week, "
            "the largest avoidable loss first."
        )


def _print_one(config: Config, document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text as Plain

    console = Console(highlight=False)
    console.print(Plain(f"{document['account_id']}: {document['sentence']}", style="bold"))
    due = date.fromisoformat(document["due_at"][:10])
    line = f"alert {document['id']} · {document['state']} · {document['severity']} · {document['owner']} · due {due}"
    console.print(Plain(line + (f" · {document['outcome']}" if document["outcome"] else "")))
    for event in document.get("events", ()):
        detail = ", ".join(f"{name}: {value}" for name, value in event["detail"].items())
        console.print(
            Plain(f"  {event['at'][:16].replace('T', ' ')}  {event['action']} by {event['actor']}  {detail}".rstrip())
        )


def _print_backtest(found: AlertsBacktest) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    shares = {
        name: "–" if value is None else f"{value:.0%}"
        for name, value in (("precision", found.precision), ("base", found.base_rate), ("early", found.warned_early))
    }
    console.print(
        f"{found.snapshots} snapshots from {found.first} to {found.last}: {found.alerts_per_owner_week:g} alerts per "
        f"owner and week, {found.held_back} held back by the budget."
    )
    console.print(
        f"{shares['precision']} of them were followed by churn within the horizon (base rate {shares['base']}); "
        f"{shares['early']} of {found.churners} accounts that left had one at least 30 days before."
    )
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "alerts", "held back", "judged", "left", "precision", "lift", "warned ≥ 30 days before"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for rule in found.rules:
        precision = "–" if rule.precision is None else f"{rule.precision:.0%}"
        lift = "–" if rule.lift is None else f"{rule.lift:g}"
        counts = (rule.alerts, rule.held_back, rule.judged, rule.churned)
        table.add_row(rule.kind, *map(str, counts), precision, lift, str(rule.warned_early))
    console.print(table)
    for kind, column in found.off.items():
        console.print(f"off: {kind} (needs {column}, which your data does not carry)")
