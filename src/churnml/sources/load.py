"""Loads the raw data that a config names: maps it, checks it, and leaves valid canonical tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from churnml import engine
from churnml.config import ColumnSource, EngineConfig, LabelConfig, SourceConfig, TableSource
from churnml.config.needs import LoadSections
from churnml.errors import DataError, Said
from churnml.files import beside, stage_folder
from churnml.language import Text
from churnml.progress import Progress
from churnml.sources.account_ids import AccountIds
from churnml.sources.between_tables import compare_tables, reach
from churnml.sources.conversion import in_own_currency, lay_rates
from churnml.sources.currencies import currency_columns, money_columns
from churnml.sources.held import held
from churnml.sources.loaded import Loaded
from churnml.sources.macros import define_macros
from churnml.sources.mapping import Mapping, map_table
from churnml.sources.observation import derived_accounts, observed_period
from churnml.sources.outcome import (
    all_refusals,
    coverage_notes,
    notes_of,
    refuse_too_many,
    rejections,
    set_aside,
)
from churnml.sources.parents import check_parents
from churnml.sources.parts import united
from churnml.sources.personal import (
    notes_of_personal,
    personal_columns,
    refuse_personal_words,
    results_of_personal,
)
from churnml.sources.raw import Raw
from churnml.sources.raw_sources import Part, RawSources, parts_of
from churnml.sources.raw_values import wanted_columns
from churnml.sources.sql import literal
from churnml.sources.suppression import Suppression
from churnml.sources.usability import tables_use
from churnml.sources.validated import ValidatedTable
from churnml.sources.validation import validate
from churnml.tables import TABLES, Table, Tables
from churnml.tables.container import ibis_types

if TYPE_CHECKING:
    from ibis.backends import BaseBackend

__all__ = ["load"]


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
    if connection is None and config.engine.backend == "duckdb":
        connection = _engine(config)
    with (
        stage_folder(config.workspace_dir, "load") as stage,
        _session(config.engine, stage, connection) as db,
        closing(RawSources(config.named_sources, config.resolve, db, stage)) as raw_sources,
    ):
        fresh = stage / "tables"
        if config.rates is not None:
            lay_rates(db, raw_sources.rates(config.rates), config.rates)
        account_ids = AccountIds(db, config, raw_sources, tomorrow)
        step = _Step(
            db,
            raw_sources,
            config.named_sources,
            config.label,
            config.currency,
            config.rates is not None,
            account_ids,
            fresh,
            folder,
            rejected,
            tomorrow,
            Suppression.read(config.workspace_dir),
            config.language,
        )
        validated, mappings = _validated(config.tables, step, say)
        sources = {name: mapping.sources["account_id"].column for name, mapping in mappings.items()}
        if "accounts" not in config.tables:
            validated["accounts"] = derived_accounts(db, fresh, validated)
        first, until, note = observed_period(config.named_sources, validated, tomorrow)
        findings = compare_tables(
            db,
            fresh,
            list(mappings),
            {name: column for name, column in sources.items() if column is not None},
            has_sign_up="accounts" in mappings and "created_on" in validated["accounts"].supplied,
            has_money="subscriptions" in mappings and "mrr" in validated["subscriptions"].supplied,
            trials=config.label.trials,
        )
        parents = check_parents(db, fresh, has_parents="parent_id" in validated["accounts"].supplied)
        coverage = account_ids.coverage(fresh, config.workspace_dir / "identities_unmatched.csv")
        days = {name: table.days for name, table in validated.items() if len(table.days)}
        extra = {name: item.column or "" for name, item in _attributes(config).items()}
        refuse_personal_words(db, fresh, list(validated), extra)
        used = {name: mapping.used_columns for name, mapping in mappings.items()}
        personal = personal_columns(db, fresh, used)
        use = tables_use(db, fresh, validated, until)
        reaches, stale = reach(db, fresh, days, until)
        for name, table in validated.items():
            if table.counts is not None:
                table.counts.save(fresh / f"{name}.parquet")
            else:
                (folder / f"{name}.counts.json").unlink(missing_ok=True)
            (fresh / f"{name}.parquet").replace(folder / f"{name}.parquet")
    _remove_stale(folder, validated)
    _remove_stale(rejected, {name for name, table in validated.items() if table.reasons})
    backend = connection if connection is not None else _engine(config)
    attributes = mappings["accounts"].attributes if "accounts" in mappings else ()
    expressions = {
        name: engine.parquet_table(
            backend, folder / f"{name}.parquet", ibis_types(name, attributes if name == "accounts" else ())
        )
        for name in TABLES
        if name in validated
    }
    tables = Tables(
        expressions=expressions,
        connection=backend,
        observed_from=first,
        observed_until=until,
        supplied={name: validated[name].supplied for name in expressions},
    )
    aside = set_aside(validated)
    return Loaded(
        tables=tables,
        rejected=rejections(aside),
        fingerprint=_fingerprint(config, validated),
        notes=[
            note,
            *notes_of_personal(personal),
            *coverage_notes(coverage),
            *findings.notes,
            *parents.notes,
            *stale.notes,
            *notes_of(validated, attributes),
        ],
        counts={name: validated[name].valid_rows for name in expressions},
        checks=[
            *(result for name in expressions for result in validated[name].results),
            *findings.results,
            *parents.results,
            *stale.results,
            *results_of_personal(list(mappings), personal),
        ],
        reaches=reaches,
        coverage=coverage,
        use=use,
        set_aside=aside,
    )


@dataclass(frozen=True)
class _Step:
    """What reading one table after the other needs."""

    db: duckdb.DuckDBPyConnection
    raw_sources: RawSources
    sources: dict[str, SourceConfig]
    label: LabelConfig
    currency: str
    has_rates: bool
    account_ids: AccountIds
    fresh: Path
    before: Path
    rejected: Path
    tomorrow: date
    suppression: Suppression
    language: str

    def read(self, name: str, table: TableSource, accounts: Path | None) -> tuple[ValidatedTable, Mapping]:
        """Read, map and validate one table, made of one raw table or of several."""
        parts = parts_of(name, table, self.sources)
        mapping, raw, notes = self._mapped(parts)
        if name == "subscriptions" and self.label.trials == "leave_out":
            mapping, note = _without_trials(self.db, mapping)
            notes += note
        mapping = replace(mapping, select=self.suppression.applied(name, mapping.select, mapping.mapped))
        own = [self.sources[part.tool] for part in parts]
        validated = validate(
            self.db,
            mapping,
            raw,
            tables=self.fresh,
            rejected=self.rejected,
            accounts=accounts,
            tomorrow=str(self.tomorrow),
            before=self.before,
            merge_equal=any(part.source.equal_rows == "merge" for part in parts),
            all_rejected_columns=any(source.rejected_columns == "all" for source in own),
            language=self.language,
        )
        validated.notes[:0] = notes
        _without_erased(self.db, self.rejected / f"{name}.parquet", self.suppression)
        limit = min(source.max_rejected_share for source in own)
        refuse_too_many(limit, name, validated, self.rejected / f"{name}.parquet")
        return validated, mapping

    def _mapped(self, parts: list[Part]) -> tuple[Mapping, Raw, list[Text]]:
        """Return the one mapping and raw table of all parts, and what was noted about each."""
        mappings, raws = [], []
        notes: list[Text] = []
        for part in parts:
            table = TABLES[part.table]
            raw, source = self.raw_sources.open(part, partial(_columns_to_read, table))
            mapping = map_table(self.db, table, source, raw, tomorrow=self.tomorrow)
            if mapping.is_small and (source.currency is not None or self.account_ids.in_use):
                mapping = replace(mapping, select=held(self.db, f"mapped:{part.place}", mapping.select))
            mapping, converted = in_own_currency(
                self.db, mapping, raw, source.currency, self.currency, has_rates=self.has_rates
            )
            notes += converted
            mappings.append(self.account_ids.applied(part, mapping))
            raws.append(raw)
        mapping, raw = united(self.db, parts, mappings, raws)
        return mapping, raw, [*raw.notes, *notes]


def _columns_to_read(table: Table, source: TableSource) -> Callable[[Iterable[str]], list[str]]:
    """Return what picks the raw columns to read: those of the mapping, and for money the currency beside it."""
    wanted = wanted_columns(table, source)

    def pick(raw_columns: Iterable[str]) -> list[str]:
        names = list(raw_columns)
        beside = currency_columns(names) if money_columns(table) else []
        return list(dict.fromkeys([*wanted(names), *beside]))

    return pick


def _validated(
    tables: dict[str, TableSource], step: _Step, say: Progress
) -> tuple[dict[str, ValidatedTable], dict[str, Mapping]]:
    """Read every table; those that must be refused are told together."""
    validated: dict[str, ValidatedTable] = {}
    mappings: dict[str, Mapping] = {}
    refusals: list[DataError] = []
    accounts = step.fresh / "accounts.parquet"
    for name in sorted(tables, key=list(TABLES).index):
        say(Text.of("progress-reading", table=name))
        known = accounts if name != "accounts" and "accounts" in validated else None
        try:
            validated[name], mappings[name] = step.read(name, tables[name], known)
        except DataError as error:
            refusals.append(error)
            continue
        say(_come_to(name, validated[name]))
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        raise all_refusals(refusals)
    return validated, mappings


def _without_trials(db: duckdb.DuckDBPyConnection, mapping: Mapping) -> tuple[Mapping, list[Text]]:
    """Leave contracts of MRR 0 out, as `label.trials` says."""
    if "mrr" not in mapping.mapped:
        return mapping, [Text.of("data-trials.unknown")]
    addon = "coalesce(is_addon, false)" if "is_addon" in mapping.mapped else "false"
    trial = f"coalesce(mrr = 0 AND NOT {addon}, false)"
    row = db.execute(f"SELECT count_if({trial}) FROM ({mapping.select})").fetchone()
    count = int(row[0] or 0) if row else 0
    paid = replace(mapping, select=f"SELECT * FROM ({mapping.select}) WHERE NOT {trial}")
    return paid, [Text.of("data-trials.left_out", n=count)] if count else []


def _without_erased(db: duckdb.DuckDBPyConnection, file: Path, suppression: Suppression) -> None:
    """Take rows that name an erased account or person out of a file of rejected rows, which are raw ones."""
    if not file.is_file() or not (suppression.accounts or suppression.persons):
        return
    rows = f"read_parquet({literal(str(file))})"
    names = [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall() if row[0] != "reason"]
    with beside(file) as part:
        remaining = f"SELECT * FROM {rows} WHERE NOT ({suppression.listed_anywhere(names)})"
        db.execute(f"COPY ({remaining}) TO {literal(str(part))} (FORMAT parquet)")


def _attributes(config: LoadSections) -> dict[str, ColumnSource]:
    """Return the extra attributes of accounts that a config keeps."""
    if "accounts" not in config.tables:
        return {}
    return {name: item for part in config.tables["accounts"].parts for name, item in part.attributes.items()}


def _silent(_: Said) -> None:
    """Say nothing."""


def _session(engine_config: EngineConfig, stage: Path, connection: BaseBackend | None) -> duckdb.DuckDBPyConnection:
    """Open a session of the DuckDB that runs the analytics, or, where another engine does, a DuckDB of its own.

    A DuckDB takes longer to start than a small table to be read.
    """
    if connection is not None and connection.name == "duckdb":
        db: duckdb.DuckDBPyConnection = connection.con.cursor()
    else:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": engine_config.memory_limit,
            "temp_directory": str(stage / "spill"),
            "preserve_insertion_order": False,
        }
        if engine_config.threads is not None:
            settings["threads"] = engine_config.threads
        db = duckdb.connect(config=settings)
    db.execute("SET TimeZone = 'UTC'")
    define_macros(db)
    return db


def _come_to(name: str, table: ValidatedTable) -> Text:
    aside = sum(reason.rows for reason in table.reasons)
    message = "progress-read.aside" if aside else "progress-read"
    return Text.of(message, table=name, rows=table.valid_rows, aside=aside)


def _remove_stale(folder: Path, names: set[str] | dict[str, ValidatedTable]) -> None:
    """Remove what an earlier run with another config left behind."""
    for file in (*folder.glob("*.parquet"), *folder.glob("*.counts.json")):
        if file.name.partition(".")[0] not in names:
            file.unlink()


def _engine(config: LoadSections) -> BaseBackend:
    return engine.connect(config.engine, temp_dir=config.workspace_dir / "spill")


def _fingerprint(config: LoadSections, validated: dict[str, ValidatedTable]) -> str:
    content = {name: [str(number) for number in table.content] for name, table in sorted(validated.items())}
    mapping = {name: table.model_dump(mode="json", exclude_defaults=True) for name, table in config.tables.items()}
    text = json.dumps({"content": content, "mapping": mapping}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
