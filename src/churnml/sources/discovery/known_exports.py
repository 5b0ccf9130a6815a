"""Looks into recognised exports through their presets: rows, dates, accounts, and what the tool leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import duckdb

from churnml.config import SourceConfig, TableSource
from churnml.errors import ChurnmlError
from churnml.sources.discovery.recognition import Recognised
from churnml.sources.macros import define_macros
from churnml.sources.mapping import map_table
from churnml.sources.presets import preset
from churnml.sources.raw_sources import Part, RawSources
from churnml.sources.sql import identifier
from churnml.tables import TABLES

__all__ = ["KnownExport", "look_into"]

_MOST_ACCOUNTS = 200_000


@dataclass(frozen=True)
class KnownExport:
    """A recognised file, as its preset reads it.

    Parameters
    ----------
    name : str
        Tool and object.
    table : str
        Canonical table, empty for an object that feeds none by itself.
    with_ : mapping of str to str
        Further raw tables that the preset reads and that are there.
    rows : int
        Rows that count.
    first, last : str
        First and last day, ISO, empty where there is none.
    accounts : frozenset of str
        Accounts that its rows name.
    asks : tuple of str
        Keys of the source that it needs to be told: ``timezone``, ``date_order``.
    fault : str
        Why the preset does not fit this file, else empty.
    """

    name: str
    table: str = ""
    with_: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    first: str = ""
    last: str = ""
    accounts: frozenset[str] = frozenset()
    asks: tuple[str, ...] = ()
    fault: str = ""

    @property
    def tool(self) -> str:
        """The tool alone."""
        return self.name.partition("/")[0]


def look_into(
    folder: Path, recognised: Mapping[str, Recognised], options: Mapping[str, Mapping[str, object]], stage: Path
) -> dict[str, KnownExport]:
    """Return path → what was found, for every recognised file.

    Parameters
    ----------
    folder : Path
        Where the paths start.
    recognised : mapping of str to Recognised
        Path → tool and object.
    options : mapping
        Path → how the file is read (encoding, footer).
    stage : Path
        Folder for intermediate files.
    """
    exports: dict[str, KnownExport] = {}
    for number, (path, one) in enumerate(recognised.items()):
        if not one.is_preset:
            exports[path] = KnownExport(one.name)
            continue
        beside = tuple(_beside(path, one, recognised))
        section = TableSource.model_validate(
            {"from": _literal(path), "preset": one.name, "with": dict(beside), **options.get(path, {})}
        )
        own = stage / f"known{number}"
        own.mkdir()
        exports[path] = _read(folder, one.name, section, beside, own)
    return exports


def _literal(path: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def _beside(path: str, one: Recognised, recognised: Mapping[str, Recognised]) -> Iterable[tuple[str, str]]:
    """Yield the further raw tables of the preset that lie in the folder, of the same folder first."""
    here = PurePosixPath(path).parent
    for key, lookup in preset(one.name, "").lookups.items():
        others = [other for other, is_ in recognised.items() if is_.name == lookup.object]
        others.sort(key=lambda other: (PurePosixPath(other).parent != here, other))
        if others:
            yield key, others[0]


def _read(
    folder: Path, name: str, section: TableSource, beside: tuple[tuple[str, str], ...], stage: Path
) -> KnownExport:
    """Read a file through its preset; what the tool leaves open is assumed here, to be asked in the config."""
    asks: list[str] = []
    source = SourceConfig(folder=folder, max_rejected_share=0.99)
    table = preset(name, "").table
    for _ in range(3):
        try:
            rows, first, last, accounts = _summary(source, table, section, stage)
        except ChurnmlError as error:
            key = {"data.zone": "timezone", "data.date_order": "date_order"}.get(error.code or "")
            if key is None or key in asks:
                return KnownExport(name, table, beside, fault=str(error).splitlines()[0])
            asks.append(key)
            source = source.model_copy(update={"timezone": "UTC"} if key == "timezone" else {"date_order": "month"})
        else:
            return KnownExport(name, table, beside, rows, first, last, accounts, tuple(asks))
    return KnownExport(name, table, beside, fault="it cannot be read")


def _summary(
    source: SourceConfig, table: str, section: TableSource, stage: Path
) -> tuple[int, str, str, frozenset[str]]:
    definition = TABLES[table]
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        define_macros(db)
        sources = RawSources({"": source}, lambda given: given, db, stage)
        raw, resolved = sources.open(Part(table, section, f"tables.{table}", 0, ""), lambda _: list)
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        mapping = map_table(db, definition, resolved, raw, tomorrow=tomorrow)
        day = definition.occurred_at if definition.occurred_at in mapping.available else None
        day = day or next((name for name in ("known_at", "created_on") if name in mapping.mapped), None)
        moment = f"CAST({identifier(day)} AS DATE)" if day is not None else "CAST(NULL AS DATE)"
        row = db.execute(f"SELECT count(*), min({moment}), max({moment}) FROM ({mapping.select})").fetchone()
        accounts = db.execute(
            f"SELECT DISTINCT account_id FROM ({mapping.select}) WHERE account_id IS NOT NULL LIMIT {_MOST_ACCOUNTS}"
        ).fetchall()
    count, first, last = row if row is not None else (0, None, None)
    shown = ["" if each is None else str(each) for each in (first, last)]
    return int(count), shown[0], shown[1], frozenset(each[0] for each in accounts)
