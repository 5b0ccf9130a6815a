"""HubSpot: company properties, made where they are missing and written a hundred at a time, and tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from churnml.api.pauses import pause_named
from churnml.config.deliveries import HubspotTarget
from churnml.deliveries.adapter import (
    Adapter,
    Context,
    Finding,
    Manner,
    Record,
    RemoteRecord,
    accepted,
    again,
    ended,
    moment,
    refused,
)
from churnml.deliveries.faults import Fault, Lost, Pause
from churnml.deliveries.gateway import Signs, until_midnight
from churnml.deliveries.values import KINDS, shortened
from churnml.deliveries.words import priority
from churnml.store import DeliveryOutcome

__all__ = ["Hubspot"]

_TASK_TO_COMPANY = 192
_GROUP = {"name": "churnml", "label": "churnml"}
_TYPES = {"number": ("number", "number"), "text": ("string", "text"), "date": ("date", "date"),
          "datetime": ("datetime", "date")}  # fmt: skip
_FITS = {"number": ("number", "string"), "text": ("string", "enumeration"), "date": ("date", "datetime", "string"),
         "datetime": ("datetime", "string")}  # fmt: skip
_LONGEST = 65_536

_TASK = Manner(batch=1, repeat="find", needs_account=True, looks_first=True, found_after=30.0)


class Hubspot(Adapter):
    """HubSpot over its CRM API v3."""

    topics: Mapping[str, Manner] = {
        "score": Manner(batch=100, must_exist=True),
        "alert": _TASK,
        "task": _TASK,
    }

    def __init__(self, context: Context, section: HubspotTarget) -> None:
        self.section = section
        self.api = f"{section.url.rstrip('/')}/crm/v3"
        self._made = False
        super().__init__(context)

    def login(self) -> dict[str, str]:
        """Return the private app's token."""
        return {"Authorization": f"Bearer {self.secret(self.section.token)}"}

    def signs(self) -> Signs:
        """Tell the ten seconds' limit from the day's, a lock from a failure."""

        def stop(answer: httpx.Response) -> None:
            said, status = self.gateway.said(answer), answer.status_code
            if status == 429 and '"DAILY"' in answer.text:
                raise Pause("daily_limit", said, until_midnight(self.gateway.clock()))
            if status == 429:
                raise Pause("rate_limit", said, pause_named(answer, self.gateway.clock()) or 10.0)
            if status == 423:
                raise Pause("locked", said, 2.0)
            if status == 477:
                raise Pause("migration", said, pause_named(answer, self.gateway.clock()))
            if status == 403:
                raise Fault("forbidden", f"the private app lacks a scope: {said}")

        def left(answer: httpx.Response) -> int | None:
            text = answer.headers.get("X-HubSpot-RateLimit-Daily-Remaining", "")
            return int(text) if text.isdigit() else None

        return Signs(stop, left)

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look companies up by their id property, or a task by the mark in its subject."""
        if topic != "score":
            lost = {one.delivery.id: self._task_found(one) for one in records if one.remote_id is None}
            return {**lost, **self._tasks_known([one for one in records if one.remote_id is not None])}
        key = self.section.id_property
        body: dict[str, Any] = {
            "inputs": [{"id": record.account_id} for record in records],
            "properties": [key] if key else [],
            "propertiesWithHistory": [],
        }
        answer = self.call("POST", f"{self.api}/objects/companies/batch/read", json={**body, "idProperty": key} if key
                           else body)  # fmt: skip
        if not answer.is_success:
            raise Fault("refused", self.gateway.said(answer))
        rows = self.gateway.json(answer).get("results", [])
        ids = {str(row["properties"].get(key) if key else row["id"]): str(row["id"]) for row in rows}
        pairs = ((record.delivery.id, ids.get(record.account_id)) for record in records)
        return {number: RemoteRecord("there", remote_id) for number, remote_id in pairs if remote_id is not None}

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Write properties of companies, or one task."""
        return [self._task(records[0])] if topic != "score" else self._companies(records)

    def _companies(self, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        inputs = [
            {
                "id": record.remote_id,
                "objectWriteTraceId": str(record.delivery.id),
                "properties": {name: _as_text(value) for name, value in record.values.items()},
            }
            for record in records
        ]
        answer = self.call("POST", f"{self.api}/objects/companies/batch/update", json={"inputs": inputs})
        if answer.status_code == 400 and "PROPERTY_DOESNT_EXIST" in answer.text and not self._made:
            self._made = True
            if self.section.create_properties:
                list(self.check())
                return self._companies(records)
        if not answer.is_success:
            reason = "unknown_record" if answer.status_code == 404 else "refused"
            return self.apart("score", records, refused(reason, self.gateway.said(answer)))
        body = self.gateway.json(answer)
        done = {str(row.get("id")) for row in body.get("results", [])}
        failed = {}
        for error in body.get("errors", []):
            context = error.get("context") or {}
            for name in (*context.get("objectWriteTraceId", ()), *context.get("ids", ()), *context.get("id", ())):
                failed[str(name)] = error
        if not done and not failed:
            raise Lost("unreadable", f"neither results nor errors: {self.gateway.said(answer)}")
        return [_outcome(record, done, failed) for record in records]

    def _task(self, record: Record) -> DeliveryOutcome:
        values = record.values
        end = f" [churnml {record.mark}]"
        # Of HubSpot's kinds of task (EMAIL, CALL, TODO) the last is the one that prescribes no channel.
        body: dict[str, Any] = {
            "properties": {
                "hs_task_subject": shortened(values["subject"], 255 - len(end)) + end,
                "hs_task_body": shortened(values["body"], _LONGEST),
                # A step has a day and no hour: noon UTC is the same day almost everywhere.
                "hs_timestamp": values.get("due_at") or f"{values['due_on']}T12:00:00+00:00",
                "hs_task_status": "COMPLETED" if ended(values) else "NOT_STARTED",
                "hs_task_priority": priority(values["severity"]).upper(),
                "hs_task_type": "TODO",
                **({"hubspot_owner_id": values["owner_id"]} if values["owner_id"] else {}),
            }
        }
        if record.remote_id is not None:
            answer = self.call("PATCH", f"{self.api}/objects/tasks/{record.remote_id}", json=body)
        else:
            kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _TASK_TO_COMPANY}
            body["associations"] = [{"to": {"id": record.account}, "types": [kind]}]
            answer = self.call("POST", f"{self.api}/objects/tasks", json=body)
        if not answer.is_success:
            return refused("deleted" if answer.status_code == 404 else "refused", self.gateway.said(answer))
        return accepted(str(self.gateway.json(answer)["id"]))

    def _task_found(self, record: Record) -> RemoteRecord:
        asked = {"propertyName": "hs_task_subject", "operator": "CONTAINS_TOKEN", "value": record.mark}
        search = {"filterGroups": [{"filters": [asked]}], "properties": ["hs_task_subject"], "limit": 10}
        answer = self.call("POST", f"{self.api}/objects/tasks/search", json=search)
        if not answer.is_success:
            raise Fault("refused", self.gateway.said(answer))
        results = self.gateway.json(answer).get("results", [])
        rows = [row for row in results if record.mark in str(row["properties"].get("hs_task_subject"))]
        return RemoteRecord("there", str(rows[0]["id"])) if rows else RemoteRecord("missing")

    def _tasks_known(self, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Read tasks by their ids; one that is not named is for the update to refuse."""
        if not records:
            return {}
        by_id = {str(record.remote_id): record.delivery.id for record in records}
        inputs = [{"id": name} for name in by_id]
        body = {"inputs": inputs, "properties": ["hs_task_status"], "propertiesWithHistory": []}
        answer = self.call("POST", f"{self.api}/objects/tasks/batch/read", json=body)
        if not answer.is_success and answer.status_code != 404:
            raise Fault("refused", self.gateway.said(answer))
        rows = self.gateway.json(answer).get("results", []) if answer.is_success else []
        return {by_id[str(row["id"])]: _task_state(row) for row in rows if str(row["id"]) in by_id}

    def check(self) -> Iterator[Finding]:
        """Read the company properties; make those that are missing where the config allows it."""
        answer = self.call("GET", f"{self.api}/properties/companies")
        if not answer.is_success:
            yield self.finding(False, f"the properties of companies are refused: {self.gateway.said(answer)}")
            return
        known = {row["name"]: row for row in self.gateway.json(answer)["results"]}
        for name, field in self.section.fields.items():
            yield self._checked(name, known.get(name), KINDS[field.value])
        key = self.section.id_property
        if key is not None:
            ok = bool(known.get(key, {}).get("hasUniqueValue"))
            what = f"{key} holds the account id" if ok else f"{key}: there is no such property with unique values"
            yield self.finding(ok, what, None if ok else "Make it with *require unique values*, and fill it.")

    def _checked(self, name: str, definition: Mapping[str, Any] | None, kind: str) -> Finding:
        if definition is None and self.section.create_properties:
            return self._make(name, kind)
        if definition is None:
            return self.finding(False, f"{name}: there is no such company property", "Make it, or create_properties.")
        if (definition.get("modificationMetadata") or {}).get("readOnlyValue") or definition.get("calculated"):
            return self.finding(False, f"{name}: may not be written", "Name a property of churnml's own.")
        if definition["type"] not in _FITS[kind]:
            return self.finding(False, f"{name}: is of type {definition['type']}, and gets a {kind}")
        return self.finding(True, f"{name}: may be written")

    def _make(self, name: str, kind: str) -> Finding:
        """Make a property in a group of its own; that it exists already is fine."""
        self.call("POST", f"{self.api}/properties/companies/groups", json=_GROUP)
        type_, field = _TYPES[kind]
        body = {"name": name, "label": name.replace("_", " ").strip(), "type": type_, "fieldType": field,
                "groupName": "churnml", "description": "Written by churnml; changes are overwritten."}  # fmt: skip
        answer = self.call("POST", f"{self.api}/properties/companies", json=body)
        ok = answer.is_success or answer.status_code == 409
        return self.finding(ok, f"{name}: was made" if ok else f"{name}: cannot be made: {self.gateway.said(answer)}")


def _task_state(row: Mapping[str, Any]) -> RemoteRecord:
    if row.get("archived"):
        return RemoteRecord("deleted", str(row["id"]))
    is_closed = row["properties"].get("hs_task_status") == "COMPLETED"
    return RemoteRecord("closed" if is_closed else "there", str(row["id"]), moment(row.get("updatedAt")))


def _outcome(record: Record, done: set[str], failed: Mapping[str, Mapping[str, Any]]) -> DeliveryOutcome:
    error = failed.get(str(record.delivery.id)) or failed.get(str(record.remote_id))
    if error is None:
        # Neither named as done nor as failed: another try finds out, which does no harm.
        return accepted(record.remote_id) if record.remote_id in done else again("not_named", "no result for it")
    said = str(error.get("message"))
    missing = error.get("category") in ("OBJECT_NOT_FOUND", "NOT_FOUND")
    return refused("deleted" if missing else str(error.get("category", "refused")), said)


def _as_text(value: Any) -> str:
    """Return a value as HubSpot takes it: everything is text, and the empty text clears."""
    return "" if value is None else str(value)
