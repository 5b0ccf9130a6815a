"""``churnml presets``: the mappings that are ready, listed and printed."""

from __future__ import annotations

from typing import Annotated

import typer

from churnml.cli.options import AsJson
from churnml.cli.session import Session

__all__ = ["presets_app"]

presets_app = typer.Typer(no_args_is_help=True)


@presets_app.command("list")
def presets_list(
    tool: Annotated[str | None, typer.Argument(help="Only this tool, e.g. zendesk")] = None, as_json: AsJson = False
) -> None:
    """List every preset, the canonical table that it feeds, and what it is."""
    with Session(as_json) as session:
        from churnml.sources.presets import presets

        chosen = {name: one for name, one in presets().items() if tool is None or name.partition("/")[0] == tool}
        rows = [{"preset": name, "table": one.table, "about": one.about} for name, one in chosen.items()]
        session.show({"presets": rows}, lambda: _print(rows))


@presets_app.command("show")
def presets_show(
    name: Annotated[str, typer.Argument(metavar="TOOL/OBJECT", help="E.g. zendesk/tickets")], as_json: AsJson = False
) -> None:
    """Print a preset as it stands; every line of it can be replaced in the config."""
    with Session(as_json) as session:
        from churnml.sources.presets import preset_text

        text = preset_text(name)
        session.show({"preset": name, "text": text}, lambda: typer.echo(text, nl=False))


def _print(rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("preset", "table", "about"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row.values()))
    Console(highlight=False).print(table)
