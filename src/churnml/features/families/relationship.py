"""Relationship 関係: who stands for the account, who left, and who talks to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from churnml.features.inputs import Columns, Inputs, filled, numbers, ratio
from churnml.features.measures import Measure, Scope
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["columns", "measures"]

_UNSEEN = "no day of the window could be observed"
_CONTACTS = (("contacts", ("started_at",)),)
_LEFT = (("contacts", ("role", "left_at")),)
_TOUCHES = (("touchpoints", ("direction", "occurred_at")),)
_RESPONSES = ("opened", "clicked", "replied")

_MEASURES = (
    Measure(
        "contacts_active", "contacts", "never missing", "active contacts", "有効な担当者数",
        "Contacts in a role at `as_of`, as known by then.", "基準日時点で在任中の担当者数。",
        table="contacts", needs=_CONTACTS, windowed=False, monotone=-1,
    ),
    Measure(
        "champions_active", "contacts", "never missing", "champions and sponsors in place", "在任中の推進者・後援者数",
        "Contacts in the role of champion or sponsor at `as_of`.", "基準日時点で在任中の推進者・後援者の数。",
        table="contacts", needs=(("contacts", ("role",)),), windowed=False, monotone=-1,
    ),
    Measure(
        "champions_left", "contacts", _UNSEEN, "champions or sponsors who left", "離任した推進者・後援者数",
        "Champions and sponsors who left in the last {w} days, as known by `as_of`.",
        "過去{w}日間に離任した推進者・後援者の数。", table="contacts", needs=_LEFT, monotone=1,
    ),
    Measure(
        "admins_left", "contacts", _UNSEEN, "admins who left", "離任した管理者数",
        "Admins who left in the last {w} days, as known by `as_of`.", "過去{w}日間に離任した管理者の数。",
        table="contacts", needs=_LEFT, monotone=1,
    ),
    Measure(
        "touchpoints_inbound", "touchpoints", _UNSEEN, "touchpoints begun by the customer", "顧客発の接点数",
        "Calls, mails and meetings begun by the customer in the last {w} days.", "過去{w}日間の顧客からの接点数。",
        table="touchpoints", needs=_TOUCHES,
    ),
    Measure(
        "touchpoints_outbound", "touchpoints", _UNSEEN, "touchpoints begun by us", "自社発の接点数",
        "Calls, mails and meetings begun by the vendor in the last {w} days.", "過去{w}日間の自社からの接点数。",
        table="touchpoints", needs=_TOUCHES,
    ),
    Measure(
        "days_since_last_touchpoint", "days", "no touchpoint is known", "days since the last touchpoint",
        "最終接点からの日数", "Days from the last touchpoint of either direction to `as_of`.",
        "最後の接点から基準日までの日数。",
        table="touchpoints", needs=(("touchpoints", ("occurred_at",)),), windowed=False, kind="age",
    ),
    Measure(
        "campaign_response_rate", "share", "no campaign was delivered in the window", "campaign response rate",
        "施策反応率",
        "Recipients of campaigns delivered in the last {w} days who opened, clicked or replied before `as_of` ÷ all.",
        "過去{w}日間に配信した施策の受信者のうち、開封・クリック・返信した割合。",
        table="campaign_events", needs=(("campaign_events", ("kind", "campaign_id", "contact_id")),), monotone=-1,
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield from _MEASURES


def columns(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    """Compute the family from the tables there are."""
    out: Columns = {}
    if "contacts" in inputs.tables:
        out |= _contacts(inputs, windows)
    if "touchpoints" in inputs.tables:
        out |= _touchpoints(inputs, windows)
    if "campaign_events" in inputs.tables:
        out |= _campaigns(inputs, windows)
    return out


def _contacts(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    rows = inputs.known("contacts")
    active = rows.left_at.isnull() | (rows.left_at >= rows.as_of)
    champion = rows.role.isin(["champion", "sponsor"]).fill_null(False)
    admin = (rows.role == "admin").fill_null(False)
    wanted: dict[str, ir.Value] = {
        "contacts_active": rows.count(where=active),
        "champions_active": rows.count(where=active & champion),
    }
    for w in windows:
        left = inside(rows.left_at, rows, w)
        wanted[f"champions_left_{w}d"] = rows.count(where=left & champion)
        wanted[f"admins_left_{w}d"] = rows.count(where=left & admin)
    known = inputs.gather(rows, wanted)
    out = {name: filled(known[name]) for name in wanted}
    for w in windows:
        for name in (f"champions_left_{w}d", f"admins_left_{w}d"):
            out[name] = inputs.counted(out[name], w)
    return out


def _touchpoints(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    rows = inputs.known("touchpoints")
    wanted: dict[str, ir.Value] = {"since": days_between(rows.occurred_at, rows.as_of).min()}
    for w in windows:
        recent = inside(rows.occurred_at, rows, w)
        for direction in ("inbound", "outbound"):
            wanted[f"touchpoints_{direction}_{w}d"] = rows.count(where=recent & (rows.direction == direction))
    known = inputs.gather(rows, wanted)
    out: Columns = {"days_since_last_touchpoint": numbers(known["since"])}
    for w in windows:
        for name in (f"touchpoints_inbound_{w}d", f"touchpoints_outbound_{w}d"):
            out[name] = inputs.counted(filled(known[name]), w)
    return out


def _campaigns(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    """Count one (campaign, recipient) pair once, from its last delivery."""
    rows = inputs.known("campaign_events")
    pairs = rows.group_by("key_code", "as_of", "campaign_id", "contact_id").agg(
        delivered_at=rows.occurred_at.max(where=rows.kind == "delivered"),
        responses=rows.count(where=rows.kind.isin(_RESPONSES)),
    )
    wanted: dict[str, ir.Value] = {}
    for w in windows:
        delivered = inside(pairs.delivered_at, pairs, w)
        wanted[f"delivered_{w}"] = pairs.count(where=delivered)
        wanted[f"responded_{w}"] = pairs.count(where=delivered & (pairs.responses > 0))
    known = inputs.gather(pairs, wanted)
    return {
        f"campaign_response_rate_{w}d": ratio(filled(known[f"responded_{w}"]), filled(known[f"delivered_{w}"]))
        for w in windows
    }
