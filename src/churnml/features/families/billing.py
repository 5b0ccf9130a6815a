"""Commercial 契約, second part: what was billed and what is for sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.aggregates import Aggregate, Source, count, counted, number
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.measures import NO_DAY_SEEN, Words
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
    Words(
        "overdue invoices", "延滞請求書数",
        "Invoices whose due day is before `as_of` and that were not paid by then; credit notes do not count.",
        "支払期日を過ぎて未払いの請求書の数。",
    ),
    missing="never missing", of=_INVOICES, table="invoices", needs=_BILLS, windowed=False, risk_direction=1,
)  # fmt: skip
def invoices_overdue(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.overdue))


@BILLING.measure(
    "overdue_amount", "currency",
    Words("overdue amount", "延滞金額", "Sum of the overdue invoices.", "支払期日を過ぎて未払いの請求額の合計。"),
    missing="never missing", of=_INVOICES, table="invoices", needs=_AMOUNTS, windowed=False, risk_direction=1,
)  # fmt: skip
def overdue_amount(rows: ir.Table) -> Aggregate:
    return count(rows.amount.sum(where=rows.overdue))


@BILLING.measure(
    "oldest_overdue_days", "days",
    Words(
        "longest delay of payment", "最長延滞日数", "Days since the oldest overdue invoice was due.",
        "最も古い延滞請求書の支払期日からの日数。",
    ),
    missing="no invoice is overdue", of=_INVOICES, table="invoices", needs=_BILLS, windowed=False, kind="age",
    risk_direction=1,
)  # fmt: skip
def oldest_overdue_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.due_on, rows.as_of).max(where=rows.overdue))


@BILLING.measure(
    "payment_delay_days", "days",
    Words(
        "delay of payment", "支払遅延日数",
        "Mean days from the due day to payment, over invoices paid in the last {w} days; negative = early.",
        "過去{w}日間に支払われた請求書の期日から支払いまでの平均日数(負は期日前)。",
    ),
    missing="no invoice was paid in the window", of=_INVOICES, table="invoices", needs=_BILLS, risk_direction=1,
)  # fmt: skip
def payment_delay_days(rows: ir.Table, w: int) -> Aggregate:
    return number(days_between(rows.due_on, rows.paid_on).mean(where=inside(rows.paid_on, rows, w)))


@BILLING.measure(
    "opportunities_open", "opportunities",
    Words(
        "open opportunities", "進行中の商談数", "Opportunities opened before `as_of` and not closed by then.",
        "基準日時点で進行中の商談数。",
    ),
    missing="never missing", of=_OPPORTUNITIES, table="opportunities", needs=_DEALS, windowed=False,
    risk_direction=0,
)  # fmt: skip
def opportunities_open(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.closed_at.isnull()))


@BILLING.measure(
    "opportunities_won", "opportunities",
    Words(
        "opportunities won", "受注した商談数", "Opportunities won in the last {w} days.",
        "過去{w}日間に受注した商談数。",
    ),
    missing=NO_DAY_SEEN, of=_OPPORTUNITIES, table="opportunities", needs=_CLOSED, risk_direction=-1,
)  # fmt: skip
def opportunities_won(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.closed_at, rows, w) & (rows.outcome == "won")))


@BILLING.measure(
    "opportunities_lost", "opportunities",
    Words(
        "opportunities lost", "失注した商談数", "Opportunities lost in the last {w} days.",
        "過去{w}日間に失注した商談数。",
    ),
    missing=NO_DAY_SEEN, of=_OPPORTUNITIES, table="opportunities", needs=_CLOSED, risk_direction=1,
)  # fmt: skip
def opportunities_lost(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.closed_at, rows, w) & (rows.outcome == "lost")))
