"""Support サポート: how much help the account asks for, and how well it gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from churnml.features.inputs import Columns, Inputs, filled, numbers, ratio
from churnml.features.measures import Measure, Scope
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["columns", "measures"]

_UNSEEN = "no day of the window could be observed"
_NONE_OPENED = "no ticket was opened in the window"


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("tickets", names),)


_MEASURES = (
    Measure(
        "tickets_opened", "tickets", _UNSEEN, "tickets opened", "新規チケット数",
        "Tickets opened in the last {w} days.", "過去{w}日間に起票されたチケット数。",
        table="tickets", needs=_needs("opened_at"),
    ),
    Measure(
        "tickets_open", "tickets", "never missing", "open tickets", "未解決チケット数",
        "Tickets that were open at `as_of`: not solved by then, or reopened since.",
        "基準日時点で未解決(または再開済み)のチケット数。",
        table="tickets", needs=_needs("solved_at"), windowed=False, monotone=1,
    ),
    Measure(
        "oldest_open_ticket_days", "days", "no ticket is open", "age of the oldest open ticket",
        "最古の未解決チケットの経過日数", "Days since the oldest open ticket was opened.",
        "最も古い未解決チケットの起票からの日数。",
        table="tickets", needs=_needs("solved_at"), windowed=False, kind="age", monotone=1,
    ),
    Measure(
        "urgent_ticket_share", "share", _NONE_OPENED, "share of urgent tickets", "緊急チケットの割合",
        "Tickets of high or urgent priority ÷ tickets opened in the last {w} days.",
        "過去{w}日間の新規チケットのうち優先度が高・緊急の割合。",
        table="tickets", needs=_needs("priority"), monotone=1,
    ),
    Measure(
        "first_response_hours", "hours", "no ticket got its first answer in the window", "hours to the first answer",
        "初回応答時間",
        "Mean hours from opening to the first answer, over tickets first answered in the last {w} days.",
        "過去{w}日間に初回応答したチケットの平均初回応答時間。",
        table="tickets", needs=_needs("first_response_at"), monotone=1,
    ),
    Measure(
        "resolution_hours", "hours", "no ticket was solved in the window", "hours to resolution", "解決時間",
        "Mean hours from opening to solving, over tickets solved in the last {w} days.",
        "過去{w}日間に解決したチケットの平均解決時間。",
        table="tickets", needs=_needs("solved_at"), monotone=1,
    ),
    Measure(
        "ticket_resolution_rate", "share", _NONE_OPENED, "share of tickets solved", "チケット解決率",
        "Tickets opened in the last {w} days and not open at `as_of` ÷ tickets opened in them.",
        "過去{w}日間の新規チケットのうち基準日までに解決した割合。",
        table="tickets", needs=_needs("solved_at"), monotone=-1,
    ),
    Measure(
        "tickets_reopened", "tickets", _UNSEEN, "tickets reopened", "再開チケット数",
        "Tickets reopened in the last {w} days.", "過去{w}日間に再開されたチケット数。",
        table="tickets", needs=_needs("reopened_at"), monotone=1,
    ),
    Measure(
        "tickets_escalated", "tickets", _UNSEEN, "tickets escalated", "エスカレーション数",
        "Tickets escalated in the last {w} days.", "過去{w}日間にエスカレーションされたチケット数。",
        table="tickets", needs=_needs("escalated_at"), monotone=1,
    ),
    Measure(
        "csat", "points", "no satisfaction was given in the window", "satisfaction with support (1–5)",
        "サポート満足度(1〜5)", "Mean satisfaction given in the last {w} days, 1 to 5.",
        "過去{w}日間に回答されたサポート満足度の平均(1〜5)。",
        table="tickets", needs=_needs("csat_score", "csat_at"), monotone=-1,
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield from _MEASURES


def columns(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    """Compute the family."""
    rows = inputs.known("tickets")
    rows = rows.mutate(
        is_open=rows.solved_at.isnull() | (rows.reopened_at >= rows.solved_at).fill_null(False),
        urgent=rows.priority.isin(["high", "urgent"]).fill_null(False),
        response_hours=_hours(rows.opened_at, rows.first_response_at),
        solving_hours=_hours(rows.opened_at, rows.solved_at),
    )
    wanted: dict[str, ir.Value] = {
        "open": rows.count(where=rows.is_open),
        "oldest": days_between(rows.opened_at, rows.as_of).max(where=rows.is_open),
    }
    for w in windows:
        opened = inside(rows.opened_at, rows, w)
        wanted |= {
            f"opened_{w}": rows.count(where=opened),
            f"before_{w}": rows.count(where=inside(rows.opened_at, rows, 2 * w, w)),
            f"urgent_{w}": rows.count(where=opened & rows.urgent),
            f"solved_{w}": rows.count(where=opened & ~rows.is_open),
            f"first_response_hours_{w}d": rows.response_hours.mean(where=inside(rows.first_response_at, rows, w)),
            f"resolution_hours_{w}d": rows.solving_hours.mean(where=inside(rows.solved_at, rows, w)),
            f"tickets_reopened_{w}d": rows.count(where=inside(rows.reopened_at, rows, w)),
            f"tickets_escalated_{w}d": rows.count(where=inside(rows.escalated_at, rows, w)),
            f"csat_{w}d": rows.csat_score.mean(where=inside(rows.csat_at, rows, w)),
        }
    known = inputs.gather(rows, wanted)
    out: Columns = {"tickets_open": filled(known["open"]), "oldest_open_ticket_days": numbers(known["oldest"])}
    for w in windows:
        opened, before = filled(known[f"opened_{w}"]), filled(known[f"before_{w}"])
        out[f"tickets_opened_{w}d"] = inputs.counted(opened, w)
        out[f"tickets_opened_trend_{w}d"] = np.where(
            inputs.whole(2 * w, w), ratio(opened - before, opened + before), np.nan
        )
        out[f"urgent_ticket_share_{w}d"] = ratio(filled(known[f"urgent_{w}"]), opened)
        out[f"ticket_resolution_rate_{w}d"] = ratio(filled(known[f"solved_{w}"]), opened)
        for name in ("tickets_reopened", "tickets_escalated"):
            out[f"{name}_{w}d"] = inputs.counted(filled(known[f"{name}_{w}d"]), w)
        for name in ("first_response_hours", "resolution_hours", "csat"):
            out[f"{name}_{w}d"] = numbers(known[f"{name}_{w}d"])
    return out


def _hours(begin: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    return (end.epoch_seconds() - begin.epoch_seconds()).cast("float64") / 3600.0
