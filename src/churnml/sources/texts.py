"""Cleans texts: of a large raw table each distinct one is looked at once, and those that are clean stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from churnml.config import ColumnSource
from churnml.sources.dates import is_plain_time
from churnml.sources.held import held
from churnml.sources.parsing import clean, trimmed, unwrapped
from churnml.sources.raw import Raw
from churnml.sources.sql import identifier, literal
from churnml.tables import Column

__all__ = ["Texts", "texts_of", "whole_floats", "with_texts"]

_MOST_DISTINCT = 2_000_000
"""Of more distinct texts of a column every row is looked at instead: they are not held in memory."""

_MOST_CHANGED = 16
"""So many texts that cleaning changes are written into the SQL, each with what becomes of it."""

_DISTINCT = "texts:distinct"
_ENOUGH_ROWS = 20_000
"""Where every row is looked at and cleaning changes so many, it changes too many."""


@dataclass(frozen=True)
class Texts:
    """What the texts of a raw column are like.

    Parameters
    ----------
    changed : dict of str to (str or None), optional
        The texts that cleaning changes, and what becomes of them; None where they are too many.
    are_whole_floats : bool
        Whether all are written as 12.0.
    are_plain_times : bool
        Whether each of a column of dates or times `is_plain_time`.
    """

    changed: dict[str, str | None] | None
    are_whole_floats: bool = False
    are_plain_times: bool = False

    def cleaned(self, raw: str) -> str:
        """Return the SQL of a cleaned value, where not too many are changed.

        Examples
        --------
        >>> print(Texts({}).cleaned("v"))
        v
        >>> print(Texts({"nan": None, "a ": "a"}).cleaned("v"))
        CASE v WHEN 'nan' THEN NULL WHEN 'a ' THEN 'a' ELSE v END
        """
        whens = "".join(
            f" WHEN {literal(text)} THEN {'NULL' if value is None else literal(value)}"
            for text, value in (self.changed or {}).items()
        )
        return f"CASE {raw}{whens} ELSE {raw} END" if whens else raw


def texts_of(
    db: duckdb.DuckDBPyConnection,
    raw: Raw,
    every: Mapping[str, tuple[Column, ColumnSource]],
    types: Mapping[str, str],
) -> dict[str, Texts]:
    """Look at the texts of a large raw table.

    Parameters
    ----------
    db : DuckDB connection
        Reads the raw table.
    raw : Raw
        The raw table.
    every : mapping
        Canonical column → itself and its section in the config.
    types : mapping of str to str
        Canonical column → DuckDB type of its raw value.

    Returns
    -------
    dict of str to Texts
        By canonical column. Those of small tables, of other types, of expressions and of translated words are not
        among them.
    """
    names = {name.casefold(): name for name in raw.columns}
    columns = {
        name: identifier(names[item.column.casefold()])
        for name, (_, item) in every.items()
        if item.column is not None and not item.words and types[name] == "VARCHAR"
    }
    if raw.is_small or not columns:
        return {}
    try:
        counts = ", ".join(f"approx_count_distinct({column})" for column in columns.values())
        distinct = db.execute(f"SELECT {counts} FROM {raw.relation}").fetchone() or ()
        return {
            name: _texts(db, raw, column, *every[name], distinct=count)
            for (name, column), count in zip(columns.items(), distinct, strict=True)
        }
    except duckdb.Error:  # whoever reads the rows tells what is wrong with them
        return {}
    finally:
        db.execute(f"DROP TABLE IF EXISTS {identifier(_DISTINCT)}")


def _texts(
    db: duckdb.DuckDBPyConnection, raw: Raw, text: str, column: Column, source: ColumnSource, *, distinct: int
) -> Texts:
    values, most = f'SELECT {text} AS "raw:v" FROM {raw.relation}', _ENOUGH_ROWS
    if distinct <= _MOST_DISTINCT:
        values, most = held(db, _DISTINCT, f"{values} GROUP BY 1"), _MOST_CHANGED + 1
    if column.dtype in ("date", "timestamp") and source.format is None:
        is_plain = is_plain_time(identifier("raw:v"), source.timezone)
        row = db.execute(f"SELECT bool_and({is_plain}) FROM ({values})").fetchone()
        if row and row[0]:  # no such text is anything that cleaning changes
            return Texts({}, are_plain_times=True)
    value, _ = clean(identifier("text:v"), "VARCHAR", column, source)
    read = f'SELECT "raw:v" AS v, {value} AS cleaned FROM ({with_texts(values, {"v": "raw:v"})})'
    # Where there are more, the first ones are enough to know it.
    some = f"SELECT v, cleaned FROM ({read}) WHERE cleaned IS DISTINCT FROM v LIMIT {most}"
    rows = db.execute(f"SELECT v, cleaned, count(*) FROM ({some}) GROUP BY v, cleaned ORDER BY v").fetchall()
    changed = {v: cleaned for v, cleaned, _ in rows}
    are_all = sum(count for *_, count in rows) < most and len(rows) <= _MOST_CHANGED
    return Texts(
        changed if are_all and not any("\0" in v for v in changed) else None,
        column.name.endswith("_id") and bool(whole_floats(db, f"({values})", ['"raw:v"'])),
    )


def whole_floats(db: duckdb.DuckDBPyConnection, relation: str, columns: Iterable[str]) -> frozenset[str]:
    """Return the columns of texts that were exported as 12.0, 13.0 …, as pandas does when some ids are missing.

    Parameters
    ----------
    db : DuckDB connection
        Reads the relation.
    relation : str
        SQL that stands in a FROM clause.
    columns : iterable of str
        SQL of the columns.
    """
    columns = list(dict.fromkeys(columns))
    if not columns:
        return frozenset()
    values = [f"trim({column})" for column in columns]
    tests = ", ".join(
        f"bool_and(regexp_full_match({value}, '\\d+\\.0+')) FILTER (lower({value}) NOT IN ('', 'nan', 'null', 'none'))"
        for value in values
    )
    row = db.execute(f"SELECT {tests} FROM {relation}").fetchone() or ()
    return frozenset(column for column, are_whole in zip(columns, row, strict=False) if are_whole)


def with_texts(raw_select: str, names: Mapping[str, str]) -> str:
    """Return the raw query with ``text:…`` of some columns: each step names what the step before worked out.

    Parameters
    ----------
    raw_select : str
        A query of raw values.
    names : mapping of str to str
        Column → name of its raw value.
    """
    if not names:
        return raw_select
    first = ", ".join(f"{trimmed(identifier(raw))} AS {identifier(f'trimmed:{name}')}" for name, raw in names.items())
    again = ", ".join(f"{unwrapped(identifier(f'trimmed:{name}'))} AS {identifier(f'text:{name}')}" for name in names)
    done = ", ".join(identifier(f"trimmed:{name}") for name in names)
    return f"SELECT * EXCLUDE ({done}), {again} FROM (SELECT *, {first} FROM ({raw_select}))"
