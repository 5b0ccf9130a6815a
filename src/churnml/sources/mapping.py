"""Turns one table's section of the config into SQL: raw columns in, typed canonical columns out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import duckdb

from churnml.config import ColumnSource, TableSource
from churnml.errors import near_name
from churnml.sources.parsing import ENDLESS, clean, parse
from churnml.sources.raw import Raw
from churnml.sources.sql import DUCKDB_TYPE, constant, identifier, problem
from churnml.tables import Column, Table

__all__ = ["Mapping", "map_table", "wanted_columns"]

_FALLBACKS = {("surveys", "sent_at"): "responded_at", ("contacts", "left_known_at"): "left_at"}
"""A time that stands for another one which is absent."""

_ENDLESS_COLUMNS = ("ends_on", "terminated_on", "left_at", "due_on", "paid_on", "closed_at", "solved_at")


@dataclass(frozen=True)
class Mapping:
    """SQL of one canonical table.

    Parameters
    ----------
    table : Table
        The canonical table.
    select : str
        A query with, for every mapped column ``c``: ``c`` in its canonical type, ``given:c``, ``raw:c`` (the raw
        value), where they apply ``unknown:c`` and ``endless:c``, and every raw column ``x`` as ``column:x``.
    mapped : tuple of str
        Canonical columns that the source supplies, in order; generated ids and defaults are not among them.
    attributes : tuple of str
        Extra account attributes.
    raw_columns : tuple of str
        Names of the raw columns.
    expressions : dict of str to str
        Column that has an `expr` → its key in the config.
    """

    table: Table
    select: str
    mapped: tuple[str, ...]
    attributes: tuple[str, ...]
    raw_columns: tuple[str, ...]
    expressions: dict[str, str]

    @property
    def present(self) -> tuple[str, ...]:
        """Canonical columns that `select` has: the mapped ones and those that another one stands for."""
        stood_for = (
            name for (owner, name), other in _FALLBACKS.items() if owner == self.table.name and other in self.mapped
        )
        return (*self.mapped, *(name for name in stood_for if name not in self.mapped))

    @property
    def known_early(self) -> str | None:
        """SQL condition of rows that claim to be known before they happened, or None where that cannot be."""
        occurred = self.table.occurred_at
        if occurred is None or self.table.may_lie_ahead or not {occurred, "known_at"} <= {*self.mapped}:
            return None
        return f'"known_at" < CAST("{occurred}" AS TIMESTAMP)'

    @property
    def output(self) -> dict[str, str]:
        """Canonical column, then extra attribute → SQL of its final value over `select`."""
        columns = {column.name: self._final(column) for column in self.table.columns}
        return {**columns, **{name: identifier(name) for name in self.attributes}}

    def _final(self, column: Column) -> str:
        kind = DUCKDB_TYPE[column.dtype]
        name = column.name
        occurred = self.table.occurred_at
        value = f"CAST({identifier(name)} AS {kind})" if name in self.present else f"CAST(NULL AS {kind})"
        if self.table.key == (name,) and name not in self.mapped:
            parts = ", ".join(f"coalesce(CAST({identifier(other)} AS VARCHAR), '')" for other in self.mapped)
            return f"md5(concat_ws(chr(31), {parts}))"
        if name == "known_at" and occurred is not None:
            happened = f"CAST({identifier(occurred)} AS TIMESTAMP)"
            if name not in self.mapped:
                return happened
            return value if self.known_early is None else f"greatest(coalesce({value}, {happened}), {happened})"
        if column.default is not None:
            return f"coalesce({value}, CAST({constant(column.default)} AS {kind}))"
        return value


def wanted_columns(table: Table, source: TableSource) -> Callable[[Iterable[str]], list[str]]:
    """Return the function that picks, of the raw columns, those that the mapping reads.

    Examples
    --------
    >>> from churnml.tables import TABLES
    >>> source = TableSource.model_validate({"from": "t", "columns": {"event_type": {"expr": "lower(kind)"}}})
    >>> wanted_columns(TABLES["events"], source)(["account_id", "kind", "payload"])
    ['account_id', 'kind']
    """

    def pick(raw_columns: Iterable[str]) -> list[str]:
        names = list(raw_columns)
        sources = [item for item in (*source.columns.values(), *source.attributes.values()) if item is not None]
        texts = [text for text in (source.where, *(item.expr for item in sources)) if text]
        exact = {item.column.casefold() for item in sources if item.column is not None}
        canonical = {name for name in table.column_names if name not in source.columns}
        return [
            name
            for name in names
            if name.casefold() in exact or name.casefold() in canonical or any(_mentions(text, name) for text in texts)
        ]

    return pick


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, flags=re.IGNORECASE) is not None


def map_table(db: duckdb.DuckDBPyConnection, table: Table, source: TableSource, raw: Raw) -> Mapping:
    """Work out how a raw table becomes a canonical one.

    Parameters
    ----------
    db : DuckDB connection
        Where the raw table can be read.
    table : Table
        The canonical table.
    source : TableSource
        Its section in the config.
    raw : Raw
        The raw table.

    Raises
    ------
    DataError
        A raw column does not exist, a needed one is not mapped, or an expression cannot be evaluated.
    """
    sources = _sources(table, source, raw)
    attributes = {name: (_text_column(name), item) for name, item in source.attributes.items()}
    for name in attributes:
        if name in table.column_names or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise problem(
                "CHK004",
                f"An attribute cannot be called {name!r}",
                where=f"tables.{table.name}.attributes.{name}",
                expected="a lower-case name that is not already a column of accounts",
                remedy="Rename the attribute.",
            )
    every = {**{name: (table[name], item) for name, item in sources.items()}, **attributes}
    raw_select = _raw_select(db, table, source, raw, every)
    types = {row[0]: row[1] for row in db.execute(f"DESCRIBE {raw_select}").fetchall()}
    cleaned, parsed = ["*"], ["*"]  # two steps, so that DuckDB cleans a value once and reads it often
    for name, (column, item) in every.items():
        key = f"raw:{name}"
        value, kind = clean(identifier(key), types[key], column, item)
        cleaned.append(f"{value} AS {identifier(f'clean:{name}')}")
        whole = name.endswith("_id") and types[key] == "VARCHAR" and _whole_floats(db, raw, item)
        parsed += _parsed_columns(
            table, column, parse(identifier(f"clean:{name}"), kind, column, item, whole_floats=whole)
        )
    inner = f"SELECT {', '.join(parsed)} FROM (SELECT {', '.join(cleaned)} FROM ({raw_select}))"
    for (owner, name), other in _FALLBACKS.items():
        if owner == table.name and other in every:
            inner = _with_fallback(inner, name, other, mapped=name in every)
    expressions = {name: _key(table, name) for name, (_, item) in every.items() if item.expr is not None}
    return Mapping(table, inner, tuple(sources), tuple(attributes), tuple(raw.columns), expressions)


def _key(table: Table, name: str) -> str:
    """Return the config key of a canonical column or an attribute."""
    return f"tables.{table.name}.{'columns' if name in table.column_names else 'attributes'}.{name}"


def _sources(table: Table, source: TableSource, raw: Raw) -> dict[str, ColumnSource]:
    """Return where each canonical column comes from: named in the config, or a raw column of the same name."""
    by_name = {name.casefold(): name for name in raw.columns}
    sources: dict[str, ColumnSource] = {}
    for column in table.columns:
        item = source.columns.get(column.name)
        if column.name not in source.columns and column.name in by_name:
            item = ColumnSource(column=by_name[column.name])
        if item is not None:
            sources[column.name] = item
    for name, item in (*sources.items(), *source.attributes.items()):
        if item.column is not None and item.column.casefold() not in by_name:
            raise _unknown_column(_key(table, name), item.column, raw)
    for column in table.columns:
        generated = table.key == (column.name,) or (table.name, column.name) in _FALLBACKS
        if column.required and column.default is None and column.name not in sources and not generated:
            raise _unmapped(table, column, raw)
    if table.name == "surveys" and not {"sent_at", "responded_at"} & {*sources}:
        raise _unmapped(table, table["sent_at"], raw)
    return sources


def _raw_select(
    db: duckdb.DuckDBPyConnection,
    table: Table,
    source: TableSource,
    raw: Raw,
    every: dict[str, tuple[Column, ColumnSource]],
) -> str:
    """Return the query of the raw values: expressions are evaluated over typed columns, the rest as it stands."""
    expressions = [item.expr for _, item in every.values() if item.expr is not None]
    texts = [text for text in (source.where, *expressions) if text]
    typed = {name: _sql_type(db, raw, name) for name in raw.columns if any(_mentions(text, name) for text in texts)}
    columns = [f"{identifier(name)} AS {identifier(f'column:{name}')}" for name in raw.columns]
    columns += [
        f"try_cast(nullif(trim({identifier(name)}), '') AS {kind}) AS {identifier(name)}"
        if kind != raw.columns[name]
        else identifier(name)
        for name, kind in typed.items()
    ]
    base = f"SELECT {', '.join(columns)} FROM {raw.relation}"
    if source.where:
        _bound(db, f"SELECT count(*) FROM ({base}) WHERE ({source.where})", f"tables.{table.name}.where", source.where)
    names = {name.casefold(): name for name in raw.columns}
    values = []
    for name, (_, item) in every.items():
        if item.expr is not None:
            _bound(db, f"SELECT ({item.expr}) FROM ({base})", _key(table, name), item.expr)
            value = f"({item.expr})"
        elif item.column is not None:
            value = identifier(f"column:{names[item.column.casefold()]}")
        else:
            value = constant(item.value) if item.value is not None else "NULL"
        values.append(f"{value} AS {identifier(f'raw:{name}')}")
    raw_columns = [identifier(f"column:{name}") for name in raw.columns]
    condition = f" WHERE ({source.where})" if source.where else ""
    return f"SELECT {', '.join([*raw_columns, *values])} FROM ({base}){condition}"


def _sql_type(db: duckdb.DuckDBPyConnection, raw: Raw, name: str) -> str:
    """Return the type that every value of a text column has, so that SQL in the config can calculate with it."""
    if raw.columns[name] != "VARCHAR":
        return raw.columns[name]
    value = f"nullif(trim({identifier(name)}), '')"
    shapes = {
        "BIGINT": f"regexp_full_match({value}, '-?(0|[1-9]\\d{{0,17}})')",
        "DOUBLE": f"regexp_full_match({value}, '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?')",
        "DATE": f"regexp_full_match({value}, '\\d{{4}}-\\d{{2}}-\\d{{2}}') AND try_cast({value} AS DATE) IS NOT NULL",
        "TIMESTAMP": f"NOT regexp_matches({value}, '([zZ]|:\\d+ ?[+-]\\d.*)$') "
        f"AND regexp_matches({value}, '^\\d{{4}}-') AND try_cast({value} AS TIMESTAMP) IS NOT NULL",
    }
    tests = ", ".join(f"bool_and({shape})" for shape in shapes.values())
    row = db.execute(f"SELECT {tests} FROM {raw.relation} WHERE {value} IS NOT NULL").fetchone()
    return next((kind for kind, holds in zip(shapes, row or (), strict=True) if holds), "VARCHAR")


def _bound(db: duckdb.DuckDBPyConnection, query: str, where: str, sql: str) -> None:
    """Check that DuckDB can make sense of a query, without running it."""
    try:
        db.execute(f"DESCRIBE {query}")
    except duckdb.Error as error:
        raise problem(
            "CHK005", "The SQL cannot be evaluated", where=where, got=f"{sql!r}: {str(error).splitlines()[0]}"
        ) from error


def _whole_floats(db: duckdb.DuckDBPyConnection, raw: Raw, item: ColumnSource) -> bool:
    """Tell whether an id column was exported as 12.0, 13.0 …, as pandas does when some ids are missing."""
    if item.column is None:
        return False
    name = next(name for name in raw.columns if name.casefold() == item.column.casefold())
    test = f"bool_and(regexp_full_match(trim({identifier(name)}), '\\d+\\.0+'))"
    row = db.execute(
        f"SELECT {test} FROM {raw.relation} WHERE lower(trim({identifier(name)})) NOT IN ('', 'nan', 'null', 'none')"
    ).fetchone()
    return bool(row and row[0])


def _parsed_columns(table: Table, column: Column, value: str) -> list[str]:
    name = column.name
    given = f"{identifier(f'clean:{name}')} IS NOT NULL"
    columns = [f"{given} AS {identifier(f'given:{name}')}"]
    if name in _ENDLESS_COLUMNS and table.occurred_at != name:
        columns.append(f"coalesce({value} >= DATE '{ENDLESS}', false) AS {identifier(f'endless:{name}')}")
        # An end that means "never" is absent, so it was not given either: it did not fail to parse.
        columns[0] = f"({given}) AND NOT coalesce({value} >= DATE '{ENDLESS}', false) AS {identifier(f'given:{name}')}"
        value = f"CASE WHEN {value} < DATE '{ENDLESS}' THEN {value} END"
    if column.values and not column.required:
        columns.append(f"({given}) AND ({value}) IS NULL AS {identifier(f'unknown:{name}')}")
    return [*columns, f"{value} AS {identifier(name)}"]


def _with_fallback(inner: str, name: str, other: str, *, mapped: bool) -> str:
    """Let one time stand for another where that one is absent; a value that cannot be read stays a failure."""
    if not mapped:
        given = f"{identifier(f'given:{other}')} AS {identifier(f'given:{name}')}"
        return f"SELECT *, {identifier(other)} AS {identifier(name)}, {given} FROM ({inner})"
    was = identifier(f"given:{name}")
    return (
        f"SELECT * REPLACE (CASE WHEN {was} THEN {identifier(name)} ELSE {identifier(other)} END "
        f"AS {identifier(name)}, {was} OR {identifier(f'given:{other}')} AS {was}) FROM ({inner})"
    )


def _text_column(name: str) -> Column:
    return Column(name, "string", "An account attribute of the company's own")


def _unknown_column(where: str, name: str, raw: Raw) -> Exception:
    near = near_name(name, raw.columns)
    return problem(
        "CHK004",
        f"{raw.origin} has no column {name!r}",
        where=where,
        got=f"columns: {', '.join(raw.columns)}",
        expected=f"{near} perhaps" if near else None,
        remedy=f"Write `{near}`." if near else None,
    )


def _unmapped(table: Table, column: Column, raw: Raw) -> Exception:
    near = near_name(column.name, raw.columns)
    return problem(
        "CHK006",
        f"Nothing is mapped to {table.name}.{column.name}, which the table cannot do without",
        where=f"tables.{table.name}.columns.{column.name}",
        got=f"{raw.origin} has the columns {', '.join(raw.columns)}",
        expected=f"{column.description} ({column.dtype}); {near} perhaps" if near else column.description,
    )
