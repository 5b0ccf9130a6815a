"""Salesforce: ``queryAll`` by SystemModstamp, deleted and merged records included, page after page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from churnml.config.loops import own_name
from churnml.config.pulls import SalesforcePull
from churnml.language import Text
from churnml.sources.connectors.faults import Expired, LeftOut, Stopped
from churnml.sources.connectors.tool import Connector, Kind, Page, Window

__all__ = ["Salesforce"]


def _kind(name: str, *, keeps: tuple[str, ...] = ()) -> Kind:
    return Kind(name, ("Id",), "SystemModstamp", "CreatedDate", f"salesforce/{name}", keeps=keeps)


_OBJECTS = {
    "accounts": "Account", "contacts": "Contact", "contracts": "Contract", "opportunities": "Opportunity",
    "cases": "Case", "tasks": "Task", "events": "Event", "campaign_members": "CampaignMember", "orders": "Order",
}  # fmt: skip
_SKIPPED = ("address", "location", "base64", "complexvalue")
"""Types of fields that repeat others in another form, or are files."""
_FIELDS = ("Id", "SystemModstamp", "CreatedDate", "IsDeleted", "MasterRecordId")
_LONGEST = 12_000
"""Signs of the list of fields that fit into an address; standard fields come first."""


class Salesforce(Connector):
    """Salesforce over its REST API."""

    tool = "salesforce"
    kinds = (
        _kind("accounts", keeps=("Name", "CreatedDate", "Industry", "BillingCountry", "IsDeleted")),
        *(_kind(name) for name in list(_OBJECTS)[1:]),
    )
    section: SalesforcePull

    @property
    def _url(self) -> str:
        return self.section.url.rstrip("/")

    @property
    def renewable(self) -> bool:  # type: ignore[override]
        """A session by client credentials can be had anew; a given one cannot."""
        return self.section.token is None

    def login(self) -> Mapping[str, str]:
        """Return the session: the token of the config, or one by client credentials."""
        if self.section.token is not None:
            return {"Authorization": f"Bearer {self.secret(self.section.token, 'token')}"}
        assert self.section.client_secret is not None, "the section has either"
        form = {
            "grant_type": "client_credentials",
            "client_id": self.section.client_id or "",
            "client_secret": self.secret(self.section.client_secret, "client_secret"),
        }
        answer = self.access.call("POST", f"{self._url}/services/oauth2/token", login=False, data=form)
        token = self.access.document(answer).get("access_token") if answer.is_success else None
        if not token:
            raise Stopped(Text.of("pull-stopped-login", said=self.access.said(answer)), failed=True)
        return {"Authorization": f"Bearer {token}"}

    def left(self, answer: httpx.Response) -> int | None:
        """Read ``Sforce-Limit-Info: api-usage=18/5000``."""
        usage = re.search(r"api-usage=(\d+)/(\d+)", answer.headers.get("Sforce-Limit-Info", ""))
        return int(usage[2]) - int(usage[1]) if usage else None

    def stop(self, answer: httpx.Response, now: datetime) -> datetime | None:
        """Tell a used-up allowance, which moves over 24 hours: an hour later some of it is back."""
        used_up = answer.status_code == 403 and "REQUEST_LIMIT_EXCEEDED" in answer.text
        return now + timedelta(hours=1) if used_up else None

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Query by SystemModstamp; a page is resumed from the last modstamp that it brought."""
        sobject = _OBJECTS[stream]
        fields = self._fields(sobject)
        since = window.resume.get("since") or (_soql(window.since) if window.since else None)
        for attempt in (1, 2):
            try:
                for records in self._query(sobject, fields, since):
                    if records:
                        since = str(records[-1].get("SystemModstamp") or since)
                    yield Page({stream: records}, {"since": since} if since else {})
                return
            except Expired:
                # The place between two pages is forgotten after a while: the query goes on from the last modstamp.
                if attempt == 2:
                    raise
                self.note("pull-note-locator", object=stream, since=since or "")

    def _query(self, sobject: str, fields: str, since: str | None) -> Iterator[list[dict[str, Any]]]:
        where = f" WHERE SystemModstamp >= {_literal(since)}" if since else ""
        soql = f"SELECT {fields} FROM {sobject}{where} ORDER BY SystemModstamp ASC, Id ASC"
        base = f"{self._url}/services/data/{self.section.api_version}"
        answer = self.access.call("GET", f"{base}/queryAll", params={"q": soql})
        while True:
            if not answer.is_success:
                if "INVALID_QUERY_LOCATOR" in answer.text:
                    raise Expired(self.access.said(answer))
                raise LeftOut(self.access.said(answer))
            result = self.access.document(answer)
            yield [_bare(record) for record in result["records"]]
            following = result.get("nextRecordsUrl")
            if result["done"] or not following:
                return
            locator = quote(str(following).rpartition("/")[2], safe="")
            answer = self.access.call("GET", f"{base}/query/{locator}")

    def _fields(self, sobject: str) -> str:
        """Return the fields that the login may read, those that churnml writes left out."""
        url = f"{self._url}/services/data/{self.section.api_version}/sobjects/{sobject}/describe"
        answer = self.access.call("GET", url)
        if not answer.is_success:
            raise LeftOut(self.access.said(answer))
        described = self.access.document(answer)["fields"]
        names = [
            field["name"]
            for field in described
            if field.get("type") not in _SKIPPED and not own_name(field["name"]).startswith("churnml")
        ]
        first = [name for name in _FIELDS if name in names]
        custom = [name for name in names if name.endswith("__c")]
        ordered = list(dict.fromkeys([*first, *(name for name in names if name not in custom), *custom]))
        if sobject == "Account" and any(field.get("relationshipName") == "Owner" for field in described):
            ordered.insert(len(first), "Owner.Name")
        fitting = ordered
        while len(",".join(fitting)) > _LONGEST:
            fitting = fitting[:-1]
        if len(fitting) < len(ordered):
            self.note("pull-note-fields", object=sobject, n=len(ordered) - len(fitting))
        return ",".join(fitting)


def _bare(record: Any) -> Any:
    """Return a record without the marks of the API beside its fields."""
    if not isinstance(record, dict):
        return record
    return {
        name: _bare(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if name != "attributes"
    }


def _soql(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _literal(text: str) -> str:
    """Return a time of an answer as a query takes it; anything else never becomes part of one."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)", text):
        raise Expired(f"no time: {text[:40]}")
    return text
