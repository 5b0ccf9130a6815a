"""``churnml init``: from a folder of raw files to a config that runs."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.sources.discovery import Proposal, Question

__all__ = ["init"]


def init(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER…", help="Where the raw files are; also archives and databases")
    ],
    out: Annotated[Path, typer.Option(help="The config to write")] = Path("configs/acme.yaml"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, and replace a config that is there")] = False,
    lang: Annotated[
        str | None,
        typer.Option("--lang", help="Language of the questions and of the new config, e.g. en or ja  [default: en]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout")] = False,
) -> None:
    """Look at raw files and write a commented config that maps them; asks what is unsure, or marks it CHECK."""
    with Session(as_json) as session:
        from churnml import pipeline

        language = session.speak(lang)
        ask = None if yes or as_json or not sys.stdin.isatty() else partial(_asked, language=language)
        proposal = pipeline.init(folders, out, session.stages, overwrite=yes, ask=ask, language=language)
        session.show(_as_json(proposal, out), lambda: _print(proposal, out, language))


def _asked(question: Question, language: str) -> str | None:
    """Ask in the terminal until the answer is one; an empty one takes the default, marked in the config."""
    from churnml.language import phrases

    say = phrases(language)
    while True:
        answer = input(f"{say.text(question.text)} [{question.default}] ").strip()
        if not answer:
            return None
        if question.takes(answer):
            return answer
        print(", ".join(question.options) or say("cli-init-zone"))


def _as_json(proposal: Proposal, out: Path) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from churnml.sources.discovery import Proposal as Kind

    document: dict[str, Any] = TypeAdapter(Kind).dump_python(proposal, mode="json")
    for match, shown in zip(proposal.matches, document["matches"], strict=True):
        shown["why"] = shown["why"] or ""
        shown["why_code"] = None if match.why is None else match.why.code
        shown["question_codes"] = [question.code for question in match.questions]
    return {**document, "config": str(out) if proposal.usable else None}


def _print(proposal: Proposal, out: Path, language: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from churnml.cli.terminal import out as terminal
    from churnml.cli.terminal import whole
    from churnml.language import Section, percent, phrases

    console, t = terminal(), Section(phrases(language), "cli-init")
    table = Table(box=None, pad_edge=False)
    tools = ("tool",) if any(match.known for match in proposal.matches) else ()
    for name in ("file", *tools, "table", "rows", "from", "until", "met"):
        justify: Literal["left", "right"] = "right" if name in ("rows", "met") else "left"
        # A name is to be read whole, on several lines if need be; a number or a day is not to be broken.
        table.add_column(
            t(f"column.{name}"),
            justify=justify,
            overflow="fold",
            no_wrap=name in ("rows", "from", "until"),
            max_width=10 if name == "met" else None,
        )
    for match in proposal.matches:
        met = "" if match.accounts_met is None else percent(match.accounts_met, language, 0)
        met = t.by_identities if match.table and match.role else met
        table_ = match.table or (t(f"role.{match.role}") if match.role else "–")
        known = (match.known.replace("/", " · ") or "–",) if tools else ()
        words = (match.path, *known, table_, whole(match.rows, language), match.first, match.last, met)
        table.add_row(*map(Text, words))
    console.print(table)
    for match in proposal.matches:
        if not match.table and match.why is not None:
            console.print(Text(t("unused", path=match.path, why=match.why)))
        for question in match.questions:
            console.print(Text(t("look_at", table=match.table or "", question=question)))
        for key in (key for key in match.asks if key not in match.said):
            console.print(Text(t("needs", table=match.table or "", known=match.known, key=key)))
    for question in proposal.questions:
        console.print(Text(t("look", question=question)))
    if not proposal.usable:
        console.print(t.none)
        return
    console.print(Text(t("wrote", path=str(out))))
    console.print(Text(f"  churnml check {out}\n  churnml run {out}"))
