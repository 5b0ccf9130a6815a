"""``churnml erase`` and ``churnml export``: forget an account or a person, or hand out what there is of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, config_of
from churnml.cli.session import Session
from churnml.errors import UsageError

if TYPE_CHECKING:
    from churnml.pipeline.privacy import Certificate, Subject

__all__ = ["erase", "export"]

_MOST_ROWS = 10

Account = Annotated[str | None, typer.Option(metavar="ID", help="An account, as churnml knows it")]
Contact = Annotated[str | None, typer.Option(metavar="ID", help="A person: the id of a contact or a product user")]


def erase(
    config: ConfigPath,
    account: Account = None,
    contact: Contact = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only; nothing is changed")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an account or a person from everything that churnml keeps, and leave it out of every later load."""
    with Session(as_json) as session:
        from churnml.pipeline import privacy

        subject = _subject(account, contact)
        done = privacy.erase(config_of(config, session), subject, dry_run=dry_run)
        session.show(done, lambda: _print(done, session.language))
    if done.left:
        raise typer.Exit(1)


def export(
    config: ConfigPath,
    account: Account = None,
    contact: Contact = None,
    to: Annotated[Path, typer.Option(help="ZIP file to write")] = Path("subject.zip"),
    as_json: AsJson = False,
) -> None:
    """Write everything that churnml keeps of an account or a person into one ZIP of JSON files."""
    with Session(as_json) as session:
        from churnml.pipeline import privacy

        rows = privacy.export(config_of(config, session), _subject(account, contact), to)
        report = {"file": str(to), "rows": rows}
        counts = {"n": sum(rows.values()), "tables": len(rows)}
        session.show(report, lambda: print(session.say("privacy-exported", **counts, file=str(to))))


def _subject(account: str | None, contact: str | None) -> Subject:
    from churnml.pipeline.privacy import Subject

    if account is not None and contact is None:
        return Subject("account", account)
    if contact is not None and account is None:
        return Subject("contact", contact)
    from churnml.language import Text

    raise UsageError(Text.of("fault-one_subject"))


def _print(done: Certificate, language: str) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.cli.terminal import out, whole
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-privacy")
    table = Table(box=None, pad_edge=False)
    table.add_column(t("column.would_be_removed" if done.dry_run else "column.removed"))
    table.add_column(t("column.rows"), justify="right")
    for one in done.removed:
        table.add_row(Plain(one.place), whole(one.rows, language))
    out().print(table)
    for name, places in (("told", done.told), ("by_hand", done.by_hand)):
        if places:
            out().print(Plain(t(name, targets=phrases(language).joined(places))))
    for path, rows in done.own_files.items():
        shown = ", ".join(map(str, rows[:_MOST_ROWS])) + (" …" if len(rows) > _MOST_ROWS else "")
        out().print(Plain(t("own_file", path=path, rows=shown)))
    if done.unread:
        out().print(Plain(t("unread", sources=phrases(language).joined(done.unread))))
    if done.left:
        out().print(Plain(t("left", files=phrases(language).joined(done.left))))
