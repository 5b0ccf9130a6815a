"""Finds the raw tables that a config names, and opens each as one DuckDB relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from churnml.config import SourceConfig, TableSource, mask_text
from churnml.errors import near_name
from churnml.language import Text
from churnml.sources.connections import connected, missing_file, missing_folder, missing_table
from churnml.sources.containers import files_of
from churnml.sources.csv_files import MalformedLines, stage_csv
from churnml.sources.file_kinds import file_kind
from churnml.sources.held import MOST_ROWS
from churnml.sources.json_files import stage_json
from churnml.sources.parsing import family
from churnml.sources.report_files import rows_alone
from churnml.sources.sql import counted, described, identifier, literal, problem
from churnml.sources.workbooks import stage_workbook

if TYPE_CHECKING:
    from ibis.backends import BaseBackend

__all__ = ["Raw", "RawTables"]

_NUMBERS = count()

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
    notes : tuple of Text
        What was changed while reading.
    place : str
        Key of its section in the config, for messages.
    rows : int or None
        About how many rows it has; None where counting them may take long.
    files : tuple of Path
        The Parquet files that `relation` reads as they lie; empty where it reads anything else.
    """

    origin: str
    relation: str
    columns: dict[str, str]
    malformed: MalformedLines = field(default_factory=MalformedLines)
    text: bool = False
    numbers: frozenset[str] = frozenset()
    delimiter: str = ""
    notes: tuple[Text, ...] = ()
    place: str = ""
    rows: int | None = None
    files: tuple[Path, ...] = ()

    @property
    def is_small(self) -> bool:
        """Tell whether its rows may be held in the engine while it is read."""
        return self.rows is not None and self.rows <= MOST_ROWS


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
    name : str
        Its name among several sources, else empty.
    """

    def __init__(
        self,
        source: SourceConfig,
        resolve: Callable[[Path], Path],
        db: duckdb.DuckDBPyConnection,
        stage: Path,
        name: str = "",
    ) -> None:
        self._db = db
        self._key = f"sources.{name}" if name else "source"
        # Sessions of one DuckDB share what is attached, so that two loads at a time must not call it the same.
        self._alias = f"raw_source:{name}:{next(_NUMBERS)}"
        self._stage = stage
        self._max_malformed_share = source.max_rejected_share
        self._url = source.connection
        self._folder = resolve(source.folder) if source.folder is not None else None
        self._backend: BaseBackend | None = None
        self._is_attached = False
        if self._folder is not None and not self._folder.is_dir():
            raise missing_folder(self._folder, self._key)
        if source.duckdb is not None:
            self._attach(resolve(source.duckdb))
        if source.connection is not None and source.connection.startswith("duckdb://"):
            self._attach(resolve(Path(source.connection.removeprefix("duckdb://"))))
        elif source.connection is not None:
            self._backend = connected(source.connection, self._key)

    def open(self, name: str, source: TableSource, wanted: Wanted, place: str | None = None) -> Raw:
        """Open one raw table.

        Parameters
        ----------
        name : str
            What its intermediate files are called; no two raw tables share it.
        source : TableSource
            Its section in the config.
        wanted : callable
            From the raw columns, those that are needed; only these leave a remote database.
        place : str, optional
            Key of the section, for messages; ``tables.<name>`` by default.

        Raises
        ------
        DataError
            The file or table is missing or cannot be read.
        """
        place = place or f"tables.{name}"
        where = f"{place}.from"
        if self._folder is not None:
            raw = self._from_files(self._folder, name, source, where)
        elif self._backend is not None:
            raw = self._from_backend(self._backend, name, source, where, wanted)
        else:
            raw = self._from_duckdb(source, where)
        return replace(raw, place=place)

    def close(self) -> None:
        """Close the remote connection or the database file, if there is one."""
        if self._backend is not None:
            self._backend.disconnect()
        if self._is_attached:
            with suppress(duckdb.Error):  # what went wrong before is what is told
                self._db.execute(f"DETACH {identifier(self._alias)}")

    def _from_files(self, folder: Path, name: str, source: TableSource, where: str) -> Raw:
        files = files_of(folder, source.from_, self._stage / f"{name}.inside", where)
        if not files:
            raise missing_file(folder, source.from_, where)
        parts = _Parts()
        for number, file in enumerate(files):
            self._stage_file(file, self._stage / f"{name}.{number}.parquet", source, where, parts)
        try:
            relation = self._united(parts.readable)
            columns = described(self._db, relation)
            rows = counted(self._db, relation)
        except duckdb.Error as error:
            raise problem(
                "CHK002",
                Text.of("data-unreadable", file=source.from_),
                where=where,
                got=str(error).splitlines()[0],
            ) from error
        text = {each for each, kind in columns.items() if kind == "VARCHAR"}
        certain = frozenset.intersection(*parts.numbers) & text if len(parts.numbers) == len(files) else frozenset()
        notes = (
            (Text.of("data-repeated_headers", table=name, n=parts.repeated_headers),) if parts.repeated_headers else ()
        )
        return Raw(
            source.from_,
            relation,
            columns,
            parts.malformed,
            parts.text,
            certain,
            parts.delimiter,
            notes,
            rows=rows,
            files=() if any(file.is_relative_to(self._stage) for file in parts.readable) else tuple(parts.readable),
        )

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
            if source.header_lines > 1 or source.ends_at_blank_line:
                file = rows_alone(file, target.with_suffix(".rows.csv"), source)
            staged = stage_csv(self._db, file, target, source, where, max_malformed_share=self._max_malformed_share)
            parts.text, parts.malformed = True, parts.malformed + staged.malformed
            parts.delimiter = staged.delimiter
            parts.repeated_headers += staged.repeated_headers

    def _united(self, files: list[Path]) -> str:
        """Return the relation of all parts; a column that has several types among them becomes text.

        DuckDB would take the widest type: ids that are whole numbers in one part and decimal ones in another would
        be calculated as floating-point numbers.
        """
        union = f"read_parquet([{', '.join(literal(str(file)) for file in files)}], union_by_name=true)"
        if len(files) == 1:
            return union
        relations = [f"read_parquet({literal(str(file))})" for file in files]
        schemas = [described(self._db, relation) for relation in relations]
        types: dict[str, set[str]] = {}
        for schema in schemas:
            for name, kind in schema.items():
                types.setdefault(name.casefold(), set()).add(kind)
        mixed = {name for name, kinds in types.items() if len(kinds) > 1}
        if not mixed:
            return union
        selects = []
        for relation, schema in zip(relations, schemas, strict=True):
            columns = ", ".join(
                f"{_as_text(name, kind)} AS {identifier(name)}" if name.casefold() in mixed else identifier(name)
                for name, kind in schema.items()
            )
            selects.append(f"SELECT {columns} FROM {relation}")
        return f"({' UNION ALL BY NAME '.join(selects)})"

    def _from_duckdb(self, source: TableSource, where: str) -> Raw:
        alias = literal(self._alias)
        rows = self._db.execute(
            f"SELECT schema_name, table_name, estimated_size FROM duckdb_tables() WHERE database_name = {alias} "
            "UNION ALL SELECT schema_name, view_name, NULL FROM duckdb_views() "
            f"WHERE database_name = {alias} AND NOT internal"
        ).fetchall()
        known = {
            name: size
            for schema, table, size in rows
            for name in (f"{schema}.{table}", *([table] if schema == "main" else []))
        }
        if source.from_ not in known:
            raise missing_table(source.from_, known, where)
        schema, _, table = source.from_.rpartition(".")
        relation = f"{identifier(self._alias)}.{identifier(schema or 'main')}.{identifier(table)}"
        return Raw(source.from_, relation, described(self._db, relation), rows=known[source.from_])

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
                Text.of("data-unreadable_table", table=source.from_),
                where=where,
                got=mask_text((str(error).splitlines() or [type(error).__name__])[0], [self._url]),
            ) from error
        if table not in known:
            raise missing_table(source.from_, known, where)
        relation = f"read_parquet({literal(str(target))})"
        return Raw(source.from_, relation, described(self._db, relation), rows=counted(self._db, relation))

    def _attach(self, file: Path) -> None:
        if not file.is_file():
            others = [path.name for path in file.parent.glob("*") if path.is_file()] if file.parent.is_dir() else []
            near = near_name(file.name, others)
            raise problem(
                "CHK001",
                Text.of("data-no_duckdb", file=str(file)),
                where=f"{self._key}.duckdb",
                expected=Text.of("data-perhaps", name=near) if near else None,
            )
        try:
            self._db.execute(f"ATTACH {literal(str(file))} AS {identifier(self._alias)} (READ_ONLY)")
            self._is_attached = True
        except duckdb.Error as error:
            raise problem(
                "CHK002",
                Text.of("data-unopened", file=file.name),
                where=f"{self._key}.duckdb",
                got=str(error).splitlines()[0],
            ) from error


def _as_text(name: str, kind: str) -> str:
    """Return the SQL that writes a typed value as text, a whole number without decimals."""
    value = identifier(name)
    if family(kind) != "float":
        return f"CAST({value} AS VARCHAR)"
    whole = f"{value} = floor({value}) AND abs({value}) < 1e15"
    return f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
