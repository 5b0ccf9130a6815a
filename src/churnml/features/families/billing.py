"""Commercial 契約, second part: what was billed and what is for sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.aggregates import Aggregate, Source, count, counted, number
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.measures import NO_DAY_SEEN
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["BILLING"]

BILLING = Family("commercial")

_BILLS = (("invoices", ("due_on", "paid_on")),)
_AMOUNTS = (("invoices", ("due_on", "paid_on", "amount")),)
_DEALS = (("opportunities", ("created_at", "closed_at")),)
_CLOSED = (("opportunities", ("closed_at", "outcome")),)


def _invoices(inputs: Inputs) -> ir.Table:
    rows = inputs.known("invoices")
    rows = rows.filter((rows.amount >= 0).fill_null(True))
    due = (rows.due_on.cast("timestamp(6)") < rows.as_of).fill_null(False)
    return rows.mutate(overdue=due & rows.paid_on.isnull())


def _opportunities(inputs: Inputs) -> ir.Table:
    return inputs.known("opportunities")


_INVOICES = Source("invoices", _invoices)
_OPPORTUNITIES = Source("opportunities", _opportunities)


@BILLING.measure(
    "invoices_overdue", "invoices",
    missing="never", of=_INVOICES, table="invoices", needs=_BILLS, windowed=False, risk_direction=1,
)  # fmt: skip
def invoices_overdue(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.overdue))


@BILLING.measure(
    "overdue_amount", "currency",
    missing="never", of=_INVOICES, table="invoices", needs=_AMOUNTS, windowed=False, risk_direction=1,
)  # fmt: skip
def overdue_amount(rows: ir.Table) -> Aggregate:
    return count(rows.amount.sum(where=rows.overdue))


@BILLING.measure(
    "oldest_overdue_days", "days",
    missing="no_invoice_overdue", of=_INVOICES, table="invoices", needs=_BILLS, windowed=False, kind="age",
    risk_direction=1,
)  # fmt: skip
def oldest_overdue_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.due_on, rows.as_of).max(where=rows.overdue))


@BILLING.measure(
    "payment_delay_days", "days",
    missing="no_invoice_paid", of=_INVOICES, table="invoices", needs=_BILLS, risk_direction=1,
)  # fmt: skip
def payment_delay_days(rows: ir.Table, w: int) -> Aggregate:
    return number(days_between(rows.due_on, rows.paid_on).mean(where=inside(rows.paid_on, rows, w)))


@BILLING.measure(
    "opportunities_open", "opportunities",
    missing="never", of=_OPPORTUNITIES, table="opportunities", needs=_DEALS, windowed=False,
    risk_direction=0,
)  # fmt: skip
def opportunities_open(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.closed_at.isnull()))


@BILLING.measure(
    "opportunities_won", "opportunities",
    missing=NO_DAY_SEEN, of=_OPPORTUNITIES, table="opportunities", needs=_CLOSED, risk_direction=-1,
)  # fmt: skip
def opportunities_won(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.closed_at, rows, w) & (rows.outcome == "won")))


@BILLING.measure(
    "opportunities_lost", "opportunities",
    missing=NO_DAY_SEEN, of=_OPPORTUNITIES, table="opportunities", needs=_CLOSED, risk_direction=1,
)  # fmt: skip
def opportunities_lost(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.closed_at, rows, w) & (rows.outcome == "lost")))
