"""``churnml pull``: fetches what is new from the tools that the config names."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.language import Language
    from churnml.pipeline import PullReport
    from churnml.sources.connectors import PlannedPull

__all__ = ["pull"]


def pull(
    config: ConfigPath,
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]…", help="Only these; default: all")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Fetch anew what changed from this day on, UTC"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show where it would begin; nothing leaves")] = False,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Fetch what is new from the tools that the config names; it can be interrupted, and goes on from there."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session, lang)
        language = session.language
        day = since.date() if since is not None else None
        if dry_run:
            planned = pipeline.preview_pull(settings, sources or (), since=day)
            session.show({"planned": planned}, lambda: _print_planned(planned, language))
            return
        report = pipeline.pull(settings, sources or (), since=day, stages=session.stages)
        session.show(report, lambda: _print(report, language))
    if not report.ok:
        raise typer.Exit(1)


def _print(report: PullReport, language: Language) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.cli.terminal import whole
    from churnml.language import Section, Text, phrases, render

    console, t = Console(highlight=False), Section(phrases(language), "cli-pull")
    table = Table(box=None, pad_edge=False)
    counts = ("rows_in", "accepted", "rejected", "duplicate")
    for name in ("source", "object", *counts, "preset"):
        table.add_column(t(f"column.{name}"), justify="right" if name in counts else "left")
    for source in report.sources:
        for one in source.objects:
            numbers = (whole(getattr(one, name), language) for name in counts)
            table.add_row(*map(Plain, (source.source, one.object, *numbers, one.preset)))
    console.print(table)
    for source in report.sources:
        calls = {"n": source.calls, "today": source.calls_today, "most": source.calls_allowed}
        print(render(Text.of("pull-calls", source=source.source, **calls), language))
        for note in source.notes:
            print(f"  {render(note, language)}")
        if source.stopped is not None:
            print(f"  {render(source.stopped, language)}")
        if source.next_at is not None:
            print("  " + render(Text.of("pull-next", at=f"{source.next_at:%Y-%m-%d %H:%M}Z"), language))


def _print_planned(planned: list[PlannedPull], language: Language) -> None:
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-pull")
    for one in planned:
        calls = {"n": one.calls_today, "most": one.calls_allowed}
        print("# " + t("planned", source=one.source, tool=one.tool, **calls))
        for stream, begin in one.since.items():
            print(f"{stream:<24} {t.everything if begin is None else t('since', at=f'{begin:%Y-%m-%d %H:%M}Z')}")
        if one.request is not None:
            print(f"{one.request.method} {one.request.url}")
        print()
