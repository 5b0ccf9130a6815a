"""One alert or task with everything that happened to it, as the terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["print_one"]


def print_one(document: Mapping[str, Any], line: str, language: str) -> None:
    """Show what an alert or a task is about, its state in a line, and its events, oldest first.

    Parameters
    ----------
    document : mapping
        ``account_id``, ``title`` or ``sentence``, and ``events`` where they were asked for.
    line : str
        Its state in words.
    language : str
        Of the events.
    """
    from rich.text import Text as Plain

    from churnml.cli.terminal import out
    from churnml.language import phrases

    console, say = out(), phrases(language)
    what = document["title"] if "title" in document else document["sentence"]
    console.print(Plain(f"{document['account_id']}: {what}", style="bold"))
    console.print(Plain(line))
    for event in document.get("events", ()):
        detail = ", ".join(f"{name}: {value}" for name, value in event["detail"].items())
        at = event["at"][:16].replace("T", " ")
        action = say.or_plain(f"cli-action.{event['action']}", event["action"])
        said = say("cli-event", action=action, actor=event["actor"])
        console.print(Plain(f"  {at}  {said}  {detail}".rstrip()))
    for note in document.get("notes", ()):
        console.print(Plain(f"  {note['at'][:16].replace('T', ' ')}  {note['author']}: {note['text']}"))
