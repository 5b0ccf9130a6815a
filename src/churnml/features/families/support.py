"""Support サポート: how much help the account asks for, and how well it gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.aggregates import Aggregate, Source, count, counted, number, share
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.measures import NO_DAY_SEEN, Words
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["SUPPORT"]

SUPPORT = Family("support")

_NONE_OPENED = "no ticket was opened in the window"


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
    Words(
        "tickets opened", "新規チケット数", "Tickets opened in the last {w} days.",
        "過去{w}日間に起票されたチケット数。",
    ),
    of=_TICKETS, table="tickets", needs=_needs("opened_at"), trends="each", ranked=True,
    risk_direction=0,
)  # fmt: skip
def tickets_opened(rows: ir.Table, start: int, end: int) -> ir.Value:
    return rows.count(where=inside(rows.opened_at, rows, start, end))


@SUPPORT.measure(
    "tickets_open", "tickets",
    Words(
        "open tickets", "未解決チケット数", "Tickets that were open at `as_of`: not solved by then, or reopened since.",
        "基準日時点で未解決(または再開済み)のチケット数。",
    ),
    missing="never missing", of=_TICKETS, table="tickets", needs=_needs("solved_at"), windowed=False, risk_direction=1,
)  # fmt: skip
def tickets_open(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.is_open))


@SUPPORT.measure(
    "oldest_open_ticket_days", "days",
    Words(
        "age of the oldest open ticket", "最古の未解決チケットの経過日数",
        "Days since the oldest open ticket was opened.", "最も古い未解決チケットの起票からの日数。",
    ),
    missing="no ticket is open", of=_TICKETS, table="tickets", needs=_needs("solved_at"), windowed=False, kind="age",
    risk_direction=1,
)  # fmt: skip
def oldest_open_ticket_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.opened_at, rows.as_of).max(where=rows.is_open))


@SUPPORT.measure(
    "urgent_ticket_share", "share",
    Words(
        "share of urgent tickets", "緊急チケットの割合",
        "Tickets of high or urgent priority ÷ tickets opened in the last {w} days.",
        "過去{w}日間の新規チケットのうち優先度が高・緊急の割合。",
    ),
    missing=_NONE_OPENED, of=_TICKETS, table="tickets", needs=_needs("priority"), risk_direction=1,
)  # fmt: skip
def urgent_ticket_share(rows: ir.Table, w: int) -> Aggregate:
    opened = inside(rows.opened_at, rows, w)
    return share(rows.count(where=opened & rows.urgent), rows.count(where=opened))


@SUPPORT.measure(
    "first_response_hours", "hours",
    Words(
        "hours to the first answer", "初回応答時間",
        "Mean hours from opening to the first answer, over tickets first answered in the last {w} days.",
        "過去{w}日間に初回応答したチケットの平均初回応答時間。",
    ),
    missing="no ticket got its first answer in the window", of=_TICKETS, table="tickets",
    needs=_needs("first_response_at"), risk_direction=1,
)  # fmt: skip
def first_response_hours(rows: ir.Table, w: int) -> Aggregate:
    return number(rows.response_hours.mean(where=inside(rows.first_response_at, rows, w)))


@SUPPORT.measure(
    "resolution_hours", "hours",
    Words(
        "hours to resolution", "解決時間",
        "Mean hours from opening to solving, over tickets solved in the last {w} days.",
        "過去{w}日間に解決したチケットの平均解決時間。",
    ),
    missing="no ticket was solved in the window", of=_TICKETS, table="tickets", needs=_needs("solved_at"),
    risk_direction=1,
)  # fmt: skip
def resolution_hours(rows: ir.Table, w: int) -> Aggregate:
    return number(rows.solving_hours.mean(where=inside(rows.solved_at, rows, w)))


@SUPPORT.measure(
    "ticket_resolution_rate", "share",
    Words(
        "share of tickets solved", "チケット解決率",
        "Tickets opened in the last {w} days and not open at `as_of` ÷ tickets opened in them.",
        "過去{w}日間の新規チケットのうち基準日までに解決した割合。",
    ),
    missing=_NONE_OPENED, of=_TICKETS, table="tickets", needs=_needs("solved_at"), risk_direction=-1,
)  # fmt: skip
def ticket_resolution_rate(rows: ir.Table, w: int) -> Aggregate:
    opened = inside(rows.opened_at, rows, w)
    return share(rows.count(where=opened & ~rows.is_open), rows.count(where=opened))


@SUPPORT.measure(
    "tickets_reopened", "tickets",
    Words(
        "tickets reopened", "再開チケット数", "Tickets reopened in the last {w} days.",
        "過去{w}日間に再開されたチケット数。",
    ),
    missing=NO_DAY_SEEN, of=_TICKETS, table="tickets", needs=_needs("reopened_at"), risk_direction=1,
)  # fmt: skip
def tickets_reopened(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.reopened_at, rows, w)))


@SUPPORT.measure(
    "tickets_escalated", "tickets",
    Words(
        "tickets escalated", "エスカレーション数", "Tickets escalated in the last {w} days.",
        "過去{w}日間にエスカレーションされたチケット数。",
    ),
    missing=NO_DAY_SEEN, of=_TICKETS, table="tickets", needs=_needs("escalated_at"), risk_direction=1,
)  # fmt: skip
def tickets_escalated(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.escalated_at, rows, w)))


@SUPPORT.measure(
    "csat", "points",
    Words(
        "satisfaction with support (1–5)", "サポート満足度(1〜5)",
        "Mean satisfaction given in the last {w} days, 1 to 5.", "過去{w}日間に回答されたサポート満足度の平均(1〜5)。",
    ),
    missing="no satisfaction was given in the window", of=_TICKETS, table="tickets",
    needs=_needs("csat_score", "csat_at"), risk_direction=-1,
)  # fmt: skip
def csat(rows: ir.Table, w: int) -> Aggregate:
    return number(rows.csat_score.mean(where=inside(rows.csat_at, rows, w)))
