"""Says what loading came to: what is off, what was set aside, and when too much was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from churnml.errors import DataError
from churnml.sources.account_ids import ToolCoverage
from churnml.sources.personal import masked
from churnml.sources.sql import problem
from churnml.sources.validated import ValidatedTable
from churnml.tables import CHECKS, TABLES

__all__ = ["all_refusals", "coverage_notes", "notes_of", "refuse_too_many", "rejections"]

_SWITCHED_OFF = {
    "subscriptions": "contract features (MRR, seats, renewal) and revenue KPIs",
    "events": "usage features (engagement, adoption)",
    "tickets": "support features",
    "surveys": "satisfaction features (NPS)",
    "contacts": "features of champions and admins",
    "touchpoints": "features of calls, mails and meetings",
    "invoices": "features of overdue invoices",
    "campaign_events": "features of campaign response",
    "milestones": "onboarding features",
    "opportunities": "upsell and renewal KPIs from deals",
}


def rejections(validated: Mapping[str, ValidatedTable]) -> pd.DataFrame:
    """Return one row per table and reason why rows are set aside."""
    rows = [
        {
            "table": name,
            "reason": f"{reason.code} {CHECKS[reason.code].name}",
            "column": reason.column,
            "rows": reason.rows,
            "example": reason.example,
            "remedy": reason.remedy,
        }
        for name in TABLES
        if name in validated
        for reason in validated[name].reasons
    ]
    return pd.DataFrame(rows, columns=["table", "reason", "column", "rows", "example", "remedy"])


def notes_of(validated: Mapping[str, ValidatedTable], attributes: tuple[str, ...]) -> list[str]:
    """Return in words what is off, what was changed and what was set aside."""
    notes = [f"{name} is not mapped: {what} are off" for name, what in _SWITCHED_OFF.items() if name not in validated]
    accounts = validated["accounts"]
    changing = [
        column.name for column in TABLES["accounts"].columns if column.mutable and column.name in accounts.supplied
    ]
    if "known_at" not in accounts.supplied and changing:
        notes.append(
            f"accounts has no history (known_at is not mapped): {', '.join(changing)} may have changed since, "
            "so they are shown but are no features"
        )
    if attributes:
        past = (
            ""
            if "known_at" in accounts.supplied
            else "; without a history only those that never change may be features"
        )
        notes.append(f"extra account attributes kept: {', '.join(attributes)}{past}")
    for name, table in validated.items():
        notes += [masked(note) for note in table.notes]
        notes += [f"{name}: {reason}. {reason.remedy}" for reason in table.reasons]
    return notes


def coverage_notes(coverage: Sequence[ToolCoverage]) -> list[str]:
    """Say per tool how much of it belongs to known accounts."""
    notes = []
    for tool in coverage:
        total = tool.matched + tool.unmatched + tool.ambiguous
        ways = ", ".join(f"{count:,} by {how}" for how, count in tool.by.items())
        note = f"{tool.tool}: {tool.matched:,} of {total:,} records with facts are known accounts ({ways or 'none'})"
        if total > tool.matched:
            note = (
                f"CHK049 {note}; {tool.unmatched:,} are none that is known ({tool.unmatched_rows:,} rows, ARR "
                f"{tool.unmatched_arr:,.10g}), {tool.ambiguous:,} could be several ({tool.ambiguous_rows:,} rows, ARR "
                f"{tool.ambiguous_arr:,.10g}). {CHECKS['CHK049'].remedy}"
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
            f"{rows:,} of {table.rows:,} rows of {name} must be set aside ({rows / table.rows:.1%})",
            where=f"tables.{name}{column}; the rows are in {file}",
            got="; ".join(map(str, counted)),
            expected=f"at most {limit:.1%} (source.max_rejected_share)",
            remedy=largest.remedy,
        )
    for lost in table.lost_values:
        if lost.rows > limit * table.rows:
            raise problem(
                "CHK040",
                f"{lost.rows:,} of {table.rows:,} values of {name}.{lost.column} cannot be used "
                f"({lost.rows / table.rows:.1%} of the rows)",
                where=f"tables.{name}.columns.{lost.column}",
                got=str(lost).replace(" rows", " values"),
                expected=f"at most {limit:.1%} (source.max_rejected_share)",
                remedy=f"{lost.remedy} Or leave the column out: `{lost.column}: null`.",
            )


def all_refusals(refusals: list[DataError]) -> DataError:
    """Return one error for several tables, each with its own place, finding and remedy."""
    first, *others = refusals
    lines = [f"{len(refusals)} tables cannot be used. First: {first.what}"]
    further = "\n\n".join(f"also: {error}" for error in others)
    return DataError(
        lines[0],
        where=first.where,
        got=first.got,
        expected=first.expected,
        remedy=f"{first.remedy}\n\n{further}",
        code=first.code,
    )
