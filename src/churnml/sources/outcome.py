"""Says what loading came to: what is off, what was set aside, and when too much was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pandas as pd

from churnml.errors import DataError
from churnml.language import Quantity, Several, Text, error_text
from churnml.sources.account_ids import ToolCoverage
from churnml.sources.mapping import Mapping as TableMapping
from churnml.sources.personal import masked
from churnml.sources.sql import problem
from churnml.sources.validated import ValidatedTable
from churnml.tables import CHECKS, TABLES

__all__ = [
    "SetAside",
    "all_refusals",
    "coverage_notes",
    "notes_of",
    "refuse_too_many",
    "rejections",
    "set_aside",
    "without_rows",
]


@dataclass(frozen=True)
class SetAside:
    """Rows of a table that are set aside for one reason.

    Parameters
    ----------
    table, column : str
        Canonical table, and its column at fault; empty where it is the whole row.
    code : str
        Code of the check.
    name, remedy : Text
        What is wrong, and what to do.
    rows : int
    example : str
        A raw value at fault.
    """

    table: str
    column: str
    code: str
    name: Text
    rows: int
    example: str
    remedy: Text


def set_aside(validated: Mapping[str, ValidatedTable]) -> list[SetAside]:
    """Return, per table and reason, the rows that are set aside."""
    return [
        SetAside(name, each.column, each.code, CHECKS[each.code].name, each.rows, each.example, each.remedy)
        for name in TABLES
        if name in validated
        for each in validated[name].reasons
    ]


def rejections(reasons: Sequence[SetAside]) -> pd.DataFrame:
    """Return the same as a frame for an analyst, in English: one row per table and reason."""
    rows = [
        {
            "table": each.table,
            "reason": f"{each.code} {each.name}",
            "column": each.column,
            "rows": each.rows,
            "example": each.example,
            "remedy": str(each.remedy),
        }
        for each in reasons
    ]
    return pd.DataFrame(rows, columns=["table", "reason", "column", "rows", "example", "remedy"])


def notes_of(validated: Mapping[str, ValidatedTable], attributes: tuple[str, ...]) -> list[Text]:
    """Return what is off, what was changed and what was set aside."""
    notes = [
        Text.of("data-not_mapped", table=name, what=Text.of(f"data-off-{name}"))
        for name in TABLES
        if name != "accounts" and name not in validated
    ]
    accounts = validated["accounts"]
    changing = [
        column.name for column in TABLES["accounts"].columns if column.mutable and column.name in accounts.supplied
    ]
    has_history = "known_at" in accounts.supplied
    if changing and not has_history:
        notes.append(Text.of("data-no_history", columns=Several(parts=tuple(changing))))
    if attributes:
        form = "data-attributes" if has_history else "data-attributes.no_history"
        notes.append(Text.of(form, names=Several(parts=attributes)))
    for name, table in validated.items():
        notes += map(masked, table.notes)
        notes += [
            Text.of("data-set_aside", table=name, reason=reason.said, remedy=reason.remedy) for reason in table.reasons
        ]
    return notes


def coverage_notes(coverage: Sequence[ToolCoverage]) -> list[Text]:
    """Say per tool how much of it belongs to known accounts."""
    notes = []
    for tool in coverage:
        total = tool.matched + tool.unmatched + tool.ambiguous
        ways = [Text.of("data-matched_by", n=count, how=how) for how, count in tool.by.items()]
        note = Text.of(
            "data-matched",
            tool=tool.tool,
            matched=tool.matched,
            of=total,
            ways=Several(parts=tuple(ways or [Text.of("data-matched_by_none")])),
        )
        if total > tool.matched:
            note = Text.of(
                "data-unmatched",
                matched=note,
                unmatched=tool.unmatched,
                unmatched_rows=tool.unmatched_rows,
                unmatched_arr=Quantity(value=tool.unmatched_arr, digits=2),
                several=tool.ambiguous,
                several_rows=tool.ambiguous_rows,
                several_arr=Quantity(value=tool.ambiguous_arr, digits=2),
                remedy=CHECKS["CHK049"].remedy,
            )
        notes.append(note)
    return notes


def refuse_too_many(limit: float, name: str, table: ValidatedTable, file: Path) -> None:
    """Refuse a table that loses too many rows, or an optional column too many values."""
    counted = [reason for reason in table.reasons if reason.code != "CHK020"]
    rows = sum(reason.rows for reason in counted)
    if not table.valid_rows or rows > limit * table.rows:
        counted.sort(key=lambda reason: -reason.rows)
        largest = counted[0]
        column = f".columns.{largest.column}" if largest.column else ".from"
        raise problem(
            "CHK040",
            Text.of("data-too_many", n=rows, of=table.rows, table=name, share=f"{rows / table.rows:.1%}"),
            where=Text.of("data-too_many.where", place=f"tables.{name}{column}", file=str(file)),
            got=reduce(_beside, (reason.said for reason in counted)),
            expected=Text.of("data-at_most", share=f"{limit:.1%}"),
            remedy=largest.remedy,
        )
    for lost in table.lost_values:
        if lost.rows > limit * table.rows:
            raise problem(
                "CHK040",
                Text.of(
                    "data-too_many.values",
                    n=lost.rows,
                    of=table.rows,
                    table=name,
                    column=lost.column,
                    share=f"{lost.rows / table.rows:.1%}",
                ),
                where=f"tables.{name}.columns.{lost.column}",
                got=lost.said_of_values,
                expected=Text.of("data-at_most", share=f"{limit:.1%}"),
                remedy=Text.of("remedy-leave_out", remedy=lost.remedy, column=lost.column),
            )


def _beside(one: Text, other: Text) -> Text:
    return Text.of("list-beside", one=one, other=other)


def all_refusals(refusals: list[DataError]) -> DataError:
    """Return one error for several tables, each with its own place, finding and remedy."""
    first, *others = refusals
    said = dict(first.said)
    what = Text.of("data-refusals", n=len(refusals), first=said.pop("what"))
    remedy = said.pop("remedy", "")
    for error in others:
        remedy = Text.of("data-refusals.also", before=remedy, error=error_text(error))
    return DataError(what, **said, remedy=remedy, code=first.code)


def without_rows(mapping: TableMapping) -> DataError:
    """Return the error of a table that has no row, or of which `where` leaves none."""
    name, (left_out, undecided) = mapping.table.name, mapping.filtered
    if not left_out:
        return problem("CHK003", Text.of("data-empty", table=name), where=f"tables.{name}.from")
    why = "data-none_left.undecided" if undecided else "data-none_left.out"
    return problem(
        "CHK003",
        Text.of("data-none_left", n=left_out, table=name),
        where=f"tables.{name}.where",
        got=Text.of(why, n=left_out, undecided=undecided),
    )
