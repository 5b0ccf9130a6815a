"""What a mapping reads of a raw table: the source of every canonical column, the rows that count, and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import duckdb

from churnml.config import ColumnSource, TableSource
from churnml.errors import near_name
from churnml.language import Text
from churnml.sources.expressions import ColumnType, bind, mentioned
from churnml.sources.raw import Raw
from churnml.sources.sql import constant, identifier, problem
from churnml.tables import Column, Table

__all__ = ["FALLBACKS", "column_sources", "config_key", "left_out", "raw_names", "raw_query", "wanted_columns"]

FALLBACKS = {("surveys", "sent_at"): "responded_at", ("contacts", "left_known_at"): "left_at"}
"""A time that stands for another one which is absent."""


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
        named = {name for text in texts for name in mentioned(text, names)}
        return [name for name in names if name.casefold() in exact or name.casefold() in canonical or name in named]

    return pick


def config_key(place: str, table: Table, name: str) -> str:
    """Return the config key of a canonical column or an attribute; `place` is the key of the raw table."""
    return f"{place}.{'columns' if name in table.column_names else 'attributes'}.{name}"


def column_sources(table: Table, source: TableSource, raw: Raw) -> dict[str, ColumnSource]:
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
            raise _unknown_column(config_key(raw.place, table, name), item.column, raw)
    for column in table.columns:
        generated = table.key == (column.name,) or (table.name, column.name) in FALLBACKS
        if column.required and column.default is None and column.name not in sources and not generated:
            raise _unmapped(table, column, raw)
    if table.name == "surveys" and not {"sent_at", "responded_at"} & {*sources}:
        raise _unmapped(table, table["sent_at"], raw)
    return sources


def raw_names(raw: Raw, every: Mapping[str, tuple[Column, ColumnSource]]) -> dict[str, str]:
    """Return what each canonical column's raw value is called in `raw_query`: it is a raw column, or worked out."""
    names = {name.casefold(): name for name in raw.columns}
    return {
        name: f"raw:{name}" if item.column is None else f"column:{names[item.column.casefold()]}"
        for name, (_, item) in every.items()
    }


def raw_query(
    db: duckdb.DuckDBPyConnection,
    table: Table,
    source: TableSource,
    raw: Raw,
    every: dict[str, tuple[Column, ColumnSource]],
) -> tuple[str, str, str | None]:
    """Return the query of the raw values, the query below it, and the condition of the rows that count."""
    expressions = [item.expr for _, item in every.values() if item.expr is not None]
    texts = [text for text in (source.where, *expressions) if text]
    typed = _sql_types(db, raw, [name for name in raw.columns if any(mentioned(text, [name]) for text in texts)])
    columns = [f"{identifier(name)} AS {identifier(f'column:{name}')}" for name in raw.columns]
    columns += [
        f"try_cast(nullif(trim({identifier(name)}), '') AS {kind.sql}) AS {identifier(name)}"
        if kind.sql != raw.columns[name]
        else identifier(name)
        for name, kind in typed.items()
    ]
    base = f"SELECT {', '.join(columns)} FROM {raw.relation}"
    ids = frozenset(
        item.column.casefold()
        for column, item in every.values()
        if column.dtype == "string" and item.column is not None
    )

    def bound(sql: str, key: str, *, wants_text: bool) -> str:
        own = {name: typed[name] for name in mentioned(sql, typed)}
        return bind(db, sql, own, base, key, wants_text=wants_text, ids=ids)

    condition = bound(source.where, f"{raw.place}.where", wants_text=False) if source.where else None
    values = []
    for name, (column, item) in every.items():
        if item.column is not None:
            continue
        if item.expr is not None:
            value = f"({bound(item.expr, config_key(raw.place, table, name), wants_text=column.dtype == 'string')})"
        else:
            value = constant(item.value) if item.value is not None else "NULL"
        values.append(f"{value} AS {identifier(f'raw:{name}')}")
    raw_columns = [identifier(f"column:{name}") for name in raw.columns]
    rows = f" WHERE ({condition})" if condition else ""
    return f"SELECT {', '.join([*raw_columns, *values])} FROM ({base}){rows}", base, condition


def left_out(
    db: duckdb.DuckDBPyConnection, place: str, source: TableSource, base: str, condition: str | None
) -> tuple[int, int]:
    """Count the rows that `where` leaves out, and those of them that it does not decide."""
    if condition is None:
        return 0, 0
    try:
        row = db.execute(
            f"SELECT count_if(NOT coalesce(({condition}), false)), count_if(({condition}) IS NULL) FROM ({base})"
        ).fetchone()
    except duckdb.Error as error:
        raise problem(
            "CHK005",
            Text.of("data-condition"),
            where=f"{place}.where",
            got=f"{source.where!r}: {str(error).splitlines()[0]}",
        ) from error
    return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)


def _sql_types(db: duckdb.DuckDBPyConnection, raw: Raw, names: list[str]) -> dict[str, ColumnType]:
    """Return the type that every value of each text column has, so that SQL in the config can calculate with it."""
    texts = [name for name in names if raw.columns[name] == "VARCHAR"]
    tests: list[str] = []
    for name in texts:
        value = f"nullif(trim({identifier(name)}), '')"
        tests += [f"bool_and({shape}) FILTER ({value} IS NOT NULL)" for shape in _shapes(value).values()]
    row = (db.execute(f"SELECT {', '.join(tests)} FROM {raw.relation}").fetchone() or ()) if texts else ()
    kinds = list(_shapes("v"))
    types = {}
    for name in names:
        if name not in texts:
            types[name] = ColumnType(raw.columns[name], is_text=False)
            continue
        place = texts.index(name) * len(kinds)
        holds = dict(zip(kinds, row[place : place + len(kinds)], strict=True))
        kind = next((kind for kind in kinds if kind != "exact" and holds[kind]), "VARCHAR")
        types[name] = ColumnType(kind, exact=kind != "DOUBLE" or bool(holds["exact"]))
    return types


def _shapes(value: str) -> dict[str, str]:
    """Return the SQL of whether a text reads as a type, the narrowest first, and as an exact number."""
    return {
        # Fifteen digits are what a floating-point number gives back; a zero at the end it does not.
        "exact": f"strlen({value}) <= 16 AND regexp_full_match({value}, '-?(0|[1-9]\\d*)(\\.\\d*[1-9])?')",
        "BIGINT": f"regexp_full_match({value}, '0|-?[1-9]\\d{{0,17}}')",
        "HUGEINT": f"regexp_full_match({value}, '0|-?[1-9]\\d{{0,36}}')",
        "DOUBLE": f"regexp_full_match({value}, '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?')",
        "DATE": f"regexp_full_match({value}, '\\d{{4}}-\\d{{2}}-\\d{{2}}') AND try_cast({value} AS DATE) IS NOT NULL",
        "TIMESTAMP": f"NOT regexp_matches({value}, '([zZ]|:\\d+ ?[+-]\\d.*)$') "
        f"AND regexp_matches({value}, '^\\d{{4}}-') AND try_cast({value} AS TIMESTAMP) IS NOT NULL",
    }


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
        where=f"{raw.place}.columns.{column.name}",
        got=f"{raw.origin} has the columns {', '.join(raw.columns)}",
        expected=f"{column.description} ({column.dtype}); {near} perhaps" if near else column.description,
    )
