"""Support サポート: how much help the account asks for, and how well it gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.aggregates import Aggregate, Source, count, counted, number, share
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.measures import NO_DAY_SEEN
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["SUPPORT"]

SUPPORT = Family("support")

_NONE_OPENED = "no_ticket_opened"


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("tickets", names),)


def _tickets(inputs: Inputs) -> ir.Table:
    rows = inputs.known("tickets")
    return rows.mutate(
        is_open=rows.solved_at.isnull() | (rows.reopened_at >= rows.solved_at).fill_null(False),
        urgent=rows.priority.isin(["high", "urgent"]).fill_null(False),
        response_hours=_hours(rows.opened_at, rows.first_response_at),
        solving_hours=_hours(rows.opened_at, rows.solved_at),
    )


def _hours(begin: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    return (end.epoch_seconds() - begin.epoch_seconds()).cast("float64") / 3600.0


_TICKETS = Source("tickets", _tickets)


@SUPPORT.count(
    "tickets_opened", "tickets",
    of=_TICKETS, table="tickets", needs=_needs("opened_at"), trends="each", ranked=True,
    risk_direction=0,
)  # fmt: skip
def tickets_opened(rows: ir.Table, start: int, end: int) -> ir.Value:
    return rows.count(where=inside(rows.opened_at, rows, start, end))


@SUPPORT.measure(
    "tickets_open", "tickets",
    missing="never", of=_TICKETS, table="tickets", needs=_needs("solved_at"), windowed=False, risk_direction=1,
)  # fmt: skip
def tickets_open(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.is_open))


@SUPPORT.measure(
    "oldest_open_ticket_days", "days",
    missing="no_ticket_open", of=_TICKETS, table="tickets", needs=_needs("solved_at"), windowed=False, kind="age",
    risk_direction=1,
)  # fmt: skip
def oldest_open_ticket_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.opened_at, rows.as_of).max(where=rows.is_open))


@SUPPORT.measure(
    "urgent_ticket_share", "share",
    missing=_NONE_OPENED, of=_TICKETS, table="tickets", needs=_needs("priority"), risk_direction=1,
)  # fmt: skip
def urgent_ticket_share(rows: ir.Table, w: int) -> Aggregate:
    opened = inside(rows.opened_at, rows, w)
    return share(rows.count(where=opened & rows.urgent), rows.count(where=opened))


@SUPPORT.measure(
    "first_response_hours", "hours",
    missing="no_ticket_got", of=_TICKETS, table="tickets",
    needs=_needs("first_response_at"), risk_direction=1,
)  # fmt: skip
def first_response_hours(rows: ir.Table, w: int) -> Aggregate:
    return number(rows.response_hours.mean(where=inside(rows.first_response_at, rows, w)))


@SUPPORT.measure(
    "resolution_hours", "hours",
    missing="no_ticket_solved", of=_TICKETS, table="tickets", needs=_needs("solved_at"),
    risk_direction=1,
)  # fmt: skip
def resolution_hours(rows: ir.Table, w: int) -> Aggregate:
    return number(rows.solving_hours.mean(where=inside(rows.solved_at, rows, w)))


@SUPPORT.measure(
    "ticket_resolution_rate", "share",
    missing=_NONE_OPENED, of=_TICKETS, table="tickets", needs=_needs("solved_at"), risk_direction=-1,
)  # fmt: skip
def ticket_resolution_rate(rows: ir.Table, w: int) -> Aggregate:
    opened = inside(rows.opened_at, rows, w)
    return share(rows.count(where=opened & ~rows.is_open), rows.count(where=opened))


@SUPPORT.measure(
    "tickets_reopened", "tickets",
    missing=NO_DAY_SEEN, of=_TICKETS, table="tickets", needs=_needs("reopened_at"), risk_direction=1,
)  # fmt: skip
def tickets_reopened(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.reopened_at, rows, w)))


@SUPPORT.measure(
    "tickets_escalated", "tickets",
    missing=NO_DAY_SEEN, of=_TICKETS, table="tickets", needs=_needs("escalated_at"), risk_direction=1,
)  # fmt: skip
def tickets_escalated(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.escalated_at, rows, w)))


@SUPPORT.measure(
    "csat", "points",
    missing="no_satisfaction_given", of=_TICKETS, table="tickets",
    needs=_needs("csat_score", "csat_at"), risk_direction=-1,
)  # fmt: skip
def csat(rows: ir.Table, w: int) -> Aggregate:
    return number(rows.csat_score.mean(where=inside(rows.csat_at, rows, w)))
