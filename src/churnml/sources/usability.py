"""How usable each canonical table is: how long it goes back, how fresh it is, whom it covers, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from churnml.sources.sql import identifier, literal
from churnml.sources.validated import ValidatedTable
from churnml.tables import TABLES

__all__ = ["TableUse", "tables_use"]


@dataclass(frozen=True)
class TableUse:
    """What one canonical table offers.

    Parameters
    ----------
    table : str
    rows : int
    accounts : int
        Accounts that it has rows of.
    covered : float
        Their share of all accounts, 0–1.
    first, last : date or None
        First and last day of its facts.
    history_days : int
        Days between them, both counted.
    behind_days : int or None
        Days that it ends before the data does; None where its facts have no time.
    absent : tuple of str
        Its columns that the source did not supply.
    """

    table: str
    rows: int
    accounts: int
    covered: float
    first: date | None
    last: date | None
    history_days: int
    behind_days: int | None
    absent: tuple[str, ...]


def tables_use(
    db: duckdb.DuckDBPyConnection, folder: Path, validated: Mapping[str, ValidatedTable], until: date
) -> list[TableUse]:
    """Return what each table offers, in the schema's order.

    Parameters
    ----------
    db : DuckDB connection
        Holds, per mapped table, ``accounts:<name>``: the accounts of its valid rows.
    folder : Path
        Where the canonical Parquet files are.
    validated : mapping of str to ValidatedTable
        What loading each table came to.
    until : date
        First day that the data does not cover.
    """
    names = [name for name in TABLES if name in validated]
    relations = [_file(folder, name) if name == "accounts" else identifier(f"accounts:{name}") for name in names]
    counts = ", ".join(f"(SELECT count(DISTINCT account_id) FROM {relation})" for relation in relations)
    counted = dict(zip(names, db.execute(f"SELECT {counts}").fetchone() or (), strict=True))
    everyone = int(counted["accounts"])
    uses = []
    for name in names:
        own = validated[name]
        accounts = int(counted[name])
        days = own.days
        first, last = (days.index[0].date(), days.index[-1].date()) if len(days) else (None, None)
        behind = None if last is None else max((until - last).days - 1, 0)
        absent = tuple(
            column.name
            for column in TABLES[name].columns
            if column.name not in own.supplied and column.name not in TABLES[name].key and column.name != "known_at"
        )
        history = 0 if first is None or last is None else (last - first).days + 1
        covered = round(accounts / everyone, 4) if everyone else 0.0
        uses.append(TableUse(name, own.valid_rows, accounts, covered, first, last, history, behind, absent))
    return uses


def _file(folder: Path, name: str) -> str:
    return f"read_parquet({literal(str(folder / f'{name}.parquet'))})"
