"""``churnml tasks``: what is to be done, by whom and until when; and what the playbooks would open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli.events import print_one
from churnml.cli.options import AsJson, Author, ConfigPath, Lang, Note, config_of
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.explain.plays import Playbook
    from churnml.store import Decided, Task

__all__ = ["tasks_app"]

tasks_app = typer.Typer(no_args_is_help=True)

TaskId = Annotated[int, typer.Argument(metavar="ID", help="As `tasks list` prints it")]


@tasks_app.command("list")
def tasks_list(
    config: ConfigPath,
    owner: Annotated[str | None, typer.Option(help="Only this owner's")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account's")] = None,
    due: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only those due until this day")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Waiting and ended ones too")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many")] = 50,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks that can be begun, the first due first."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        language = session.speak(lang)
        states: Any = ("open", "waiting", "done", "skipped", "cancelled") if everything else ("open",)
        until = None if due is None else due.date()
        listed = pipeline.list_tasks(
            settings, owner=owner, account_id=account, states=states, due_until=until, limit=limit
        )
        session.show({"tasks": [_as_json(task, language) for task in listed]}, lambda: _print_list(listed, language))


@tasks_app.command("show")
def tasks_show(config: ConfigPath, task: TaskId, lang: Lang = None, as_json: AsJson = False) -> None:
    """Show one task, everything that happened to it, and the notes on it."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        shown, events, notes = pipeline.show_task(settings, task)
        document = {
            **_as_json(shown, session.speak(lang)),
            "events": [event.model_dump(mode="json") for event in events],
            "notes": [note.model_dump(mode="json") for note in notes],
        }
        session.show(document, lambda: print_one(document, _line(document, session.language), session.language))


@tasks_app.command("done")
def tasks_done(
    config: ConfigPath,
    task: TaskId,
    by: Author,
    outcome: Annotated[str | None, typer.Option(help="What came of it")] = None,
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """Say that a task is done; the steps that waited for it begin."""
    _answer(config, task, by, as_json, state="done", outcome=outcome, note=note)


@tasks_app.command("skip")
def tasks_skip(
    config: ConfigPath,
    task: TaskId,
    by: Author,
    reason: Annotated[str, typer.Option(help="Why it is not done")],
    as_json: AsJson = False,
) -> None:
    """Leave a task out, with a reason; the steps that waited for it begin."""
    _answer(config, task, by, as_json, state="skipped", reason=reason)


@tasks_app.command("reopen")
def tasks_reopen(config: ConfigPath, task: TaskId, by: Author, note: Note = None, as_json: AsJson = False) -> None:
    """Open a task again that was done or skipped."""
    _answer(config, task, by, as_json, state="open", note=note)


@tasks_app.command("reassign")
def tasks_reassign(
    config: ConfigPath,
    task: TaskId,
    by: Author,
    to: Annotated[str, typer.Option(help="The new owner")],
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """Give a task to somebody else."""
    _answer(config, task, by, as_json, owner=to, note=note)


@tasks_app.command("note")
def tasks_note(
    config: ConfigPath,
    task: TaskId,
    by: Author,
    text: Annotated[str, typer.Option(help="What to write down")],
    as_json: AsJson = False,
) -> None:
    """Write a note on a task."""
    _answer(config, task, by, as_json, note=text)


@tasks_app.command("preview")
def tasks_preview(config: ConfigPath, lang: Lang = None, as_json: AsJson = False) -> None:
    """Say what rules, budget and playbooks would open on the newest snapshot, and for whom. Nothing is kept."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        language = session.speak(lang)
        as_of, decided = pipeline.preview_alerts(settings)
        document = _preview(as_of.isoformat(), decided, language)
        session.show(document, lambda: _print_preview(document, language))


@tasks_app.command("playbooks")
def tasks_playbooks(config: ConfigPath, lang: Lang = None, as_json: AsJson = False) -> None:
    """List the playbooks of the config: what begins them, and their steps."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        language = session.speak(lang)
        playbooks = pipeline.playbooks_of(settings)
        document = {"playbooks": [playbook.model_dump(mode="json", exclude_defaults=True) for playbook in playbooks]}
        session.show(document, lambda: _print_playbooks(playbooks, language))


def _answer(config: Path, task: int, by: str, as_json: bool, **asked: Any) -> None:
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session)
        document = _as_json(pipeline.answer_task(settings, task, by, **asked), settings.language)
        session.show(document, lambda: print_one(document, _line(document, session.language), session.language))


def _as_json(task: Task, language: str) -> dict[str, Any]:
    return {**task.model_dump(mode="json", exclude={"title"}), "title": task.title.spoken(language)}


def _preview(as_of: str, decided: Decided, language: str) -> dict[str, Any]:
    alerts = [alert for alert in decided.alerts if decided.actions.get(alert.key) in ("opened", "reopened")]
    return {
        "as_of": as_of,
        "alerts": len(alerts),
        "held_back": sum(alert.held_back for alert in alerts),
        "not_contacted": sum(alert.held_out for alert in alerts),
        "tasks": len(decided.tasks),
        "owners": dict(Counter(task.owner for task in decided.tasks).most_common()),
        "playbooks": dict(Counter(task.playbook for task in decided.tasks).most_common()),
        "opened": [_as_json(task, language) for task in decided.tasks],
    }


def _print_preview(document: Mapping[str, Any], language: str) -> None:
    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    console, say = out(), phrases(language)
    t = Section(say, "cli-tasks")
    counts = {name: document[name] for name in ("alerts", "held_back", "not_contacted")}
    console.print(t("would_alert", as_of=document["as_of"], **counts), markup=False)
    owners = say.joined(f"{owner} {count}" for owner, count in document["owners"].items())
    tasks = t("would_open", n=document["tasks"], owners=owners) if owners else t("would_not", n=document["tasks"])
    console.print(tasks, markup=False)
    for name, count in document["playbooks"].items():
        console.print(f"  {name}: {count}", markup=False)


def _print_list(tasks: Sequence[Task], language: str) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    console, t = out(), Section(phrases(language), "cli-tasks")
    if not tasks:
        console.print(t.none, markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "account", "task", "owner", "due", "alert", "state"):
        table.add_column(t(f"column.{name}"), justify="right" if name == "id" else "left")
    for task in tasks:
        words = (str(task.id), task.account_id, task.title.spoken(language), task.owner, task.due_on.isoformat())
        table.add_row(*(Plain(word) for word in (*words, task.alert, t(f"state.{task.state}"))))
    console.print(table)


def _line(document: Mapping[str, Any], language: str) -> str:
    """Return a task's state in a line."""
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-tasks")
    said = document["outcome"] or document["reason"]
    parts = [t("one", id=str(document["id"])), document["playbook"], t(f"state.{document['state']}"), document["owner"]]
    return " · ".join([*parts, t("due", on=document["due_on"]), *([said] if said else [])])


def _print_playbooks(playbooks: Sequence[Playbook], language: str) -> None:
    from rich.text import Text as Plain

    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    console, say = out(), phrases(language)
    t = Section(say, "cli-tasks")
    if not playbooks:
        console.print(t.no_playbooks, markup=False)
        return
    for playbook in playbooks:
        begins = " · " + t("begins", alerts=say.joined(playbook.when.alerts)) if playbook.when.alerts else ""
        console.print(Plain(f"{playbook.name}: {playbook.title.spoken(language)}{begins}", style="bold"))
        for at, step in enumerate(playbook.steps):
            days = t("days", n=playbook.due_days if step.due_days is None else step.due_days)
            after = " · " + t("after", steps=say.joined(step.after)) if step.after else ""
            owner = say.or_plain(f"owner-{step.owner or playbook.owner}", step.owner or playbook.owner)
            key = step.key or f"step_{at + 1}"
            console.print(Plain(f"  {key}: {step.words.spoken(language)} · {owner} · {days}{after}"))
