"""The rules that the schema implies for every row of a table, as SQL conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from churnml.tables.schema import Column, Table

__all__ = ["EARLIEST", "ENDS", "NEVER_YEARS", "RowRule", "implausible", "needed", "outside", "row_rules"]

ENDS: dict[str, tuple[tuple[str, str], ...]] = {
    "subscriptions": (("started_on", "ends_on"), ("started_on", "terminated_on")),
    "tickets": (("opened_at", "first_response_at"), ("opened_at", "solved_at"), ("opened_at", "csat_at")),
    "surveys": (("sent_at", "responded_at"),),
    "contacts": (("started_at", "left_at"),),
    "opportunities": (("created_at", "closed_at"),),
}
"""Columns that cannot lie before another one: table → (start, end)."""

EARLIEST = "1970-01-02"
"""Before it nothing is a date: zeros of computers' clocks and the placeholders of databases (0001, 1753, 1900)."""

NEVER_YEARS = 30
"""A date so many years ahead stands for never."""

_UNREADABLE = {
    "date": "CHK011",
    "timestamp": "CHK011",
    "int64": "CHK012",
    "float64": "CHK012",
    "boolean": "CHK013",
}


@dataclass(frozen=True)
class RowRule:
    """A rule that single rows break.

    Parameters
    ----------
    code : str
        Code of the check.
    column : str
        The canonical column at fault.
    broken : str
        SQL condition, true for rows that break it. It speaks of the canonical columns by name and of
        ``"given:<column>"``, which tells whether the raw value was there at all.
    """

    code: str
    column: str
    broken: str


def row_rules(table: Table, mapped: Iterable[str], *, tomorrow: str) -> list[RowRule]:
    """Return the rules that single rows of a table must keep, the gravest first.

    Parameters
    ----------
    table : Table
        The canonical table.
    mapped : iterable of str
        Canonical columns that the mapping supplies.
    tomorrow : str
        ISO date of the first day that lies ahead.

    Examples
    --------
    >>> from churnml.tables import TABLES
    >>> rules = row_rules(TABLES["events"], ["account_id", "event_type", "occurred_at"], tomorrow="2026-03-01")
    >>> [(rule.code, rule.column) for rule in rules]
    [('CHK010', 'account_id'), ('CHK010', 'event_type'), ('CHK010', 'occurred_at'),
     ('CHK011', 'occurred_at'), ('CHK019', 'occurred_at'), ('CHK017', 'occurred_at')]
    >>> print(rules[-1].broken)
    "occurred_at" >= TIMESTAMP '2026-03-01'
    """
    have = set(mapped)
    columns = [column for column in table.columns if column.name in have]
    rules = [
        RowRule("CHK010", column.name, f'NOT "given:{column.name}"')
        for column in columns
        if column.required and column.default is None
    ]
    for column in columns:
        if not needed(table, column):
            continue
        if column.dtype in _UNREADABLE:
            rules.append(
                RowRule(_UNREADABLE[column.dtype], column.name, f'"given:{column.name}" AND "{column.name}" IS NULL')
            )
        elif column.values:
            rules.append(RowRule("CHK015", column.name, f'"given:{column.name}" AND "{column.name}" IS NULL'))
    rules += [
        RowRule("CHK019", column.name, implausible(column.name, tomorrow))
        for column in columns
        if column.dtype in ("date", "timestamp") and needed(table, column)
    ]
    rules += [
        RowRule("CHK014", column.name, outside(column))
        for column in columns
        if needed(table, column) and outside(column)
    ]
    rules += [
        RowRule("CHK016", end, f'"{end}" < "{start}"')
        for start, end in ENDS.get(table.name, ())
        if {start, end} <= have
    ]
    occurred = table.occurred_at
    if occurred in have and not table.may_lie_ahead:
        rules.append(RowRule("CHK017", str(occurred), f"\"{occurred}\" >= TIMESTAMP '{tomorrow}'"))
    return rules


def needed(table: Table, column: Column) -> bool:
    """Tell whether a row means nothing without a readable value; of any other column only the value is lost."""
    return (column.required and column.default is None) or column.name == table.occurred_at


def implausible(name: str, tomorrow: str) -> str:
    """Return the SQL condition of a date that cannot be: a placeholder, a slip of the year."""
    latest = f"{int(tomorrow[:4]) + NEVER_YEARS}{tomorrow[4:7]}-01"
    return f"\"{name}\" < DATE '{EARLIEST}' OR \"{name}\" >= DATE '{latest}'"


def outside(column: Column) -> str:
    """Return the SQL condition of a number outside the range of its column, empty where there is no range."""
    bounds = [
        f'"{column.name}" {sign} {bound!r}'
        for sign, bound in (("<", column.minimum), (">", column.maximum))
        if bound is not None
    ]
    return " OR ".join(bounds)
