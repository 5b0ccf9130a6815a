"""Lays the mappings of several raw tables together as one: the canonical table that they all feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from churnml.sources.csv_files import MalformedLines
from churnml.sources.mapping import Mapping
from churnml.sources.raw import Raw
from churnml.sources.raw_sources import Part
from churnml.sources.sql import DUCKDB_TYPE, described, identifier, literal
from churnml.sources.staged import FLAGS

__all__ = ["united"]


def united(
    db: duckdb.DuckDBPyConnection, parts: Sequence[Part], mappings: Sequence[Mapping], raws: Sequence[Raw]
) -> tuple[Mapping, Raw]:
    """Return one mapping and one raw table that stand for all parts.

    The rows stay in DuckDB. Ids of the first part are kept; those of the others begin with the name of their source,
    so that the same number in two tools is two records. A part without ids gets them made from its rows' content.

    Parameters
    ----------
    db : DuckDB connection
        Where the raw tables can be read.
    parts, mappings, raws : sequence
        The parts of one canonical table, in the order of the config.
    """
    if len(parts) == 1:
        return mappings[0], raws[0]
    first = mappings[0]
    table = first.table
    mapped = tuple(name for name in table.column_names if any(name in each.mapped for each in mappings))
    key = table.key[0] if len(table.key) == 1 else None
    attributes = tuple(dict.fromkeys(name for each in mappings for name in each.attributes))
    raw_columns = {name.casefold(): name for each in mappings for name in each.raw_columns}
    names = tuple(dict.fromkeys((*mapped, *(name for each in mappings for name in each.available), *attributes)))
    selects = [_select(db, part, mapping, names, key) for part, mapping in zip(parts, mappings, strict=True)]
    sources = dict(pair for each in reversed(mappings) for pair in each.sources.items())
    # Broken ids of any part are set aside, so what says the kind of id stands for the column.
    sources |= {name: source for each in mappings for name, source in each.sources.items() if source.id is not None}
    expressions: dict[str, str] = {}
    for each in mappings:
        for name, place in each.expressions.items():
            expressions[name] = f"{expressions[name]} or {place}" if name in expressions else place
    conditions = [f"({each.where})" for each in mappings if each.where]
    mapping = Mapping(
        table,
        " UNION ALL BY NAME ".join(f"({select})" for select in selects),
        mapped,
        attributes,
        tuple(raw_columns.values()),
        expressions,
        sources,
        (sum(each.filtered[0] for each in mappings), sum(each.filtered[1] for each in mappings)),
        " or ".join(conditions) or None,
        tuple(dict.fromkeys(raw_columns[name.casefold()] for each in mappings for name in each.used_columns)),
        some_keys_made=any(each.makes_key for each in mappings),
        is_small=all(each.is_small for each in mappings),
    )
    return mapping, _raw(raws)


def _select(db: duckdb.DuckDBPyConnection, part: Part, mapping: Mapping, names: Sequence[str], key: str | None) -> str:
    """Return the rows of one part with the columns that all parts have."""
    have = described(db, f"({mapping.select})")
    columns = [
        f"CAST({identifier(f'column:{name}')} AS VARCHAR) AS {identifier(f'column:{name}')}"
        for name in mapping.raw_columns
    ]
    for name in names:
        kind = DUCKDB_TYPE[mapping.table[name].dtype] if name in mapping.table.column_names else "VARCHAR"
        given, raw = identifier(f"given:{name}"), identifier(f"raw:{name}")
        has_raw = mapping.raw_names.get(name) in have
        value = identifier(name) if name in have else f"CAST(NULL AS {kind})"
        if name == key and part.label and name in have:
            value = f"{literal(part.label)} || {value}"
        # An id that is not mapped will be made, so it is not missing.
        is_given = given if name in have else "true" if name == key else "false"
        written = f"CAST({mapping.raw_value(name)} AS VARCHAR)" if has_raw else "CAST(NULL AS VARCHAR)"
        columns += [f"{value} AS {identifier(name)}", f"{is_given} AS {given}", f"{written} AS {raw}"]
    columns += [identifier(flag) for flag in have if flag.partition(":")[0] in FLAGS]
    return f"SELECT {', '.join(columns)} FROM ({mapping.select})"


def _raw(raws: Sequence[Raw]) -> Raw:
    malformed = MalformedLines()
    for raw in raws:
        malformed = malformed + raw.malformed
    return replace(
        raws[0],
        origin=", ".join(raw.origin for raw in raws),
        malformed=malformed,
        text=any(raw.text for raw in raws),
        notes=tuple(note for raw in raws for note in raw.notes),
        files=(),
    )
