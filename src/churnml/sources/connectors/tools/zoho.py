"""Zoho CRM: records in the order of their last change, deleted ones by their own list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import httpx

from churnml.config.pulls import ZohoPull
from churnml.language import Text
from churnml.sources.connectors.faults import Expired, LeftOut, Stopped
from churnml.sources.connectors.rows import moment
from churnml.sources.connectors.tool import Connector, Kind, Page, Window

__all__ = ["Zoho"]

_COMMON = ("Created_Time", "Modified_Time", "Owner")
_FIELDS = {
    "Accounts": ("Account_Name", "Account_Type", "Industry", "Billing_Country", "Employees", "Website"),
    "Deals": ("Deal_Name", "Stage", "Amount", "Currency", "Closing_Date", "Type", "Account_Name"),
    "Cases": ("Case_Number", "Account_Name", "Status", "Priority", "Type", "Case_Origin"),
    "Contacts": ("Account_Name", "Email", "Title"),
}
_MODULES = {"accounts": "Accounts", "deals": "Deals", "cases": "Cases", "contacts": "Contacts"}
_MOST_FIELDS = 50
_PER_PAGE = 200


class Zoho(Connector):
    """Zoho CRM over its API."""

    tool = "zoho"
    kinds = (
        Kind("accounts", ("id",), "Modified_Time", "Created_Time", "zoho_crm/accounts",
             keeps=("Account_Name", "Created_Time", "Industry", "Billing_Country")),
        Kind("deals", ("id",), "Modified_Time", "Created_Time", "zoho_crm/deals"),
        Kind("cases", ("id",), "Modified_Time", "Created_Time", "zoho_crm/cases"),
        Kind("contacts", ("id",), "Modified_Time", "Created_Time"),
    )  # fmt: skip
    section: ZohoPull
    renewable = True

    def login(self) -> Mapping[str, str]:
        """Return an access token, which lives for an hour."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.section.client_id,
            "client_secret": self.secret(self.section.client_secret, "client_secret"),
            "refresh_token": self.secret(self.section.refresh_token, "refresh_token"),
        }
        url = f"{self.section.accounts_url.rstrip('/')}/oauth/v2/token"
        answer = self.access.call("POST", url, login=False, data=form)
        token = self.access.document(answer).get("access_token") if answer.is_success else None
        if not token:
            raise Stopped(Text.of("pull-stopped-login", said=self.access.said(answer)), failed=True)
        return {"Authorization": f"Zoho-oauthtoken {token}"}

    def left(self, answer: httpx.Response) -> int | None:
        """Read the credits that are left, where an answer tells."""
        text = answer.headers.get("X-API-CREDITS-REMAINING", "")
        return int(text) if text.isdigit() else None

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Fetch what changed since, then the deleted ones."""
        module = _MODULES[stream]
        since = moment(window.resume.get("since")) or window.since
        wanted = list(dict.fromkeys([*_FIELDS[module], *_COMMON, *self.section.fields.get(module, ())]))
        if len(wanted) > _MOST_FIELDS:
            self.note("pull-note-fields", object=module, n=len(wanted) - _MOST_FIELDS)
        yield from self._changed(stream, module, wanted[:_MOST_FIELDS], since)
        yield from self._deleted(stream, module, window.since)

    def _changed(self, stream: str, module: str, fields: list[str], since: datetime | None) -> Iterator[Page]:
        headers = {"If-Modified-Since": since.isoformat(timespec="seconds")} if since is not None else {}
        params: dict[str, Any] = {
            "fields": ",".join(fields), "per_page": _PER_PAGE, "sort_by": "Modified_Time", "sort_order": "asc",
        }  # fmt: skip
        last = None if since is None else since.isoformat()
        while True:
            answer = self.access.call("GET", self._url(module), params=params, headers=headers)
            if answer.status_code in (204, 304):
                return
            if not answer.is_success:
                if "page_token" in params and answer.status_code == 400:
                    raise Expired(self.access.said(answer))
                raise LeftOut(self.access.said(answer))
            page = self.access.document(answer)
            records = page["data"]
            last = (records[-1].get("Modified_Time") if records else None) or last
            yield Page({stream: records}, {"since": last} if last else {})
            info = page.get("info") or {}
            if not info.get("more_records") or not info.get("next_page_token"):
                return
            params["page_token"] = info["next_page_token"]

    def _deleted(self, stream: str, module: str, since: datetime | None) -> Iterator[Page]:
        headers = {"If-Modified-Since": since.isoformat(timespec="seconds")} if since is not None else {}
        number = 1
        while True:
            answer = self.access.call(
                "GET", self._url(f"{module}/deleted"), params={"type": "all", "page": number}, headers=headers
            )
            if answer.status_code in (204, 304):
                return
            if not answer.is_success:
                raise LeftOut(self.access.said(answer))
            page = self.access.document(answer)
            rows = [
                {"id": each.get("id"), "Modified_Time": each.get("deleted_time"), "_deleted": True}
                for each in page["data"]
            ]
            yield Page({stream: rows})
            if not (page.get("info") or {}).get("more_records"):
                return
            number += 1

    def _url(self, path: str) -> str:
        return f"{self.section.url.rstrip('/')}/crm/v8/{path}"
