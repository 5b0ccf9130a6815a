"""Checks which accounts are part of which: nobody is part of itself in the end, and parents are accounts."""

from __future__ import annotations

from pathlib import Path

import duckdb

from churnml.language import Several, Text
from churnml.sources.between_tables import Findings
from churnml.sources.sql import literal, problem
from churnml.tables import CHECKS, CheckResult
from churnml.tables.parents import circles

__all__ = ["check_parents"]

_MOST_SHOWN = 3
_CODES = ("CHK052", "CHK053")


def check_parents(db: duckdb.DuckDBPyConnection, folder: Path, *, has_parents: bool) -> Findings:
    """Refuse accounts that are part of each other, and note parents that are no accounts.

    What counts is the newest version of each account: a circle of the past cannot be mended any more.

    Parameters
    ----------
    db : DuckDB connection
        Reads the table.
    folder : Path
        Where the canonical Parquet files are.
    has_parents : bool
        Whether the accounts say what they are part of.

    Raises
    ------
    DataError
        CHK052, with up to three of the circles.
    """
    if not has_parents:
        return Findings([], [CheckResult(code, "accounts", "parent_id", "not applicable") for code in _CODES])
    newest = (
        "SELECT account_id, arg_max_null(parent_id, coalesce(known_at, TIMESTAMP '0001-01-01')) AS parent_id "
        f"FROM read_parquet({literal(str(folder / 'accounts.parquet'))}) GROUP BY 1"
    )
    accounts = db.execute(newest).df().set_index("account_id")["parent_id"]
    if around := circles(accounts):
        raise problem(
            "CHK052",
            Text.of("data-parents_circle", n=len(around)),
            where="tables.accounts.columns.parent_id",
            got=", ".join(" → ".join(map(repr, (*one, one[0]))) for one in around[:_MOST_SHOWN]),
        )
    given = accounts[accounts.notna()]
    unknown = given[~given.isin(accounts.index)]
    rows, ids = len(unknown), sorted(set(unknown))
    results = [
        CheckResult("CHK052", "accounts", "parent_id", "ok"),
        CheckResult("CHK053", "accounts", "parent_id", "failed" if rows else "ok", rows),
    ]
    if not rows:
        return Findings([], results)
    note = Text.of(
        "data-unknown_parents",
        n=rows,
        parents=len(ids),
        examples=Several(parts=tuple(map(repr, ids[:_MOST_SHOWN]))),
        remedy=CHECKS["CHK053"].remedy,
    )
    return Findings([note], results)
