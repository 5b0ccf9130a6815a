"""Reads JSON lines, a JSON array or one JSON document as text columns; objects inside become ``outer.inner``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from churnml.language import Text
from churnml.sources.csv_files import MalformedLines
from churnml.sources.file_kinds import is_gzip, open_bytes
from churnml.sources.sql import identifier, literal, problem

__all__ = ["StagedJson", "stage_json"]

_DEPTH = 3
_LISTS = ("records", "data", "results", "items", "value", "values", "rows", "objects")


@dataclass(frozen=True)
class StagedJson:
    """What came of one JSON file.

    Parameters
    ----------
    malformed : MalformedLines
        Lines that are no JSON object; they are not in the target.
    numbers : frozenset of str
        Columns whose values are all JSON numbers: their decimal sign is the point.
    """

    malformed: MalformedLines = field(default_factory=MalformedLines)
    numbers: frozenset[str] = frozenset()


def stage_json(db: duckdb.DuckDBPyConnection, file: Path, target: Path, where: str) -> StagedJson:
    """Copy a JSON file into a Parquet file of text columns.

    Parameters
    ----------
    db : DuckDB connection
        Runs the copy.
    file, target : Path
        The file, perhaps gzipped, and the Parquet file to write.
    where : str
        Place for messages.

    Raises
    ------
    DataError
        The file holds no JSON objects.
    """
    source = _objects(db, file, where)
    columns = _columns(db, source)
    if not columns:
        raise problem("CHK002", Text.of("data-no_object", file=file.name), where=where)
    values = ", ".join(f"json_extract_string(json, {literal(path)}) AS {identifier(n)}" for n, path in columns.items())
    db.execute(
        f"COPY (SELECT {values} FROM {source} WHERE json_type(json) = 'OBJECT') "
        f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4)"
    )
    return StagedJson(_malformed(db, file, source, target), _numbers(db, source, columns))


def _objects(db: duckdb.DuckDBPyConnection, file: Path, where: str) -> str:
    """Return the relation of the file's objects: one column ``json``."""
    with open_bytes(file) as stream:
        start = stream.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    packed = ", compression='gzip'" if is_gzip(file) else ""
    size = f"maximum_object_size={max(1 << 24, min(file.stat().st_size * 12, 1 << 28))}"
    if not packed:
        size = f"maximum_object_size={max(1 << 24, file.stat().st_size + 1)}"
    lines = f"read_json_objects({literal(str(file))}, format='newline_delimited', ignore_errors=true{packed})"
    try:
        if start.startswith(b"["):
            whole = f"read_json_objects({literal(str(file))}, format='array'{packed})"
            db.execute(f"SELECT count(*) FROM {whole}")
            return whole
        row = db.execute(f"SELECT count(*), count(json) FROM {lines}").fetchone()
        if row and row[1] * 2 > row[0] and not (row[0] == 1 and _list_in(db, lines)):
            return lines
        whole = f"read_json_objects({literal(str(file))}, format='unstructured', {size}{packed})"
        name = _list_in(db, whole)
    except duckdb.Error as error:
        raise problem(
            "CHK002",
            Text.of("data-bad_json", file=file.name),
            where=where,
            got=str(error).splitlines()[0],
        ) from error
    return f"(SELECT unnest(json_extract(json, {literal(f'$.{name}[*]')})) AS json FROM {whole})" if name else whole


def _list_in(db: duckdb.DuckDBPyConnection, relation: str) -> str | None:
    """Return the key of the list of records, where the file is one document around it, as APIs answer."""
    for name in _LISTS:
        row = db.execute(
            f"SELECT bool_and(json_type(json, {literal(f'$.{name}')}) = 'ARRAY'), count(*) FROM {relation}"
        ).fetchone()
        if row and row[0] and row[1] == 1:
            return name
    # Some name the list after the object: it counts where it is the document's only list of objects.
    rows = db.execute(
        f"SELECT key, count(*) OVER () FROM (SELECT json, unnest(json_keys(json)) AS key FROM {relation}) "
        "WHERE json_type(json, '$.\"' || key || '\"[0]') = 'OBJECT'"
    ).fetchall()
    return f'"{rows[0][0]}"' if len(rows) == 1 and '"' not in rows[0][0] else None


def _columns(db: duckdb.DuckDBPyConnection, source: str, prefix: str = "$", depth: int = 1) -> dict[str, str]:
    """Return column name → JSON path, objects taken apart; names that differ in case alone get a number."""
    here = "json" if prefix == "$" else f"json_extract(json, {literal(prefix)})"
    rows = db.execute(
        f"SELECT key, count_if(json_type(v, '$.' || '\"' || key || '\"') = 'OBJECT') > 0 "
        f"FROM (SELECT unnest(json_keys(v)) AS key, v FROM (SELECT {here} AS v FROM {source}) "
        "WHERE json_type(v) = 'OBJECT') GROUP BY key ORDER BY key"
    ).fetchall()
    columns: dict[str, str] = {}
    for key, nested in rows:
        if '"' in key:
            continue
        path = f'{prefix}."{key}"'
        name = path.removeprefix("$.").replace('"', "")
        columns[name] = path
        if nested and depth < _DEPTH:
            columns |= _columns(db, source, path, depth + 1)
    unique: dict[str, str] = {}
    for name, path in columns.items():
        again = sum(other.casefold() == name.casefold() for other in unique)
        unique[f"{name}_{again}" if again else name] = path
    return unique


def _numbers(db: duckdb.DuckDBPyConnection, source: str, columns: dict[str, str]) -> frozenset[str]:
    tests = ", ".join(
        f"bool_and(json_type(json, {literal(path)}) IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'NULL'))"
        for path in columns.values()
    )
    row = db.execute(f"SELECT {tests} FROM {source} WHERE json_type(json) = 'OBJECT'").fetchone()
    return frozenset(name for name, holds in zip(columns, row or (), strict=True) if holds)


def _malformed(db: duckdb.DuckDBPyConnection, file: Path, source: str, target: Path) -> MalformedLines:
    row = db.execute(f"SELECT count(*) FROM {source} WHERE json IS NULL OR json_type(json) <> 'OBJECT'").fetchone()
    count = int(row[0] or 0) if row else 0
    if not count:
        return MalformedLines()
    listing = target.with_suffix(".malformed.parquet")
    listed = f"SELECT NULL::BIGINT AS line, {literal(file.name)} AS file, NULL::VARCHAR AS said FROM range({count})"
    db.execute(f"COPY ({listed}) TO {literal(str(listing))} (FORMAT parquet)")
    return MalformedLines(count, (listing,), file.name)
