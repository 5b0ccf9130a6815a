"""Validates one mapped table: finds the rows that cannot be used, says why, and writes the good and the bad ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import duckdb
import pandas as pd

from churnml.files import beside
from churnml.language import Quantity, Several, Text
from churnml.sources.currencies import currencies_of, listed_shares, money_columns
from churnml.sources.duplicates import equal_rows, lay_surplus
from churnml.sources.expressions import with_nulls
from churnml.sources.file_counts import FileCounts
from churnml.sources.identities import why_ids_differ
from churnml.sources.mapping import Mapping
from churnml.sources.outcome import without_rows
from churnml.sources.period import plausible_days
from churnml.sources.raw import Raw
from churnml.sources.rejected import rejected_query
from churnml.sources.remedies import remedy_for
from churnml.sources.sql import counted, identifier, literal
from churnml.sources.staged import FLAGS, StagedTable
from churnml.sources.unchanged import linked_if_same
from churnml.sources.validated import Reason, ValidatedTable
from churnml.tables import CHECKS, CheckResult, Column
from churnml.tables.row_rules import RowRule

_LONGEST_ID = 255

__all__ = ["validate"]


class TableValidator:
    """The checks of one table, in the order in which they take rows out."""

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        mapping: Mapping,
        raw: Raw,
        tomorrow: str,
        *,
        before: Path | None,
        merge_equal: bool,
        all_rejected_columns: bool,
        language: str,
    ) -> None:
        self.before = before
        self.merge_equal = merge_equal
        self.all_rejected_columns = all_rejected_columns
        self.language = language
        self.db = db
        self.staged = StagedTable(db, mapping, tomorrow)
        if before is not None:
            self.staged.counts = FileCounts.of(before, mapping, raw, self.staged.rows)
        self.mapping = mapping
        self.raw = raw
        self.name = mapping.table.name
        self.result = ValidatedTable(counts=self.staged.counts)

    def survey(self) -> None:
        """Count rows per rule and day; then values per column, changed values, and a hash of the content."""
        occurred = self.mapping.table.occurred_at
        day = f'CAST("{occurred}" AS DATE)' if occurred in self.mapping.available else "CAST(NULL AS DATE)"
        groups = self.staged.counted(
            f"SELECT {day} AS fact_day, rule_broken, count(*) FROM staged GROUP BY fact_day, rule_broken"
        )
        result = self.result
        per_rule: Counter[int] = Counter()
        for _, broken, rows in groups:
            if broken is not None:
                per_rule[broken] += rows
        self.staged.unbroken = not per_rule
        result.rows = sum(rows for _, _, rows in groups) + self.raw.malformed.rows
        days = sorted((on, rows) for on, broken, rows in groups if broken is None and on is not None)
        index = pd.DatetimeIndex([on for on, _ in days], dtype="datetime64[us]")
        result.days = pd.Series([rows for _, rows in days], index=index, dtype="int64")
        self._survey_values(per_rule)

    def _survey_values(self, per_rule: Counter[int]) -> None:
        """Look at the values of all rows at once: by day and rule it would take three times as long."""
        mapping, result = self.mapping, self.result
        columns = (*mapping.mapped, *mapping.attributes)
        good = "" if self.staged.unbroken else " FILTER (rule_broken IS NULL)"
        flags = {flag: identifier(flag) for flag in self.staged.flags}
        if mapping.known_early is not None:
            flags["early"] = mapping.known_early
        counts = [f"count({identifier(name)}){good}" for name in columns]
        counts += [f"count_if({flag}){good}" for flag in flags.values()]
        hashed = f"hash({', '.join(map(mapping.raw_value, columns))})"
        ((*values, xored, summed),) = self.staged.counted(
            f"SELECT {', '.join(counts)}, CAST(bit_xor({hashed}) AS VARCHAR), CAST(sum({hashed}) AS VARCHAR) "
            "FROM staged"
        )
        result.supplied = frozenset(name for name, count in zip(columns, values[: len(columns)], strict=True) if count)
        result.content = (result.rows, int(xored or 0), int(summed or 0) % 2**64)
        for number, rule in enumerate(self.staged.rules):
            self._record(rule, per_rule[number], f"rule_broken = {number}")
        for (flag, condition), count in zip(flags.items(), values[len(columns) :], strict=True):
            kind, _, column = flag.partition(":")
            if flag == "early":
                self._noted("CHK030", "known_at", count, condition)
            else:
                self._noted(FLAGS[kind], column, count, condition)

    def _noted(self, code: str, column: str, rows: int, condition: str) -> None:
        self.result.results.append(CheckResult(code, self.name, column, "failed" if rows else "ok", rows))
        if not rows:
            return
        values = self.staged.examples(column, f"rule_broken IS NULL AND ({condition})", 500)
        remedy = remedy_for(code, self._column(column), self.mapping.sources.get(column), values)
        self.result.notes.append(
            Text.of(
                "data-changed",
                code=code,
                table=self.name,
                column=column,
                rows=rows,
                name=CHECKS[code].name,
                examples=Several(parts=tuple(map(repr, values[:3]))),
                remedy=remedy,
            )
        )
        if code in ("CHK033", "CHK034"):
            self.result.lost_values.append(Reason(code, column, rows, values[0] if values else "", remedy))

    def _column(self, name: str) -> Column | None:
        return self.mapping.table[name] if name in self.mapping.table.column_names else None

    def _record(self, rule: RowRule, rows: int, condition: str, remedy: Text | None = None) -> None:
        self.result.results.append(CheckResult(rule.code, self.name, rule.column, "failed" if rows else "ok", rows))
        if rows:
            values = self.staged.examples(
                rule.column, condition, 500 if rule.code in ("CHK011", "CHK012", "CHK014") else 1
            )
            source = self.mapping.sources.get(rule.column)
            self.result.reasons.append(
                Reason(
                    rule.code,
                    rule.column,
                    rows,
                    values[0] if values else "",
                    remedy or remedy_for(rule.code, self._column(rule.column), source, values),
                )
            )

    def filtered(self) -> None:
        """Say how many rows `where` leaves out, and how many of them because it does not decide."""
        left_out, undecided = self.mapping.filtered
        self.result.results.append(CheckResult("CHK025", self.name, "", "failed" if undecided else "ok", undecided))
        if not left_out:
            return
        if not undecided:
            self.result.notes.append(Text.of("data-where", table=self.name, n=left_out))
            return
        better = with_nulls(self.mapping.where or "")
        remedy = Text.of("data-where_better", better=better) if better else CHECKS["CHK025"].remedy
        self.result.notes.append(
            Text.of("data-where_undecided", table=self.name, n=left_out, undecided=undecided, remedy=remedy)
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
        rows = int(days.sum() - inside.sum())
        self._record(rule, rows, f"rule_broken IS NULL AND {rule.broken}")
        if rows:
            self.staged.late.append(rule)
        self.result.days = inside

    def duplicates(self) -> None:
        """Take out all but the latest known of the rows that share a key; equal rows without an id are counted."""
        key = self.mapping.table.key
        if not key or self.mapping.makes_key:
            self._equal_rows()
        if not key or key[0] not in self.mapping.mapped:
            self.result.results.append(CheckResult("CHK021", self.name, "", "not applicable"))
            return
        counted_by = dict(zip(("same", "NOT same"), lay_surplus(self.staged, self.mapping), strict=True))
        for code, same in (("CHK020", "same"), ("CHK021", "NOT same")):
            rows = counted_by[same]
            rule = RowRule(code, key[0], f"row_at IN (SELECT row_at FROM surplus WHERE {same})")
            self._record(rule, rows, rule.broken)
            if rows:
                self.staged.late.append(rule)

    def _equal_rows(self) -> None:
        """Count, or take out, the rows that equal another one and have no id to tell them apart."""
        equal = equal_rows(self.staged, self.mapping, self.result.rows)
        rows = equal.rows
        self.result.results.append(CheckResult("CHK024", self.name, "", "failed" if rows else "ok", rows))
        if not rows:
            return
        if equal.surplus is not None and self.merge_equal:
            rule = RowRule("CHK020", self.mapping.table.key[0], equal.surplus)
            self._record(rule, rows, f"rule_broken IS NULL AND {rule.broken}")
            self.staged.late.append(rule)
            return
        total = Quantity(value=equal.total, digits=2) if equal.total else None
        stake = Text.of("data-equal_rows.stake", sum=total, column=equal.money) if total is not None else ""
        self.result.notes.append(
            Text.of(
                "data-equal_rows.merged" if self.merge_equal else "data-equal_rows",
                table=self.name,
                n=Text.of("data-about", n=rows) if equal.is_estimated else rows,
                stake=stake,
                remedy=CHECKS["CHK024"].remedy,
            )
        )

    def impossible_ids(self) -> None:
        """Count the rows of every account, and take out those whose id no store can hold."""
        occurred = self.mapping.table.occurred_at
        first, last = (f'min("{occurred}")', f'max("{occurred}")') if occurred is not None else ("NULL", "NULL")
        self.staged.run(
            f"CREATE OR REPLACE TEMP TABLE {identifier(f'accounts:{self.name}')} AS SELECT account_id, "
            f"count(*) AS row_count, CAST({first} AS TIMESTAMP) AS first_at, CAST({last} AS TIMESTAMP) AS last_at "
            f"FROM staged WHERE {self.staged.good} GROUP BY 1"
        )
        bad = f"length(account_id) > {_LONGEST_ID} OR regexp_matches(account_id, '[\\x00-\\x1f\\x7f]')"
        here = identifier(f"accounts:{self.name}")
        row = self.staged.run(f"SELECT coalesce(sum(row_count), 0) FROM {here} WHERE {bad}").fetchone()
        rows = int(row[0] or 0) if row else 0
        rule = RowRule("CHK023", "account_id", bad)
        self._record(rule, rows, f"rule_broken IS NULL AND ({bad})")
        if rows:
            self.staged.late.append(rule)
            self.staged.run(f"DELETE FROM {here} WHERE {bad}")

    def unknown_accounts(self, accounts: Path | None) -> None:
        """Take out the facts of accounts that the accounts table does not have."""
        if accounts is None:
            self.result.results.append(CheckResult("CHK022", self.name, "account_id", "not applicable"))
            return
        known = f"SELECT account_id FROM read_parquet({literal(str(accounts))})"
        here = identifier(f"accounts:{self.name}")
        self.staged.run(
            "CREATE OR REPLACE TEMP TABLE strangers AS SELECT account_id, row_count "
            f"FROM {here} WHERE account_id NOT IN ({known})"
        )
        row = self.db.execute("SELECT coalesce(sum(row_count), 0) FROM strangers").fetchone()
        rule = RowRule("CHK022", "account_id", "account_id IN (SELECT account_id FROM strangers)")
        rows = int(row[0] or 0) if row else 0
        remedy = (
            why_ids_differ(self.db, "SELECT account_id FROM strangers", known, self.name, "accounts") if rows else None
        )
        self._record(rule, rows, f"rule_broken IS NULL AND {rule.broken}", remedy)
        if rows:
            self.staged.late.append(rule)

    def currencies(self) -> None:
        """Say where a column of money holds several currencies: they are added as if they were one."""
        for name in money_columns(self.mapping.table):
            if name not in self.mapping.mapped:
                continue
            shares = currencies_of(self.staged, self.mapping, name)
            several = len(shares) > 1
            others = sum(share.rows for share in shares[1:])
            self.result.results.append(CheckResult("CHK037", self.name, name, "failed" if several else "ok", others))
            if several:
                self.result.notes.append(
                    Text.of(
                        "data-currencies",
                        table=self.name,
                        column=name,
                        n=len(shares),
                        listed=listed_shares(shares),
                        remedy=CHECKS["CHK037"].remedy,
                    )
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
        distinct = "DISTINCT " if self.merge_equal and not self.mapping.table.key else ""
        query = f"SELECT {distinct}{output} FROM staged WHERE {self.staged.good}"
        large = not self.mapping.table.key and not self.mapping.is_small and not distinct
        if large and self.before is not None and linked_if_same(self.staged, query, self.before / target.name, target):
            result.valid_rows = counted(self.db, f"read_parquet({literal(str(target))})")
        else:
            row = self.staged.run(
                f"COPY ({query}{order}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4)"
            ).fetchone()
            result.valid_rows = int(row[0] or 0) if row else 0
        malformed = self.raw.malformed
        if malformed.rows:
            remedy = malformed.remedy or CHECKS["CHK007"].remedy
            result.reasons.append(Reason("CHK007", "", malformed.rows, malformed.example, remedy))
        if self.raw.text:
            rows = malformed.rows
            result.results.append(CheckResult("CHK007", self.name, "", "failed" if rows else "ok", rows))
        file = rejected / f"{self.name}.parquet"
        if not result.reasons:
            file.unlink(missing_ok=True)
            return
        query = rejected_query(
            self.mapping,
            self.staged.rules,
            self.staged.late,
            self.staged.good,
            malformed,
            all_columns=self.all_rejected_columns,
            language=self.language,
        )
        with beside(file) as temporary:
            self.staged.run(f"COPY ({query}) TO {literal(str(temporary))} (FORMAT parquet)")
        file.chmod(0o600)


def validate(
    db: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    raw: Raw,
    *,
    tables: Path,
    rejected: Path,
    accounts: Path | None,
    tomorrow: str,
    before: Path | None = None,
    merge_equal: bool = False,
    all_rejected_columns: bool = False,
    language: str = "en",
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
    before : Path or None
        Folder of the canonical files that were written the last time.
    merge_equal : bool
        Whether rows that are equal and have no id count once.
    all_rejected_columns : bool
        Whether rejected rows are written with the raw columns that the mapping does not read.
    language : str
        Of the reasons beside them.

    Raises
    ------
    DataError
        The table is empty, or an expression fails on some rows.
    """
    validator = TableValidator(
        db,
        mapping,
        raw,
        tomorrow,
        before=before,
        merge_equal=merge_equal,
        all_rejected_columns=all_rejected_columns,
        language=language,
    )
    validator.survey()
    if validator.result.rows == 0:
        raise without_rows(mapping)
    validator.filtered()
    validator.strays()
    validator.impossible_ids()
    validator.unknown_accounts(accounts)
    validator.duplicates()
    validator.currencies()
    validator.write(tables, rejected)
    return validator.result
