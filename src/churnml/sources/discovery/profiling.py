"""What a raw file holds, told from its content: columns, dates and their formats, few words or many."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from churnml.config import SourceConfig, TableSource
from churnml.errors import ChurnmlError
from churnml.language import Text
from churnml.sources.containers import plain_ending, readable_members
from churnml.sources.dates import propose_format
from churnml.sources.discovery.known_exports import look_into
from churnml.sources.discovery.profiles import ColumnProfile, FileProfile, Kind
from churnml.sources.discovery.recognition import recognise
from churnml.sources.raw import Raw, RawTables
from churnml.sources.sql import identifier

__all__ = ["profile_files"]

_SAMPLE = 50_000
_EXAMPLES = 200
_FEW_WORDS = 60
_READABLE = (
    ".csv",
    ".tsv",
    ".txt",
    ".tab",
    ".psv",
    ".parquet",
    ".pq",
    ".jsonl",
    ".ndjson",
    ".json",
    ".xlsx",
    ".xls",
    ".ods",
)
_CONTAINERS = (".zip", ".duckdb", ".ddb", ".db", ".sqlite", ".sqlite3")
_TEXT = (".csv", ".tsv", ".txt", ".tab", ".psv")
_FORMAT = re.compile(r"`format: '([^']+)'`")
_DATE_SHAPE = re.compile(
    r"\d{1,4}\s*[./年-]\s*\w{1,9}\s*[./月-]\s*\d{1,4}|\d{1,2},? \w{3,9},? \d{2,4}|\w{3,9} \d{1,2},? \d{4}|[年元]"
)
"""What nearly every date in the world looks like; what does not is not tried in hundreds of formats."""
_EPOCH = re.compile(r"`expr: ([^`]+)`")


def profile_files(
    folder: Path, say: Callable[[str], None] = lambda text: None, only: Sequence[Path] = ()
) -> list[FileProfile]:
    """Profile every readable file of a folder and its sub-folders.

    Files of one folder with the same columns are one table. What cannot be read is told with the reason, not left out.

    Parameters
    ----------
    folder : Path
    say : callable
        Told which file is being read.
    only : sequence of Path
        Only these files, and what lies in these folders; empty means all.
    """
    names = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    names = [path for path in names if not only or any(path.resolve().is_relative_to(each) for each in only)]
    profiles: list[FileProfile] = []
    readable: list[str] = []
    for path in names:
        name = path.relative_to(folder).as_posix()
        try:
            readable += _tables_of(path, name)
        except (OSError, zipfile.BadZipFile, sqlite3.Error, duckdb.Error) as error:
            profiles.append(FileProfile(name, 0, (), Text.of("init-why-unreadable", said=str(error).splitlines()[0])))
    opened: dict[str, _Opened] = {}
    with tempfile.TemporaryDirectory() as stage, duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for number, name in enumerate(readable):
            say(name)
            own = Path(stage) / str(number)
            own.mkdir()
            try:
                opened[name] = _opened(db, folder, name, own)
            except ChurnmlError as error:
                profiles.append(
                    FileProfile(name, 0, (), Text.of("init-why-unreadable", said=str(error).splitlines()[0]))
                )
        headings = [
            FileProfile(name, 0, tuple(ColumnProfile(column, "text", 0, 0, False, ()) for column in each.raw.columns))
            for name, each in opened.items()
        ]
        options = {name: each.options for name, each in opened.items()}
        known = look_into(folder, recognise(headings), options, Path(stage))
        for light in headings:
            each, export = opened[light.path], known.get(light.path)
            if export is not None and not export.fault:
                rows = int(db.execute(f"SELECT count(*) FROM {each.raw.relation}").fetchall()[0][0])
                profiles.append(replace(light, rows=rows, known=export, options=each.options))
            else:  # a preset that does not fit helps nobody: the file is told by its content, like any other
                deep = _profile(db, light.path, each.raw.relation, each.raw.columns)
                profiles.append(replace(deep, known=export, options=each.options))
    return _joined(profiles)


def _tables_of(path: Path, name: str) -> list[str]:
    """Return a file's path in the config, or those of the tables that it holds."""
    if plain_ending(path.name).endswith(_READABLE):
        return [name]
    if not plain_ending(path.name).endswith(_CONTAINERS) or not path.stat().st_size:
        return []
    return [f"{name}/{member}" for member in readable_members(path, _READABLE)]


@dataclass(frozen=True)
class _Opened:
    """A file that can be read, and how."""

    raw: Raw
    options: dict[str, str | bool]


_ENCODINGS = ("utf-16", "cp932", "cp1252", "latin-1")


def _opened(db: duckdb.DuckDBPyConnection, folder: Path, name: str, stage: Path) -> _Opened:
    """Open a file as it is, or, where that fails, without its footer or in the first encoding that reads all of it."""
    footer: dict[str, str | bool] = {"ends_at_blank_line": True}
    ways: list[dict[str, str | bool]] = [{}]
    if plain_ending(name).endswith(_TEXT):
        ways += [footer, *({"encoding": each, **more} for each in _ENCODINGS for more in ({}, footer))]
    first: ChurnmlError | None = None
    partly: _Opened | None = None
    for number, options in enumerate(ways):
        if partly is not None and "encoding" in options:
            break  # its encoding is right: some lines are malformed, and `check` will name them
        own = stage / str(number)
        own.mkdir()
        tables = RawTables(SourceConfig(folder=folder), lambda given: given, db, own)
        section = TableSource.model_validate({"from": _literal_glob(name), **options})
        try:
            raw = tables.open("file", section, list)
        except ChurnmlError as error:
            first = first or error
            continue
        if not raw.malformed.rows:
            return _Opened(raw, options)
        partly = partly or _Opened(raw, options)
    if partly is not None:
        return partly
    assert first is not None
    raise first


def _literal_glob(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _profile(db: duckdb.DuckDBPyConnection, name: str, relation: str, columns: dict[str, str]) -> FileProfile:
    rows = int(db.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
    db.execute(f"CREATE OR REPLACE TEMP TABLE sample AS SELECT * FROM {relation} LIMIT {_SAMPLE}")
    profiles = (_column(db, column, kind) for column, kind in columns.items())
    return FileProfile(name, rows, tuple(_with_span(db, relation, profile) for profile in profiles))


def _with_span(db: duckdb.DuckDBPyConnection, relation: str, column: ColumnProfile) -> ColumnProfile:
    """Return a column of dates with its first and last day over the whole file."""
    if not column.dated or column.format or column.expr:
        return column
    moment = f"TRY_CAST({identifier(column.name)} AS TIMESTAMP)"
    first, last = db.execute(f"SELECT min({moment}), max({moment}) FROM {relation}").fetchall()[0]
    return column if first is None else replace(column, first=first.date().isoformat(), last=last.date().isoformat())


def _column(db: duckdb.DuckDBPyConnection, name: str, kind: str) -> ColumnProfile:
    quoted = identifier(name)
    text = f"trim(CAST({quoted} AS VARCHAR))"
    value = f"nullif({text}, '')"
    total, filled, distinct = db.execute(
        f"SELECT count(*), count({value}), count(DISTINCT {value}) FROM sample"
    ).fetchall()[0]
    examples = tuple(
        row[0]
        for row in db.execute(
            f"SELECT v FROM (SELECT {value} AS v, min(rowid) AS place FROM sample GROUP BY 1) "
            f"WHERE v IS NOT NULL ORDER BY place LIMIT {_EXAMPLES}"
        ).fetchall()
    )
    share = filled / total if total else 0.0
    base = ColumnProfile(name, "empty", round(share, 4), int(distinct), filled > 0 and distinct == filled, examples)
    if not filled:
        return base
    upper = kind.upper()
    if upper == "DATE" or upper.startswith("TIMESTAMP"):
        return _as(base, "date" if upper == "DATE" else "time")
    if upper == "BOOLEAN" or {example.lower() for example in examples} <= _FLAGS:
        return _as(base, "flag") if distinct <= 2 or upper == "BOOLEAN" else _number(db, base, value)
    dated = _dated(db, base, value, filled)
    if dated is not None:
        return dated
    numbers = db.execute(f"SELECT count(TRY_CAST({value} AS DOUBLE)) FROM sample").fetchall()[0][0]
    if numbers == filled:
        return _number(db, base, value)
    return _as(base, "word" if distinct <= _FEW_WORDS and distinct * 3 <= filled else "text")


_FLAGS = {"true", "false", "yes", "no", "0", "1", "t", "f", "y", "n"}


def _number(db: duckdb.DuckDBPyConnection, base: ColumnProfile, value: str) -> ColumnProfile:
    low, high = db.execute(
        f"SELECT min(TRY_CAST({value} AS DOUBLE)), max(TRY_CAST({value} AS DOUBLE)) FROM sample"
    ).fetchall()[0]
    return _as(base, "number", low=low, high=high)


def _dated(db: duckdb.DuckDBPyConnection, base: ColumnProfile, value: str, filled: int) -> ColumnProfile | None:
    """Return the profile of a column that reads as a date in nine of ten values, else None."""
    plain = db.execute(
        f"SELECT count(TRY_CAST({value} AS TIMESTAMP)), count(*) FILTER (regexp_matches({value}, '\\d[T ]\\d')) "
        f"FROM sample WHERE {value} IS NOT NULL AND NOT regexp_matches({value}, '^\\d+([.]\\d+)?$')"
    ).fetchall()[0]
    if plain[0] * 10 >= filled * 9:
        return _as(base, "time" if plain[1] * 2 > filled else "date")
    digits = [example for example in base.examples if example.replace(".", "", 1).isdigit()]
    if len(digits) == len(base.examples) and not re.search(
        r"(time|date|_at|_on|created|updated|timestamp|ts)", base.name, re.I
    ):
        return None
    shaped = sum(bool(_DATE_SHAPE.search(example)) for example in base.examples)
    if shaped * 10 < len(base.examples) * 9 and len(digits) < len(base.examples):
        return None
    remedy = str(propose_format(list(base.examples[:50])))
    epoch, written = _EPOCH.search(remedy), _FORMAT.findall(remedy)
    if epoch is not None and len(digits) == len(base.examples):
        return _as(base, "time", expr=epoch.group(1))
    if written and len(digits) < len(base.examples):
        # Two formats that read the same values (day and month): the file must say which, so a person is asked.
        form = written[0] if len(written) == 1 else " or ".join(written)
        return _as(base, "time" if "%H" in written[0] or "%I" in written[0] else "date", format=form)
    return None


def _as(base: ColumnProfile, kind: Kind, **facts: object) -> ColumnProfile:
    return replace(base, kind=kind, **facts)  # type: ignore[arg-type]


def _joined(profiles: Sequence[FileProfile]) -> list[FileProfile]:
    """Make one entry with a glob of files beside one another that have numbered names and the same columns."""
    groups: dict[tuple[str, tuple[str, ...]], list[FileProfile]] = {}
    for one in profiles:
        stem = re.sub(r"\d+", "*", one.path)
        groups.setdefault((stem, tuple(column.name for column in one.columns)), []).append(one)
    out = []
    for (stem, _), parts in groups.items():
        if len(parts) == 1 or parts[0].fault:
            out += parts
            continue
        out.append(FileProfile(stem, sum(part.rows for part in parts), max(parts, key=lambda part: part.rows).columns))
    return sorted(out, key=lambda one: one.path)
