"""What the facts themselves tell: the period that the data covers, and who the accounts are where no table says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from churnml.config import SourceConfig
from churnml.language import Text
from churnml.sources.period import plausible_days
from churnml.sources.sql import DUCKDB_TYPE, identifier, literal, problem
from churnml.sources.validated import ValidatedTable
from churnml.tables import TABLES

__all__ = ["derived_accounts", "observed_period"]


def derived_accounts(
    db: duckdb.DuckDBPyConnection, folder: Path, validated: Mapping[str, ValidatedTable]
) -> ValidatedTable:
    """Make the accounts table of the accounts that have facts; each is created on the day of its first one."""
    facts = " UNION ALL ".join(
        f"SELECT account_id, min(CAST({TABLES[name].occurred_at} AS DATE)) AS first_on "
        f"FROM read_parquet({literal(str(folder / f'{name}.parquet'))}) GROUP BY 1"
        for name in validated
    )
    given = {"account_id": "account_id", "created_on": "min(first_on)"}
    columns = ", ".join(
        f"CAST({given.get(column.name, 'NULL')} AS {DUCKDB_TYPE[column.dtype]}) AS {identifier(column.name)}"
        for column in TABLES["accounts"].columns
    )
    row = db.execute(
        f"COPY (SELECT {columns} FROM ({facts}) GROUP BY account_id ORDER BY account_id) "
        f"TO {literal(str(folder / 'accounts.parquet'))} (FORMAT parquet)"
    ).fetchone()
    count = int(row[0] or 0) if row else 0
    note = Text.of("data-derived_accounts", n=count)
    return ValidatedTable(rows=count, valid_rows=count, notes=[note], supplied=frozenset(given))


def observed_period(
    sources: Mapping[str, SourceConfig], validated: Mapping[str, ValidatedTable], tomorrow: date
) -> tuple[date, date, Text]:
    """Return the observed period and how it was told: by the events, or by all facts where there are none.

    Where several sources say until when they go, the earliest counts: behind it not everything is known.
    """
    kinds = ["events"] if "events" in validated else list(validated)
    days = pd.concat(
        [validated[name].days for name in kinds if len(validated[name].days)] or [pd.Series(dtype="int64")]
    )
    days = days.groupby(level=0).sum().sort_index()
    days = days[days.index < pd.Timestamp(tomorrow)] if len(days) else days
    said = {name: source.observed_until for name, source in sources.items() if source.observed_until is not None}
    if days.empty:
        key = "source" if "" in sources else f"sources.{next(iter(sources))}"
        raise problem("CHK041", Text.of("data-no_period"), where=f"{key}.observed_until")
    first, last = plausible_days(days)
    until = last + timedelta(days=1)
    evidence = "events" if kinds == ["events"] else "facts"
    if said:
        until, evidence = min(said.values()), "config"
    by = Text.of(f"data-observed-by.{evidence}")
    return first, until, Text.of("data-observed", **{"from": str(first), "until": str(until), "by": by})
