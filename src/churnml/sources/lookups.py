"""Lets each row of a raw table take columns of the row of another table that it names."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from churnml.config import LookupSource
from churnml.errors import near_name
from churnml.language import Several, Text
from churnml.sources.raw import Raw
from churnml.sources.sql import described, identifier, problem

__all__ = ["column_of", "with_lookup"]


def with_lookup(db: duckdb.DuckDBPyConnection, name: str, own: Raw, other: Raw, via: LookupSource) -> Raw:
    """Return a raw table with the columns that its rows take of another one.

    A row that names nothing, what the other table does not have, or what it gives to several accounts, gets no value.

    Parameters
    ----------
    db : DuckDB connection
        Joins.
    name : str
        What the raw table is called among all; names the table of the lookup.
    own, other : Raw
        The table, and the one that is looked up.
    via : LookupSource
        The section ``via`` of the config.
    """
    place = f"{own.place}.via"
    column = column_of(own, via.column, f"{place}.column")
    match = column_of(other, via.matches or via.column, f"{place}.matches")
    take = [column_of(other, each, f"{place}.take") for each in via.take]
    taken = ", ".join(
        f"CASE WHEN count(DISTINCT {identifier(each)}) = 1 THEN any_value({identifier(each)}) END AS {identifier(each)}"
        for each in take
    )
    key = f"trim(CAST({identifier(match)} AS VARCHAR))"
    table = identifier(f"lookup:{name}")
    lookup = f"SELECT {key} AS matched_key, {taken} FROM {other.relation} WHERE {key} <> '' GROUP BY 1"
    db.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {lookup}")
    overlap = [each for each in own.columns if each.casefold() in {t.casefold() for t in take}]
    star = "own.*" + (f" EXCLUDE ({', '.join(map(identifier, overlap))})" if overlap else "")
    picked = ", ".join(f"looked_up.{identifier(each)}" for each in take)
    named = f"trim(CAST(own.{identifier(column)} AS VARCHAR))"
    relation = (
        f"(SELECT {star}, {picked} FROM {own.relation} AS own "
        f"LEFT JOIN {table} AS looked_up ON {named} = looked_up.matched_key)"
    )
    notes = _notes(db, own, column, via, take, table)
    return replace(own, relation=relation, columns=described(db, relation), notes=(*own.notes, *notes))


def _notes(
    db: duckdb.DuckDBPyConnection, own: Raw, column: str, via: LookupSource, take: list[str], table: str
) -> list[Text]:
    """Say how many rows name what the other table does not have, or has for several accounts."""
    key = f"trim(CAST({identifier(column)} AS VARCHAR))"
    matched = " OR ".join(f"looked_up.{identifier(each)} IS NOT NULL" for each in take)
    row = db.execute(
        f"SELECT count_if({key} <> '' AND looked_up.matched_key IS NULL), "
        f"count_if(looked_up.matched_key IS NOT NULL AND NOT ({matched})) FROM {own.relation} AS own "
        f"LEFT JOIN {table} AS looked_up ON {key} = looked_up.matched_key"
    ).fetchone()
    unknown, several = (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)
    called = own.place.removeprefix("tables.")
    notes = []
    if unknown:
        notes.append(Text.of("data-lookup", table=called, n=unknown, column=column, other=via.from_))
    if several:
        notes.append(Text.of("data-lookup.several", table=called, n=several, column=column, other=via.from_))
    return notes


def column_of(raw: Raw, name: str, where: str) -> str:
    """Return a raw column as it is spelt.

    Raises
    ------
    DataError
        The raw table does not have it.
    """
    for column in raw.columns:
        if column.casefold() == name.casefold():
            return column
    near = near_name(name, raw.columns)
    raise problem(
        "CHK004",
        Text.of("data-no_column", origin=raw.origin, column=repr(name)),
        where=where,
        got=Text.of("data-columns", names=Several(parts=tuple(raw.columns))),
        expected=Text.of("data-perhaps", name=near) if near else None,
        remedy=Text.of("data-write", it=near) if near else None,
    )
