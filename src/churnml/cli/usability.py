"""How usable the data is, in the terminal and as a page: per table, per tool, and per family of features."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from churnml.pipeline.results import CheckReport

__all__ = ["shown", "write_page"]

_MOST_ABSENT = 6
_MOST_UNLOCKS = 3


def shown(console: Console, report: CheckReport) -> None:
    """Print what each table, tool and family of features offers, and what adding something would unlock."""
    if report.use:
        console.print(_tables(report))
    if report.tools:
        console.print(_tools(report))
    if report.families:
        console.print(_families(report))


def write_page(path: Path, report: CheckReport) -> None:
    """Write the same as an HTML page that stands alone."""
    from churnml.files import write_text

    console = Console(record=True, width=180, file=io.StringIO(), highlight=False)
    shown(console, report)
    for note in report.notes:
        console.print(f"• {escape(note)}")
    write_text(path, console.export_html(inline_styles=True))


def _tables(report: CheckReport) -> Table:
    table = Table(title="How usable the tables are", title_justify="left")
    for name in ("table", "rows", "accounts", "of all", "from", "until", "days", "ends early", "not supplied"):
        table.add_column(name, justify="left" if name in ("table", "not supplied") else "right", overflow="fold")
    for use in report.use:
        more = f" and {len(use.absent) - _MOST_ABSENT} more" if len(use.absent) > _MOST_ABSENT else ""
        table.add_row(
            use.table,
            f"{use.rows:,}",
            f"{use.accounts:,}",
            f"{use.covered:.0%}",
            str(use.first or ""),
            str(use.last or ""),
            f"{use.history_days:,}" if use.first else "",
            "" if not use.behind_days else f"{use.behind_days:,} days",
            ", ".join(use.absent[:_MOST_ABSENT]) + more,
        )
    return table


def _tools(report: CheckReport) -> Table:
    table = Table(title="Records of each tool that are known accounts", title_justify="left")
    for name in ("tool", "", "records", "rows", "ARR"):
        table.add_column(name, justify="left" if name in ("tool", "") else "right")
    for tool in report.tools:
        lines = (
            ("known", tool.matched, tool.matched_rows, tool.matched_arr),
            ("unknown", tool.unmatched, tool.unmatched_rows, tool.unmatched_arr),
            ("could be several", tool.ambiguous, tool.ambiguous_rows, tool.ambiguous_arr),
        )
        for what, records, rows, arr in lines:
            table.add_row(tool.tool if what == "known" else "", what, f"{records:,}", f"{rows:,}", f"{arr:,.0f}")
    return table


def _families(report: CheckReport) -> Table:
    table = Table(title="What it allows of each family of features", title_justify="left")
    for name in ("family", "measures", "off", "adding this unlocks so many"):
        table.add_column(name, justify="right" if name in ("measures", "off") else "left", overflow="fold")
    for use in report.families:
        gains = list(use.unlocks.items())[:_MOST_UNLOCKS]
        table.add_row(
            use.family, f"{use.on:,}", f"{use.off:,}", ", ".join(f"{name} ({count})" for name, count in gains)
        )
    return table
