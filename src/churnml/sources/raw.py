"""Finds the raw tables that a config names, and opens each as one DuckDB relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from churnml.config import Config, TableSource
from churnml.errors import near_name
from churnml.sources.csv_files import MalformedLine, stage_csv
from churnml.sources.sql import identifier, literal, problem

if TYPE_CHECKING:
    from ibis.backends import BaseBackend

__all__ = ["Raw", "RawTables"]

_TEXT_FILES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_PARQUET_FILES = (".parquet", ".pq")

Wanted = Callable[[Iterable[str]], list[str]]


@dataclass(frozen=True)
class Raw:
    """One raw table, ready to be read.

    Parameters
    ----------
    origin : str
        What to call it in messages: the file's or the table's name.
    relation : str
        SQL that stands in a FROM clause.
    columns : dict of str to str
        Raw column → DuckDB type, in order.
    malformed : tuple of MalformedLine
        CSV lines that could not be read.
    """

    origin: str
    relation: str
    columns: dict[str, str]
    malformed: tuple[MalformedLine, ...] = ()

    @property
    def text(self) -> bool:
        """Tell whether every column is text because the source is CSV."""
        return self.origin.endswith(_TEXT_FILES)


class RawTables:
    """The raw tables of one config.

    Parameters
    ----------
    config : Config
        Says where they are.
    db : DuckDB connection
        Reads them.
    stage : Path
        Folder for intermediate files.
    """

    def __init__(self, config: Config, db: duckdb.DuckDBPyConnection, stage: Path) -> None:
        self._db = db
        self._stage = stage
        source = config.source
        self._folder = config.resolve(source.folder) if source.folder is not None else None
        self._backend: BaseBackend | None = None
        if self._folder is not None and not self._folder.is_dir():
            raise _missing_folder(self._folder)
        if source.duckdb is not None:
            self._attach(config.resolve(source.duckdb))
        if source.connection is not None and source.connection.startswith("duckdb://"):
            self._attach(config.resolve(Path(source.connection.removeprefix("duckdb://"))))
        elif source.connection is not None:
            self._backend = _connected(source.connection, config)

    def open(self, name: str, source: TableSource, wanted: Wanted) -> Raw:
        """Open the raw table that a canonical one is made from.

        Parameters
        ----------
        name : str
            Canonical name.
        source : TableSource
            Its section in the config.
        wanted : callable
            From the raw columns, those that are needed; only these leave a remote database.

        Raises
        ------
        DataError
            The file or table is missing or cannot be read.
        """
        where = f"tables.{name}.from"
        if self._folder is not None:
            return self._from_files(self._folder, name, source, where)
        if self._backend is not None:
            return self._from_backend(self._backend, name, source, where, wanted)
        return self._from_duckdb(source, where)

    def close(self) -> None:
        """Close the remote connection, if there is one."""
        if self._backend is not None:
            self._backend.disconnect()

    def _from_files(self, folder: Path, name: str, source: TableSource, where: str) -> Raw:
        files = sorted(path for path in folder.glob(source.from_) if path.is_file())
        if not files:
            raise _missing_file(folder, source.from_, where)
        malformed: list[MalformedLine] = []
        readable: list[Path] = []
        for number, file in enumerate(files):
            lower = file.name.lower()
            if lower.endswith(_PARQUET_FILES):
                readable.append(file)
            elif lower.endswith(_TEXT_FILES):
                target = self._stage / f"{name}.{number}.parquet"
                malformed += stage_csv(self._db, file, target, source, where)
                readable.append(target)
            else:
                raise problem(
                    "CHK002", f"The kind of {file.name} is not known", where=where, expected="CSV (also .gz) or Parquet"
                )
        paths = ", ".join(literal(str(path)) for path in readable)
        relation = f"read_parquet([{paths}], union_by_name=true)"
        try:
            columns = self._described(relation)
        except duckdb.Error as error:
            raise problem(
                "CHK002", f"{source.from_} cannot be read", where=where, got=str(error).splitlines()[0]
            ) from error
        return Raw(source.from_, relation, columns, tuple(malformed))

    def _from_duckdb(self, source: TableSource, where: str) -> Raw:
        rows = self._db.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'raw_source' "
            "UNION ALL SELECT schema_name, view_name FROM duckdb_views() "
            "WHERE database_name = 'raw_source' AND NOT internal"
        ).fetchall()
        known = {
            name for schema, table in rows for name in (f"{schema}.{table}", *([table] if schema == "main" else []))
        }
        if source.from_ not in known:
            raise _missing_table(source.from_, known, where)
        schema, _, table = source.from_.rpartition(".")
        relation = f"raw_source.{identifier(schema or 'main')}.{identifier(table)}"
        return Raw(source.from_, relation, self._described(relation))

    def _from_backend(self, backend: BaseBackend, name: str, source: TableSource, where: str, wanted: Wanted) -> Raw:
        schema, _, table = source.from_.rpartition(".")
        target = self._stage / f"{name}.parquet"
        try:
            known = backend.list_tables(database=schema or None)
            if table in known:
                expression = backend.table(table, database=schema or None)
                expression.select(wanted(expression.columns)).to_parquet(target, compression="lz4")
        except Exception as error:  # every driver has its own exceptions
            raise problem(
                "CHK002",
                f"The table {source.from_} cannot be read from the source",
                where=where,
                got=(str(error).splitlines() or [type(error).__name__])[0],
                remedy="Check that the database is up and that the user may read the table.",
            ) from error
        if table not in known:
            raise _missing_table(source.from_, known, where)
        relation = f"read_parquet({literal(str(target))})"
        return Raw(source.from_, relation, self._described(relation))

    def _attach(self, file: Path) -> None:
        if not file.is_file():
            others = [path.name for path in file.parent.glob("*") if path.is_file()] if file.parent.is_dir() else []
            near = near_name(file.name, others)
            raise problem(
                "CHK001",
                f"There is no DuckDB file {file}",
                where="source.duckdb",
                expected=f"{near} perhaps" if near else None,
            )
        try:
            self._db.execute(f"ATTACH {literal(str(file))} AS raw_source (READ_ONLY)")
        except duckdb.Error as error:
            raise problem(
                "CHK002", f"{file.name} cannot be opened", where="source.duckdb", got=str(error).splitlines()[0]
            ) from error

    def _described(self, relation: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def _connected(url: str, config: Config) -> BaseBackend:
    import ibis
    from ibis.backends import BaseBackend

    shown = config.as_dict()["source"]["connection"]
    try:
        backend = ibis.connect(url)
    except ImportError as error:
        raise problem(
            "CHK001",
            "The driver of the source is not installed",
            where="source.connection",
            got=str(error).splitlines()[0],
            remedy=f"Run: pip install 'ibis-framework[{url.split(':', 1)[0]}]'",
        ) from error
    except Exception as error:  # every driver has its own exceptions
        raise problem(
            "CHK001",
            "The source refused the connection",
            where="source.connection",
            got=f"{shown}: {(str(error).splitlines() or [type(error).__name__])[0]}",
            remedy="Correct source.connection, and check that the database is up and lets you in.",
        ) from error
    assert isinstance(backend, BaseBackend)
    return backend


def _missing_folder(folder: Path) -> Exception:
    siblings = [path.name for path in folder.parent.glob("*") if path.is_dir()] if folder.parent.is_dir() else []
    near = near_name(folder.name, siblings)
    return problem(
        "CHK001",
        f"There is no folder {folder}",
        where="source.folder",
        expected=f"{folder.parent / near} perhaps" if near else None,
        remedy="Correct source.folder; a relative path starts at the config file's own folder.",
    )


def _missing_file(folder: Path, pattern: str, where: str) -> Exception:
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    near = near_name(pattern, there)
    shown = ", ".join(there[:12]) + (" …" if len(there) > 12 else "")
    return problem(
        "CHK001",
        f"No file matches {pattern!r}",
        where=f"{where} in {folder}",
        got=f"the folder holds {shown}" if there else "an empty folder",
        expected=f"{near} perhaps" if near else None,
        remedy=f"Write `from: {near}`." if near else None,
    )


def _missing_table(name: str, known: Iterable[str], where: str) -> Exception:
    names = sorted(known)
    near = near_name(name, names)
    return problem(
        "CHK001",
        f"There is no table {name!r} in the source",
        where=where,
        got=f"tables: {', '.join(names[:12])}" if names else "no tables",
        expected=f"{near} perhaps" if near else None,
        remedy=f"Write `from: {near}`." if near else None,
    )
