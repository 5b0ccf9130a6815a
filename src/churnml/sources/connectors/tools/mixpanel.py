"""Mixpanel: the raw export, one day a call, as lines of JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from churnml.config.pulls import MixpanelPull
from churnml.sources.connectors.tool import Connector, Kind, Page, Window

__all__ = ["Mixpanel"]

_FIRST = timedelta(days=730)
"""So far back the first pull goes where the config does not say."""
_LINES = 10_000
_OWN = ("time", "distinct_id", "$insert_id", "company", "company_id", "account_id", "$group_id")
"""Properties with columns of their own; the others stay together, as there is no end to their names."""


class Mixpanel(Connector):
    """Mixpanel over its raw export."""

    tool = "mixpanel"
    settle = timedelta(days=1)  # events of devices that were offline
    kinds = (
        Kind("events", ("event", "properties.distinct_id", "properties.time", "properties.$insert_id"),
             created="properties.time", preset="mixpanel/events"),
    )  # fmt: skip
    section: MixpanelPull

    def login(self) -> Mapping[str, str]:
        """Return the login of the service account."""
        pair = f"{self.section.user}:{self.secret(self.section.secret, 'secret')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Fetch day by day; an interrupted day is fetched again."""
        for day in days_of(window, _FIRST):
            following = (day + timedelta(days=1)).isoformat()
            params = {"from_date": day.isoformat(), "to_date": day.isoformat(), "project_id": self.section.project_id}
            records: list[Any] = []
            for line in self.access.lines("GET", f"{self.section.url.rstrip('/')}/api/2.0/export", params=params):
                if not line.strip():
                    continue
                records.append(_record(line))
                if len(records) >= _LINES:
                    yield Page({stream: records}, {"day": day.isoformat()})
                    records = []
            yield Page({stream: records}, {"day": following})


def days_of(window: Window, first: timedelta) -> Iterator[date]:
    """Yield the days of a window, UTC, that of its end included; a resumed one begins where it came to.

    Examples
    --------
    >>> window = Window(datetime(2026, 3, 1, 22, tzinfo=UTC), datetime(2026, 3, 3, 2, tzinfo=UTC))
    >>> [day.isoformat() for day in days_of(window, timedelta(days=30))]
    ['2026-03-01', '2026-03-02', '2026-03-03']
    """
    since = window.since or window.until - first
    day = date.fromisoformat(window.resume["day"]) if window.resume.get("day") else since.astimezone(UTC).date()
    while datetime.combine(day, time(), UTC) < window.until:
        yield day
        day += timedelta(days=1)


def _record(line: str) -> Any:
    try:
        event = json.loads(line)
        properties = event["properties"]
        own = {f"properties.{name}": properties.get(name) for name in _OWN}
        return {"event": event["event"], **own, "properties": json.dumps(properties, ensure_ascii=False)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
