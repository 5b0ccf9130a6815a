"""The one place where a table is cut to what was known at each as_of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.keys import Keys
from churnml.tables import TABLES, Tables

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
    definition = TABLES[name]
    rows, asked = tables[name], keys.expression()
    joined = rows.inner_join(asked, rows.account_id == asked.key_account).drop("key_account")
    if definition.occurred_at is not None:
        occurred_at = joined[definition.occurred_at].cast("timestamp(6)")
        joined = joined.filter(occurred_at < joined.as_of, joined.known_at.fill_null(occurred_at) < joined.as_of)
    else:
        joined = joined.filter(joined.known_at.isnull() | (joined.known_at < joined.as_of))
    return _hide(joined, name)


def _hide(rows: ir.Table, name: str) -> ir.Table:
    import ibis

    revealed = dict(TABLES[name].revealed)
    shown = {column: rows[time].cast("timestamp(6)") < rows.as_of for column, time in revealed.items()}
    if name == "subscriptions":
        # A termination is known from the notice, at the latest when it takes effect.
        ends = rows.terminated_on.cast("timestamp(6)")
        shown["terminated_on"] = ibis.least(rows.notice_at.fill_null(ends), ends) < rows.as_of
    return rows.mutate(
        **{
            column: ibis.cases((seen, rows[column]), else_=ibis.null(rows[column].type()))
            for column, seen in shown.items()
        }
    )


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
