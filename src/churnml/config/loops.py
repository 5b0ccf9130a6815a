"""Keeps what churnml writes from coming back as a feature: by the name of a raw column, and by what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from churnml.config.deliveries import CrmTarget, DeliveriesConfig, TableTarget
from churnml.config.raw import ColumnSource, TableSource
from churnml.language import Text

__all__ = ["own_name", "read_back"]

_OWN = "churnml"
_SUFFIX = re.compile(r"__(c|gc|pc)$", re.IGNORECASE)
_PREFIX = re.compile(r"^cf_", re.IGNORECASE)


def own_name(name: str) -> str:
    """Return a field's name as it looks in every export: without case, signs, and what a tool hangs onto it.

    Examples
    --------
    >>> names = ("Churnml_Health__c", "properties.churnml_health", "Churnml Health", "cf_ChurnmlHealth")
    >>> {own_name(name) for name in names}
    {'churnmlhealth'}
    """
    last = _PREFIX.sub("", _SUFFIX.sub("", name.strip().rpartition(".")[2]))
    return re.sub(r"[\W_]+", "", last.casefold())


def read_back(
    deliveries: DeliveriesConfig, tables: Mapping[str, TableSource], canonical: Mapping[str, tuple[str, ...]]
) -> list[Text]:
    """Return what of the mapping reads a field or table that churnml writes, as sentences.

    Parameters
    ----------
    deliveries : DeliveriesConfig
        Targets that are off count too: what they wrote is still there.
    tables : mapping of str to TableSource
    canonical : mapping of str to tuple of str
        Columns of each canonical table, which raw columns of the same name fill without a line.

    Examples
    --------
    >>> section = DeliveriesConfig.model_validate(
    ...     {"hubspot": {"token": "t", "fields": {"churn_risk": "churn_probability"}}})
    >>> table = TableSource.model_validate({"from": "c.csv", "attributes": {"risk": {"expr": "upper(Churn_Risk)"}}})
    >>> [str(loop) for loop in read_back(section, {"accounts": table}, {"accounts": ("account_id",)})]
    ["tables.accounts.attributes.risk reads 'Churn_Risk', which deliveries.hubspot writes"]
    """
    written = {own_name(field): target for field, target in _written(deliveries)}
    places = {own_name(PurePath(place).stem): target for place, target in _tables(deliveries)}
    loops: list[Text] = []
    for table, source in ((table, part) for table, mapped in tables.items() for part in mapped.parts):
        for read, where in ((source.from_, "from"), (source.via.from_ if source.via else "", "via.from")):
            place, stem = f"tables.{table}.{where}", own_name(PurePath(read).stem) if read else ""
            writer = places.get(stem) or places.get(stem.removesuffix("history"))
            if writer is not None:
                loops.append(Text.of("wrong-loop.written", place=place, name=repr(read), target=writer))
        for where, column, is_key in _reads(source, canonical.get(table, ())):
            place, name = f"tables.{table}.{where}", own_name(column)
            if name in written:
                loops.append(Text.of("wrong-loop.written", place=place, name=repr(column), target=written[name]))
            elif name.startswith(_OWN) and not is_key:
                loops.append(Text.of("wrong-loop.named", place=place, name=repr(column)))
    return loops


def _written(deliveries: DeliveriesConfig) -> Iterator[tuple[str, str]]:
    for name in type(deliveries).model_fields:
        section = getattr(deliveries, name)
        if isinstance(section, CrmTarget):
            for field in section.fields:
                yield field, name


def _tables(deliveries: DeliveriesConfig) -> Iterator[tuple[str, str]]:
    for name, target in deliveries.tables.items():
        if isinstance(target, TableTarget):
            yield target.name, f"tables.{name}"


def _reads(source: TableSource, canonical: tuple[str, ...]) -> Iterator[tuple[str, str, bool]]:
    """Yield where a raw column is read, the column, and whether it only says which row is which."""
    for part, mapped in (("columns", source.columns), ("attributes", source.attributes)):
        for name, column in mapped.items():
            for raw in _columns(column):
                yield f"{part}.{name}", raw, name.endswith("_id")
    for name in canonical:
        if name not in source.columns:
            yield f"columns.{name}", name, name.endswith("_id")
    for raw in _named(source.where):
        yield "where", raw, False
    if source.via is not None:
        for raw in source.via.take:
            yield "via.take", raw, raw.casefold().rstrip("_c").endswith("id")


def _columns(source: ColumnSource | None) -> list[str]:
    if source is None:
        return []
    return [source.column] if source.column is not None else _named(source.expr)


def _named(sql: str | None) -> list[str]:
    """Return the columns that a piece of SQL names; one that cannot be read is left to the sources' own check."""
    if not sql:
        return []
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        parsed = sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError):
        return re.findall(r"\w+", sql)
    return list(dict.fromkeys(column.name for column in parsed.find_all(exp.Column)))
