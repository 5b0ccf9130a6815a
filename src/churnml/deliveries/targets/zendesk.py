"""Zendesk: organization fields, a hundred organizations a job, and read back when the job is done."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from churnml.config.deliveries import ZendeskTarget
from churnml.deliveries.adapter import Adapter, Context, Finding, Manner, Record, RemoteRecord, accepted, refused, sent
from churnml.deliveries.faults import Fault
from churnml.deliveries.gateway import Signs
from churnml.deliveries.holding import holds
from churnml.deliveries.values import KINDS
from churnml.store import DeliveryOutcome

__all__ = ["Zendesk"]

_FITS = {"number": ("decimal", "integer", "text"), "text": ("text", "textarea", "dropdown"), "date": ("date", "text"),
         "datetime": ("text", "date")}  # fmt: skip


class Zendesk(Adapter):
    """Zendesk's organizations API. A job answers before its work is done, so that what it did is read back."""

    topics: Mapping[str, Manner] = {"score": Manner(batch=100, must_exist=True)}

    def __init__(self, context: Context, section: ZendeskTarget) -> None:
        self.section = section
        self.api = f"{section.url.rstrip('/')}/api/v2"
        super().__init__(context)

    def login(self) -> dict[str, str]:
        """Return the user's API token."""
        login = f"{self.section.user}/token:{self.secret(self.section.api_token)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}

    def signs(self) -> Signs:
        """Take a user that may not do this for a fault."""
        return Signs(self.forbidden)

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look organizations up by their external id, or their own."""
        by_id = self.section.by == "id"
        param = "ids" if by_id else "external_ids"
        rows = self._many(param, [record.account_id for record in records])
        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(str(row.get("id" if by_id else "external_id")), []).append(str(row["id"]))
        users = {}
        for record in records:
            known = ids.get(record.account_id, [])
            if known:
                users[record.delivery.id] = (
                    RemoteRecord("ambiguous") if len(known) > 1 else RemoteRecord("there", known[0])
                )
        return users

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Begin a job that updates organizations."""
        body = [{"id": int(record.remote_id or 0), "organization_fields": dict(record.values)} for record in records]
        answer = self.call("PUT", f"{self.api}/organizations/update_many.json", json={"organizations": body})
        if not answer.is_success:
            return self.apart(topic, records, refused("refused", self.gateway.said(answer)))
        job = self.gateway.json(answer).get("job_status") or {}
        if job.get("status") in ("failed", "killed"):
            return self.apart(topic, records, refused("job_failed", str(job.get("message"))))
        return [sent() for _ in records]

    def confirm(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Read back what the job did."""
        rows = {str(row["id"]): row for row in self._many("ids", [record.remote_id or "" for record in records])}
        outcomes = []
        for record in records:
            row = rows.get(record.remote_id or "")
            if row is None:
                outcomes.append(refused("deleted", "the organization is gone"))
            else:
                outcomes.append(accepted() if holds(row.get("organization_fields") or {}, record.values) else sent())
        return outcomes

    def check(self) -> Iterator[Finding]:
        """Read the organization fields."""
        answer = self.call("GET", f"{self.api}/organization_fields.json")
        if not answer.is_success:
            yield self.finding(False, f"the organization fields are refused: {self.gateway.said(answer)}")
            return
        known = {row["key"]: row for row in self.gateway.json(answer)["organization_fields"]}
        for name, field in self.section.fields.items():
            row = known.get(name)
            if row is None or not row.get("active", True):
                what = f"{name}: there is no such active organization field"
                yield self.finding(False, what, "Admin Centre, People, Configuration, Organization fields.")
            elif row["type"] not in _FITS[KINDS[field.value]]:
                yield self.finding(False, f"{name}: is of type {row['type']}, and gets a {KINDS[field.value]}")
            else:
                yield self.finding(True, f"{name}: may be written")

    def _many(self, param: str, names: Sequence[str]) -> list[dict[str, Any]]:
        params = {param: ",".join(names)}
        answer = self.call("GET", f"{self.api}/organizations/show_many.json", params=params)
        if not answer.is_success:
            raise Fault("refused", self.gateway.said(answer))
        return list(self.gateway.json(answer).get("organizations", []))
