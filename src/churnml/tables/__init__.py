"""The canonical tables: grain, columns, units, keys, and when each fact could be known."""

from churnml.tables.container import Tables
from churnml.tables.schema import TABLES, Column, Table, schema_markdown

__all__ = ["TABLES", "Column", "Table", "Tables", "schema_markdown"]
