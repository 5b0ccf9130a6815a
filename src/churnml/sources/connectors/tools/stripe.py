"""Stripe: every object once by its list, then what changed by events, as long as Stripe keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from churnml.config.pulls import StripePull
from churnml.sources.connectors.faults import Expired, LeftOut
from churnml.sources.connectors.tool import Connector, Kind, Page, Window

__all__ = ["Stripe"]

_RETENTION = timedelta(days=30)
"""So long Stripe keeps events."""
_TYPES = {
    "customers": ("customer.created", "customer.updated", "customer.deleted"),
    "subscriptions": (
        "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
        "customer.subscription.paused", "customer.subscription.resumed",
    ),
    "invoices": (
        "invoice.created", "invoice.updated", "invoice.finalized", "invoice.paid", "invoice.payment_failed",
        "invoice.voided", "invoice.marked_uncollectible", "invoice.deleted",
    ),
}  # fmt: skip
_VERSION = "_changed"
"""When the tool last changed an object: the time of its event, or that of the listing."""


class Stripe(Connector):
    """Stripe over its lists and events."""

    tool = "stripe"
    settle = timedelta(minutes=10)
    kinds = tuple(Kind(name, ("id",), _VERSION, "created", f"stripe/{name}") for name in _TYPES)
    section: StripePull

    def login(self) -> Mapping[str, str]:
        """Return the key."""
        version = {"Stripe-Version": self.section.api_version} if self.section.api_version else {}
        return {"Authorization": f"Bearer {self.secret(self.section.api_key, 'api_key')}", **version}

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """List everything, newest first, or what changed; both are resumed behind the last object."""
        if window.mark.get("listed") and window.since is not None:
            if window.since < window.until - _RETENTION:
                raise Expired(f"events are kept {_RETENTION.days} days")
            return self._changed(stream, window)
        return self._listed(stream, window)

    def _listed(self, stream: str, window: Window) -> Iterator[Page]:
        params: dict[str, Any] = {"status": "all"} if stream == "subscriptions" else {}
        if window.since is not None:
            params["created[gte]"] = int(window.since.timestamp())
        at = int(window.until.timestamp())
        for records, last in self._list(f"/v1/{stream}", params, window.resume.get("after")):
            versions = [{**each, _VERSION: at} if isinstance(each, dict) else each for each in records]
            yield Page({stream: versions}, {"after": last, "listed": at})
        yield Page({}, {"listed": at})

    def _changed(self, stream: str, window: Window) -> Iterator[Page]:
        assert window.since is not None, "only a window with a beginning asks for events"
        params = {"types[]": list(_TYPES[stream]), "created[gte]": int(window.since.timestamp())}
        mark = {"listed": window.mark["listed"]}
        for events, last in self._list("/v1/events", params, window.resume.get("after")):
            records = []
            for event in events:
                changed = {**event["data"]["object"], _VERSION: event["created"]}
                records.append({**changed, "is_deleted": True} if _gone(event) else changed)
            yield Page({stream: records}, {"after": last, **mark})
        yield Page({}, mark)

    def _list(self, path: str, params: Mapping[str, Any], after: str | None) -> Iterator[tuple[list[Any], str | None]]:
        while True:
            query = {**params, "limit": 100, **({"starting_after": after} if after else {})}
            answer = self.access.call("GET", f"{self.section.url.rstrip('/')}{path}", params=query)
            if not answer.is_success:
                if after and answer.status_code in (400, 404) and "starting_after" in answer.text:
                    raise Expired(self.access.said(answer))
                raise LeftOut(self.access.said(answer))
            page = self.access.document(answer)
            records = page["data"]
            after = records[-1].get("id") if records else after
            yield records, after
            if not page.get("has_more") or not records:
                return


def _gone(event: Mapping[str, Any]) -> bool:
    """Say whether an event took the object away; a cancelled subscription stays, with the time of its end."""
    return event["type"] in ("customer.deleted", "invoice.deleted")
