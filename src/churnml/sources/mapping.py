"""Turns one table's section of the config into SQL: raw columns in, typed canonical columns out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

import duckdb

from churnml.config import ColumnSource, TableSource
from churnml.language import Text
from churnml.sources.bounds import bounded_columns
from churnml.sources.dates import day_as_written
from churnml.sources.held import held
from churnml.sources.numbers import AMBIGUOUS_COMMAS, AMBIGUOUS_POINTS, shows_comma_decimals, shows_point_decimals
from churnml.sources.parsing import clean, is_read_as_text, parse, unusual
from churnml.sources.raw import Raw
from churnml.sources.raw_values import (
    FALLBACKS,
    column_sources,
    config_key,
    left_out,
    raw_names,
    raw_query,
    wanted_columns,
)
from churnml.sources.sql import DUCKDB_TYPE, constant, described, identifier, problem, tried
from churnml.sources.texts import Texts, texts_of, whole_floats, with_texts
from churnml.tables import Column, Table

__all__ = ["Mapping", "map_table"]


@dataclass(frozen=True)
class Mapping:
    """SQL of one canonical table.

    Parameters
    ----------
    table : Table
        The canonical table.
    select : str
        A query with, for every mapped column ``c``: ``c`` in its canonical type, ``given:c``, where they apply
        ``unknown:c`` and ``endless:c``, ``raw:c`` (the raw value) where it is worked out, and every raw column ``x``
        as ``column:x``.
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
    some_keys_made : bool
        Several raw tables feed the canonical one, and some of them have no ids.
    is_small : bool
        The rows may be held in the engine while they are read.
    raw_names : dict of str to str
        Column → name of its raw value in `select`, where it is not ``raw:<column>``.
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
    some_keys_made: bool = False
    is_small: bool = False
    raw_names: dict[str, str] = field(default_factory=dict)

    def raw_value(self, name: str) -> str:
        """Return the SQL of a column's raw value over `select`."""
        return identifier(self.raw_names.get(name, f"raw:{name}"))

    @property
    def makes_key(self) -> bool:
        """Tell whether the key, of some rows or of all, is made from the row's content because no id is mapped."""
        key = self.table.key
        return len(key) == 1 and (key[0] not in self.mapped or self.some_keys_made)

    @property
    def content(self) -> str:
        """SQL text of all mapped values of a row."""
        parts = ", ".join(f"coalesce(CAST({identifier(name)} AS VARCHAR), '')" for name in self.mapped)
        return f"concat_ws(chr(31), {parts})"

    @property
    def available(self) -> tuple[str, ...]:
        """Canonical columns that `select` has: the mapped ones and those that another one stands for."""
        stood_for = (
            name for (owner, name), other in FALLBACKS.items() if owner == self.table.name and other in self.mapped
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
        value = f"CAST({identifier(name)} AS {kind})" if name in self.available else f"CAST(NULL AS {kind})"
        if self.makes_key and self.table.key == (name,):
            # Equal rows are told apart by their number; the first has the key that it would have alone.
            made = f"md5({self.content} || CASE WHEN equal_number = 1 THEN '' ELSE chr(31) || equal_number END)"
            return f"coalesce({value}, {made})" if self.some_keys_made else made
        if name == "known_at" and occurred is not None:
            happened = f"CAST({identifier(occurred)} AS TIMESTAMP)"
            if name not in self.mapped:
                return happened
            return value if self.known_early is None else f"greatest(coalesce({value}, {happened}), {happened})"
        if column.default is not None:
            return f"coalesce({value}, CAST({constant(column.default)} AS {kind}))"
        return value


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
    sources = column_sources(table, source, raw)
    attributes = {name: (_text_column(name), item) for name, item in source.attributes.items()}
    for name in attributes:
        if name in table.column_names or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise problem(
                "CHK004",
                Text.of("data-attribute_name", name=repr(name)),
                where=f"{raw.place}.attributes.{name}",
            )
    every = {**{name: (table[name], item) for name, item in sources.items()}, **attributes}
    raw_select, base, condition = raw_query(db, table, source, raw, every)
    keys = raw_names(raw, every)
    described_columns = described(db, f"({raw_select})")
    types = {name: described_columns[key] for name, key in keys.items()}
    cleaned, parsed = ["*"], ["*"]  # in steps, so that DuckDB reads a value once and uses it often
    as_text = [name for name, (_, item) in every.items() if is_read_as_text(types[name], item)]
    texts = texts_of(db, raw, every, types)
    listed = {name for name in as_text if name in texts and texts[name].changed is not None}
    as_text = [name for name in as_text if name not in listed]
    text_select = with_texts(raw_select, {name: keys[name] for name in as_text})
    if as_text:
        cleaned = [f"* EXCLUDE ({', '.join(identifier(f'text:{name}') for name in as_text)})"]
    kinds: dict[str, str] = {}
    for name, (column, item) in every.items():
        given = f"text:{name}" if name in as_text else keys[name]
        value, kinds[name] = clean(identifier(given), types[name], column, item)
        value = texts[name].cleaned(identifier(given)) if name in listed else value
        cleaned.append(f"{value} AS {identifier(f'clean:{name}')}")
    clean_select = f"SELECT {', '.join(cleaned)} FROM ({text_select})"
    if raw.is_small:
        unheld, clean_select = clean_select, held(db, f"cleaned:{raw.place}", clean_select)
        raw_select = raw_select if clean_select == unheld else clean_select
    for name, (column, item) in every.items():
        text = kinds[name] == "text"
        if column.dtype in ("int64", "float64") and text and item.decimal is None and not item.words:
            _refuse_ambiguous(db, raw, raw_select, keys[name], config_key(raw.place, table, name), item)
    plain_times = {name for name in texts if texts[name].are_plain_times}
    usual = _usual(db, clean_select, {name: each for name, each in every.items() if name not in plain_times}, kinds)
    ids = [name for name in every if name.endswith("_id") and types[name] == "VARCHAR"]
    whole = _whole_floats(db, raw, {name: every[name][1] for name in ids}, texts)
    reads: dict[str, str] = {}
    for name, (column, item) in every.items():
        value, kind = identifier(f"clean:{name}"), kinds[name]
        reads[name] = parse(
            value,
            kind,
            column,
            item,
            whole_floats=name in whole,
            usual=name in usual,
            plain_times=name in plain_times,
        )
        parsed.append(f"{reads[name]} AS {identifier(f'read:{name}')}")
        if (
            column.dtype == "date"
            and kind == "text"
            and item.format is None
            and item.timezone == "UTC"
            and not item.inclusive
        ):
            parsed.append(f"{day_as_written(value)} <> {identifier(f'read:{name}')} AS {identifier(f'moved:{name}')}")
    step = f"SELECT {', '.join(parsed)} FROM ({clean_select})"
    # Values on their way are not held beside those that they came to.
    passing = ", ".join(identifier(f"{stage}:{name}") for name in every for stage in ("clean", "read"))
    bounded = [f"* EXCLUDE ({passing})"]
    bounded += bounded_columns(db, table, [column for column, _ in every.values()], reads, clean_select, tomorrow)
    # Of an optional id that is broken only the value is lost.
    bounded += [
        f"{identifier(f'clean:{name}')} IS NOT NULL AND {identifier(f'read:{name}')} IS NULL "
        f"AS {identifier(f'unreadable:{name}')}"
        for name, (column, item) in every.items()
        if item.id is not None and not column.required
    ]
    inner = f"SELECT {', '.join(bounded)} FROM ({step})"
    for (owner, name), other in FALLBACKS.items():
        if owner == table.name and other in every:
            inner = _with_fallback(inner, name, other, mapped=name in every)
    expressions = {
        name: config_key(raw.place, table, name) for name, (_, item) in every.items() if item.expr is not None
    }
    return Mapping(
        table,
        inner,
        tuple(sources),
        tuple(attributes),
        tuple(raw.columns),
        expressions,
        {name: item for name, (_, item) in every.items()},
        left_out(db, raw.place, source, base, condition),
        source.where,
        tuple(wanted_columns(table, source)(raw.columns)),
        is_small=raw.is_small,
        raw_names=keys,
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
    row = tried(db, f"SELECT {flags} FROM ({clean_select})")
    return frozenset(name for name, strange in zip(tests, row, strict=False) if not strange)


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
        row = tried(
            db,
            f"SELECT count_if(regexp_full_match(v, {shape})), coalesce(bool_or({settled.replace(value, 'v')}), false), "
            f"min(v) FILTER (regexp_full_match(v, {shape})) FROM ({query})",
        )
        if not row or not row[0] or row[1]:
            continue
        whole = re.sub(r"[^0-9]", "", row[2])
        decimal = re.sub(r"[^0-9.]", "", row[2].replace(",", "."))
        said = Text.of(
            "data-two_numbers",
            n=row[0],
            example=repr(row[2]),
            whole=whole,
            decimal=f"{float(decimal):g}",
            other="," if sign == "." else ".",
            sign=sign,
        )
        raise problem("CHK042", said, where=where, got=f"{row[2]!r}")


def _whole_floats(
    db: duckdb.DuckDBPyConnection, raw: Raw, ids: dict[str, ColumnSource], texts: dict[str, Texts]
) -> frozenset[str]:
    """Return the ids that were exported as 12.0; each text of those in `texts` has been looked at."""
    names = {name.casefold(): name for name in raw.columns}
    columns = {
        name: identifier(names[item.column.casefold()])
        for name, item in ids.items()
        if item.column is not None and name not in texts
    }
    whole = whole_floats(db, raw.relation, columns.values())
    return frozenset(
        name for name in ids if columns.get(name) in whole or (name in texts and texts[name].are_whole_floats)
    )


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
