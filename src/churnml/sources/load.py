"""Loads the raw data that a config names: maps it, checks it, and leaves valid canonical tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from churnml import engine
from churnml.config import Config
from churnml.files import stage_folder
from churnml.sources.mapping import map_table, wanted_columns
from churnml.sources.period import plausible_days
from churnml.sources.raw import RawTables
from churnml.sources.sql import DUCKDB_TYPE, identifier, literal, problem
from churnml.sources.validation import ValidatedTable, validate
from churnml.tables import CHECKS, TABLES, CheckResult, Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends import BaseBackend

__all__ = ["Loaded", "load"]

Progress = Callable[[str], None]

_SWITCHED_OFF = {
    "subscriptions": "contract features (MRR, seats, renewal) and revenue KPIs",
    "events": "usage features (engagement, adoption)",
    "tickets": "support features",
    "surveys": "satisfaction features (NPS)",
    "contacts": "features of champions and admins",
    "touchpoints": "features of calls, mails and meetings",
    "invoices": "features of overdue invoices",
    "campaign_events": "features of campaign response",
    "milestones": "onboarding features",
    "opportunities": "upsell and renewal KPIs from deals",
}


@dataclass(frozen=True)
class Loaded:
    """Valid canonical tables, and what had to be set aside or assumed.

    Parameters
    ----------
    tables : Tables
        The canonical tables, on the engine's connection.
    rejected : DataFrame
        ``table, reason, column, rows, example, remedy``: one row per reason; `reason` starts with the check's code.
        The raw rows themselves are in ``<workspace>/rejected/<table>.parquet``.
    fingerprint : str
        Sixteen hex digits of the raw values and their mapping; the same data gives the same on any machine, whatever
        the order of its rows.
    notes : list of str
        What is off, derived, changed or assumed, in words.
    counts : dict of str to int
        Rows per canonical table.
    checks : list of CheckResult
        Every check of rows and how it went.
    """

    tables: Tables
    rejected: pd.DataFrame
    fingerprint: str
    notes: list[str]
    counts: dict[str, int]
    checks: list[CheckResult] = field(default_factory=list)


def load(
    config: Config,
    *,
    connection: BaseBackend | None = None,
    progress: Progress | None = None,
    today: date | None = None,
) -> Loaded:
    """Load, map and check the raw data of a config.

    The canonical tables become ``<workspace>/tables/<name>.parquet``. They are put in place only when all of them are
    valid, each by a rename: whoever reads them sees the old ones or the new ones.

    Parameters
    ----------
    config : Config
        Names the source, the mapping and the workspace.
    connection : ibis backend, optional
        Where the expressions are to run; by default `engine.connect` opens the one that the config names.
    progress : callable, optional
        Called with one line of text per step.
    today : date, optional
        Facts from the day after it on lie in the future; by default the current day in UTC.

    Raises
    ------
    DataError
        A file, table or column is missing or unreadable, or too many rows must be set aside. The message names
        table, column, rows and remedy.
    """
    say = progress if progress is not None else _silent
    tomorrow = (today or datetime.now(UTC).date()) + timedelta(days=1)
    folder = config.workspace_dir / "tables"
    rejected = config.workspace_dir / "rejected"
    folder.mkdir(parents=True, exist_ok=True)
    rejected.mkdir(parents=True, exist_ok=True)
    validated: dict[str, ValidatedTable] = {}
    attributes: tuple[str, ...] = ()
    with (
        stage_folder(config.workspace_dir, "load") as stage,
        _session(config, stage) as db,
        closing(RawTables(config, db, stage)) as raw_tables,
    ):
        fresh = stage / "tables"
        for name in sorted(config.tables, key=list(TABLES).index):
            say(f"reading {name}")
            source = config.tables[name]
            raw = raw_tables.open(name, source, wanted_columns(TABLES[name], source))
            mapping = map_table(db, TABLES[name], source, raw)
            accounts = fresh / "accounts.parquet" if name != "accounts" and "accounts" in config.tables else None
            validated[name] = validate(
                db, mapping, raw, tables=fresh, rejected=rejected, accounts=accounts, tomorrow=str(tomorrow)
            )
            attributes = mapping.attributes or attributes
            _refuse_too_many(config, name, validated[name], rejected / f"{name}.parquet")
            say(f"{name}: {validated[name].valid_rows:,} rows" + _aside(validated[name]))
        if "accounts" not in config.tables:
            validated["accounts"] = _derived_accounts(db, fresh, validated)
        for name in validated:
            (fresh / f"{name}.parquet").replace(folder / f"{name}.parquet")
    _remove_stale(folder, validated)
    _remove_stale(rejected, {name for name, table in validated.items() if table.reasons})
    return _loaded(config, validated, attributes, folder, connection, tomorrow)


def _silent(_: str) -> None:
    """Say nothing."""


def _session(config: Config, stage: Path) -> duckdb.DuckDBPyConnection:
    """Open the DuckDB that reads raw data, whatever engine runs the analytics later."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": config.engine.memory_limit,
        "temp_directory": str(stage / "spill"),
        "preserve_insertion_order": False,
    }
    if config.engine.threads is not None:
        settings["threads"] = config.engine.threads
    db = duckdb.connect(config=settings)
    db.execute("SET TimeZone = 'UTC'")
    return db


def _aside(table: ValidatedTable) -> str:
    count = sum(reason.rows for reason in table.reasons)
    return f", {count:,} set aside" if count else ""


def _refuse_too_many(config: Config, name: str, table: ValidatedTable, file: Path) -> None:
    counted = [reason for reason in table.reasons if reason.code != "CHK020"]
    rows = sum(reason.rows for reason in counted)
    limit = config.source.max_rejected_share
    if table.valid_rows and rows <= limit * table.rows:
        return
    counted.sort(key=lambda reason: -reason.rows)
    largest = counted[0]
    raise problem(
        "CHK040",
        f"{rows:,} of {table.rows:,} rows of {name} must be set aside ({rows / table.rows:.1%})",
        where=f"tables.{name}.columns.{largest.column}; the rows are in {file}",
        got="; ".join(map(str, counted)),
        expected=f"at most {limit:.1%} (source.max_rejected_share)",
        remedy=largest.remedy,
    )


def _derived_accounts(
    db: duckdb.DuckDBPyConnection, folder: Path, validated: dict[str, ValidatedTable]
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
    count = int(row[0]) if row else 0
    note = f"accounts is not mapped: {count:,} accounts are derived from their facts, created on the first one's day"
    return ValidatedTable(rows=count, valid_rows=count, notes=[note], supplied=frozenset(given))


def _remove_stale(folder: Path, names: set[str] | dict[str, ValidatedTable]) -> None:
    """Remove what an earlier run with another config left behind."""
    for file in folder.glob("*.parquet"):
        if file.stem not in names:
            file.unlink()


def _loaded(
    config: Config,
    validated: dict[str, ValidatedTable],
    attributes: tuple[str, ...],
    folder: Path,
    connection: BaseBackend | None,
    tomorrow: date,
) -> Loaded:
    backend = connection if connection is not None else _engine(config)
    expressions: dict[str, ir.Table] = {
        name: backend.read_parquet(str(folder / f"{name}.parquet")) for name in TABLES if name in validated
    }
    first, until, note = _observed(config, validated, tomorrow)
    tables = Tables(
        expressions=expressions,
        connection=backend,
        observed_from=first,
        observed_until=until,
        supplied={name: validated[name].supplied for name in expressions},
    )
    rows = [
        {
            "table": name,
            "reason": f"{reason.code} {CHECKS[reason.code].name}",
            "column": reason.column,
            "rows": reason.rows,
            "example": reason.example,
            "remedy": reason.remedy,
        }
        for name in expressions
        for reason in validated[name].reasons
    ]
    return Loaded(
        tables=tables,
        rejected=pd.DataFrame(rows, columns=["table", "reason", "column", "rows", "example", "remedy"]),
        fingerprint=_fingerprint(config, validated),
        notes=[note, *_notes(config, validated, attributes)],
        counts={name: validated[name].valid_rows for name in expressions},
        checks=[result for name in expressions for result in validated[name].results],
    )


def _engine(config: Config) -> BaseBackend:
    return engine.connect(config.engine, temp_dir=config.workspace_dir / "spill")


def _observed(config: Config, validated: dict[str, ValidatedTable], tomorrow: date) -> tuple[date, date, str]:
    """Return the observed period and how it was told: by the events, or by all facts where there are none."""
    kinds = ["events"] if "events" in validated else list(validated)
    days = pd.concat(
        [validated[name].days for name in kinds if len(validated[name].days)] or [pd.Series(dtype="int64")]
    )
    days = days.groupby(level=0).sum().sort_index()
    days = days[days.index < pd.Timestamp(tomorrow)] if len(days) else days
    if days.empty:
        raise problem("CHK041", "No plausible dated fact tells the observed period", where="source.observed_until")
    first, last = plausible_days(days)
    until = last + timedelta(days=1)
    evidence = "the events" if kinds == ["events"] else "the facts"
    if config.source.observed_until is not None:
        until, evidence = config.source.observed_until, "the config"
    return first, until, f"observed from {first} until {until} (exclusive), told by {evidence}"


def _notes(config: Config, validated: dict[str, ValidatedTable], attributes: tuple[str, ...]) -> list[str]:
    notes = [f"{name} is not mapped: {what} are off" for name, what in _SWITCHED_OFF.items() if name not in validated]
    accounts = validated["accounts"]
    changing = [
        column.name for column in TABLES["accounts"].columns if column.mutable and column.name in accounts.supplied
    ]
    if "known_at" not in accounts.supplied and changing:
        notes.append(
            f"accounts has no history (known_at is not mapped): {', '.join(changing)} may have changed since, "
            "so they are shown but are no features"
        )
    if attributes:
        past = (
            ""
            if "known_at" in accounts.supplied
            else "; without a history only those that never change may be features"
        )
        notes.append(f"extra account attributes kept: {', '.join(attributes)}{past}")
    for name, table in validated.items():
        notes += table.notes
        notes += [f"{name}: {reason}. {reason.remedy}" for reason in table.reasons]
    return notes


def _fingerprint(config: Config, validated: dict[str, ValidatedTable]) -> str:
    content = {name: [str(number) for number in table.content] for name, table in sorted(validated.items())}
    mapping = config.as_dict()["tables"]
    text = json.dumps({"content": content, "mapping": mapping}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
