"""All sources of one config: opens each raw table where it lies, with its lookups and its latest versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from churnml.config import LookupSource, RatesSource, SourceConfig, TableSource, VersionSource
from churnml.errors import ConfigError
from churnml.language import Several, Text
from churnml.sources.held import held
from churnml.sources.lookups import column_of, with_lookup
from churnml.sources.presets import Preset, preset
from churnml.sources.presets.resolving import laid_out, prepared, resolved, versions_of
from churnml.sources.raw import Raw, RawTables, Wanted
from churnml.sources.sql import identifier

__all__ = ["Part", "RawSources", "parts_of"]


@dataclass(frozen=True)
class Part:
    """One of the raw tables that feed a canonical one.

    Parameters
    ----------
    table : str
        Canonical name.
    source : TableSource
        Its section in the config.
    place : str
        Key of that section, for messages.
    number : int
        Its place among the parts, from 0.
    tool : str
        Name of the source that it lies in; empty where there is only one without a name.
    """

    table: str
    source: TableSource
    place: str
    number: int
    tool: str

    @property
    def name(self) -> str:
        """What its intermediate files are called."""
        return f"{self.table}.part{self.number}" if self.number else self.table

    @property
    def label(self) -> str:
        """What keeps its ids apart from those of the other parts; the first part's ids stay what they are."""
        return f"{self.tool or f'part{self.number}'}:" if self.number else ""


def parts_of(table: str, source: TableSource, sources: Mapping[str, SourceConfig]) -> list[Part]:
    """Return the parts of a canonical table, in the order of the config."""
    several = len(source.parts) > 1
    only = next(iter(sources)) if len(sources) == 1 else ""
    return [
        Part(table, part, f"tables.{table}[{number}]" if several else f"tables.{table}", number, part.source or only)
        for number, part in enumerate(source.parts)
    ]


class RawSources:
    """The sources of one config, each opened when a table first needs it.

    Parameters
    ----------
    sources : mapping of str to SourceConfig
        As `Config.named_sources`.
    resolve : callable
        Makes a path of the config absolute.
    db : DuckDB connection
        Reads them.
    stage : Path
        Folder for intermediate files.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceConfig],
        resolve: Callable[[Path], Path],
        db: duckdb.DuckDBPyConnection,
        stage: Path,
    ) -> None:
        self._sources = sources
        self._resolve = resolve
        self._db = db
        self._stage = stage
        self._opened: dict[str, RawTables] = {}
        self._stack = ExitStack()

    def config(self, tool: str) -> SourceConfig:
        """Return the section of a source."""
        return self._sources[tool]

    def open(self, part: Part, wanted: Callable[[TableSource], Wanted]) -> tuple[Raw, TableSource]:
        """Open a raw table: the rows that count, with what they look up, and the section that maps it.

        Parameters
        ----------
        part : Part
            The raw table.
        wanted : callable
            From a section, which raw columns it reads.

        Returns
        -------
        Raw
            The raw table.
        TableSource
            Its section; where it names a preset, with the preset's lines that fit.

        Raises
        ------
        DataError
            A file, table or column is missing or cannot be read, or a preset needs to be told something.
        """
        source = part.source
        if source.preset is not None:
            return self._by_preset(part, source.preset)
        needed = [*([source.via.column] if source.via is not None else []), *_of_versions(source)]
        columns = wanted(source)
        raw = self._of(part.tool).open(part.name, source, lambda names: [*columns(names), *needed], part.place)
        raw = self._latest(raw, source.versions)
        return (raw if source.via is None else self._looked_up(raw, part, source.via)), source

    def _by_preset(self, part: Part, name: str) -> tuple[Raw, TableSource]:
        """Open a raw table as a preset says."""
        chosen = preset(name, f"{part.place}.preset")
        if chosen.table != part.table:
            raise ConfigError(
                Text.of("error-preset_table", preset=name, table=chosen.table, other=part.table),
                where=f"{part.place}.preset",
                got=name,
                code="config.preset",
            )
        unknown = sorted({*part.source.with_} - {*chosen.lookups})
        if unknown:
            raise ConfigError(
                Text.of("error-preset_with", preset=name, table=repr(unknown[0])),
                where=f"{part.place}.with",
                expected=", ".join(chosen.lookups) or Text.of("error-none"),
                code="config.preset",
            )
        source = prepared(part.source, chosen)
        raw = self._of(part.tool).open(part.name, source, list, part.place)
        raw = self._latest(raw, versions_of(source, chosen, raw.columns))
        if chosen.query is not None:
            others, notes = self._beside(part, chosen)
            raw = laid_out(self._db, chosen, raw, others, chosen.query)
            raw = self._held(replace(raw, notes=(*raw.notes, *notes)), f"laid_out:{part.name}")
        key = f"sources.{part.tool}" if part.tool else "source"
        source = resolved(self._db, source, chosen, raw, self._sources[part.tool], key)
        return (raw if source.via is None else self._looked_up(raw, part, source.via)), source

    def _beside(self, part: Part, preset: Preset) -> tuple[dict[str, Raw], list[Text]]:
        """Open the further raw tables of a preset, and say what would be known with those that are not named."""
        others: dict[str, Raw] = {}
        notes = []
        for key, lookup in preset.lookups.items():
            if key not in part.source.with_:
                called = part.place.removeprefix("tables.")
                notes.append(
                    Text.of(
                        "data-would_be_known",
                        table=called,
                        key=key,
                        object=lookup.object,
                        gain=lookup.said,
                    )
                )
                continue
            source = TableSource.model_validate({"from": part.source.with_[key]})
            place = f"{part.place}.with.{key}"
            others[key] = self._of(part.tool).open(f"{part.name}.{key}", source, list, place)
        return others, notes

    def _held(self, raw: Raw, name: str) -> Raw:
        """Work the query of a small raw table out once: types, formats and readings are all told from its rows."""
        if not raw.is_small:
            return raw
        query = f"SELECT * FROM {raw.relation}"
        rows = held(self._db, name, query)
        return raw if rows == query else replace(raw, relation=identifier(name))

    def rates(self, rates: RatesSource) -> Raw:
        """Open the raw table of exchange rates."""
        tool = rates.source or next(iter(self._sources))
        return self._of(tool).open("rates", TableSource.model_validate({"from": rates.from_}), list, "rates")

    def close(self) -> None:
        """Close what is connected."""
        self._stack.close()

    def _of(self, tool: str) -> RawTables:
        if tool not in self._opened:
            tables = RawTables(self._sources[tool], self._resolve, self._db, self._stage, tool)
            self._opened[tool] = self._stack.enter_context(closing(tables))
        return self._opened[tool]

    def _looked_up(self, own: Raw, part: Part, via: LookupSource) -> Raw:
        other_source = TableSource.model_validate(
            {"from": via.from_, "encoding": part.source.encoding, "delimiter": part.source.delimiter}
        )
        matches = via.matches or via.column
        tables = self._of(via.source or part.tool)
        name = f"{part.name}.via"
        other = tables.open(
            name, other_source, lambda names: [n for n in names if n in (matches, *via.take)], f"{part.place}.via"
        )
        return with_lookup(self._db, part.name, own, other, via)

    def _latest(self, raw: Raw, versions: VersionSource | None) -> Raw:
        """Keep the latest version of every record; rows without an id are no versions of one another."""
        if versions is None:
            return raw
        of = [identifier(column_of(raw, name, f"{raw.place}.versions.of")) for name in versions.of]
        by = []
        if versions.by is not None:
            at = identifier(column_of(raw, versions.by, f"{raw.place}.versions.by"))
            kinds = ("TIMESTAMPTZ", "DOUBLE", "VARCHAR")
            by = [f"try_cast(CAST({at} AS VARCHAR) AS {kind}) DESC NULLS LAST" for kind in kinds]
        absent = " OR ".join(f"coalesce(trim(CAST({name} AS VARCHAR)), '') = ''" for name in of)
        window = f"PARTITION BY {', '.join(of)}" + (f" ORDER BY {', '.join(by)}" if by else "")
        relation = f"(SELECT * FROM {raw.relation} QUALIFY ({absent}) OR row_number() OVER ({window}) = 1)"
        counts = [f"SELECT count(*) FROM {each}" for each in (raw.relation, relation)]
        row = self._db.execute(f"SELECT ({counts[0]}) - ({counts[1]})").fetchone()
        earlier = int(row[0] or 0) if row else 0
        if not earlier:
            return replace(raw, relation=relation)
        called = raw.place.removeprefix("tables.")
        note = Text.of("data-versions", table=called, n=earlier, of=Several(parts=tuple(versions.of)))
        return replace(raw, relation=relation, notes=(*raw.notes, note))


def _of_versions(source: TableSource) -> list[str]:
    if source.versions is None:
        return []
    return [*source.versions.of, *([source.versions.by] if source.versions.by is not None else [])]
