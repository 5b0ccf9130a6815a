"""Files that hold raw tables inside: zip archives, DuckDB and SQLite databases; and files packed with zstandard.

In a config a table inside is written as a path: ``exports.zip/accounts.csv``, ``app.sqlite/customers``,
``crm.duckdb/sales.accounts``.
"""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

import duckdb

from churnml.errors import near_name
from churnml.language import Text
from churnml.sources.sql import identifier, literal, problem

__all__ = ["Container", "container_kind", "files_of", "members", "plain_ending", "readable_members"]

Container = Literal["zip", "duckdb", "sqlite"]

_ZSTD = b"\x28\xb5\x2f\xfd"
_WORKBOOK = ("[Content_Types].xml", "mimetype")
_CHUNK = 20_000


def container_kind(file: Path) -> Container | None:
    """Return what holds tables inside, told from the file's first bytes; None for any other file."""
    with file.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"SQLite format 3\x00"):
        return "sqlite"
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return None if any(name in archive.namelist() for name in _WORKBOOK) else "zip"
    return None


def members(file: Path) -> list[str]:
    """Return the names of the files of an archive, or of the tables and views of a database."""
    kind = container_kind(file)
    if kind == "zip":
        with zipfile.ZipFile(file) as archive:
            named = [one.filename for one in archive.infolist() if not one.is_dir()]
        return sorted(name for name in named if not any(part[:1] in "._" for part in PurePosixPath(name).parts))
    if kind == "sqlite":
        with closing(_sqlite(file)) as connection:
            rows = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
        return sorted(row[0] for row in rows)
    if kind == "duckdb":
        with duckdb.connect(str(file), read_only=True) as db:
            rows = db.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE NOT starts_with(table_schema, 'landed') AND NOT starts_with(table_name, '_dlt_')"
            ).fetchall()
        return sorted(table if schema == "main" else f"{schema}.{table}" for schema, table in rows)
    return []


def files_of(folder: Path, pattern: str, stage: Path, where: str) -> list[Path]:
    """Return the files that a path or glob of the config names, tables inside other files laid out in `stage`.

    Parameters
    ----------
    folder : Path
        Where the path begins.
    pattern : str
        A path, a glob, or one that goes on inside an archive or a database.
    stage : Path
        A folder for what is laid out.
    where : str
        Place for messages.

    Raises
    ------
    DataError
        An archive or a database is named that holds several tables, or cannot be read.
    """
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    if files:
        return [each for number, path in enumerate(files) for each in _alone(path, stage / str(number), where)]
    return [
        _laid_out(file, member, stage / str(number), where)
        for number, (file, member) in enumerate(_inside(folder, pattern))
    ]


def _inside(folder: Path, pattern: str) -> Iterator[tuple[Path, str]]:
    """Yield container and member of a path that goes on inside a file."""
    parts = pattern.split("/")
    for end in range(1, len(parts)):
        for file in sorted(path for path in folder.glob("/".join(parts[:end])) if path.is_file()):
            inner = "/".join(parts[end:])
            yield from ((file, member) for member in members(file) if fnmatchcase(member, inner))


def _alone(file: Path, stage: Path, where: str) -> list[Path]:
    """Return a file as it can be read: unpacked, or the only table that it holds."""
    if _packed(file):
        return [_unpacked(file, stage, where)]
    if file.stat().st_size == 0 or container_kind(file) is None:
        return [file]
    there = members(file)
    if len(there) == 1:
        return [_laid_out(file, there[0], stage, where)]
    near = near_name(file.stem, there)
    raise problem(
        "CHK002",
        Text.of("data-tables_in" if there else "data-tables_in.none", file=file.name, n=len(there)),
        where=where,
        got=", ".join(there[:12]) or None,
        remedy=Text.of("data-write", it=f"from: {file.name}/{near or there[0]}") if there else None,
    )


def _packed(file: Path) -> bool:
    """Tell whether a file's content is packed with zstandard."""
    with file.open("rb") as stream:
        return stream.read(4) == _ZSTD


def _unpacked(file: Path, stage: Path, where: str) -> Path:
    import pyarrow as pa

    stage.mkdir(parents=True, exist_ok=True)
    target = stage / file.name.removesuffix(".zst").removesuffix(".zstd")
    try:
        with pa.input_stream(str(file), compression="zstd") as content, target.open("wb") as out:
            shutil.copyfileobj(content, out)
    except (OSError, pa.ArrowException) as error:
        raise problem(
            "CHK002",
            Text.of("data-zstandard", file=file.name),
            where=where,
            got=str(error),
        ) from error
    return target


def _laid_out(file: Path, member: str, stage: Path, where: str) -> Path:
    """Return one table of a container as a file of its own."""
    stage.mkdir(parents=True, exist_ok=True)
    kind = container_kind(file)
    try:
        if kind == "zip":
            return _from_zip(file, member, stage, where)
        target = stage / f"{member.replace('/', '_')}.parquet"
        if kind == "sqlite":
            _from_sqlite(file, member, target)
        else:
            _from_duckdb(file, member, target)
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, sqlite3.Error, duckdb.Error) as error:
        raise problem(
            "CHK002",
            Text.of("data-unreadable_member", member=member, file=file.name),
            where=where,
            got=str(error).splitlines()[0],
        ) from error
    return target


def _from_zip(file: Path, member: str, stage: Path, where: str) -> Path:
    target = stage / PurePosixPath(member).name
    with zipfile.ZipFile(file) as archive:
        if archive.getinfo(member).flag_bits & 1:
            raise problem("CHK002", Text.of("data-locked", file=file.name), where=where)
        with archive.open(member) as inner, target.open("wb") as out:
            shutil.copyfileobj(inner, out)
    return _unpacked(target, stage / "unpacked", where) if _packed(target) else target


def _from_duckdb(file: Path, member: str, target: Path) -> None:
    schema, _, table = member.rpartition(".")
    with duckdb.connect(str(file), read_only=True) as db:
        place = f"{identifier(schema or 'main')}.{identifier(table)}"
        db.execute(f"COPY (SELECT * FROM {place}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4)")


def _from_sqlite(file: Path, member: str, target: Path) -> None:
    """Copy a table as text: SQLite's columns may hold values of any type; whole columns of numbers stay numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with closing(_sqlite(file)) as connection:
        quoted = identifier(member)
        names = [column[0] for column in connection.execute(f"SELECT * FROM {quoted} LIMIT 0").description]
        kinds = [_sqlite_kind(connection, quoted, name) for name in names]
        schema = pa.schema([(name, kind) for name, kind in zip(names, kinds, strict=True)])
        cursor = connection.execute(f"SELECT * FROM {quoted}")
        with pq.ParquetWriter(target, schema, compression="lz4") as writer:
            while rows := cursor.fetchmany(_CHUNK):
                columns = [[_cell(row[place], kind) for row in rows] for place, kind in enumerate(kinds)]
                writer.write_table(
                    pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], schema=schema)
                )


def _sqlite_kind(connection: sqlite3.Connection, table: str, name: str) -> object:
    import pyarrow as pa

    column = identifier(name)
    kinds = {row[0] for row in connection.execute(f"SELECT DISTINCT typeof({column}) FROM {table}")} - {"null"}
    if kinds == {"integer"}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {"integer", "real"} else pa.string()


def _cell(value: object, kind: object) -> object:
    import pyarrow as pa

    if value is None or kind != pa.string():
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _sqlite(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)


def readable_members(file: Path, endings: Sequence[str]) -> list[str]:
    """Return the members of a container that can be tables: all of a database, of an archive those with an ending."""
    kind = container_kind(file)
    if kind != "zip":
        return members(file) if kind else []
    return [name for name in members(file) if plain_ending(name).endswith(tuple(endings))]


def plain_ending(name: str) -> str:
    """Return a file's name in lower case without what says how it is packed.

    Examples
    --------
    >>> plain_ending("Accounts.CSV.gz"), plain_ending("a.csv.zst")
    ('accounts.csv', 'a.csv')
    """
    lower = name.lower()
    for ending in (".gz", ".zst", ".zstd"):
        lower = lower.removesuffix(ending)
    return lower
