"""HubSpot: search by last change, ten thousand at a time; archived ones by their list; associations in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from churnml.config.loops import own_name
from churnml.config.pulls import HubspotPull
from churnml.sources.connectors.budget import next_midnight
from churnml.sources.connectors.faults import LeftOut
from churnml.sources.connectors.rows import moment
from churnml.sources.connectors.tool import Connector, Kind, Page, Window

__all__ = ["Hubspot"]


@dataclass(frozen=True)
class _Object:
    """An object of the CRM: as the API calls it, when it changed, and which companies it belongs to."""

    api: str
    changed: str = "hs_lastmodifieddate"
    id: str = "id"
    links: str = ""
    """The landed table of its companies; empty where it is looked up by a property."""


_OBJECTS = {
    "companies": _Object("companies"),
    "contacts": _Object("contacts", "lastmodifieddate"),
    "deals": _Object("deals", id="deal_id", links="deal_company"),
    "tickets": _Object("tickets", links="ticket_company"),
}
_ENGAGEMENTS = {
    "calls": ("CALL", "engagement_call", ()),
    "meetings": ("MEETING", "engagement_meeting", ("hs_meeting_start_time",)),
    "emails": ("EMAIL", "engagement_email", ("hs_email_direction",)),
}
"""What people did with a company: type, landed table of its times, and the properties that are read of it; what was
said or written is never fetched."""
_PAGE, _MOST = 100, 10_000
_SKIPPED = ("hs_calculated", "hs_analytics", "hs_predictive")
"""Properties that HubSpot computes itself: they change without a change of the record."""


def _kind(name: str, **more: Any) -> Kind:
    one = _OBJECTS[name]
    return Kind(name, (one.id,), f"property_{one.changed}", "property_createdate", **more)


class Hubspot(Connector):
    """HubSpot's CRM over its search."""

    tool = "hubspot"
    settle = timedelta(minutes=10)  # the search lags behind
    kinds = (
        _kind("companies", preset="hubspot/companies",
              keeps=("property_name", "property_createdate", "property_industry", "property_country", "is_deleted")),
        _kind("contacts"),
        _kind("deals", preset="hubspot/deals"),
        _kind("tickets", preset="hubspot/tickets"),
        Kind("deal_company", ("deal_id", "company_id"), stream="deals"),
        Kind("ticket_company", ("ticket_id", "company_id"), stream="tickets"),
        Kind("deal_pipeline_stage", ("stage_id",), "updated_at"),
        Kind("engagements", ("id",), "property_hs_lastmodifieddate", "property_hs_createdate",
             preset="hubspot/engagements"),
        Kind("engagement_company", ("engagement_id", "company_id"), stream="engagements"),
        *(Kind(table, ("engagement_id",), "property_hs_lastmodifieddate", stream="engagements")
          for _, table, _ in _ENGAGEMENTS.values()),
    )  # fmt: skip
    section: HubspotPull

    def login(self) -> Mapping[str, str]:
        """Return the token of the private app."""
        return {"Authorization": f"Bearer {self.secret(self.section.token, 'token')}"}

    def left(self, answer: httpx.Response) -> int | None:
        """Read what is left of the day."""
        text = answer.headers.get("X-HubSpot-RateLimit-Daily-Remaining", "")
        return int(text) if text.isdigit() else None

    def stop(self, answer: httpx.Response, now: datetime) -> datetime | None:
        """Tell a daily limit, which is no matter of seconds."""
        daily = answer.status_code == 429 and '"DAILY"' in answer.text
        return next_midnight(now) if daily else None

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Search in the order of the last change; a full window of the search begins the next one where it ended."""
        if stream == "deal_pipeline_stage":
            yield self._stages()
            return
        if stream == "engagements":
            yield from self._engagements(window)
            return
        one = _OBJECTS[stream]
        properties = self._properties(one)
        begin = window.resume.get("since") or (_milliseconds(window.since) if window.since else 0)
        yield from self._searched(stream, one, properties, int(begin))
        yield from self._archived(stream, one)

    def _engagements(self, window: Window) -> Iterator[Page]:
        """Search calls, meetings and mails in turn; what the token may not read is left out, and the rest is not."""
        begin = _milliseconds(window.since) if window.since else 0
        at = window.resume.get("api")
        names = list(_ENGAGEMENTS)
        for name in names[names.index(at) if at in names else 0 :]:
            kind, table, more = _ENGAGEMENTS[name]
            one = _Object(name, links="engagement_company")
            asked = [one.changed, "hs_createdate", "hs_timestamp", *more]
            since = int(window.resume.get("since", begin)) if name == at else begin
            try:
                for page in self._searched("engagements", one, asked, since):
                    rows = page.records["engagements"]
                    records = {
                        **page.records,
                        "engagements": [_engagement(row, kind) for row in rows],
                        table: [_times(row) for row in rows if isinstance(row, dict)],
                    }
                    yield Page(records, {**page.resume, "api": name})
                yield from self._archived("engagements", one)
            except LeftOut as left_out:
                self.note("pull-note-left-out", object=name, said=left_out.said)

    def _searched(self, stream: str, one: _Object, properties: list[str], begin: int) -> Iterator[Page]:
        after, got = "0", 0
        while True:
            body = {
                "filterGroups": [
                    {"filters": [{"propertyName": one.changed, "operator": "GTE", "value": str(begin)}]}
                ],
                "sorts": [one.changed],
                "properties": properties,
                "limit": _PAGE,
                "after": after,
            }  # fmt: skip
            page = self._ok(self.access.call("POST", self._url(f"{one.api}/search"), json=body))
            results = page["results"]
            last = max((_changed(record, one) for record in results if isinstance(record, dict)), default=begin)
            rows: dict[str, list[Any]] = {stream: [_laid(record, one) for record in results]}
            if one.links and results:
                rows[one.links] = self._links(one, [str(each.get("id")) for each in results if isinstance(each, dict)])
            yield Page(rows, {"since": last})
            got += len(results)
            following = ((page.get("paging") or {}).get("next") or {}).get("after")
            if following is None or not results:
                return
            after = str(following)
            if got + _PAGE > _MOST:  # the search gives no more of one query: it goes on from the last change
                if last <= begin:
                    raise LeftOut(f"more than {_MOST} {stream} changed at one moment")
                begin, after, got = last, "0", 0

    def _archived(self, stream: str, one: _Object) -> Iterator[Page]:
        params = {"archived": "true", "limit": str(_PAGE)}
        while True:
            page = self._ok(self.access.call("GET", self._url(one.api), params=params))
            rows = [
                {one.id: each.get("id"), "is_deleted": True, f"property_{one.changed}": each.get("archivedAt")}
                for each in page["results"]
            ]
            yield Page({stream: rows})
            following = ((page.get("paging") or {}).get("next") or {}).get("after")
            if following is None:
                return
            params["after"] = str(following)

    def _links(self, one: _Object, ids: list[str]) -> list[dict[str, Any]]:
        """Return the companies of some records."""
        url = f"{self.section.url.rstrip('/')}/crm/v4/associations/{one.api}/companies/batch/read"
        page = self._ok(self.access.call("POST", url, json={"inputs": [{"id": each} for each in ids]}))
        name = one.links.replace("company", "id")
        return [
            {name: result["from"]["id"], "company_id": to.get("toObjectId")}
            for result in page["results"]
            for to in result.get("to") or []
        ]

    def _stages(self) -> Page:
        url = f"{self.section.url.rstrip('/')}/crm/v3/pipelines/deals"
        page = self._ok(self.access.call("GET", url))
        stages = [
            {
                "pipeline_id": pipeline.get("id"),
                "stage_id": stage.get("id"),
                "label": stage.get("label"),
                "is_closed": (stage.get("metadata") or {}).get("isClosed"),
                "probability": (stage.get("metadata") or {}).get("probability"),
                "closed_won": str((stage.get("metadata") or {}).get("probability")) in ("1", "1.0"),
                "updated_at": stage.get("updatedAt"),
            }
            for pipeline in page["results"]
            for stage in pipeline.get("stages") or []
        ]
        return Page({"deal_pipeline_stage": stages})

    def _properties(self, one: _Object) -> list[str]:
        url = f"{self.section.url.rstrip('/')}/crm/v3/properties/{one.api}"
        page = self._ok(self.access.call("GET", url))
        names = [each["name"] for each in page["results"] if not each.get("calculated")]
        return [
            name
            for name in dict.fromkeys([one.changed, *names])
            if not name.startswith(_SKIPPED) and not own_name(name).startswith("churnml")
        ]

    def _ok(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise LeftOut(self.access.said(answer))
        return self.access.document(answer)

    def _url(self, path: str) -> str:
        return f"{self.section.url.rstrip('/')}/crm/v3/objects/{path}"


def _laid(record: Any, one: _Object) -> Any:
    """Return a record as warehouses land it: ``property_…`` beside its id."""
    if not isinstance(record, dict):
        return record
    properties = record.get("properties") or {}
    row = {one.id: record.get("id"), "is_deleted": bool(record.get("archived"))}
    row |= {f"property_{name}": value for name, value in properties.items()}
    if one.api == "deals":
        row["deal_pipeline_stage_id"] = properties.get("dealstage")
    return row


def _engagement(row: Any, kind: str) -> Any:
    """Return what was done, and when its record changed."""
    if not isinstance(row, dict):
        return row
    kind = "INCOMING_EMAIL" if row.get("property_hs_email_direction") == "INCOMING_EMAIL" else kind
    names = ("id", "is_deleted", "property_hs_createdate", "property_hs_lastmodifieddate")
    return {**{name: row.get(name) for name in names}, "type": kind}


def _times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return when it took place, as warehouses land it beside the engagement."""
    times = {"engagement_id": row.get("id"), "start_time": row.get("property_hs_meeting_start_time")}
    return {
        **times,
        **{f"property_{name}": row.get(f"property_{name}") for name in ("hs_timestamp", "hs_lastmodifieddate")},
    }


def _changed(record: Any, one: _Object) -> int:
    text = (record.get("properties") or {}).get(one.changed) or record.get("updatedAt")
    at = moment(text)
    return 0 if at is None else _milliseconds(at)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
