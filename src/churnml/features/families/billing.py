"""Commercial 契約, second part: what was billed and what is for sale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from churnml.features.inputs import Columns, Inputs, filled, numbers
from churnml.features.measures import Measure, Scope
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["columns", "measures"]

_UNSEEN = "no day of the window could be observed"
_BILLS = (("invoices", ("due_on", "paid_on")),)
_AMOUNTS = (("invoices", ("due_on", "paid_on", "amount")),)
_DEALS = (("opportunities", ("created_at", "closed_at")),)
_CLOSED = (("opportunities", ("closed_at", "outcome")),)

_MEASURES = (
    Measure(
        "invoices_overdue", "invoices", "never missing", "overdue invoices", "延滞請求書数",
        "Invoices whose due day is before `as_of` and that were not paid by then; credit notes do not count.",
        "支払期日を過ぎて未払いの請求書の数。", table="invoices", needs=_BILLS, windowed=False, monotone=1,
    ),
    Measure(
        "overdue_amount", "currency", "never missing", "overdue amount", "延滞金額",
        "Sum of the overdue invoices.", "支払期日を過ぎて未払いの請求額の合計。",
        table="invoices", needs=_AMOUNTS, windowed=False, monotone=1,
    ),
    Measure(
        "oldest_overdue_days", "days", "no invoice is overdue", "longest delay of payment", "最長延滞日数",
        "Days since the oldest overdue invoice was due.", "最も古い延滞請求書の支払期日からの日数。",
        table="invoices", needs=_BILLS, windowed=False, kind="age", monotone=1,
    ),
    Measure(
        "payment_delay_days", "days", "no invoice was paid in the window", "delay of payment", "支払遅延日数",
        "Mean days from the due day to payment, over invoices paid in the last {w} days; negative = early.",
        "過去{w}日間に支払われた請求書の期日から支払いまでの平均日数(負は期日前)。",
        table="invoices", needs=_BILLS, monotone=1,
    ),
    Measure(
        "opportunities_open", "opportunities", "never missing", "open opportunities", "進行中の商談数",
        "Opportunities opened before `as_of` and not closed by then.", "基準日時点で進行中の商談数。",
        table="opportunities", needs=_DEALS, windowed=False,
    ),
    Measure(
        "opportunities_won", "opportunities", _UNSEEN, "opportunities won", "受注した商談数",
        "Opportunities won in the last {w} days.", "過去{w}日間に受注した商談数。",
        table="opportunities", needs=_CLOSED, monotone=-1,
    ),
    Measure(
        "opportunities_lost", "opportunities", _UNSEEN, "opportunities lost", "失注した商談数",
        "Opportunities lost in the last {w} days.", "過去{w}日間に失注した商談数。",
        table="opportunities", needs=_CLOSED, monotone=1,
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the measures of invoices and opportunities."""
    yield from _MEASURES


def columns(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    """Compute them from the tables there are."""
    out: Columns = {}
    if "invoices" in inputs.tables:
        out |= _invoices(inputs, windows)
    if "opportunities" in inputs.tables:
        out |= _opportunities(inputs, windows)
    return out


def _invoices(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    rows = inputs.known("invoices")
    rows = rows.filter((rows.amount >= 0).fill_null(True))
    overdue = (rows.due_on.cast("timestamp(6)") < rows.as_of).fill_null(False) & rows.paid_on.isnull()
    wanted: dict[str, ir.Value] = {
        "invoices_overdue": rows.count(where=overdue),
        "overdue_amount": rows.amount.sum(where=overdue),
        "oldest": days_between(rows.due_on, rows.as_of).max(where=overdue),
    }
    delay = days_between(rows.due_on, rows.paid_on)
    for w in windows:
        wanted[f"payment_delay_days_{w}d"] = delay.mean(where=inside(rows.paid_on, rows, w))
    known = inputs.gather(rows, wanted)
    out = {f"payment_delay_days_{w}d": numbers(known[f"payment_delay_days_{w}d"]) for w in windows}
    return out | {
        "invoices_overdue": filled(known["invoices_overdue"]),
        "overdue_amount": filled(known["overdue_amount"]),
        "oldest_overdue_days": numbers(known["oldest"]),
    }


def _opportunities(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    rows = inputs.known("opportunities")
    wanted: dict[str, ir.Value] = {"opportunities_open": rows.count(where=rows.closed_at.isnull())}
    for w in windows:
        closed = inside(rows.closed_at, rows, w)
        for outcome in ("won", "lost"):
            wanted[f"opportunities_{outcome}_{w}d"] = rows.count(where=closed & (rows.outcome == outcome))
    known = inputs.gather(rows, wanted)
    out: Columns = {"opportunities_open": filled(known["opportunities_open"])}
    for w in windows:
        for name in (f"opportunities_won_{w}d", f"opportunities_lost_{w}d"):
            out[name] = inputs.counted(filled(known[name]), w)
    return out
