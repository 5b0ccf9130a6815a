"""Zendesk: incremental exports; tickets with metric sets by cursor, events for the history of their status."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from churnml.config.pulls import ZendeskPull
from churnml.sources.connectors.faults import Expired, LeftOut
from churnml.sources.connectors.tool import Connector, Kind, Page, Window

__all__ = ["Zendesk"]

_PER_PAGE = 1000


class Zendesk(Connector):
    """Zendesk Support over its incremental exports."""

    tool = "zendesk"
    settle = timedelta(minutes=2)  # the last minute is always left out
    kinds = (
        Kind("organizations", version="updated_at", created="created_at", preset="zendesk/organizations"),
        Kind("users", version="updated_at", created="created_at"),
        Kind("tickets", version="generated_timestamp", created="created_at", preset="zendesk/tickets"),
        Kind("ticket_field_history", stream="ticket_events"),
        Kind("ticket_comment", stream="ticket_events"),
    )
    section: ZendeskPull

    def login(self) -> Mapping[str, str]:
        """Return the login by API token."""
        pair = f"{self.section.user}/token:{self.secret(self.section.api_token, 'api_token')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Go on from the cursor of the last page, or begin at a time."""
        if stream in ("tickets", "users"):
            return self._by_cursor(stream, window)
        return self._by_time(stream, window)

    def _by_cursor(self, stream: str, window: Window) -> Iterator[Page]:
        params: dict[str, Any] = {"per_page": _PER_PAGE}
        if stream == "tickets":
            params["include"] = "metric_sets"
        cursor = window.resume.get("cursor") or window.mark.get("cursor")
        if cursor is None:
            params["start_time"] = _epoch(window)
        while True:
            if cursor is not None:
                params.pop("start_time", None)
                params["cursor"] = cursor
            answer = self.access.call("GET", self._url(f"incremental/{stream}/cursor.json"), params=params)
            page = self._page(answer, expired=cursor is not None)
            cursor = page.get("after_cursor") or cursor
            records = [self._lifted(record) for record in page[stream]] if stream == "tickets" else page[stream]
            yield Page({stream: records}, {"cursor": cursor} if cursor else {})
            if page["end_of_stream"]:
                return

    def _by_time(self, stream: str, window: Window) -> Iterator[Page]:
        start = window.resume.get("start_time") or _epoch(window)
        params: dict[str, Any] = {"include": "comment_events"} if stream == "ticket_events" else {}
        while True:
            answer = self.access.call(
                "GET", self._url(f"incremental/{stream}.json"), params={**params, "start_time": start}
            )
            page = self._page(answer, expired=False)
            following = int(page.get("end_time") or start)
            records = page.get(stream) or []
            yield Page(_events(records) if stream == "ticket_events" else {stream: records}, {"start_time": following})
            if page.get("end_of_stream", len(records) < _PER_PAGE) or following <= start:
                return
            start = following

    def _page(self, answer: httpx.Response, *, expired: bool) -> Any:
        if answer.is_success:
            return self.access.document(answer)
        if expired and answer.status_code in (400, 404, 410, 422):
            raise Expired(self.access.said(answer))
        raise LeftOut(self.access.said(answer))

    def _url(self, path: str) -> str:
        return f"{self.section.url.rstrip('/')}/api/v2/{path}"

    def _lifted(self, record: Any) -> Any:
        """Return a ticket with the custom fields that the config names as columns of their own."""
        if not isinstance(record, dict) or not self.section.custom_fields:
            return record
        given = {str(each.get("id")): each.get("value") for each in record.get("custom_fields") or []}
        return {**record, **{name: given.get(field) for name, field in self.section.custom_fields.items()}}


def _epoch(window: Window) -> int:
    """Return where to begin; never in the last minutes, which the tool refuses."""
    latest = window.until - timedelta(minutes=2)
    return 0 if window.since is None else int(min(window.since, latest).timestamp())


def _events(events: list[Any]) -> dict[str, list[Any]]:
    """Return the changes of status, and the comments, of ticket events."""
    history: list[Any] = []
    comments: list[Any] = []
    for event in events:
        if not isinstance(event, dict):
            history.append(event)
            continue
        at = event.get("created_at") or _iso(event.get("timestamp"))
        for child in event.get("child_events") or []:
            kind = child.get("event_type") or child.get("type")
            who = child.get("author_id") or event.get("updater_id")
            common = {"id": child.get("id"), "ticket_id": event.get("ticket_id"), "user_id": who}
            if kind == "Comment":
                comments.append({**common, "created": child.get("created_at") or at, "public": child.get("public")})
            elif "status" in child:
                history.append({**common, "field_name": "status", "value": child["status"], "updated": at})
    return {"ticket_field_history": history, "ticket_comment": comments}


def _iso(seconds: Any) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).isoformat()
