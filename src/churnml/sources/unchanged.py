"""A canonical file of many rows that would be written again as it is: it is taken instead."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from churnml.sources.sql import counted, described, identifier, literal
from churnml.sources.staged import StagedTable

__all__ = ["linked_if_same"]


def linked_if_same(staged: StagedTable, rows: str, file: Path, target: Path) -> bool:
    """Make a link to a file where it holds the very rows that would be written, in whatever order.

    Every value of the file is read and compared by two sums of 64-bit hashes, so that one that was changed or damaged
    is written anew. Where neither the file nor the raw files were touched since it was written, there is nothing to
    compare.

    Parameters
    ----------
    staged : StagedTable
        The mapped rows.
    rows : str
        Query of the rows that would be written.
    file : Path
        What was written the last time, if anything.
    target : Path
        The link.

    Returns
    -------
    bool
        Whether the link is made.
    """
    if staged.counts is not None and staged.counts.is_written(rows, file):
        return _linked(file, target)
    there = f"read_parquet({literal(str(file))})"
    try:
        # The footer tells both, so that a table that has grown costs nothing more.
        columns, count = described(staged.db, there), counted(staged.db, there)
    except duckdb.Error:  # none, or not one that can be read
        return False
    if columns != described(staged.db, f"({rows})"):
        return False
    if staged.run(f"SELECT count(*) FROM ({rows})").fetchone() != (count,):
        return False
    values = f"hash({', '.join(map(identifier, columns))})"
    sums = f"SELECT bit_xor({values}), sum({values})"
    try:
        before = staged.db.execute(f"{sums} FROM {there}").fetchone()
    except duckdb.Error:
        return False
    if before != staged.run(f"{sums} FROM ({rows})").fetchone():
        return False
    return _linked(file, target)


def _linked(file: Path, target: Path) -> bool:
    try:
        os.link(file, target)
    except OSError:  # a file system without links
        return False
    return True
