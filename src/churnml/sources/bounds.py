"""What a value may be: the range of numbers, and the days between the first plausible date and "never"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import duckdb

from churnml.sources.sql import identifier, tried
from churnml.tables import Column, Table
from churnml.tables.row_rules import EARLIEST, NEVER_YEARS, needed, outside

__all__ = ["bounded_columns"]

_AHEAD_YEARS = 10

_ENDLESS_COLUMNS = ("ends_on", "terminated_on", "left_at", "due_on", "paid_on", "closed_at", "solved_at")


def bounded_columns(
    db: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Sequence[Column],
    reads: Mapping[str, str],
    cleaned: str,
    tomorrow: date,
) -> list[str]:
    """Return the SQL of the columns' final values, and of what about them is to be noted.

    Parameters
    ----------
    db : DuckDB connection
        Where `cleaned` can be run.
    table : Table
        The canonical table.
    columns : sequence of Column
        Its mapped columns and the attributes.
    reads : mapping of str to str
        Column → SQL of its value over `cleaned`; it is ``read:c`` where the SQL that is returned is used.
    cleaned : str
        A query with ``clean:c`` for every column ``c``.
    tomorrow : date
        The first day that lies ahead.
    """
    ends = [
        column.name
        for column in columns
        if column.name in _ENDLESS_COLUMNS and column.dtype in ("date", "timestamp") and not needed(table, column)
    ]
    latest = _latest(db, {name: reads[name] for name in ends}, cleaned, tomorrow)
    return [sql for column in columns for sql in _bounded(table, column, latest, tomorrow)]


def _bounded(table: Table, column: Column, latest: dict[str, str], tomorrow: date) -> list[str]:
    """Return the SQL of a column's final value, of whether it was given, and of what about it is to be noted.

    An optional time that is a placeholder (1900-01-01, 9999-12-31) is absent, and so was not given either.
    """
    name, value = column.name, identifier(f"read:{column.name}")
    given = f"{identifier(f'clean:{name}')} IS NOT NULL"
    columns: list[str] = []
    if column.dtype != "string" and not needed(table, column):
        columns.append(f"({given}) AND ({value}) IS NULL AS {identifier(f'unreadable:{name}')}")
        beyond = outside(replace(column, name=f"read:{name}"))
        if beyond:
            columns.append(f"coalesce({beyond}, false) AS {identifier(f'outside:{name}')}")
            value = f"CASE WHEN NOT ({beyond}) THEN {value} END"
        given = f"({given}) AND ({value}) IS NOT NULL"
    if column.dtype in ("date", "timestamp") and not needed(table, column):
        end = latest.get(name, _in_years(tomorrow, NEVER_YEARS))
        flag = "endless" if name in _ENDLESS_COLUMNS else "beyond"
        columns += [
            f"coalesce({value} >= DATE '{end}', false) AS {identifier(f'{flag}:{name}')}",
            f"coalesce({value} < DATE '{EARLIEST}', false) AS {identifier(f'placeholder:{name}')}",
        ]
        never = f"coalesce({value} < DATE '{EARLIEST}' OR {value} >= DATE '{end}', false)"
        given = f"({given}) AND NOT {never}"
        value = f"CASE WHEN NOT {never} THEN {value} END"
    if column.values and not column.required:
        columns.append(f"({given}) AND ({value}) IS NULL AS {identifier(f'unknown:{name}')}")
    return [*columns, f"{given} AS {identifier(f'given:{name}')}", f"{value} AS {identifier(name)}"]


def _latest(db: duckdb.DuckDBPyConnection, ends: Mapping[str, str], cleaned: str, tomorrow: date) -> dict[str, str]:
    """Return, per column of ends, the first day that is no date any more but a placeholder for "never".

    It lies 30 years ahead, or earlier where nothing is dated for ten years and then something is, ten years ahead or
    more: 2049-12-31 behind terms that end in 2027.
    """
    if not ends:
        return {}
    read = ", ".join(f"{value} AS {identifier(f'read:{name}')}" for name, value in ends.items())
    years = ", ".join(
        f"list(DISTINCT year({value})) FILTER (isfinite({value}) AND year({value}) >= {tomorrow.year})"
        for value in (identifier(f"read:{name}") for name in ends)
    )
    row = tried(db, f"SELECT {years} FROM (SELECT {read} FROM ({cleaned}))")
    return {name: _never(ends_of or [], tomorrow) for name, ends_of in zip(ends, row, strict=False)}


def _never(years: list[int], tomorrow: date) -> str:
    """Return the first day of "never", from the years ahead in which something ends.

    Examples
    --------
    >>> _never([2026, 2027, 2049], date(2026, 3, 1)), _never([2026, 2030, 2037], date(2026, 3, 1))
    ('2049-01-01', '2056-01-01')
    """
    last = tomorrow.year
    for year in sorted(years):
        if year >= tomorrow.year + _AHEAD_YEARS and year - last > _AHEAD_YEARS:
            return f"{year}-01-01"
        last = year
    return _in_years(tomorrow, NEVER_YEARS)


def _in_years(day: date, years: int) -> str:
    return f"{day.year + years}-01-01"
