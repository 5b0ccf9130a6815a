"""A table as it was known at each of many as_of dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.keys import Keys
from churnml.tables import Tables, knowledge

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["days_between", "inside", "visible"]


def visible(tables: Tables, name: str, keys: Keys) -> ir.Table:
    """Return the table once per (account, as_of) row, holding only what was known before that `as_of`.

    A row is there when it occurred and was known before `as_of`; values that are revealed later (the schema's
    ``revealed``) are null until their own time has passed.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    name : str
        A canonical table.
    keys : Keys
        The rows asked about.

    Returns
    -------
    ibis table
        The table's columns, with ``key_code`` (position among the keys) and ``as_of`` (timestamp).
    """
    rows, asked = tables[name], keys.expression()
    joined = rows.inner_join(asked, rows.account_id == asked.key_account).drop("key_account")
    return knowledge.rows_known_before(joined, name, joined.as_of)


def inside(time: ir.Value, rows: ir.Table, start: int, end: int = 0) -> ir.BooleanValue:
    """Tell whether a time lies in ``[as_of − start, as_of − end)``; false where there is no time."""
    import ibis

    moment = time.cast("timestamp(6)")
    upper = rows.as_of - ibis.interval(days=end) if end else rows.as_of
    return ((moment >= rows.as_of - ibis.interval(days=start)) & (moment < upper)).fill_null(False)


def days_between(begin: ir.Value, end: ir.Value) -> ir.NumericValue:
    """Return whole days from the day of one time to the day of another."""
    first = begin.cast("timestamp(6)").truncate("D").epoch_seconds()
    return (end.cast("timestamp(6)").truncate("D").epoch_seconds() - first).cast("float64") / 86400.0
