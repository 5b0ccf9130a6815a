"""The mapped rows of one table laid open for queries, with the rules that take rows out."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import duckdb

from churnml.errors import EngineError
from churnml.language import Text
from churnml.sources.file_counts import FileCounts
from churnml.sources.mapping import Mapping
from churnml.sources.sql import described, identifier, problem
from churnml.tables.row_rules import RowRule, row_rules

__all__ = ["FLAGS", "StagedTable"]

FLAGS = {
    "unknown": "CHK031",
    "endless": "CHK032",
    "beyond": "CHK035",
    "placeholder": "CHK035",
    "unreadable": "CHK033",
    "outside": "CHK034",
    "moved": "CHK036",
}
"""Prefix of a column that marks values to be noted → code of the check."""


class StagedTable:
    """The relation ``staged``: every mapped row with the number of the first rule that it breaks.

    Parameters
    ----------
    db : DuckDB connection
        Where the relation is made; it replaces the one of the table before.
    mapping : Mapping
        The table.
    tomorrow : str
        ISO date of the first day that lies ahead.

    Raises
    ------
    DataError
        An expression of the config fails on some rows.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, mapping: Mapping, tomorrow: str) -> None:
        self.db = db
        self.mapping = mapping
        self.name = mapping.table.name
        self.rules: list[RowRule] = row_rules(mapping.table, mapping.available, tomorrow=tomorrow)
        self.rules += [
            RowRule("CHK046", name, f"{identifier(f'given:{name}')} AND {identifier(name)} IS NULL")
            for name, source in mapping.sources.items()
            if source.id is not None and name in mapping.table.column_names and mapping.table[name].required
        ]
        self.late: list[RowRule] = []  # what the later checks, over the table as a whole, take out
        self.unbroken = False  # whether every row has been seen to keep all the rules
        self.rows = ""  # the query of the rows
        self.counts: FileCounts | None = None
        self._stage()

    def _stage(self) -> None:
        """Lay the mapped rows open: keyed tables are numbered and held, and so are few events; many stay a view."""
        whens = " ".join(f"WHEN {rule.broken} THEN {number}" for number, rule in enumerate(self.rules))
        rule = f"CAST(CASE {whens} END AS SMALLINT)" if whens else "CAST(NULL AS SMALLINT)"
        query = f"SELECT *, {rule} AS rule_broken FROM ({self.mapping.select})"
        if self.mapping.table.key:
            number = f"row_number() OVER (PARTITION BY {self.mapping.content})" if self.mapping.makes_key else "1"
            query = f"SELECT *, row_number() OVER () AS row_at, {number} AS equal_number FROM ({query})"
        kind, other = ("TABLE", "VIEW") if self.mapping.table.key or self.mapping.is_small else ("VIEW", "TABLE")
        self.run(f"DROP {other} IF EXISTS staged", soft=True)
        self.rows = query
        self.run(f"CREATE OR REPLACE TEMP {kind} staged AS {query}")

    def counted(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of counts; those of before where the raw files lie unchanged."""
        known = None if self.counts is None else self.counts.answer(query)
        if known is not None:
            return known
        rows: list[tuple[Any, ...]] = self.run(query).fetchall()
        if self.counts is not None:
            self.counts.keep(query, rows)
        return rows

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
                Text.of("data-sql_rows"),
                where=self._failing_expression(),
                got=str(error).splitlines()[0],
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise EngineError(
                Text.of("error-duckdb_memory", table=self.name),
                where="engine.memory_limit",
                got=str(error).splitlines()[0],
                code="engine.memory",
            ) from error

    def _failing_expression(self) -> str:
        """Return the config key of the expression that fails when it is evaluated alone."""
        for name, where in self.mapping.expressions.items():
            try:
                self.db.execute(
                    f"SELECT bit_xor(hash({self.mapping.raw_value(name)})) FROM ({self.mapping.select})"
                ).fetchone()
            except duckdb.Error:
                return where
        return f"tables.{self.name}.where"

    @property
    def good(self) -> str:
        """SQL condition of rows that nothing has taken out so far."""
        # Rules that no row breaks are not tried on every row again by each of the later queries.
        conditions = [] if self.unbroken else ["rule_broken IS NULL"]
        return " AND ".join([*conditions, *(f"NOT ({rule.broken})" for rule in self.late)]) or "true"

    @cached_property
    def flags(self) -> list[str]:
        """The columns that mark values to be noted."""
        return [name for name in described(self.db, "staged") if name.partition(":")[0] in FLAGS]

    def examples(self, column: str, condition: str, limit: int = 3) -> list[str]:
        """Return the most frequent raw values of a column among some rows."""
        if column not in (*self.mapping.mapped, *self.mapping.attributes):
            return []
        value = f"CAST({self.mapping.raw_value(column)} AS VARCHAR)"
        rows = self.run(
            f"SELECT {value}, count(*) FROM staged WHERE {condition} AND {value} IS NOT NULL "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"
        ).fetchall()
        return [row[0] for row in rows]
