"""Salesforce: fields on Account, written two hundred at a time, and tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from churnml.config.deliveries import SalesforceTarget
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
from churnml.deliveries.salesforce_ids import full_id
from churnml.deliveries.values import KINDS, shortened
from churnml.deliveries.words import priority
from churnml.store import DeliveryOutcome

__all__ = ["Salesforce"]

_AGAIN = ("UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT", "SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION")
_INACTIVE = "INACTIVE_OWNER_OR_USER"
"""Tried once more without an owner: the task then falls to the user that writes, and names the owner in its text."""
_MARK = re.compile(r"\[churnml ([0-9a-f]{10})\]")
_DELETED = ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND")
_LIMIT = ("REQUEST_LIMIT_EXCEEDED", "TXN_SECURITY_METERING_ERROR")
_SUBJECT, _DESCRIPTION = 255, 32_000
_FITS = {
    "number": ("double", "currency", "percent", "int", "string", "textarea"),
    "text": ("string", "textarea", "picklist", "url"),
    "date": ("date", "datetime", "string"),
    "datetime": ("datetime", "string"),
}

_TASK = Manner(batch=100, repeat="find", needs_account=True, looks_first=True, found_after=30.0)


class Salesforce(Adapter):
    """Salesforce over its REST API: sObject Collections, SOQL, describe."""

    topics: Mapping[str, Manner] = {
        "score": Manner(batch=200, must_exist=True),
        "alert": _TASK,
        "task": _TASK,
    }

    def __init__(self, context: Context, section: SalesforceTarget) -> None:
        self.section = section
        self.api = f"{section.url.rstrip('/')}/services/data/{section.api_version}"
        super().__init__(context)

    def login(self) -> dict[str, str]:
        """Return the session: the token of the config, or one by client credentials."""
        if self.section.token is not None:
            return {"Authorization": f"Bearer {self.secret(self.section.token)}"}
        form = {
            "grant_type": "client_credentials",
            "client_id": self.section.client_id or "",
            "client_secret": self.secret(self.section.client_secret),
        }
        answer = self.gateway.call("POST", f"{self.section.url.rstrip('/')}/services/oauth2/token", form=form)
        token = self.gateway.json(answer).get("access_token") if answer.is_success else None
        if not token:
            raise Fault("login", f"reconnect: no session for these client credentials ({self.gateway.said(answer)})")
        return {"Authorization": f"Bearer {token}"}

    def signs(self) -> Signs:
        """Read the allowance of every answer; a used-up one is not tried again before it moves."""

        def stop(answer: httpx.Response) -> None:
            if answer.status_code == 403 and any(code in answer.text for code in _LIMIT):
                raise Pause("daily_limit", self.gateway.said(answer), until_midnight(self.gateway.clock()))

        def left(answer: httpx.Response) -> int | None:
            usage = re.search(r"api-usage=(\d+)/(\d+)", answer.headers.get("Sforce-Limit-Info", ""))
            return int(usage[2]) - int(usage[1]) if usage else None

        return Signs(stop, left)

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look accounts up with their deleted and merged ones, or tasks by their mark."""
        if topic != "score":
            return self._tasks(records)
        field = self.section.id_field or "Id"
        names = {record.delivery.id: record.account_id for record in records}
        if field == "Id":
            names = {number: full_id(name) for number, name in names.items()}
        fields = ", ".join(dict.fromkeys(("Id", field, "IsDeleted", "MasterRecordId")))
        query = f"SELECT {fields} FROM {self.section.object} WHERE {field} IN ({_listed(names.values())})"
        by_name: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows(query, "queryAll"):
            by_name.setdefault(str(row.get(field)), []).append(row)
        return {number: _remote_record(by_name.get(name, [])) for number, name in names.items()}

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Write fields or tasks with one call; each record has its own result."""
        kind = self.section.object if topic == "score" else "Task"
        made = [self._task(record) if topic != "score" else dict(record.values) for record in records]
        bodies: list[dict[str, Any]] = [{"attributes": {"type": kind}, **body} for body in made]
        new = records[0].remote_id is None
        for body, record in zip(bodies, records, strict=True):
            if not new:
                body["id"] = record.remote_id
        answer = self.call(
            "POST" if new else "PATCH",
            f"{self.api}/composite/sobjects",
            json={"allOrNone": False, "records": bodies},
        )
        results = self.gateway.json(answer)
        if answer.is_success and isinstance(results, list) and len(results) == len(records):
            return [_outcome(result) for result in results]
        if answer.is_success:
            raise Lost("unreadable", f"{len(records)} records, but: {self.gateway.said(answer)}")
        if answer.status_code == 403:
            raise Fault("forbidden", self.gateway.said(answer))
        return [refused("refused_whole", self.gateway.said(answer)) for _ in records]

    def check(self) -> Iterator[Finding]:
        """Read what the object's fields are, and whether they take what the config gives them."""
        answer = self.call("GET", f"{self.api}/sobjects/{self.section.object}/describe")
        if not answer.is_success:
            yield self.finding(False, f"describe of {self.section.object} is refused: {self.gateway.said(answer)}")
            return
        fields = {field["name"]: field for field in self.gateway.json(answer)["fields"]}
        for name, wanted in self.section.fields.items():
            yield from self._checked(name, fields.get(name), KINDS[wanted.value], wanted.max_length)
        key = self.section.id_field
        if key is not None:
            at = fields.get(key)
            ok = at is not None and bool(at.get("externalId") or at.get("unique"))
            mend = f"Make {key} a text field of {self.section.object}, external id and unique."
            yield self.finding(
                ok, f"{key} holds the account id" if ok else f"{key} is no external id", None if ok else mend
            )

    def _checked(self, name: str, field: Mapping[str, Any] | None, kind: str, length: int | None) -> Iterator[Finding]:
        """Say whether one field takes what it is to get."""
        what, remedy = f"{name}: may be written", None
        if field is None:
            what = f"{name}: there is no such field, or the user may not see it"
            remedy = f"Make it on {self.section.object}; the permission set needs read and edit on it."
        elif field.get("calculated") or not field.get("updateable"):
            what = f"{name}: " + ("is calculated" if field.get("calculated") else "may not be written")
            remedy = "Name a field of churnml's own, with edit in the permission set."
        elif field["type"] not in _FITS[kind]:
            what, remedy = f"{name}: is of type {field['type']}, and gets a {kind}", "Make it of a type that fits."
        elif field["type"] in ("string", "textarea") and kind == "text" and (length or 10_000) > field["length"]:
            what = f"{name}: holds {field['length']} characters, which may be too short"
            remedy = f"Set max_length: {field['length']} for it, or make it longer."
        elif field.get("restrictedPicklist"):
            what += "; a restricted picklist, which needs the values red, yellow, green, unknown"
        yield self.finding(remedy is None, what, remedy)

    def _tasks(self, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look tasks up by their id, or else by their mark; deleted and archived ones too."""
        by_id = {full_id(record.remote_id): record for record in records if record.remote_id is not None}
        by_mark = {record.mark: record for record in records if record.remote_id is None}
        field = self.section.task_key_field
        where = [f"Id IN ({_listed(by_id)})"] if by_id else []
        if by_mark and field:
            where.append(f"{field} IN ({_listed(by_mark)})")
        elif by_mark:
            where += [f"Subject LIKE '%{mark}%'" for mark in by_mark]
        names = ", ".join(("Id", field or "Subject", "IsClosed", "IsDeleted", "LastModifiedDate"))
        tasks: dict[int, RemoteRecord] = {}
        for row in self._rows(f"SELECT {names} FROM Task WHERE {' OR '.join(where)}", "queryAll"):
            mark = _MARK.search(str(row.get(field or "Subject")))
            record = by_id.get(full_id(str(row["Id"])))
            record = record or by_mark.get(str(row.get(field)) if field else mark[1] if mark else "")
            if record is not None and tasks.get(record.delivery.id, RemoteRecord("deleted")).state == "deleted":
                tasks[record.delivery.id] = _task_found(row)
        return tasks

    def _task(self, record: Record) -> dict[str, Any]:
        values = record.values
        inactive = record.delivery.reason == _INACTIVE
        own = {} if values["owner_id"] is None or inactive else {"OwnerId": values["owner_id"]}
        end = f" [churnml {record.mark}]"
        key = {self.section.task_key_field: record.mark} if self.section.task_key_field else {}
        return {
            "Subject": shortened(values["subject"], _SUBJECT - len(end)) + end,
            "Description": shortened(values["body"], _DESCRIPTION),
            "WhatId": record.account,
            "ActivityDate": values["due_on"],
            "Priority": priority(values["severity"]).capitalize().replace("Medium", "Normal"),
            "Status": "Completed" if ended(values) else "Not Started",
            **own,
            **key,
        }

    def _rows(self, query: str, how: str) -> Iterator[dict[str, Any]]:
        answer = self.call("GET", f"{self.api}/{how}", params={"q": query})
        while True:
            if not answer.is_success:
                raise Fault("refused", self.gateway.said(answer))
            page = self.gateway.json(answer)
            yield from page["records"]
            if page["done"]:
                return
            answer = self.call("GET", f"{self.section.url.rstrip('/')}{page['nextRecordsUrl']}")


def _listed(names: Any) -> str:
    quoted = (str(name).replace("\\", "\\\\").replace("'", "\\'") for name in names)
    return ", ".join(f"'{name}'" for name in quoted)


def _remote_record(rows: Sequence[Mapping[str, Any]]) -> RemoteRecord:
    alive = [row for row in rows if not row.get("IsDeleted")]
    if len(alive) > 1:
        return RemoteRecord("ambiguous")
    if alive:
        return RemoteRecord("there", alive[0]["Id"])
    if not rows:
        return RemoteRecord("missing")
    survivor = rows[0].get("MasterRecordId")
    return RemoteRecord("merged", survivor) if survivor else RemoteRecord("deleted")


def _task_found(row: Mapping[str, Any]) -> RemoteRecord:
    if row.get("IsDeleted"):
        return RemoteRecord("deleted", str(row["Id"]))
    changed_at = moment(row.get("LastModifiedDate"))
    return RemoteRecord("closed" if row.get("IsClosed") else "there", str(row["Id"]), changed_at)


def _outcome(result: Mapping[str, Any]) -> DeliveryOutcome:
    """Return what one record's result means."""
    if result.get("success"):
        return accepted(result.get("id"))
    errors = result.get("errors") or [{"statusCode": "UNKNOWN", "message": "no error is named"}]
    code = str(errors[0].get("statusCode"))
    fields = ", ".join(errors[0].get("fields") or ())
    said = f"{errors[0].get('message')}" + (f" ({fields})" if fields else "")
    if code in _AGAIN or code == _INACTIVE:
        return again(code, said)
    return refused("deleted" if code in _DELETED else code, said)
