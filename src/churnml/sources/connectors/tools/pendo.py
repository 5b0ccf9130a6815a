"""Pendo: counts per visitor and hour by its aggregations, one day a call; names of features and pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import httpx

from churnml.config.pulls import PendoPull
from churnml.sources.connectors.faults import LeftOut
from churnml.sources.connectors.tool import Connector, Kind, Page, Window
from churnml.sources.connectors.tools.mixpanel import days_of

__all__ = ["Pendo"]

_FIRST = timedelta(days=365)
_EVENTS = {"feature_events": "featureEvents", "page_events": "pageEvents", "poll_events": "pollEvents"}
_NAMES = {"features": "feature", "pages": "page"}


class Pendo(Connector):
    """Pendo over its aggregations."""

    tool = "pendo"
    settle = timedelta(days=1)
    kinds = (
        Kind("features", version="lastUpdatedAt", created="createdAt"),
        Kind("pages", version="lastUpdatedAt", created="createdAt"),
        Kind("feature_events", ("visitorId", "accountId", "featureId", "hour", "server"), created="hour",
             preset="pendo/feature_events"),
        Kind("page_events", ("visitorId", "accountId", "pageId", "hour", "server"), created="hour",
             preset="pendo/page_events"),
        Kind("poll_events", ("visitor_id", "account_id", "poll_id", "timestamp"), created="timestamp",
             preset="pendo/poll_events"),
    )  # fmt: skip
    section: PendoPull

    def login(self) -> Mapping[str, str]:
        """Return the integration key."""
        return {"x-pendo-integration-key": self.secret(self.section.integration_key, "integration_key")}

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Fetch names in one call, and events day by day."""
        if stream in _NAMES:
            answer = self.access.call("GET", f"{self._url}/{_NAMES[stream]}")
            yield Page({stream: self._ok(answer)})
            return
        for day in days_of(window, _FIRST):
            first = int(datetime.combine(day, time(), UTC).timestamp() * 1000)
            series = {"period": "hourRange", "first": first, "count": 24}
            body = {
                "response": {"mimeType": "application/json"},
                "request": {"pipeline": [{"source": {_EVENTS[stream]: None, "timeSeries": series}}]},
            }
            results = self._ok(self.access.call("POST", f"{self._url}/aggregation", json=body)).get("results") or []
            following = {"day": (day + timedelta(days=1)).isoformat()}
            yield Page({stream: [_laid(record, stream) for record in results]}, following)

    @property
    def _url(self) -> str:
        return f"{self.section.url.rstrip('/')}/api/v1"

    def _ok(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise LeftOut(self.access.said(answer))
        return self.access.document(answer)


def _laid(record: Any, stream: str) -> Any:
    """Return a record as it is; an answer to a poll under the names that its preset reads."""
    if not isinstance(record, dict) or stream != "poll_events":
        return record
    at = record.get("browserTime")
    return {
        "account_id": record.get("accountId"),
        "visitor_id": record.get("visitorId"),
        "poll_id": record.get("pollId"),
        "poll_response": record.get("pollResponse"),
        "timestamp": None if at is None else datetime.fromtimestamp(int(at) / 1000, UTC).isoformat(),
        "guide_id": record.get("guideId"),
    }
