"""Finds the raw tables that a config names, and opens each as one DuckDB relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from churnml.config import LookupSource, SourceConfig, TableSource, mask_text, mask_url
from churnml.errors import near_name
from churnml.sources.csv_files import MalformedLines, stage_csv
from churnml.sources.file_kinds import file_kind
from churnml.sources.json_files import stage_json
from churnml.sources.parsing import family
from churnml.sources.sql import identifier, literal, problem
from churnml.sources.workbooks import stage_workbook

if TYPE_CHECKING:
    from ibis.backends import BaseBackend

__all__ = ["Raw", "RawTables"]

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
    malformed : MalformedLines
        Lines of text files that could not be read.
    text : bool
        Whether the source is text that can be malformed.
    numbers : frozenset of str
        Columns of text that are numbers at the source: their decimal sign is the point.
    delimiter : str
        Field separator of the CSV files, else empty.
    notes : tuple of str
        What was changed while reading.
    """

    origin: str
    relation: str
    columns: dict[str, str]
    malformed: MalformedLines = field(default_factory=MalformedLines)
    text: bool = False
    numbers: frozenset[str] = frozenset()
    delimiter: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class _Parts:
    """The files that one raw table is made of, each staged as Parquet, and what is known of them."""

    readable: list[Path] = field(default_factory=list)
    malformed: MalformedLines = field(default_factory=MalformedLines)
    numbers: list[frozenset[str]] = field(default_factory=list)
    delimiter: str = ""
    text: bool = False
    repeated_headers: int = 0


class RawTables:
    """The raw tables of one config.

    Parameters
    ----------
    source : SourceConfig
        Says where they are.
    resolve : callable
        Makes a path of the config absolute.
    db : DuckDB connection
        Reads them.
    stage : Path
        Folder for intermediate files.
    """

    def __init__(
        self, source: SourceConfig, resolve: Callable[[Path], Path], db: duckdb.DuckDBPyConnection, stage: Path
    ) -> None:
        self._db = db
        self._stage = stage
        self._max_malformed_share = source.max_rejected_share
        self._url = source.connection
        self._folder = resolve(source.folder) if source.folder is not None else None
        self._backend: BaseBackend | None = None
        if self._folder is not None and not self._folder.is_dir():
            raise _missing_folder(self._folder)
        if source.duckdb is not None:
            self._attach(resolve(source.duckdb))
        if source.connection is not None and source.connection.startswith("duckdb://"):
            self._attach(resolve(Path(source.connection.removeprefix("duckdb://"))))
        elif source.connection is not None:
            self._backend = _connected(source.connection)

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
        if source.via is not None:
            return self._with_lookup(name, source, source.via, wanted)
        if self._folder is not None:
            return self._from_files(self._folder, name, source, where)
        if self._backend is not None:
            return self._from_backend(self._backend, name, source, where, wanted)
        return self._from_duckdb(source, where)

    def close(self) -> None:
        """Close the remote connection, if there is one."""
        if self._backend is not None:
            self._backend.disconnect()

    def _with_lookup(self, name: str, source: TableSource, via: LookupSource, wanted: Wanted) -> Raw:
        """Open a table and let each row take columns of the row of another table that it names."""
        own = self.open(name, source.model_copy(update={"via": None}), lambda names: [*wanted(names), via.column])
        other_source = TableSource.model_validate(
            {"from": via.from_, "encoding": source.encoding, "delimiter": source.delimiter}
        )
        place = f"tables.{name}.via"
        matches = via.matches or via.column
        other = self.open(f"{name}.via", other_source, lambda names: [n for n in names if n in (matches, *via.take)])
        column = _column_of(own, via.column, f"{place}.column")
        match = _column_of(other, matches, f"{place}.matches")
        take = [_column_of(other, each, f"{place}.take") for each in via.take]
        taken = ", ".join(
            f"CASE WHEN count(DISTINCT {identifier(each)}) = 1 THEN any_value({identifier(each)}) END "
            f"AS {identifier(each)}"
            for each in take
        )
        key = f"trim(CAST({identifier(match)} AS VARCHAR))"
        lookup = f"SELECT {key} AS matched_key, {taken} FROM {other.relation} WHERE {key} <> '' GROUP BY 1"
        self._db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(f'lookup:{name}')} AS {lookup}")
        overlap = [each for each in own.columns if each.casefold() in {t.casefold() for t in take}]
        star = "own.*" + (f" EXCLUDE ({', '.join(map(identifier, overlap))})" if overlap else "")
        picked = ", ".join(f"looked_up.{identifier(each)}" for each in take)
        relation = (
            f"(SELECT {star}, {picked} FROM {own.relation} AS own "
            f"LEFT JOIN {identifier(f'lookup:{name}')} AS looked_up "
            f"ON trim(CAST(own.{identifier(column)} AS VARCHAR)) = looked_up.matched_key)"
        )
        notes = self._lookup_notes(name, own, column, via, take)
        return replace(own, relation=relation, columns=self._described(relation), notes=(*own.notes, *notes))

    def _lookup_notes(self, name: str, own: Raw, column: str, via: LookupSource, take: list[str]) -> list[str]:
        """Say how many rows name what the other table does not have, or has for several accounts."""
        key = f"trim(CAST({identifier(column)} AS VARCHAR))"
        found = " OR ".join(f"looked_up.{identifier(each)} IS NOT NULL" for each in take)
        row = self._db.execute(
            f"SELECT count_if({key} <> '' AND looked_up.matched_key IS NULL), "
            f"count_if(looked_up.matched_key IS NOT NULL AND NOT ({found})) FROM {own.relation} AS own "
            f"LEFT JOIN {identifier(f'lookup:{name}')} AS looked_up ON {key} = looked_up.matched_key"
        ).fetchone()
        unknown, several = (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)
        notes = []
        if unknown:
            notes.append(
                f"{name}: {unknown:,} rows name a {column} that {via.from_} does not have; they get no account"
            )
        if several:
            notes.append(
                f"{name}: {several:,} rows name a {column} that {via.from_} gives to several accounts, or to none; "
                "they get no account"
            )
        return notes

    def _from_files(self, folder: Path, name: str, source: TableSource, where: str) -> Raw:
        files = sorted(path for path in folder.glob(source.from_) if path.is_file())
        if not files:
            raise _missing_file(folder, source.from_, where)
        parts = _Parts()
        for number, file in enumerate(files):
            self._stage_file(file, self._stage / f"{name}.{number}.parquet", source, where, parts)
        try:
            relation = self._united(parts.readable)
            columns = self._described(relation)
        except duckdb.Error as error:
            raise problem(
                "CHK002",
                f"{source.from_} cannot be read",
                where=where,
                got=str(error).splitlines()[0],
                remedy="Export or copy the file anew.",
            ) from error
        text = {each for each, kind in columns.items() if kind == "VARCHAR"}
        certain = frozenset.intersection(*parts.numbers) & text if len(parts.numbers) == len(files) else frozenset()
        notes = (
            (f"{name}: {parts.repeated_headers:,} lines that repeat the header are left out",)
            if parts.repeated_headers
            else ()
        )
        return Raw(source.from_, relation, columns, parts.malformed, parts.text, certain, parts.delimiter, notes)

    def _stage_file(self, file: Path, target: Path, source: TableSource, where: str, parts: _Parts) -> None:
        kind = file_kind(file, where)
        parts.readable.append(file if kind == "parquet" else target)
        if kind == "json":
            staged_json = stage_json(self._db, file, target, where)
            parts.text, parts.malformed = True, parts.malformed + staged_json.malformed
            parts.numbers.append(staged_json.numbers)
        elif kind == "workbook":
            parts.numbers.append(stage_workbook(file, target, source.sheet, where))
        elif kind == "text":
            staged = stage_csv(self._db, file, target, source, where, max_malformed_share=self._max_malformed_share)
            parts.text, parts.malformed = True, parts.malformed + staged.malformed
            parts.delimiter = staged.delimiter
            parts.repeated_headers += staged.repeated_headers

    def _united(self, files: list[Path]) -> str:
        """Return the relation of all parts; a column that has several types among them becomes text.

        DuckDB would take the widest type: ids that are whole numbers in one part and decimal ones in another would
        be calculated as floating-point numbers.
        """
        relations = [f"read_parquet({literal(str(file))})" for file in files]
        schemas = [self._described(relation) for relation in relations]
        types: dict[str, set[str]] = {}
        for schema in schemas:
            for name, kind in schema.items():
                types.setdefault(name.casefold(), set()).add(kind)
        mixed = {name for name, kinds in types.items() if len(kinds) > 1}
        if not mixed:
            return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], union_by_name=true)"
        selects = []
        for relation, schema in zip(relations, schemas, strict=True):
            columns = ", ".join(
                f"{_as_text(name, kind)} AS {identifier(name)}" if name.casefold() in mixed else identifier(name)
                for name, kind in schema.items()
            )
            selects.append(f"SELECT {columns} FROM {relation}")
        return f"({' UNION ALL BY NAME '.join(selects)})"

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
                got=mask_text((str(error).splitlines() or [type(error).__name__])[0], [self._url]),
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


def _as_text(name: str, kind: str) -> str:
    """Return the SQL that writes a typed value as text, a whole number without decimals."""
    value = identifier(name)
    if family(kind) != "float":
        return f"CAST({value} AS VARCHAR)"
    whole = f"{value} = floor({value}) AND abs({value}) < 1e15"
    return f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"


def _column_of(raw: Raw, name: str, where: str) -> str:
    """Return a raw column as it is spelt."""
    for column in raw.columns:
        if column.casefold() == name.casefold():
            return column
    near = near_name(name, raw.columns)
    raise problem(
        "CHK004",
        f"{raw.origin} has no column {name!r}",
        where=where,
        got=f"columns: {', '.join(raw.columns)}",
        expected=f"{near} perhaps" if near else None,
        remedy=f"Write `{near}`." if near else None,
    )


def _connected(url: str) -> BaseBackend:
    import ibis
    from ibis.backends import BaseBackend

    try:
        backend = ibis.connect(url)
    except ImportError as error:
        raise problem(
            "CHK001",
            "The driver of the source is not installed",
            where="source.connection",
            got=mask_text(str(error).splitlines()[0], [url]),
            remedy=f"Run: pip install 'ibis-framework[{url.split(':', 1)[0]}]'",
        ) from error
    except Exception as error:  # every driver has its own exceptions
        raise problem(
            "CHK001",
            "The source refused the connection",
            where="source.connection",
            got=f"{mask_url(url)}: {mask_text((str(error).splitlines() or [type(error).__name__])[0], [url])}",
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
