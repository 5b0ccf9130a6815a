"""Rows of a subject in files: found, taken out, and what still names it afterwards."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnml.files import beside, write_documents
from churnml.store import pattern_of

__all__ = ["left_in", "parquet_rows", "remove_from_file", "remove_from_landing", "remove_cache", "rows_in_raw"]

_TEXT_FILES = {".html", ".md", ".txt", ".log"}
_BYTES = 8 << 20


def remove_from_file(path: Path, gone: Collection[str], masked: Collection[str], *, whole_rows: bool) -> int:
    """Take a subject out of a derived file; returns the rows, or files, that went.

    Parameters
    ----------
    path : Path
        Parquet, CSV, JSON (a list of objects), or a page.
    gone : collection of str
        Ids whose rows go.
    masked : collection of str
        Ids that go out of rows which stay.
    whole_rows : bool
        Rows that hold a masked id go, too.
    """
    if path.suffix == ".parquet":
        return _from_parquet(path, gone, masked, whole_rows)
    if path.suffix == ".csv":
        return _from_csv(path, {*gone, *(masked if whole_rows else ())})
    if path.suffix == ".json":
        return _from_json(path, {*gone, *masked})
    if path.suffix in _TEXT_FILES and pattern_of([*gone, *masked]).search(_text(path)):
        path.unlink()
        return 1
    return 0


def parquet_rows(path: Path, ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file in which a cell is one of some ids."""
    rows: list[dict[str, Any]] = []
    for batch in pq.ParquetFile(path).iter_batches():
        rows += batch.filter(_any_cell(batch, ids)).to_pylist()
    return rows


def _from_parquet(path: Path, gone: Collection[str], masked: Collection[str], whole_rows: bool) -> int:
    file = pq.ParquetFile(path)
    rows = 0
    # What is blanked is null from now on, also in a column that had none.
    named = file.schema_arrow
    schema = pa.schema([field.with_nullable(True) for field in named], metadata=named.metadata)
    with beside(path) as part, closing(file), pq.ParquetWriter(part, schema) as writer:
        for batch in file.iter_batches():
            drop = _any_cell(batch, {*gone, *(masked if whole_rows else ())})
            remaining = batch.filter(pc.invert(drop))
            rows += batch.num_rows - remaining.num_rows
            if masked and not whole_rows:
                remaining, changed = _blanked(remaining, masked)
                rows += changed
            writer.write_batch(pa.RecordBatch.from_arrays(remaining.columns, schema=schema))
    return rows


def _any_cell(batch: pa.RecordBatch, ids: Collection[str]) -> pa.Array:
    hits = pa.array([False] * batch.num_rows)
    listed = pa.array(sorted(ids), pa.string())
    for column in batch.columns:
        if not _is_text(column.type) and not pa.types.is_integer(column.type):
            continue
        hits = pc.or_(hits, pc.fill_null(pc.is_in(column.cast(pa.string()), value_set=listed), False))
    return hits


def _blanked(batch: pa.RecordBatch, ids: Collection[str]) -> tuple[pa.RecordBatch, int]:
    touched = _any_cell(batch, ids)
    listed = pa.array(sorted(ids), pa.string())
    columns = []
    for name in batch.schema.names:
        column = batch.column(name)
        if _is_text(column.type):
            hit = pc.fill_null(pc.is_in(column.cast(pa.string()), value_set=listed), False)
            column = (
                pc.if_else(hit, pa.scalar(None, column.type), column)
                if not pa.types.is_dictionary(column.type)
                else column
            )
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema), int(pc.sum(touched).as_py() or 0)


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


def _from_csv(path: Path, ids: Collection[str]) -> int:
    with path.open(newline="", encoding="utf-8") as source:
        rows = list(csv.reader(source))
    remaining = [row for row in rows if not any(cell in ids for cell in row)]
    if len(remaining) < len(rows):
        with beside(path) as part, part.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target, lineterminator="\n").writerows(remaining)
    return len(rows) - len(remaining)


def _from_json(path: Path, ids: Collection[str]) -> int:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    if not isinstance(data, list):
        return 0
    pattern = pattern_of(ids)
    remaining = [one for one in data if not pattern.search(json.dumps(one, ensure_ascii=False))]
    if len(remaining) < len(data):
        with beside(path) as part:
            write_documents(part, remaining)
    return len(data) - len(remaining)


def remove_from_landing(path: Path, ids: Collection[str], *, own: Collection[str]) -> dict[str, int]:
    """Take a subject out of raw rows that churnml pulled itself; returns rows by table.

    Parameters
    ----------
    path : Path
        A DuckDB file.
    ids : collection of str
    own : collection of str
        Tables whose rows go as a whole where they hold an id; of the others' rows the id alone goes.
    """
    counts: dict[str, int] = {}
    with closing(duckdb.connect(str(path))) as db:
        for schema, table, columns in _landed(db):
            place = f'"{schema}"."{table}"'
            hit = _sql_hit(columns, ids)
            row = db.execute(f"SELECT count(*) FROM {place} WHERE {hit}").fetchone()
            if row is None or not row[0]:
                continue
            if table in own or not own:
                db.execute(f"DELETE FROM {place} WHERE {hit}")
            else:
                for column in columns:
                    db.execute(f"UPDATE {place} SET {column} = NULL WHERE {_sql_hit([column], ids)}")
            counts[f"{schema}.{table}"] = int(row[0])
        db.execute("CHECKPOINT")
    if counts:
        _rewritten(path)
    return counts


def _rewritten(path: Path) -> None:
    """Write a DuckDB file anew: what was deleted lies in its free blocks until then."""
    with beside(path) as part:
        part.unlink()
        with closing(duckdb.connect()) as db:
            db.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS old (READ_ONLY)")
            db.execute(f"ATTACH '{str(part).replace(chr(39), chr(39) * 2)}' AS new")
            db.execute("COPY FROM DATABASE old TO new")
            db.execute("DETACH new")


def _landed(db: duckdb.DuckDBPyConnection) -> list[tuple[str, str, list[str]]]:
    rows = db.execute(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "
        "JOIN information_schema.tables USING (table_schema, table_name) "
        "WHERE table_type = 'BASE TABLE' AND (data_type IN ('VARCHAR', 'JSON') OR data_type LIKE 'ENUM%') ORDER BY ALL"
    ).fetchall()
    columns_of: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in rows:
        columns_of.setdefault((schema, table), []).append(f'"{column}"')
    return [(schema, table, columns) for (schema, table), columns in columns_of.items()]


def _sql_hit(columns: Collection[str], ids: Collection[str]) -> str:
    """Return the condition that a cell is one of the ids, or JSON text that holds one as a value."""
    plain = ", ".join("'" + one.replace("'", "''") + "'" for one in sorted(ids))
    inside = [json.dumps(one, ensure_ascii=False).replace("'", "''") for one in sorted(ids)]
    parts = [f"CAST({column} AS VARCHAR) IN ({plain})" for column in columns]
    parts += [f"contains(CAST({column} AS VARCHAR), '{one}')" for column in columns for one in inside]
    return f"coalesce({' OR '.join(parts)}, false)" if parts else "false"


def rows_in_raw(path: Path, ids: Collection[str]) -> list[int]:
    """Return the lines (of text) or rows (of Parquet), counted from 1, of a customer's own file that name a subject."""
    if path.suffix == ".parquet":
        numbers: list[int] = []
        at = 0
        for batch in pq.ParquetFile(path).iter_batches():
            hits = _any_cell(batch, ids).to_pylist()
            numbers += [at + place + 1 for place, hit in enumerate(hits) if hit]
            at += batch.num_rows
        return numbers
    if path.suffix not in (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"):
        return []
    pattern = pattern_of(ids)
    with path.open(encoding="utf-8", errors="replace") as lines:
        return [number for number, line in enumerate(lines, 1) if pattern.search(line)]


def left_in(folder: Path, ids: Collection[str]) -> list[Path]:
    """Return the files below a folder that still hold one of some ids, whatever their format."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and _holds(path, ids))


def _holds(path: Path, ids: Collection[str]) -> bool:
    pattern = pattern_of(ids)
    if path.suffix == ".parquet":
        return bool(parquet_rows(path, ids))
    if path.suffix == ".duckdb":
        with closing(duckdb.connect(str(path), read_only=True)) as db:
            landed = _landed(db)
            places = ((f'"{schema}"."{table}"', columns) for schema, table, columns in landed)
            return any(
                db.execute(f"SELECT 1 FROM {at} WHERE {_sql_hit(names, ids)} LIMIT 1").fetchone()
                for at, names in places
            )
    if path.suffix == ".db":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return any(pattern.search(line) for line in db.iterdump())
    wanted = [one.encode() for one in ids]
    tail = b""
    with path.open("rb") as source:
        while block := source.read(_BYTES):
            data = tail + block
            if any(one in data and pattern.search(data.decode("utf-8", "replace")) for one in wanted):
                return True
            tail = data[-400:]
    return False


def remove_cache(folder: Path) -> int:
    """Remove a folder that is made again when it is missing; returns the files that went."""
    files = sum(path.is_file() for path in folder.rglob("*"))
    shutil.rmtree(folder, ignore_errors=True)
    return files


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
