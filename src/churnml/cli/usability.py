"""How usable the data is, in the terminal and as a page: per table, per tool, and per family of features."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from churnml.language import Section, number, percent, phrases

if TYPE_CHECKING:
    from churnml.pipeline.results import CheckReport

__all__ = ["shown", "write_page"]

_MOST_ABSENT = 6
_MOST_UNLOCKS = 3


def shown(console: Console, report: CheckReport, lang: str) -> None:
    """Print what each table, tool and family of features offers, and what adding something would unlock."""
    if report.use:
        console.print(_tables(report, lang))
    if report.tools:
        console.print(_tools(report, lang))
    if report.families:
        console.print(_families(report, lang))


def write_page(path: Path, report: CheckReport, lang: str) -> None:
    """Write the same as an HTML page that stands alone."""
    from churnml.files import write_text

    console = Console(record=True, width=180, file=io.StringIO(), highlight=False)
    shown(console, report, lang)
    for note in report.notes:
        console.print(f"• {escape(phrases(lang).text(note))}")
    write_text(path, console.export_html(inline_styles=True))


def _tables(report: CheckReport, lang: str) -> Table:
    t = Section(phrases(lang), "cli-usable")
    table = Table(title=t.tables, title_justify="left")
    for name in ("table", "rows", "accounts", "covered", "from", "until", "days", "behind", "absent"):
        table.add_column(
            t(f"column.{name}"), justify="left" if name in ("table", "absent") else "right", overflow="fold"
        )
    for use in report.use:
        absent = ", ".join(use.absent[:_MOST_ABSENT])
        if len(use.absent) > _MOST_ABSENT:
            absent = t("and_more", words=absent, more=len(use.absent) - _MOST_ABSENT)
        table.add_row(
            use.table,
            number(use.rows, lang),
            number(use.accounts, lang),
            percent(use.covered, lang, 0),
            str(use.first or ""),
            str(use.last or ""),
            number(use.history_days, lang) if use.first else "",
            "" if not use.behind_days else t("days", n=use.behind_days),
            absent,
        )
    return table


def _tools(report: CheckReport, lang: str) -> Table:
    t = Section(phrases(lang), "cli-usable")
    table = Table(title=t.tools, title_justify="left")
    for name in (t("column.tool"), "", t("column.records"), t("column.rows"), "ARR"):
        table.add_column(name, justify="left" if name in (t("column.tool"), "") else "right")
    for tool in report.tools:
        lines = (
            ("known", tool.matched, tool.matched_rows, tool.matched_arr),
            ("unknown", tool.unmatched, tool.unmatched_rows, tool.unmatched_arr),
            ("several", tool.ambiguous, tool.ambiguous_rows, tool.ambiguous_arr),
        )
        for what, *counts in lines:
            cells = (number(float(count), lang) for count in counts)
            table.add_row(tool.tool if what == "known" else "", t(f"match.{what}"), *cells)
    return table


def _families(report: CheckReport, lang: str) -> Table:
    say = phrases(lang)
    t = Section(say, "cli-usable")
    table = Table(title=t.families, title_justify="left")
    for name in ("family", "measures", "off", "unlocks"):
        table.add_column(
            t(f"column.{name}"), justify="right" if name in ("measures", "off") else "left", overflow="fold"
        )
    for use in report.families:
        gains = list(use.unlocks.items())[:_MOST_UNLOCKS]
        table.add_row(
            say(f"family-{use.family}"),
            number(use.on, lang),
            number(use.off, lang),
            ", ".join(f"{name} ({count})" for name, count in gains),
        )
    return table
