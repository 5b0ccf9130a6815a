"""Works a small query out once and holds its rows, where several later queries would each plan and run it anew."""

from __future__ import annotations

import duckdb

from churnml.sources.sql import identifier

__all__ = ["MOST_ROWS", "held"]

MOST_ROWS = 250_000
"""Raw tables of more rows are not held: their rows belong on the disk, and planning is a small part of reading them."""


def held(db: duckdb.DuckDBPyConnection, name: str, query: str) -> str:
    """Return a query of the rows of another one, which are now held in a temporary table.

    A query that fails on some rows is returned as it is: whoever runs it tells what is wrong with it, and where.

    Parameters
    ----------
    db : DuckDB connection
        Holds the rows until it is closed or another query is held by the same name.
    name : str
        What the temporary table is called.
    query : str
        The query.

    Examples
    --------
    >>> with duckdb.connect() as db:
    ...     print(held(db, "held:numbers", "SELECT 1 AS n"), held(db, "held:none", "SELECT CAST('x' AS INT) AS n"))
    SELECT * FROM "held:numbers" SELECT CAST('x' AS INT) AS n
    """
    try:
        db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {query}")
    except duckdb.Error:
        return query
    return f"SELECT * FROM {identifier(name)}"
