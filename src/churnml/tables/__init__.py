"""The canonical tables: grain, columns, units, keys, and when each fact could be known."""

from churnml.tables.checks import CHECKS, Check, CheckResult, checks_markdown
from churnml.tables.container import Tables
from churnml.tables.schema import TABLES, Column, Table, schema_markdown

__all__ = [
    "CHECKS",
    "TABLES",
    "Check",
    "CheckResult",
    "Column",
    "Table",
    "Tables",
    "checks_markdown",
    "schema_markdown",
]
