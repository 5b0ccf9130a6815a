"""Loads the raw data that a config names: maps it, checks it, and leaves valid canonical tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from churnml import engine
from churnml.config import EngineConfig, LabelConfig, SourceConfig, TableSource
from churnml.config.needs import LoadSections
from churnml.errors import DataError
from churnml.files import stage_folder
from churnml.sources.between_tables import compare_tables, reach
from churnml.sources.mapping import Mapping, map_table
from churnml.sources.period import plausible_days
from churnml.sources.raw import RawTables
from churnml.sources.raw_values import wanted_columns
from churnml.sources.sql import DUCKDB_TYPE, identifier, literal, problem
from churnml.sources.validated import ValidatedTable
from churnml.sources.validation import validate
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
    reaches : dict of str to date
        Table → first day that it does not cover any more, by its own facts; a table of hardly any is absent.
    """

    tables: Tables
    rejected: pd.DataFrame
    fingerprint: str
    notes: list[str]
    counts: dict[str, int]
    checks: list[CheckResult] = field(default_factory=list)
    reaches: dict[str, date] = field(default_factory=dict)


def load(
    config: LoadSections,
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
    for each in (folder, rejected):
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(0o700)
    with (
        stage_folder(config.workspace_dir, "load") as stage,
        _session(config.engine, stage) as db,
        closing(RawTables(config.source, config.resolve, db, stage)) as raw_tables,
    ):
        fresh = stage / "tables"
        step = _Step(db, raw_tables, config.source, config.label, fresh, rejected, tomorrow)
        validated, mappings = _validated(config.tables, step, say)
        sources = {name: mapping.sources["account_id"].column for name, mapping in mappings.items()}
        if "accounts" not in config.tables:
            validated["accounts"] = _derived_accounts(db, fresh, validated)
        first, until, note = _observed(config.source, validated, tomorrow)
        findings = compare_tables(
            db,
            fresh,
            list(mappings),
            {name: column for name, column in sources.items() if column is not None},
            has_sign_up="accounts" in mappings and "created_on" in validated["accounts"].supplied,
            has_money="subscriptions" in mappings and "mrr" in validated["subscriptions"].supplied,
            trials=config.label.trials,
        )
        days = {name: table.days for name, table in validated.items() if len(table.days)}
        reaches, stale = reach(db, fresh, days, until)
        for name in validated:
            (fresh / f"{name}.parquet").replace(folder / f"{name}.parquet")
    _remove_stale(folder, validated)
    _remove_stale(rejected, {name for name, table in validated.items() if table.reasons})
    backend = connection if connection is not None else _engine(config)
    expressions: dict[str, ir.Table] = {
        name: backend.read_parquet(str(folder / f"{name}.parquet")) for name in TABLES if name in validated
    }
    tables = Tables(
        expressions=expressions,
        connection=backend,
        observed_from=first,
        observed_until=until,
        supplied={name: validated[name].supplied for name in expressions},
    )
    attributes = mappings["accounts"].attributes if "accounts" in mappings else ()
    return Loaded(
        tables=tables,
        rejected=_rejections(validated),
        fingerprint=_fingerprint(config, validated),
        notes=[note, *findings.notes, *stale.notes, *_notes(validated, attributes)],
        counts={name: validated[name].valid_rows for name in expressions},
        checks=[
            *(result for name in expressions for result in validated[name].results),
            *findings.results,
            *stale.results,
        ],
        reaches=reaches,
    )


@dataclass(frozen=True)
class _Step:
    """What reading one table after the other needs."""

    db: duckdb.DuckDBPyConnection
    raw_tables: RawTables
    source: SourceConfig
    label: LabelConfig
    fresh: Path
    rejected: Path
    tomorrow: date

    def read(self, name: str, table: TableSource, accounts: Path | None) -> tuple[ValidatedTable, Mapping]:
        """Read, map and validate one table."""
        raw = self.raw_tables.open(name, table, wanted_columns(TABLES[name], table))
        mapping = map_table(self.db, TABLES[name], table, raw, tomorrow=self.tomorrow)
        notes = list(raw.notes)
        if name == "subscriptions" and self.label.trials == "leave_out":
            mapping, note = _without_trials(self.db, mapping)
            notes += note
        validated = validate(
            self.db,
            mapping,
            raw,
            tables=self.fresh,
            rejected=self.rejected,
            accounts=accounts,
            tomorrow=str(self.tomorrow),
            merge_equal=table.equal_rows == "merge",
            all_rejected_columns=self.source.rejected_columns == "all",
        )
        validated.notes[:0] = notes
        _refuse_too_many(self.source, name, validated, self.rejected / f"{name}.parquet")
        return validated, mapping


def _validated(
    tables: dict[str, TableSource], step: _Step, say: Progress
) -> tuple[dict[str, ValidatedTable], dict[str, Mapping]]:
    """Read every table; those that must be refused are told together."""
    validated: dict[str, ValidatedTable] = {}
    mappings: dict[str, Mapping] = {}
    refusals: list[DataError] = []
    accounts = step.fresh / "accounts.parquet"
    for name in sorted(tables, key=list(TABLES).index):
        say(f"reading {name}")
        known = accounts if name != "accounts" and "accounts" in validated else None
        try:
            validated[name], mappings[name] = step.read(name, tables[name], known)
        except DataError as error:
            refusals.append(error)
            continue
        say(f"{name}: {validated[name].valid_rows:,} rows" + _aside(validated[name]))
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        raise _all_refusals(refusals)
    return validated, mappings


def _all_refusals(refusals: list[DataError]) -> DataError:
    """Return one error for several tables, each with its own place, finding and remedy."""
    first, *others = refusals
    told = [f"{len(refusals)} tables cannot be used. First: {first.what}"]
    further = "\n\n".join(f"also: {error}" for error in others)
    return DataError(
        told[0],
        where=first.where,
        got=first.got,
        expected=first.expected,
        remedy=f"{first.remedy}\n\n{further}",
        code=first.code,
    )


def _without_trials(db: duckdb.DuckDBPyConnection, mapping: Mapping) -> tuple[Mapping, list[str]]:
    """Leave contracts of MRR 0 out, as `label.trials` says."""
    if "mrr" not in mapping.mapped:
        return mapping, ["label.trials is leave_out, but subscriptions.mrr is not mapped: no contract is left out"]
    addon = "coalesce(is_addon, false)" if "is_addon" in mapping.mapped else "false"
    trial = f"coalesce(mrr = 0 AND NOT {addon}, false)"
    row = db.execute(f"SELECT count_if({trial}) FROM ({mapping.select})").fetchone()
    count = int(row[0] or 0) if row else 0
    kept = replace(mapping, select=f"SELECT * FROM ({mapping.select}) WHERE NOT {trial}")
    return kept, [f"subscriptions: {count:,} contracts of MRR 0 are left out (label.trials)"] if count else []


def _silent(_: str) -> None:
    """Say nothing."""


def _session(engine_config: EngineConfig, stage: Path) -> duckdb.DuckDBPyConnection:
    """Open the DuckDB that reads raw data, whatever engine runs the analytics later."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": engine_config.memory_limit,
        "temp_directory": str(stage / "spill"),
        "preserve_insertion_order": False,
    }
    if engine_config.threads is not None:
        settings["threads"] = engine_config.threads
    db = duckdb.connect(config=settings)
    db.execute("SET TimeZone = 'UTC'")
    return db


def _aside(table: ValidatedTable) -> str:
    count = sum(reason.rows for reason in table.reasons)
    return f", {count:,} set aside" if count else ""


def _refuse_too_many(source: SourceConfig, name: str, table: ValidatedTable, file: Path) -> None:
    """Refuse a table that loses too many rows, or an optional column too many values."""
    counted = [reason for reason in table.reasons if reason.code != "CHK020"]
    rows = sum(reason.rows for reason in counted)
    limit = source.max_rejected_share
    if not table.valid_rows or rows > limit * table.rows:
        counted.sort(key=lambda reason: -reason.rows)
        largest = counted[0]
        column = f".columns.{largest.column}" if largest.column else ".from"
        raise problem(
            "CHK040",
            f"{rows:,} of {table.rows:,} rows of {name} must be set aside ({rows / table.rows:.1%})",
            where=f"tables.{name}{column}; the rows are in {file}",
            got="; ".join(map(str, counted)),
            expected=f"at most {limit:.1%} (source.max_rejected_share)",
            remedy=largest.remedy,
        )
    for lost in table.lost_values:
        if lost.rows > limit * table.rows:
            raise problem(
                "CHK040",
                f"{lost.rows:,} of {table.rows:,} values of {name}.{lost.column} cannot be used "
                f"({lost.rows / table.rows:.1%} of the rows)",
                where=f"tables.{name}.columns.{lost.column}",
                got=str(lost).replace(" rows", " values"),
                expected=f"at most {limit:.1%} (source.max_rejected_share)",
                remedy=f"{lost.remedy} Or leave the column out: `{lost.column}: null`.",
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
    count = int(row[0] or 0) if row else 0
    note = f"accounts is not mapped: {count:,} accounts are derived from their facts, created on the first one's day"
    return ValidatedTable(rows=count, valid_rows=count, notes=[note], supplied=frozenset(given))


def _remove_stale(folder: Path, names: set[str] | dict[str, ValidatedTable]) -> None:
    """Remove what an earlier run with another config left behind."""
    for file in folder.glob("*.parquet"):
        if file.stem not in names:
            file.unlink()


def _rejections(validated: dict[str, ValidatedTable]) -> pd.DataFrame:
    rows = [
        {
            "table": name,
            "reason": f"{reason.code} {CHECKS[reason.code].name}",
            "column": reason.column,
            "rows": reason.rows,
            "example": reason.example,
            "remedy": reason.remedy,
        }
        for name in TABLES
        if name in validated
        for reason in validated[name].reasons
    ]
    return pd.DataFrame(rows, columns=["table", "reason", "column", "rows", "example", "remedy"])


def _engine(config: LoadSections) -> BaseBackend:
    return engine.connect(config.engine, temp_dir=config.workspace_dir / "spill")


def _observed(source: SourceConfig, validated: dict[str, ValidatedTable], tomorrow: date) -> tuple[date, date, str]:
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
    if source.observed_until is not None:
        until, evidence = source.observed_until, "the config"
    return first, until, f"observed from {first} until {until} (exclusive), told by {evidence}"


def _notes(validated: dict[str, ValidatedTable], attributes: tuple[str, ...]) -> list[str]:
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


def _fingerprint(config: LoadSections, validated: dict[str, ValidatedTable]) -> str:
    content = {name: [str(number) for number in table.content] for name, table in sorted(validated.items())}
    mapping = {name: table.model_dump(mode="json", exclude_defaults=True) for name, table in config.tables.items()}
    text = json.dumps({"content": content, "mapping": mapping}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
