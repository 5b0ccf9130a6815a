"""Zoho CRM: fields of accounts without starting the customer's workflows, and tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx

from churnml.config.deliveries import ZohoTarget
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
from churnml.deliveries.values import shortened
from churnml.deliveries.words import priority
from churnml.store import DeliveryOutcome

__all__ = ["Zoho"]

_MARK = re.compile(r"\[churnml ([0-9a-f]{10})\]")
_AGAIN = ("TOO_MANY_REQUESTS", "INTERNAL_ERROR", "RECORD_LOCKED", "NOT_APPROVED")
_EARLIER = timedelta(minutes=10)
"""Clocks differ: so much earlier than our attempt a task is looked for."""

_TASK = Manner(batch=100, repeat="find", needs_account=True, looks_first=True, found_after=30.0)


class Zoho(Adapter):
    """Zoho CRM over its API v8; its tokens live an hour."""

    topics: Mapping[str, Manner] = {
        "score": Manner(batch=100),
        "alert": _TASK,
        "task": _TASK,
    }

    def __init__(self, context: Context, section: ZohoTarget) -> None:
        self.section = section
        self.api = f"{section.url.rstrip('/')}/crm/v8"
        super().__init__(context)

    def login(self) -> dict[str, str]:
        """Return a token for the refresh token."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.section.client_id,
            "client_secret": self.secret(self.section.client_secret),
            "refresh_token": self.secret(self.section.refresh_token),
        }
        answer = self.gateway.call("POST", f"{self.section.accounts_url.rstrip('/')}/oauth/v2/token", form=form)
        token = self.gateway.json(answer).get("access_token") if answer.is_success else None
        if not token:
            # A login that has run out is answered with 200 and an error.
            raise Fault("login", f"reconnect: no token for this refresh token ({self.gateway.said(answer)})")
        return {"Authorization": f"Zoho-oauthtoken {token}"}

    def signs(self) -> Signs:
        """Tell a wrong scope from an old token, and used-up credits from a bad request."""

        def stop(answer: httpx.Response) -> None:
            if answer.status_code == 401 and "OAUTH_SCOPE_MISMATCH" in answer.text:
                raise Fault("scope", self.gateway.said(answer))
            if answer.status_code == 400 and "LICENSE_LIMIT_EXCEEDED" in answer.text:
                raise Pause("daily_limit", self.gateway.said(answer), until_midnight(self.gateway.clock()))

        return Signs(stop)

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Look accounts up one by one, or go through the tasks of late."""
        if topic != "score":
            known = [record for record in records if record.remote_id is not None]
            lost = [record for record in records if record.remote_id is None]
            return {**self._tasks_known(known), **self._tasks_found(lost)}
        if self.section.id_field is None:
            return {record.delivery.id: RemoteRecord("there", record.account_id) for record in records}
        return {record.delivery.id: self._account_found(record) for record in records}

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Write accounts or tasks with one call; each record has its own result."""
        known = records[0].remote_id is not None
        body: dict[str, Any] = {"data": [], "trigger": []}
        if topic != "score":
            method, path = ("PUT" if known else "POST"), "Tasks"
            body["data"] = [self._task(record) for record in records]
        else:
            method, path = "PUT", self.section.module
            body["data"] = [dict(record.values) for record in records]
        key = self.section.id_field
        for data, record in zip(body["data"], records, strict=True):
            if known:
                data["id"] = record.remote_id
            elif topic == "score":
                data[key or "id"] = record.account_id
        if topic == "score" and not known and key is not None:
            method, path = "POST", f"{self.section.module}/upsert"
            # Without the name that a new account needs, none is ever made.
            body["duplicate_check_fields"] = [key]
        answer = self.call(method, f"{self.api}/{path}", json=body)
        if not answer.is_success:
            said = self.gateway.said(answer)
            outcome = Fault("forbidden", said) if answer.status_code == 403 else refused("refused_whole", said)
            if isinstance(outcome, Fault):
                raise outcome
            return self.apart(topic, records, outcome) if topic == "score" else [outcome for _ in records]
        entries = self.gateway.json(answer).get("data", [])
        if len(entries) != len(records):
            raise Lost("unreadable", f"{len(records)} records, {len(entries)} results")
        return [self._outcome(entry) for entry in entries]

    def _outcome(self, entry: Mapping[str, Any]) -> DeliveryOutcome:
        details = entry.get("details") or {}
        if entry.get("status") == "success":
            return accepted(str(details["id"]) if details.get("id") else None)
        code, field = str(entry.get("code")), str(details.get("api_name", ""))
        said = f"{entry.get('message')}" + (f" ({field})" if field else "")
        if code in _AGAIN:
            return again(code, said)
        if code == "MANDATORY_NOT_FOUND" and field == self.section.name_field:
            return refused("unknown_record", "there is no account with this id")
        if field == "id":
            return refused("deleted", f"there is no record with this id: {said}")
        return refused(code, said)

    def _task(self, record: Record) -> dict[str, Any]:
        values = record.values
        end = f" [churnml {record.mark}]"
        return {
            "Subject": shortened(values["subject"], 255 - len(end)) + end,
            "Description": shortened(values["body"], 32_000),
            "Due_Date": values["due_on"],
            "Priority": priority(values["severity"]).capitalize().replace("Medium", "Normal"),
            "Status": "Completed" if ended(values) else "Not Started",
            "What_Id": {"id": record.account},
            "$se_module": self.section.module,
            **({"Owner": {"id": values["owner_id"]}} if values["owner_id"] else {}),
        }

    def _account_found(self, record: Record) -> RemoteRecord:
        value = re.sub(r"([(),\\])", r"\\\1", record.account_id)
        params = {"criteria": f"({self.section.id_field}:equals:{value})", "fields": "id"}
        answer = self.call("GET", f"{self.api}/{self.section.module}/search", params=params)
        rows = [] if answer.status_code == 204 else self.gateway.json(answer).get("data", [])
        if len(rows) > 1:
            return RemoteRecord("ambiguous")
        return RemoteRecord("there", str(rows[0]["id"])) if rows else RemoteRecord("missing")

    def _tasks_known(self, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Read tasks by their ids; one that is not named is for the update to refuse."""
        if not records:
            return {}
        by_id = {str(record.remote_id): record.delivery.id for record in records}
        answer = self.call(
            "GET", f"{self.api}/Tasks", params={"fields": "Status,Modified_Time", "ids": ",".join(by_id)}
        )
        rows = [] if answer.status_code == 204 else self.gateway.json(answer).get("data", [])
        return {by_id[str(row["id"])]: _task_state(row) for row in rows if str(row["id"]) in by_id}

    def _tasks_found(self, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        if not records:
            return {}
        by_mark = {record.mark: record.delivery.id for record in records}
        times = [record.delivery.tried_at for record in records if record.delivery.tried_at is not None]
        since = (min(times) - _EARLIER).strftime("%Y-%m-%dT%H:%M:%S+00:00") if times else None
        headers = {"If-Modified-Since": since} if since else {}
        params = {"fields": "Subject", "per_page": "200"}
        tasks: dict[int, RemoteRecord] = {}
        while True:
            answer = self.call("GET", f"{self.api}/Tasks", params=params, headers=headers)
            if answer.status_code in (204, 304):
                return tasks
            page = self.gateway.json(answer)
            for row in page.get("data", []):
                mark = _MARK.search(str(row.get("Subject")))
                if mark is not None and mark[1] in by_mark:
                    tasks[by_mark[mark[1]]] = RemoteRecord("there", str(row["id"]))
            following = (page.get("info") or {}).get("next_page_token")
            if not following:
                return tasks
            params = {**params, "page_token": following}

    def check(self) -> Iterator[Finding]:
        """Read the fields of the module."""
        answer = self.call("GET", f"{self.api}/settings/fields", params={"module": self.section.module})
        if not answer.is_success or answer.status_code == 204:
            yield self.finding(False, f"the fields of {self.section.module} are refused: {self.gateway.said(answer)}",
                               "The refresh token needs the scope ZohoCRM.settings.fields.READ.")  # fmt: skip
            return
        known = {row["api_name"]: row for row in self.gateway.json(answer)["fields"]}
        for name, field in self.section.fields.items():
            row = known.get(name)
            length = int((row or {}).get("length") or 0)
            if row is None:
                yield self.finding(False, f"{name}: there is no such field in {self.section.module}", "Make it.")
            elif row.get("read_only") or row.get("formula", {}).get("expression"):
                yield self.finding(False, f"{name}: may not be written", "Name a field of churnml's own.")
            elif row.get("data_type") in ("text", "textarea") and length and (field.max_length or length) > length:
                yield self.finding(False, f"{name}: holds {length} characters", f"Set max_length: {length} for it.")
            else:
                yield self.finding(True, f"{name}: may be written")
        key = self.section.id_field
        if key is not None:
            ok = bool((known.get(key) or {}).get("unique"))
            yield self.finding(ok, f"{key}: " + ("holds the account id" if ok else "is no unique field"))


def _task_state(row: Mapping[str, Any]) -> RemoteRecord:
    is_closed = row.get("Status") == "Completed"
    return RemoteRecord("closed" if is_closed else "there", str(row["id"]), moment(row.get("Modified_Time")))
