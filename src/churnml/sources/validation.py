"""Validates one mapped table: finds the rows that cannot be used, says why, and writes the good and the bad ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from churnml.errors import EngineError
from churnml.files import beside
from churnml.sources.mapping import Mapping
from churnml.sources.parsing import propose_format
from churnml.sources.period import plausible_days
from churnml.sources.raw import Raw
from churnml.sources.sql import identifier, literal, problem
from churnml.tables import CHECKS, CheckResult
from churnml.tables.checks import RowRule, row_rules

__all__ = ["Reason", "ValidatedTable", "validate"]


@dataclass(frozen=True)
class Reason:
    """Why some rows of a table are set aside.

    Parameters
    ----------
    code : str
        Code of the check.
    column : str
        The column at fault.
    rows : int
        How many rows.
    example : str
        A raw value at fault.
    remedy : str
        What to do about it.
    """

    code: str
    column: str
    rows: int
    example: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        example = f", e.g. {self.example!r}" if self.example else ""
        return f"{self.code} {CHECKS[self.code].name} in {self.column}: {self.rows:,} rows{example}"


@dataclass
class ValidatedTable:
    """What validating one table came to.

    Parameters
    ----------
    rows : int
        Raw rows that `where` lets through, malformed lines included.
    valid_rows : int
        Rows in the canonical file.
    reasons : list of Reason
        Why the others are not.
    results : list of CheckResult
        Every check that was made.
    notes : list of str
        What was changed in rows that are kept.
    supplied : frozenset of str
        Canonical columns with at least one value from the source.
    days : Series
        Kept rows per day of the fact; empty where the table has no such day.
    content : tuple of int
        Hash of the raw values, whatever the rows' order.
    """

    rows: int = 0
    valid_rows: int = 0
    reasons: list[Reason] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    supplied: frozenset[str] = frozenset()
    days: pd.Series = field(default_factory=lambda: pd.Series(dtype="int64"))
    content: tuple[int, ...] = ()


class TableValidator:
    """The state of validating one table: conditions found so far, in the order in which they take rows out."""

    def __init__(self, db: duckdb.DuckDBPyConnection, mapping: Mapping, raw: Raw, tomorrow: str) -> None:
        self.db = db
        self.mapping = mapping
        self.raw = raw
        self.name = mapping.table.name
        self.rules: list[RowRule] = row_rules(mapping.table, mapping.present, tomorrow=tomorrow)
        self.late: list[RowRule] = []
        self.result = ValidatedTable()
        self._stage()

    def _stage(self) -> None:
        """Lay the mapped rows open: keyed tables are numbered and held, events stay a view."""
        whens = " ".join(f"WHEN {rule.broken} THEN {number}" for number, rule in enumerate(self.rules))
        rule = f"CAST(CASE {whens} END AS SMALLINT)" if whens else "CAST(NULL AS SMALLINT)"
        query = f"SELECT *, {rule} AS rule_broken FROM ({self.mapping.select})"
        if self.mapping.table.key:
            query = f"CREATE OR REPLACE TEMP TABLE staged AS SELECT *, row_number() OVER () AS row_at FROM ({query})"
        else:
            query = f"CREATE OR REPLACE TEMP VIEW staged AS {query}"
        self.run("DROP VIEW IF EXISTS staged" if self.mapping.table.key else "DROP TABLE IF EXISTS staged", soft=True)
        self.run(query)

    def run(self, query: str, *, soft: bool = False) -> duckdb.DuckDBPyConnection:
        """Run a query; an expression of the config that fails on some row is named."""
        try:
            return self.db.execute(query)
        except duckdb.CatalogException:
            if soft:  # the other kind of relation has the name, which is then replaced
                return self.db
            raise
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
            raise problem(
                "CHK005",
                "An SQL expression of the config fails on some rows",
                where=self._failing_expression(),
                got=str(error).splitlines()[0],
                remedy="Use try_cast(… AS …) where values may be malformed, or leave such rows out with `where`.",
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise EngineError(
                f"DuckDB ran out of memory reading {self.name}",
                where="engine.memory_limit",
                got=str(error).splitlines()[0],
                remedy="Raise engine.memory_limit, or lower engine.threads.",
                code="engine.memory",
            ) from error

    def _failing_expression(self) -> str:
        """Return the config key of the expression that fails when it is evaluated alone."""
        for name, where in self.mapping.expressions.items():
            try:
                self.db.execute(
                    f"SELECT bit_xor(hash({identifier(f'raw:{name}')})) FROM ({self.mapping.select})"
                ).fetchone()
            except duckdb.Error:
                return where
        return f"tables.{self.name}.where"

    @property
    def good(self) -> str:
        """SQL condition of rows that nothing has taken out so far."""
        return " AND ".join(["rule_broken IS NULL", *(f"NOT ({rule.broken})" for rule in self.late)])

    def survey(self) -> None:
        """Count, in one scan: rows per rule and day, values per column, changed values, and a hash of the content."""
        mapping, occurred = self.mapping, self.mapping.table.occurred_at
        day = f'CAST("{occurred}" AS DATE)' if occurred in mapping.present else "CAST(NULL AS DATE)"
        columns = (*mapping.mapped, *mapping.attributes)
        raw_values = ", ".join(identifier(f"raw:{name}") for name in columns)
        counted = [f"count({identifier(name)}) AS {identifier(name)}" for name in columns]
        counted += [f"count_if({identifier(flag)}) AS {identifier(flag)}" for flag in self._flags()]
        if mapping.known_early is not None:
            counted.append(f'count_if({mapping.known_early}) AS "early"')
        hashed = f"hash({raw_values})"
        frame: pd.DataFrame = self.run(
            f"SELECT {day} AS fact_day, rule_broken, count(*) AS row_count, {', '.join(counted)}, "
            f"CAST(bit_xor({hashed}) AS VARCHAR) AS xored, CAST(sum({hashed}) AS VARCHAR) AS summed "
            "FROM staged GROUP BY ALL"
        ).df()
        self._account_for(frame)

    def _flags(self) -> list[str]:
        rows = self.db.execute("DESCRIBE staged").fetchall()
        return [row[0] for row in rows if row[0].startswith(("unknown:", "endless:"))]

    def _account_for(self, frame: pd.DataFrame) -> None:
        result, columns = self.result, (*self.mapping.mapped, *self.mapping.attributes)
        result.rows = int(frame["row_count"].sum()) + len(self.raw.malformed)
        good = frame[frame["rule_broken"].isna()]
        result.supplied = frozenset(name for name in columns if good[name].sum() > 0)
        by_day = good.dropna(subset=["fact_day"]).groupby("fact_day")["row_count"].sum().sort_index()
        result.days = pd.Series(by_day.to_numpy(), index=pd.DatetimeIndex(by_day.index), dtype="int64")
        xored = 0
        for text in frame["xored"]:
            xored ^= int(text)
        result.content = (result.rows, xored, sum(map(int, frame["summed"])) % 2**64)
        per_rule = frame.groupby("rule_broken")["row_count"].sum()
        for number, rule in enumerate(self.rules):
            self._record(rule, int(per_rule.get(number, 0)), f"rule_broken = {number}")
        self._note_changes(good)

    def _note_changes(self, good: pd.DataFrame) -> None:
        for flag in self._flags():
            kind, _, column = flag.partition(":")
            self._noted("CHK031" if kind == "unknown" else "CHK032", column, int(good[flag].sum()), identifier(flag))
        if self.mapping.known_early is not None:
            self._noted("CHK030", "known_at", int(good["early"].sum()), self.mapping.known_early)

    def _noted(self, code: str, column: str, rows: int, condition: str) -> None:
        self.result.results.append(CheckResult(code, self.name, column, "failed" if rows else "ok", rows))
        if not rows:
            return
        examples = ", ".join(map(repr, self._examples(column, f"rule_broken IS NULL AND ({condition})")))
        self.result.notes.append(
            f"{code} {self.name}.{column}: {rows:,} values: {CHECKS[code].name} ({examples}). {CHECKS[code].remedy}"
        )

    def _examples(self, column: str, condition: str, limit: int = 3) -> list[str]:
        """Return the most frequent raw values of a column among some rows."""
        if column not in (*self.mapping.mapped, *self.mapping.attributes):
            return []
        value = f"CAST({identifier(f'raw:{column}')} AS VARCHAR)"
        rows = self.run(
            f"SELECT {value}, count(*) FROM staged WHERE {condition} AND {value} IS NOT NULL "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"
        ).fetchall()
        return [row[0] for row in rows]

    def _record(self, rule: RowRule, rows: int, condition: str, remedy: str | None = None) -> None:
        self.result.results.append(CheckResult(rule.code, self.name, rule.column, "failed" if rows else "ok", rows))
        if rows:
            examples = self._examples(rule.column, condition, 500 if rule.code == "CHK011" else 1)
            if rule.code == "CHK011":
                remedy = propose_format(examples)
            self.result.reasons.append(
                Reason(
                    rule.code,
                    rule.column,
                    rows,
                    examples[0] if examples else "",
                    remedy or CHECKS[rule.code].remedy,
                )
            )

    def strays(self) -> None:
        """Take out the rows that lie far from all others in time."""
        occurred, days = self.mapping.table.occurred_at, self.result.days
        if occurred is None or self.mapping.table.may_lie_ahead or days.empty:
            self.result.results.append(CheckResult("CHK018", self.name, occurred or "", "not applicable"))
            return
        first, last = plausible_days(days)
        rule = RowRule(
            "CHK018",
            occurred,
            f"coalesce(CAST(\"{occurred}\" AS DATE) NOT BETWEEN DATE '{first}' AND DATE '{last}', false)",
        )
        inside = days[(days.index >= pd.Timestamp(first)) & (days.index <= pd.Timestamp(last))]
        self._record(rule, int(days.sum() - inside.sum()), f"rule_broken IS NULL AND {rule.broken}")
        self.late.append(rule)
        self.result.days = inside

    def duplicates(self) -> None:
        """Take out all but the latest known of the rows that share a key; a row without an own key is its content."""
        key = self.mapping.table.key
        if not key:
            self.result.results.append(CheckResult("CHK021", self.name, "", "not applicable"))
            return
        output = self.mapping.output
        keys = ", ".join(f"{output[name]} AS key_{number}" for number, name in enumerate(key))
        names = ", ".join(f"key_{number}" for number in range(len(key)))
        content = f"hash({', '.join(output.values())})"
        known = output["known_at"]
        self.run(
            "CREATE OR REPLACE TEMP TABLE surplus AS "
            "SELECT row_at, same FROM (SELECT row_at, row_number() OVER w AS nth, "
            f"content = first_value(content) OVER w AS same FROM (SELECT row_at, {keys}, {known} AS known, "
            f"{content} AS content FROM staged WHERE {self.good}) "
            f"WINDOW w AS (PARTITION BY {names} ORDER BY known DESC NULLS LAST, content)) WHERE nth > 1"
        )
        for code, same in (("CHK020", "same"), ("CHK021", "NOT same")):
            rule = RowRule(code, key[0], f"row_at IN (SELECT row_at FROM surplus WHERE {same})")
            row = self.db.execute(f"SELECT count(*) FROM surplus WHERE {same}").fetchone()
            self._record(rule, int(row[0]) if row else 0, rule.broken)
            self.late.append(rule)

    def unknown_accounts(self, accounts: Path | None) -> None:
        """Take out the facts of accounts that the accounts table does not have."""
        if accounts is None:
            self.result.results.append(CheckResult("CHK022", self.name, "account_id", "not applicable"))
            return
        known = f"SELECT account_id FROM read_parquet({literal(str(accounts))})"
        self.run(
            "CREATE OR REPLACE TEMP TABLE strangers AS SELECT account_id, count(*) AS row_count FROM staged "
            f"WHERE {self.good} GROUP BY 1 HAVING account_id NOT IN ({known})"
        )
        row = self.db.execute("SELECT coalesce(sum(row_count), 0) FROM strangers").fetchone()
        rule = RowRule("CHK022", "account_id", "account_id IN (SELECT account_id FROM strangers)")
        rows = int(row[0]) if row else 0
        remedy = self._padding_remedy(known) if rows else None
        self._record(rule, rows, f"rule_broken IS NULL AND {rule.broken}", remedy)
        if rows:
            self.late.append(rule)

    def _padding_remedy(self, known: str) -> str | None:
        """Tell whether the unknown accounts are known ones written with other leading zeros."""
        row = self.db.execute(
            f"SELECT count_if(ltrim(account_id, '0') IN (SELECT ltrim(account_id, '0') FROM ({known}))) * 2 > count(*) "
            "FROM strangers"
        ).fetchone()
        if not (row and row[0]):
            return None
        return (
            "Most of them are known accounts but for leading zeros: map the column in both tables with "
            "`expr: lpad(CAST(<column> AS VARCHAR), <digits>, '0')`."
        )

    def write(self, tables: Path, rejected: Path) -> None:
        """Write the canonical file, and the raw rows that are set aside with their reason."""
        result = self.result
        output = ", ".join(f"{value} AS {identifier(name)}" for name, value in self.mapping.output.items())
        # Keyed tables are small enough to be put in order, so that the same data gives the same file.
        keys = (name for name in ("account_id", self.mapping.table.occurred_at, *self.mapping.table.key) if name)
        order = f" ORDER BY {', '.join(map(identifier, dict.fromkeys(keys)))}" if self.mapping.table.key else ""
        tables.mkdir(exist_ok=True)
        target = tables / f"{self.name}.parquet"
        row = self.run(
            f"COPY (SELECT {output} FROM staged WHERE {self.good}{order}) TO {literal(str(target))} "
            "(FORMAT parquet, COMPRESSION lz4)"
        ).fetchone()
        result.valid_rows = int(row[0]) if row else 0
        if self.raw.malformed:
            first = self.raw.malformed[0]
            result.reasons.append(
                Reason("CHK007", "", len(self.raw.malformed), first.text.strip(), CHECKS["CHK007"].remedy)
            )
        if self.raw.text:
            rows = len(self.raw.malformed)
            result.results.append(CheckResult("CHK007", self.name, "", "failed" if rows else "ok", rows))
        if result.reasons:
            self._write_rejected(rejected / f"{self.name}.parquet")
        else:
            (rejected / f"{self.name}.parquet").unlink(missing_ok=True)

    def _write_rejected(self, file: Path) -> None:
        columns = [
            f"CAST({identifier(f'column:{name}')} AS VARCHAR) "
            f"AS {identifier('raw_reason' if name.casefold() == 'reason' else name)}"
            for name in self.mapping.raw_columns
        ]
        numbered = [(f"rule_broken = {number}", rule) for number, rule in enumerate(self.rules)]
        numbered += [(rule.broken, rule) for rule in self.late]
        whens = " ".join(f"WHEN {condition} THEN {literal(_worded(rule))}" for condition, rule in numbered)
        query = f"SELECT CASE {whens} END AS reason, {', '.join(columns)} FROM staged WHERE NOT ({self.good})"
        lines = [
            "SELECT "
            + literal(f"CHK007 malformed line {bad.line} of {bad.file}: {bad.fault}: {bad.text.strip()}")
            + " AS reason"
            for bad in self.raw.malformed
        ]
        with beside(file) as target:
            self.run(f"COPY ({' UNION ALL BY NAME '.join([query, *lines])}) TO {literal(str(target))} (FORMAT parquet)")


def _worded(rule: RowRule) -> str:
    return f"{rule.code} {CHECKS[rule.code].name}: {rule.column}"


def validate(
    db: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    raw: Raw,
    *,
    tables: Path,
    rejected: Path,
    accounts: Path | None,
    tomorrow: str,
) -> ValidatedTable:
    """Validate one mapped table into a canonical Parquet file and a file of rejected rows.

    Parameters
    ----------
    db : DuckDB connection
        Reads the raw table.
    mapping, raw : Mapping, Raw
        The table.
    tables, rejected : Path
        Folders of the canonical files and of the rejected rows.
    accounts : Path or None
        The canonical accounts file, where accounts are mapped.
    tomorrow : str
        ISO date of the first day that lies ahead.

    Raises
    ------
    DataError
        The table is empty, or an expression fails on some rows.
    """
    validator = TableValidator(db, mapping, raw, tomorrow)
    validator.survey()
    if validator.result.rows == 0:
        raise problem("CHK003", f"The table {mapping.table.name} is empty", where=f"tables.{mapping.table.name}.from")
    validator.strays()
    validator.unknown_accounts(accounts)
    validator.duplicates()
    validator.write(tables, rejected)
    return validator.result
