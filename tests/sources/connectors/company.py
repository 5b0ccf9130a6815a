"""A simulated company as its tools' APIs answer: a CRM, a desk and books, and the config that pulls from them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from churnml.config import Config, load_config
from churnml.simulate import Company
from churnml.simulate.exports import write_exports

from .world import SalesforceOrg, ZendeskDesk, transport

FIRST = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
CANARY = "c4nary-5ecret-{}"
FIELDS = {"custom_category": 1, "custom_escalated_at": 2, "custom_csat_score": 3, "custom_csat_at": 4}
ACCOUNT = {
    "id": "Id", "name": "Name", "created_date": "CreatedDate", "industry": "Industry", "type": "Type",
    "billing_country": "BillingCountry", "owner_id": "OwnerId", "number_of_employees": "NumberOfEmployees",
    "plan_c": "Plan__c", "touch_model_c": "TouchModel__c", "phase_c": "Phase__c", "csm_sentiment_c": "Sentiment__c",
    "is_deleted": "IsDeleted", "master_record_id": "MasterRecordId", "_fivetran_start": "SystemModstamp",
}  # fmt: skip


def rows(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [{name: value or None for name, value in row.items()} for row in csv.DictReader(lines)]


def org_of(folder: Path) -> SalesforceOrg:
    """The CRM as its API answers: the newest version of every account, and the other exports row by row."""
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows(folder / "account_history.csv"), key=lambda row: row["_fivetran_start"]):
        newest[row["id"]] = {ACCOUNT[name]: value for name, value in row.items() if name in ACCOUNT}
    for one in newest.values():
        one["SystemModstamp"] = one["SystemModstamp"].replace(" ", "T") + ".000+0000"
        one["CreatedDate"] = one["CreatedDate"][:10] + "T00:00:00.000+0000"
    records = {"Account": list(newest.values())}
    names = {"Contract": "contracts", "Contact": "contacts", "Task": "tasks", "Opportunity": "opportunities"}
    for sobject, name in names.items():
        records[sobject] = [
            {"SystemModstamp": "2026-01-01T00:00:00.000+0000", **row} for row in rows(folder / f"{name}.csv")
        ]
    return SalesforceOrg(records, page=2000)


def desk_of(folder: Path) -> ZendeskDesk:
    """The desk as its incremental exports answer, versions of a ticket in their order."""
    versions = sorted(rows(folder / "tickets.csv"), key=lambda row: row["updated_at"])
    tickets = [
        {
            **{name: value for name, value in row.items() if name not in FIELDS},
            "custom_fields": [{"id": number, "value": row[name]} for name, number in FIELDS.items()],
            "generated_timestamp": 1_600_000_000 + place,
        }
        for place, row in enumerate(versions)
    ]
    moves = [("Change", row["updated"], {"status": row["value"]}, row) for row in rows(folder / "history.csv")] + [
        ("Comment", row["created"], {"public": row["public"] == "true"}, row) for row in rows(folder / "comments.csv")
    ]
    events = [
        {
            "id": place, "ticket_id": row["ticket_id"], "created_at": at, "updater_id": row["user_id"],
            "child_events": [{"id": 10_000 + place, "event_type": kind, **said}], "_at": 1_600_000_000 + place,
        }
        for place, (kind, at, said, row) in enumerate(moves)
    ]  # fmt: skip
    organizations = [{**row, "_at": 1_600_000_000} for row in rows(folder / "organizations.csv")]
    users = [{**row, "generated_timestamp": 1_600_000_000} for row in rows(folder / "users.csv")]
    return ZendeskDesk(tickets, organizations, users, events, page=1000)


@dataclass
class StripeBooks:
    """The books as Stripe lists them, newest first, a hundred a page."""

    records: dict[str, list[dict[str, Any]]]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.removeprefix("/v1/")
        listed = self.records.get(kind, [])
        after = request.url.params.get("starting_after")
        start = 0 if after is None else 1 + [one["id"] for one in listed].index(after)
        page = listed[start : start + 100]
        return httpx.Response(200, json={"object": "list", "data": page, "has_more": start + 100 < len(listed)})


def books_of(folder: Path) -> StripeBooks:
    customers = [
        {**{n: v for n, v in row.items() if "." not in n}, "metadata": {"account_id": row["metadata.account_id"]}}
        for row in rows(folder / "customers.csv")
    ]
    invoices = [
        {
            **{n: int(v) if v and v.isdigit() else v for n, v in row.items() if "." not in n},
            "status_transitions": {"paid_at": row["status_transitions.paid_at"]},
        }
        for row in rows(folder / "invoices.csv")
    ]
    return StripeBooks({"customers": customers, "invoices": invoices})


_TABLES = {
    "accounts": {
        "preset": "salesforce/accounts", "from": "accounts_history",
        "columns": {"plan": "Plan__c", "touch_model": "TouchModel__c", "phase": "Phase__c",
                    "csm_sentiment": "Sentiment__c", "owner": "OwnerId"},
    },
    "subscriptions": {"preset": "salesforce/contracts", "from": "contracts"},
    "contacts": {"preset": "salesforce/contacts", "from": "contacts"},
    "touchpoints": {"preset": "salesforce/tasks", "from": "tasks"},
    "opportunities": {"preset": "salesforce/opportunities", "from": "opportunities"},
    "tickets": {
        "preset": "zendesk/tickets", "from": "tickets",
        "with": {"history": "ticket_field_history", "comments": "ticket_comment", "users": "users"},
    },
    "invoices": {"preset": "stripe/invoices", "from": "invoices"},
}  # fmt: skip
PULLED = tuple(_TABLES)
"""The tables that come from the three tools."""


def tools_of(
    company: Company, folder: Path, *, rest: bool = False, until: str | None = None
) -> tuple[Config, SalesforceOrg, dict[str, httpx.MockTransport]]:
    """Write a company's exports into a folder, and return a config that pulls them, its CRM, and the ways to its tools.

    With `rest` the tables that no tool has are read as they are.
    """
    exported = json.loads(write_exports(company, folder, ["salesforce", "zendesk", "stripe"]).read_text())
    secrets = folder / "secrets.env"
    secrets.write_text("".join(f"T_{name}={CANARY.format(name)}\n" for name in ("SF", "ZD", "ST")))
    secrets.chmod(0o600)
    until = until or (FIRST + timedelta(days=2)).date().isoformat()
    pulls = {
        "salesforce": {"url": "https://example.my.salesforce.com", "client_id": "id", "client_secret": "${T_SF}",
                       "objects": ["accounts", "contracts", "contacts", "tasks", "opportunities"]},
        "zendesk": {"url": "https://example.zendesk.com", "user": "a@b.c", "api_token": "${T_ZD}",
                    "custom_fields": FIELDS},
        "stripe": {"api_key": "${T_ST}", "objects": ["customers", "invoices"]},
    }  # fmt: skip
    plain = {name: table for name, table in exported["tables"].items() if table["source"] == "rest"}
    config = {**exported, "secrets_file": "secrets.env", "engine": {"threads": 1}, "tables": plain if rest else {}}
    if not rest:
        del config["sources"]["rest"]
    for tool, section in pulls.items():
        config["sources"][tool] = {"pull": {tool: section}, "max_rejected_share": 0.2, "observed_until": until}
    for name, table in _TABLES.items():
        config["tables"][name] = {"source": str(table["preset"]).partition("/")[0], **table}
    config["identities"]["keys"] = {
        "salesforce": {"from": "accounts", "preset": "salesforce/accounts"},
        "zendesk": {"from": "organizations", "preset": "zendesk/organizations"},
        "stripe": {"from": "customers", "preset": "stripe/customers"},
    }
    (folder / "acme.json").write_text(json.dumps(config))
    org, desk, books = org_of(folder / "salesforce"), desk_of(folder / "zendesk"), books_of(folder / "stripe")
    ways = {"salesforce": transport(org), "zendesk": transport(desk), "stripe": transport(books)}
    return load_config(folder / "acme.json"), org, ways
