"""Fits a preset to the raw table at hand: which of its alternatives apply, in which format and zone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import duckdb

from churnml.config import ColumnSource, SourceConfig, TableSource, VersionSource
from churnml.language import Text
from churnml.sources.expressions import columns_of
from churnml.sources.presets.preset import Alternative, Preset
from churnml.sources.raw import Raw
from churnml.sources.sql import described, identifier, literal, problem
from churnml.tables import TABLES

__all__ = ["laid_out", "prepared", "resolved", "versions_of"]

_ISO = r"^\d{4}-"
_ORDER = {"day": "%d", "month": "%m", "year": "%Y"}


def prepared(source: TableSource, preset: Preset) -> TableSource:
    """Return the section with what the preset says about the file itself, where the config says nothing."""
    update: dict[str, Any] = {}
    if "header_lines" not in source.model_fields_set:
        update["header_lines"] = preset.header_lines
    if "ends_at_blank_line" not in source.model_fields_set:
        update["ends_at_blank_line"] = preset.ends_at_blank_line
    return source.model_copy(update=update)


def versions_of(source: TableSource, preset: Preset, columns: Iterable[str]) -> VersionSource | None:
    """Return which rows are versions of one record, where the raw table has the columns that say so."""
    if source.versions is not None or preset.versions is None:
        return source.versions
    have = {name.casefold() for name in columns}
    if not all(name.casefold() in have for name in preset.versions.of):
        return None
    by = next((name for name in preset.versions.by if name.casefold() in have), None)
    return VersionSource(of=preset.versions.of, by=by)


def laid_out(db: duckdb.DuckDBPyConnection, preset: Preset, own: Raw, others: dict[str, Raw], query: str) -> Raw:
    """Return the rows of a preset's query; columns and raw tables that are not there are absent."""
    tables = []
    for name, columns in {"own": preset.reads.get("own", ()), **preset.reads}.items():
        raw = own if name == "own" else others.get(name)
        tables.append(f"{identifier(name)} AS ({_padded(raw, columns, whole=name == 'own')})")
    relation = f"(WITH {', '.join(tables)} SELECT * FROM ({query}))"
    try:
        columns_there = described(db, relation)
    except duckdb.Error as error:
        raise problem(
            "CHK005",
            Text.of("data-preset_query"),
            where=f"{own.place}.preset",
            got=str(error).splitlines()[0],
        ) from error
    return replace(own, relation=relation, columns=columns_there)


def _padded(raw: Raw | None, columns: Iterable[str], *, whole: bool) -> str:
    have = {name.casefold(): name for name in raw.columns} if raw is not None else {}
    distinct = {name.casefold(): name for name in columns}.values()
    absent = [f"CAST(NULL AS VARCHAR) AS {identifier(name)}" for name in distinct if name.casefold() not in have]
    shown = have.values() if whole else [have[name.casefold()] for name in distinct if name.casefold() in have]
    there = [f"CAST({identifier(name)} AS VARCHAR) AS {identifier(name)}" for name in shown]  # text, as in files
    picked = ", ".join([*there, *absent])
    return f"SELECT {picked} FROM {raw.relation}" if raw is not None else f"SELECT {picked} WHERE false"


def resolved(
    db: duckdb.DuckDBPyConnection, source: TableSource, preset: Preset, raw: Raw, tool: SourceConfig, tool_key: str
) -> TableSource:
    """Return the section that maps a raw table: the config's own lines, and the preset's for the rest.

    Parameters
    ----------
    db : DuckDB connection
        Looks at the values of dates.
    source : TableSource
        The section of the config.
    preset : Preset
        What it names.
    raw : Raw
        The raw table.
    tool : SourceConfig
        The source, which says zone and order of dates.
    tool_key : str
        Its key in the config.

    Raises
    ------
    DataError
        A time carries no zone and none is told, or dates can be read in two ways.
    """
    have = {name.casefold() for name in raw.columns}
    columns: dict[str, ColumnSource | None] = {}
    for name in TABLES[preset.table].column_names:
        if name in source.columns:
            columns[name] = source.columns[name]
            continue
        column = next((each for each in preset.columns.get(name, ()) if _applies(each, have)), None)
        columns[name] = None if column is None else _fitted(db, name, column, preset, raw, tool, tool_key)
    conditions = [f"({each})" for each in preset.where if _names(each) <= have]
    currency = next((name for name in preset.currency if name.casefold() in have), None)
    return source.model_copy(
        update={
            "columns": columns,
            "where": source.where if source.where is not None else " AND ".join(conditions) or None,
            "currency": source.currency or currency,
        }
    )


def _names(sql: str) -> set[str]:
    return {name.casefold() for name in columns_of(sql)}


def _applies(each: Alternative, have: set[str]) -> bool:
    if each.column is not None:
        return each.column.casefold() in have
    return each.expr is None or _names(each.expr) <= have


def _fitted(
    db: duckdb.DuckDBPyConnection,
    name: str,
    each: Alternative,
    preset: Preset,
    raw: Raw,
    tool: SourceConfig,
    tool_key: str,
) -> ColumnSource:
    facts = each.model_dump(exclude={"formats", "zone"})
    dtype = TABLES[preset.table][name].dtype
    value = identifier(each.column) if each.column is not None else f"({each.expr})"
    if each.formats:
        facts["format"] = _format(db, name, each, value, raw, tool, tool_key)
    if each.zone is not None:
        if tool.timezone is not None:
            facts["timezone"] = tool.timezone
        elif dtype == "timestamp" and each.zone == "source" and _unzoned(db, value, raw):
            raise problem(
                "CHK044",
                Text.of("data-no_zone", origin=raw.origin, key=tool_key),
                where=f"{raw.place}.columns.{name}",
                got=", ".join(map(repr, _examples(db, value, raw))),
            )
    return ColumnSource.model_validate(facts)


def _text(value: str) -> str:
    return f"nullif(trim(CAST({value} AS VARCHAR)), '')"


def _examples(db: duckdb.DuckDBPyConnection, value: str, raw: Raw) -> list[str]:
    rows = db.execute(
        f"SELECT v FROM (SELECT {_text(value)} AS v FROM {raw.relation}) WHERE v IS NOT NULL "
        "GROUP BY 1 ORDER BY 1 LIMIT 3"
    ).fetchall()
    return [row[0] for row in rows]


def _unzoned(db: duckdb.DuckDBPyConnection, value: str, raw: Raw) -> bool:
    zoned = r"regexp_matches(v, '\d:\d.*([zZ]|[+-]\d{2}(:?\d{2})?)$')"
    row = db.execute(
        f"SELECT count_if(NOT {zoned} AND contains(v, ':')) FROM (SELECT {_text(value)} AS v FROM {raw.relation})"
    ).fetchone()
    return bool(row and row[0])


def _format(
    db: duckdb.DuckDBPyConnection,
    name: str,
    each: Alternative,
    value: str,
    raw: Raw,
    tool: SourceConfig,
    tool_key: str,
) -> str | None:
    """Return the one format in which all values can be read; None for ISO dates, and where none reads them all."""
    reads = ", ".join(f"count(try_strptime(v, {literal(form)}))" for form in each.formats)
    row = db.execute(
        f"SELECT count(*), count_if(regexp_matches(v, '{_ISO}') AND try_cast(v AS TIMESTAMP) IS NOT NULL), {reads} "
        f"FROM (SELECT DISTINCT {_text(value)} AS v FROM {raw.relation}) WHERE v IS NOT NULL"
    ).fetchone()
    if row is None or not row[0] or row[1] == row[0]:
        return None
    able = [form for form, count in zip(each.formats, row[2:], strict=True) if count == row[0]]
    if tool.date_order is not None:
        able = [form for form in able if form.startswith(_ORDER[tool.date_order])] or able
    if len({_reading(form) for form in able}) > 1:
        raise problem(
            "CHK045",
            Text.of("data-two_ways", origin=raw.origin, key=tool_key),
            where=f"{raw.place}.columns.{name}",
            got=", ".join(map(repr, _examples(db, value, raw))),
            expected=" or ".join(able),
        )
    return able[0] if able else None


def _reading(form: str) -> str:
    """Return what tells formats apart that read the same text: what stands first."""
    return form[:2]
