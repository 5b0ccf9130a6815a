"""Small pieces of DuckDB SQL, and errors made from the coded checks."""

from __future__ import annotations

from typing import Any

import duckdb

from churnml.errors import DataError
from churnml.language import Text
from churnml.sources.personal import masked
from churnml.tables import CHECKS

__all__ = ["DUCKDB_TYPE", "constant", "counted", "described", "identifier", "literal", "problem", "tried"]

DUCKDB_TYPE = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
"""Canonical type → DuckDB type."""


def identifier(name: str) -> str:
    """Quote a column or table name.

    Examples
    --------
    >>> identifier("Account ID")
    '"Account ID"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text.

    Examples
    --------
    >>> print(literal("it's"))
    'it''s'
    """
    return "'" + text.replace("'", "''") + "'"


def constant(value: str | int | float | bool) -> str:
    """Write a constant of the config as SQL."""
    return literal(value) if isinstance(value, str) else str(value).upper()


def problem(
    code: str,
    what: str | Text,
    *,
    where: str | Text,
    got: str | Text | None = None,
    expected: str | Text | None = None,
    remedy: str | Text | None = None,
) -> DataError:
    """Return the error of a failed check, with the check's remedy unless the catalogue or the caller has a better one.

    Of a `what` of the catalogue, its own ``expected`` and ``remedy`` there count.
    """
    check = CHECKS[code]
    if isinstance(what, Text):
        expected, remedy = expected or what.part("expected"), remedy or what.part("remedy")
    return DataError(
        Text.of("error-check", code=code, what=what),
        where=where,
        got=None if got is None else masked(got),
        expected=expected,
        remedy=remedy or check.remedy,
        code=check.error,
    )


def tried(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """Return the one row of a query; an expression that fails on some rows is told later, with its place."""
    try:
        return db.execute(query).fetchone() or ()
    except duckdb.Error:
        return ()


def described(db: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return the columns of a relation and their DuckDB types, in order."""
    return {row[0]: row[1] for row in db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def counted(db: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Return how many rows a relation has."""
    row = db.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0] or 0) if row else 0
