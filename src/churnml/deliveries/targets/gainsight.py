"""Gainsight NXT: fields of companies, fifty at a time; one bad record refuses a whole call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from churnml.config.deliveries import GainsightTarget
from churnml.deliveries.adapter import Adapter, Context, Finding, Manner, Record, RemoteRecord, accepted, refused
from churnml.deliveries.faults import Fault
from churnml.deliveries.gateway import Signs
from churnml.store import DeliveryOutcome

__all__ = ["Gainsight"]


class Gainsight(Adapter):
    """Gainsight's object API: read by query, update by key. Companies are never made."""

    topics: Mapping[str, Manner] = {"score": Manner(batch=50, must_exist=True)}

    def __init__(self, context: Context, section: GainsightTarget) -> None:
        self.section = section
        self.api = f"{section.url.rstrip('/')}/v1/data/objects"
        super().__init__(context)

    def login(self) -> dict[str, str]:
        """Return the access key."""
        return {"Accesskey": self.secret(self.section.access_key)}

    def signs(self) -> Signs:
        """Take a key that may not do this for a fault."""
        return Signs(self.forbidden)

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look companies up by the field that holds the account id."""
        key = self.section.id_field
        rows = self._query(["Gsid", key], [record.account_id for record in records])
        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(str(row.get(key)), []).append(str(row.get("Gsid")))
        records_by_id = {}
        for record in records:
            known = ids.get(record.account_id, [])
            if known:
                records_by_id[record.delivery.id] = (
                    RemoteRecord("ambiguous") if len(known) > 1 else RemoteRecord("there", known[0])
                )
        return records_by_id

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Update companies with one call; where it is refused or comes short, find out for whose sake."""
        key = self.section.id_field
        body = {"records": [{key: record.account_id, **record.values} for record in records]}
        answer = self.call("PUT", f"{self.api}/{self.section.object}", params={"keys": key}, json=body)
        document = self.gateway.json(answer)
        said = self.gateway.masked(f"{document.get('errorCode')}: {document.get('errorDesc')}")
        if not answer.is_success or document.get("result") is not True:
            return self.apart(topic, records, refused(str(document.get("errorCode") or "refused"), said))
        count = (document.get("data") or {}).get("count")
        if count != len(records):
            return self.apart(topic, records, refused("unknown_record", f"{count} of {len(records)} were updated"))
        return [accepted(record.remote_id) for record in records]

    def check(self) -> Iterator[Finding]:
        """Read one record with every field that is written: a field that is not there is named."""
        for name in (self.section.id_field, *self.section.fields):
            answer = self._asked([name], None)
            body = self.gateway.json(answer)
            ok = answer.is_success and body.get("result") is True
            what = f"{name}: can be read" if ok else f"{name}: {body.get('errorDesc') or self.gateway.said(answer)}"
            yield self.finding(ok, what, None if ok else f"Make it on {self.section.object} (Data Management).")

    def _query(self, names: Sequence[str], values: Sequence[str]) -> list[dict[str, Any]]:
        answer = self._asked(names, values)
        body = self.gateway.json(answer)
        if not answer.is_success or body.get("result") is not True:
            raise Fault("refused", self.gateway.said(answer))
        data = body.get("data")
        rows = data.get("records", []) if isinstance(data, dict) else data
        return list(rows or [])

    def _asked(self, names: Sequence[str], values: Sequence[str] | None) -> httpx.Response:
        body: dict[str, Any] = {"select": list(names), "limit": 1 if values is None else 2 * len(values), "offset": 0}
        if values is not None:
            asked = {"name": self.section.id_field, "alias": "A", "value": list(values), "operator": "IN"}
            body["where"] = {"conditions": [asked], "expression": "A"}
        return self.call("POST", f"{self.api}/query/{self.section.object}", json=body)
