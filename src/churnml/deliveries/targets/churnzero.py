"""ChurnZero: account attributes. It answers 200 whatever it is sent, so that what was written is read back."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from churnml.config.deliveries import ChurnZeroTarget
from churnml.deliveries.adapter import Adapter, Context, Finding, Manner, Record, RemoteRecord, accepted, refused, sent
from churnml.deliveries.faults import Fault
from churnml.deliveries.holding import holds
from churnml.store import DeliveryOutcome

__all__ = ["ChurnZero"]


class ChurnZero(Adapter):
    """ChurnZero's HTTP API to write, and its OData API to read."""

    def __init__(self, context: Context, section: ChurnZeroTarget) -> None:
        self.section = section
        self.base = section.url.rstrip("/")
        self.can_read = section.read_user is not None and section.read_key is not None
        # An account that it does not know would be made by writing to it.
        self.topics: Mapping[str, Manner] = {"score": Manner(batch=20, must_exist=self.can_read)}
        super().__init__(context)

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look accounts up by their external id."""
        known = self._accounts([record.account_id for record in records])
        return {
            record.delivery.id: RemoteRecord("there", str(known[record.account_id].get("Id")))
            for record in records
            if record.account_id in known
        }

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Set the attributes of accounts with one call."""
        key = self.secret(self.section.app_key)
        actions = [
            {"appKey": key, "accountExternalId": record.account_id, "entity": "account", "action": "setAttribute",
             "name": name, "value": "" if value is None else str(value)}
            for record in records
            for name, value in record.values.items()
        ]  # fmt: skip
        answer = self.gateway.call("POST", f"{self.base}/i", json=actions)
        if not answer.is_success:
            return [refused("refused", self.gateway.said(answer)) for _ in records]
        return [sent() for _ in records]

    def confirm(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Read back what was set."""
        if not self.can_read:
            return super().confirm(topic, records)
        known = self._accounts([record.account_id for record in records])
        outcomes = []
        for record in records:
            there = (known.get(record.account_id) or {}).get("Cf") or {}
            own = {name: there.get(name.removeprefix("cf_")) for name in record.values}
            outcomes.append(accepted() if holds(own, record.values) else sent())
        return outcomes

    def check(self) -> Iterator[Finding]:
        """Read one account, and see whether the fields are there."""
        if not self.can_read:
            yield self.finding(False, "nothing can be proved: read_user and read_key are not given",
                               "Give them, or accept that what is written stays `sent`.")  # fmt: skip
            return
        answer = self.gateway.call(
            "GET", f"{self.base}/public/v1/Account", params={"$top": "1"}, headers=self._reader()
        )
        rows = self.gateway.json(answer).get("value", []) if answer.is_success else []
        yield self.finding(bool(rows), "accounts can be read" if rows else f"no account: {self.gateway.said(answer)}")
        there = set((rows[0].get("Cf") or {}) if rows else {})
        for name in self.section.fields:
            ok = name.removeprefix("cf_") in there
            remedy = None if ok else "Make it under Admin, Account Fields; names begin with cf_."
            yield self.finding(ok, f"{name}: " + ("is there" if ok else "no account has it yet"), remedy)

    def _accounts(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        quoted = (name.replace("'", "''") for name in names)
        params = {"$filter": " or ".join(f"ExternalId eq '{name}'" for name in quoted), "$top": str(len(names))}
        answer = self.gateway.call("GET", f"{self.base}/public/v1/Account", params=params, headers=self._reader())
        if not answer.is_success:
            raise Fault("refused", self.gateway.said(answer))
        return {str(row.get("ExternalId")): row for row in self.gateway.json(answer).get("value", [])}

    def _reader(self) -> dict[str, str]:
        login = f"{self.section.read_user}:{self.secret(self.section.read_key)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
