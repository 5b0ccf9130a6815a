"""Relationship 関係: who stands for the account, who left, and who talks to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnml.features.aggregates import Aggregate, Source, count, counted, number, share
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.measures import NO_DAY_SEEN
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["RELATIONSHIP"]

RELATIONSHIP = Family("relationship")

_LEFT = (("contacts", ("role", "left_at")),)
_TOUCHES = (("touchpoints", ("direction", "occurred_at")),)
_RESPONSES = ("opened", "clicked", "replied")


def _contacts(inputs: Inputs) -> ir.Table:
    rows = inputs.known("contacts")
    return rows.mutate(
        active=rows.left_at.isnull() | (rows.left_at >= rows.as_of),
        champion=rows.role.isin(["champion", "sponsor"]).fill_null(False),
        admin=(rows.role == "admin").fill_null(False),
    )


def _touchpoints(inputs: Inputs) -> ir.Table:
    return inputs.known("touchpoints")


def _campaigns(inputs: Inputs) -> ir.Table:
    """Return each (campaign, recipient) pair once, with its last delivery."""
    rows = inputs.known("campaign_events")
    return rows.group_by("key_code", "as_of", "campaign_id", "contact_id").agg(
        delivered_at=rows.occurred_at.max(where=rows.kind == "delivered"),
        responses=rows.count(where=rows.kind.isin(_RESPONSES)),
    )


_CONTACTS = Source("contacts", _contacts)
_TOUCHPOINTS = Source("touchpoints", _touchpoints)
_CAMPAIGNS = Source("campaigns", _campaigns)


@RELATIONSHIP.measure(
    "contacts_active", "contacts",
    missing="never", of=_CONTACTS, table="contacts", needs=(("contacts", ("started_at",)),), windowed=False,
    risk_direction=-1,
)  # fmt: skip
def contacts_active(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.active))


@RELATIONSHIP.measure(
    "champions_active", "contacts",
    missing="never", of=_CONTACTS, table="contacts", needs=(("contacts", ("role",)),), windowed=False,
    risk_direction=-1,
)  # fmt: skip
def champions_active(rows: ir.Table) -> Aggregate:
    return count(rows.count(where=rows.active & rows.champion))


@RELATIONSHIP.measure(
    "champions_left", "contacts",
    missing=NO_DAY_SEEN, of=_CONTACTS, table="contacts", needs=_LEFT, risk_direction=1,
)  # fmt: skip
def champions_left(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.left_at, rows, w) & rows.champion))


@RELATIONSHIP.measure(
    "admins_left", "contacts",
    missing=NO_DAY_SEEN, of=_CONTACTS, table="contacts", needs=_LEFT, risk_direction=1,
)  # fmt: skip
def admins_left(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.left_at, rows, w) & rows.admin))


@RELATIONSHIP.measure(
    "touchpoints_inbound", "touchpoints",
    missing=NO_DAY_SEEN, of=_TOUCHPOINTS, table="touchpoints", needs=_TOUCHES,
    risk_direction=0,
)  # fmt: skip
def touchpoints_inbound(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.occurred_at, rows, w) & (rows.direction == "inbound")))


@RELATIONSHIP.measure(
    "touchpoints_outbound", "touchpoints",
    missing=NO_DAY_SEEN, of=_TOUCHPOINTS, table="touchpoints", needs=_TOUCHES,
    risk_direction=0,
)  # fmt: skip
def touchpoints_outbound(rows: ir.Table, w: int) -> Aggregate:
    return counted(rows.count(where=inside(rows.occurred_at, rows, w) & (rows.direction == "outbound")))


@RELATIONSHIP.measure(
    "days_since_last_touchpoint", "days",
    missing="no_touchpoint_known", of=_TOUCHPOINTS, table="touchpoints",
    needs=(("touchpoints", ("occurred_at",)),), windowed=False, kind="age",
    risk_direction=0,
)  # fmt: skip
def days_since_last_touchpoint(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.occurred_at, rows.as_of).min())


@RELATIONSHIP.measure(
    "campaign_response_rate", "share",
    missing="no_campaign_delivered", of=_CAMPAIGNS, table="campaign_events",
    needs=(("campaign_events", ("kind", "campaign_id", "contact_id")),), risk_direction=-1,
)  # fmt: skip
def campaign_response_rate(rows: ir.Table, w: int) -> Aggregate:
    delivered = inside(rows.delivered_at, rows, w)
    return share(rows.count(where=delivered & (rows.responses > 0)), rows.count(where=delivered))
