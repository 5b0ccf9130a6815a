"""Fake tools: their records, their ways of answering, and a clock that only waiting moves."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from churnml.config.pulls import PullConfig
from churnml.sources.connectors import SourcePull, pull_source
from churnml.sources.connectors.landing import Batch, Landing, Position
from churnml.sources.connectors.pulling import Surroundings
from churnml.sources.connectors.rows import Row
from churnml.sources.connectors.tool import Kind

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


class Memory:
    """A landing in memory, the twin of the one that dlt fills."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {}
        self.kept: dict[str, Position] = {}
        self.batches: list[Batch] = []
        self.fails_after: int | None = None

    def positions(self) -> dict[str, Position]:
        return dict(self.kept)

    def columns(self, table: str) -> Mapping[str, str]:
        names = (name for row in self.rows.get(table, {}).values() for name in row.values)
        return {name.casefold(): name for name in names}

    def land(self, batch: Batch, positions: Mapping[str, Position]) -> dict[str, int]:
        if self.fails_after is not None and len(self.batches) >= self.fails_after:
            raise KeyboardInterrupt
        self.batches.append(batch)
        counts = {}
        for table, rows in batch.rows.items():
            there = self.rows.setdefault(table, {})
            counts[table] = sum(row.key not in there for row in rows)
            there.update({row.key: row for row in rows})
        self.kept = dict(positions)
        return counts

    def lay_views(self, kinds: Sequence[Kind]) -> None:
        pass

    def close(self) -> None:
        pass

    def ids(self, table: str) -> list[str]:
        return sorted({row.id for row in self.rows.get(table, {}).values()})


@dataclass
class World:
    """Time, and what a pull came to."""

    now: datetime = NOW
    waited: list[float] = field(default_factory=list)
    landing: Any = field(default_factory=Memory)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)

    def pull(
        self,
        section: Mapping[str, Any],
        transport: httpx.BaseTransport,
        *,
        since: datetime | None = None,
        landing: Landing | None = None,
        folder: Path | None = None,
        batch_rows: int = 20_000,
    ) -> SourcePull:
        around = Surroundings(lambda: self.now, self.wait, folder, transport=transport, batch_rows=batch_rows)
        pull = PullConfig.model_validate(section)
        return pull_source("crm", pull, landing or self.landing, around, since=since)


class Faults(httpx.BaseTransport):
    """Answers the next requests with faults, then as another transport does."""

    def __init__(self, behind: httpx.BaseTransport, *faults: Any, at: str = "") -> None:
        self.behind = behind
        self.next = deque(faults)
        self.at = at

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.next and re.search(self.at, str(request.url)):
            fault = self.next.popleft()
            if isinstance(fault, Exception):
                raise fault
            if fault is not None:
                return fault
        return self.behind.handle_request(request)


def counts(done: SourcePull) -> dict[str, tuple[int, int, int, int]]:
    """Return table → rows in, accepted, rejected, duplicate; that they add up is held here."""
    for one in done.objects:
        assert one.rows_in == one.accepted + one.rejected + one.duplicate, one
    return {one.object: (one.rows_in, one.accepted, one.rejected, one.duplicate) for one in done.objects}


def codes(done: SourcePull) -> list[str]:
    return [note.code for note in done.notes]


# --- Zendesk -----------------------------------------------------------------------------------------------------

ZENDESK = {"zendesk": {"url": "https://example.zendesk.com", "user": "ann@example.com", "api_token": "c4nary-zen"}}


@dataclass
class ZendeskDesk:
    """A desk: records in the order of their last change, pages of a few."""

    tickets: list[dict[str, Any]] = field(default_factory=list)
    organizations: list[dict[str, Any]] = field(default_factory=list)
    users: list[dict[str, Any]] = field(default_factory=list)
    ticket_events: list[dict[str, Any]] = field(default_factory=list)
    page: int = 2
    forgotten: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        assert request.headers["Authorization"].startswith("Basic ")
        stream = path.removeprefix("/api/v2/incremental/").removesuffix("/cursor.json").removesuffix(".json")
        records = list(getattr(self, stream))
        if path.endswith("/cursor.json"):
            if "cursor" in query:
                if self.forgotten:
                    self.forgotten = False
                    return httpx.Response(422, json={"error": "InvalidValue", "description": "Invalid cursor"})
                start = int(query["cursor"].removeprefix("at-"))
            else:
                since = int(query["start_time"])
                start = next(
                    (n for n, one in enumerate(records) if one.get("generated_timestamp", 0) >= since), len(records)
                )
            end = min(start + self.page, len(records))
            done = end == len(records)
            body = {stream: records[start:end], "after_cursor": f"at-{end}", "end_of_stream": done}
            return httpx.Response(200, json=body)
        since = int(query["start_time"])
        later = [one for one in records if one["_at"] >= since][: self.page]
        shown = [{name: value for name, value in one.items() if name != "_at"} for one in later]
        end_time = later[-1]["_at"] if later else since
        done = not later or later[-1] is records[-1]
        return httpx.Response(200, json={stream: shown, "end_time": end_time, "end_of_stream": done, "next_page": None})


def ticket(number: int, at: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "created_at": "2026-02-01T00:00:00Z", "updated_at": "2026-02-01T00:00:00Z",
        "generated_timestamp": at, "status": "open", "organization_id": 370, "requester_id": 9, "priority": "high",
        "type": None, "metric_set": {"solved_at": None, "reply_time_in_minutes": {"calendar": 5, "business": None}},
        "custom_fields": [{"id": 27642, "value": "billing"}], **more,
    }  # fmt: skip


# --- Salesforce --------------------------------------------------------------------------------------------------

SALESFORCE = {
    "salesforce": {
        "url": "https://example.my.salesforce.com", "client_id": "id", "client_secret": "c4nary-sf",
        "objects": ["accounts"],
    }
}  # fmt: skip
_KINDS = {"Id": "id", "OwnerId": "reference", "BillingAddress": "address"}


@dataclass
class SalesforceOrg:
    """An org: records by object, answered in pages; sessions that end when they are told to."""

    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page: int = 2
    used: int = 18
    allowed: int = 5000
    session: str = "session-1"
    logins: int = 0
    queries: list[str] = field(default_factory=list)
    lost_locators: int = 0
    _open: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/services/oauth2/token"):
            self.logins += 1
            self.session = f"session-{self.logins}"
            return httpx.Response(200, json={"access_token": self.session, "instance_url": "https://x"})
        self.used += 1
        headers = {"Sforce-Limit-Info": f"api-usage={self.used}/{self.allowed}"}
        if request.headers.get("Authorization") != f"Bearer {self.session}":
            fault = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
            return httpx.Response(401, json=fault, headers=headers)
        body = self._answer(path, request)
        return httpx.Response(404 if isinstance(body, list) else 200, json=body, headers=headers)

    def _answer(self, path: str, request: httpx.Request) -> Any:
        described = re.fullmatch(r".*/sobjects/(\w+)/describe", path)
        if described:
            records = self.records.get(described[1])
            if records is None:
                return [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]
            names = dict.fromkeys(name for one in records for name in one if name != "Owner")
            fields = [{"name": name, "type": _KINDS.get(name, "string")} for name in names]
            owner = [{"name": "OwnerId", "type": "reference", "relationshipName": "Owner"}]
            return {"fields": fields + (owner if any("Owner" in one for one in records) else [])}
        if path.endswith("/queryAll"):
            query = request.url.params["q"]
            self.queries.append(query)
            found = re.fullmatch(
                r"SELECT (.+) FROM (\w+)(?: WHERE SystemModstamp >= (\S+))? ORDER BY SystemModstamp ASC, Id ASC", query
            )
            assert found, query
            picked = found[1].split(",")
            since = datetime.fromisoformat(found[3]) if found[3] else datetime(1970, 1, 1, tzinfo=UTC)
            rows = [
                {
                    "attributes": {"type": found[2]},
                    **{name.split(".")[0]: one.get(name.split(".")[0]) for name in picked},
                }
                for one in sorted(self.records[found[2]], key=lambda one: (one["SystemModstamp"], one["Id"]))
                if datetime.fromisoformat(one["SystemModstamp"]) >= since
            ]
            return self._paged(rows, 0, f"01g{len(self._open):03d}")
        locator = path.rpartition("/")[2]
        name, _, start = locator.partition("-")
        if self.lost_locators:
            self.lost_locators -= 1
            return [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
        return self._paged(self._open[name], int(start), name)

    def _paged(self, rows: list[dict[str, Any]], start: int, name: str) -> dict[str, Any]:
        self._open[name] = rows
        end = start + self.page
        more = {} if end >= len(rows) else {"nextRecordsUrl": f"/services/data/v62.0/query/{name}-{end}"}
        return {"totalSize": len(rows), "done": not more, "records": rows[start:end], **more}


def account(number: int, modstamp: str, owner: str = "ann", **more: Any) -> dict[str, Any]:
    return {
        "Id": f"001{number:012d}AAA", "Name": f"Company {number}", "IsDeleted": False, "MasterRecordId": None,
        "BillingCountry": "DE", "OwnerId": f"005{owner}", "Owner": {"attributes": {"type": "User"}, "Name": owner},
        "CreatedDate": "2025-01-01T08:00:00.000+0000", "SystemModstamp": modstamp, "Type": "SMB", **more,
    }  # fmt: skip


def transport(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
