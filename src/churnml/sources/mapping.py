"""Turns one table's section of the config into SQL: raw columns in, typed canonical columns out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import duckdb

from churnml.config import ColumnSource, TableSource
from churnml.errors import near_name
from churnml.sources.dates import day_as_written
from churnml.sources.expressions import ColumnType, bind, mentioned
from churnml.sources.numbers import AMBIGUOUS_COMMAS, AMBIGUOUS_POINTS, shows_comma_decimals, shows_point_decimals
from churnml.sources.parsing import clean, parse, unusual
from churnml.sources.raw import Raw
from churnml.sources.sql import DUCKDB_TYPE, constant, identifier, problem
from churnml.tables import Column, Table
from churnml.tables.checks import EARLIEST, NEVER_YEARS, needed, outside

__all__ = ["Mapping", "map_table", "wanted_columns"]

_FALLBACKS = {("surveys", "sent_at"): "responded_at", ("contacts", "left_known_at"): "left_at"}
"""A time that stands for another one which is absent."""

_AHEAD_YEARS = 10

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
    sources : dict of str to ColumnSource
        Column → its section in the config.
    filtered : tuple of int
        Rows that `where` leaves out, and how many of them because the condition is neither true nor false.
    where : str or None
        The condition as it stands in the config.
    used_columns : tuple of str
        Raw columns that the mapping reads.
    """

    table: Table
    select: str
    mapped: tuple[str, ...]
    attributes: tuple[str, ...]
    raw_columns: tuple[str, ...]
    expressions: dict[str, str]
    sources: dict[str, ColumnSource] = field(default_factory=dict)
    filtered: tuple[int, int] = (0, 0)
    where: str | None = None
    used_columns: tuple[str, ...] = ()

    @property
    def makes_key(self) -> bool:
        """Tell whether the key is made from the row's content because no id is mapped."""
        key = self.table.key
        return len(key) == 1 and key[0] not in self.mapped

    @property
    def content(self) -> str:
        """SQL text of all mapped values of a row."""
        parts = ", ".join(f"coalesce(CAST({identifier(name)} AS VARCHAR), '')" for name in self.mapped)
        return f"concat_ws(chr(31), {parts})"

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
        if self.makes_key and self.table.key == (name,):
            # Equal rows are told apart by their number; the first has the key that it would have alone.
            return f"md5({self.content} || CASE WHEN equal_number = 1 THEN '' ELSE chr(31) || equal_number END)"
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
        named = {name for text in texts for name in mentioned(text, names)}
        return [name for name in names if name.casefold() in exact or name.casefold() in canonical or name in named]

    return pick


def map_table(db: duckdb.DuckDBPyConnection, table: Table, source: TableSource, raw: Raw, *, tomorrow: date) -> Mapping:
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
    tomorrow : date
        The first day that lies ahead.

    Raises
    ------
    DataError
        A raw column does not exist, a needed one is not mapped, an expression cannot be evaluated, or numbers can be
        read in two ways.
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
    raw_select, base, condition = _raw_select(db, table, source, raw, every)
    types = {row[0]: row[1] for row in db.execute(f"DESCRIBE {raw_select}").fetchall()}
    cleaned, parsed, bounded = ["*"], ["*"], ["*"]  # in steps, so that DuckDB reads a value once and uses it often
    kinds: dict[str, str] = {}
    for name, (column, item) in every.items():
        key = f"raw:{name}"
        value, kinds[name] = clean(identifier(key), types[key], column, item)
        cleaned.append(f"{value} AS {identifier(f'clean:{name}')}")
        text = kinds[name] == "text"
        if column.dtype in ("int64", "float64") and text and item.decimal is None and not item.words:
            _refuse_ambiguous(db, raw, raw_select, key, _key(table, name), item)
    clean_select = f"SELECT {', '.join(cleaned)} FROM ({raw_select})"
    usual = _usual(db, clean_select, every, kinds)
    for name, (column, item) in every.items():
        value, kind = identifier(f"clean:{name}"), kinds[name]
        whole = name.endswith("_id") and types[f"raw:{name}"] == "VARCHAR" and _whole_floats(db, raw, item)
        read = parse(value, kind, column, item, whole_floats=whole, usual=name in usual)
        parsed.append(f"{read} AS {identifier(f'read:{name}')}")
        if column.dtype == "date" and kind == "text" and item.format is None and item.timezone == "UTC":
            parsed.append(f"{day_as_written(value)} <> {identifier(f'read:{name}')} AS {identifier(f'moved:{name}')}")
    step = f"SELECT {', '.join(parsed)} FROM ({clean_select})"
    ends = [
        column.name
        for column, _ in every.values()
        if column.name in _ENDLESS_COLUMNS and column.dtype in ("date", "timestamp") and not needed(table, column)
    ]
    latest = _latest(db, step, ends, tomorrow)
    bounded += [sql for column, _ in every.values() for sql in _bounded_columns(table, column, latest, tomorrow)]
    inner = f"SELECT {', '.join(bounded)} FROM ({step})"
    for (owner, name), other in _FALLBACKS.items():
        if owner == table.name and other in every:
            inner = _with_fallback(inner, name, other, mapped=name in every)
    expressions = {name: _key(table, name) for name, (_, item) in every.items() if item.expr is not None}
    return Mapping(
        table,
        inner,
        tuple(sources),
        tuple(attributes),
        tuple(raw.columns),
        expressions,
        {name: item for name, (_, item) in every.items()},
        _filtered(db, table, source, base, condition),
        source.where,
        tuple(wanted_columns(table, source)(raw.columns)),
    )


def _usual(
    db: duckdb.DuckDBPyConnection,
    clean_select: str,
    every: dict[str, tuple[Column, ColumnSource]],
    kinds: dict[str, str],
) -> frozenset[str]:
    """Return the columns whose values are all written in the usual way; their SQL is short and quickly planned."""
    tests = {
        name: test
        for name, (column, item) in every.items()
        if (test := unusual(identifier(f"clean:{name}"), kinds[name], column, item)) is not None
    }
    if not tests:
        return frozenset()
    flags = ", ".join(f"coalesce(bool_or({test}), false)" for test in tests.values())
    row = _tried(db, f"SELECT {flags} FROM ({clean_select})")
    return frozenset(name for name, strange in zip(tests, row, strict=False) if not strange)


def _tried(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """Return the one row of a query; an expression that fails on some rows is told later, with its place."""
    try:
        return db.execute(query).fetchone() or ()
    except duckdb.Error:
        return ()


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
) -> tuple[str, str, str | None]:
    """Return the query of the raw values, the query below it, and the condition of the rows that count."""
    expressions = [item.expr for _, item in every.values() if item.expr is not None]
    texts = [text for text in (source.where, *expressions) if text]
    typed = {name: _sql_type(db, raw, name) for name in raw.columns if any(mentioned(text, [name]) for text in texts)}
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

    condition = bound(source.where, f"tables.{table.name}.where", wants_text=False) if source.where else None
    names = {name.casefold(): name for name in raw.columns}
    values = []
    for name, (column, item) in every.items():
        if item.expr is not None:
            value = f"({bound(item.expr, _key(table, name), wants_text=column.dtype == 'string')})"
        elif item.column is not None:
            value = identifier(f"column:{names[item.column.casefold()]}")
        else:
            value = constant(item.value) if item.value is not None else "NULL"
        values.append(f"{value} AS {identifier(f'raw:{name}')}")
    raw_columns = [identifier(f"column:{name}") for name in raw.columns]
    rows = f" WHERE ({condition})" if condition else ""
    return f"SELECT {', '.join([*raw_columns, *values])} FROM ({base}){rows}", base, condition


def _filtered(
    db: duckdb.DuckDBPyConnection, table: Table, source: TableSource, base: str, condition: str | None
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
            "The condition fails on some rows",
            where=f"tables.{table.name}.where",
            got=f"{source.where!r}: {str(error).splitlines()[0]}",
            remedy="Use try_cast(… AS …) where values may be malformed.",
        ) from error
    return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)


def _sql_type(db: duckdb.DuckDBPyConnection, raw: Raw, name: str) -> ColumnType:
    """Return the type that every value of a text column has, so that SQL in the config can calculate with it."""
    if raw.columns[name] != "VARCHAR":
        return ColumnType(raw.columns[name], is_text=False)
    value = f"nullif(trim({identifier(name)}), '')"
    shapes = {
        "BIGINT": f"regexp_full_match({value}, '0|-?[1-9]\\d{{0,17}}')",
        "HUGEINT": f"regexp_full_match({value}, '0|-?[1-9]\\d{{0,36}}')",
        "DOUBLE": f"regexp_full_match({value}, '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?')",
        "DATE": f"regexp_full_match({value}, '\\d{{4}}-\\d{{2}}-\\d{{2}}') AND try_cast({value} AS DATE) IS NOT NULL",
        "TIMESTAMP": f"NOT regexp_matches({value}, '([zZ]|:\\d+ ?[+-]\\d.*)$') "
        f"AND regexp_matches({value}, '^\\d{{4}}-') AND try_cast({value} AS TIMESTAMP) IS NOT NULL",
    }
    # Fifteen digits are what a floating-point number gives back; a zero at the end it does not.
    exact = f"strlen({value}) <= 16 AND regexp_full_match({value}, '-?(0|[1-9]\\d*)(\\.\\d*[1-9])?')"
    tests = ", ".join(f"bool_and({shape})" for shape in (exact, *shapes.values()))
    row = db.execute(f"SELECT {tests} FROM {raw.relation} WHERE {value} IS NOT NULL").fetchone() or (None,)
    kind = next((kind for kind, holds in zip(shapes, row[1:], strict=False) if holds), "VARCHAR")
    return ColumnType(kind, exact=kind != "DOUBLE" or bool(row[0]))


def _refuse_ambiguous(
    db: duckdb.DuckDBPyConnection, raw: Raw, raw_select: str, key: str, where: str, item: ColumnSource
) -> None:
    """Refuse a column of text numbers that can be read in two ways, none of which a value settles."""
    if item.column is not None and item.column in raw.numbers:
        return
    value = f"trim(CAST({identifier(key)} AS VARCHAR))"
    readings = [(".", AMBIGUOUS_POINTS, shows_point_decimals(value))]
    if raw.delimiter == ";":
        readings.append((",", AMBIGUOUS_COMMAS, shows_comma_decimals(value)))
    for sign, shape, settled in readings:
        query = f"SELECT {value} AS v FROM ({raw_select}) WHERE contains({value}, '{sign}')"
        row = _tried(
            db,
            f"SELECT count_if(regexp_full_match(v, {shape})), coalesce(bool_or({settled.replace(value, 'v')}), false), "
            f"min(v) FILTER (regexp_full_match(v, {shape})) FROM ({query})",
        )
        if not row or not row[0] or row[1]:
            continue
        whole = re.sub(r"[^0-9]", "", row[2])
        decimal = re.sub(r"[^0-9.]", "", row[2].replace(",", "."))
        raise problem(
            "CHK042",
            f"{row[0]:,} numbers can be read in two ways: {row[2]!r} is {whole}, or {float(decimal):g}",
            where=where,
            got=f"{row[2]!r}",
            expected="a decimal sign that the values or the config settle",
            remedy=f'Set `decimal: "{"," if sign == "." else "."}"` on the column if {whole} is meant, '
            f'`decimal: "{sign}"` if {float(decimal):g} is.',
        )


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


def _bounded_columns(table: Table, column: Column, latest: dict[str, str], tomorrow: date) -> list[str]:
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


def _in_years(day: date, years: int) -> str:
    return f"{day.year + years}-01-01"


def _latest(db: duckdb.DuckDBPyConnection, step: str, names: list[str], tomorrow: date) -> dict[str, str]:
    """Return, per column of ends, the first day that is no date any more but a placeholder for "never".

    It lies 30 years ahead, or earlier where nothing is dated for ten years and then something is, ten years ahead or
    more: 2049-12-31 behind terms that end in 2027.
    """
    if not names:
        return {}
    years = ", ".join(
        f"list(DISTINCT year({value})) FILTER (isfinite({value}) AND year({value}) >= {tomorrow.year})"
        for value in (identifier(f"read:{name}") for name in names)
    )
    row = _tried(db, f"SELECT {years} FROM ({step})")
    return {name: _never(found or [], tomorrow) for name, found in zip(names, row, strict=False)}


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
