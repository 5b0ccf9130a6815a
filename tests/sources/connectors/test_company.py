"""A simulated company, pulled from its tools, comes back as its canonical tables; what changes keeps its past."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from churnml import pipeline
from churnml.config import Config, load_config
from churnml.pipeline import PullReport
from churnml.simulate import Company, simulate
from churnml.simulate.exports import account_key, write_exports
from churnml.sources import load
from churnml.tables.knowledge import frame_known_before

from .world import SalesforceOrg, ZendeskDesk, counts, transport

pytestmark = pytest.mark.slow  # a company is pulled from all its tools

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


@dataclass
class Pulled:
    """The company, its config, what two pulls came to, and tables: all after the first, accounts after the second."""

    company: Company
    config: Config
    folder: Path
    owner: tuple[str, str]
    reports: list[PullReport]
    coverage: dict[str, int]
    tables: dict[str, pd.DataFrame]
    accounts: pd.DataFrame


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    folder = tmp_path_factory.mktemp("pulled")
    company = simulate(accounts=25, months=8, seed=5)
    exported = json.loads(write_exports(company, folder / "x", ["salesforce", "zendesk", "stripe"]).read_text())
    secrets = folder / "x" / "secrets.env"
    secrets.write_text("".join(f"T_{name}={CANARY.format(name)}\n" for name in ("SF", "ZD", "ST")))
    secrets.chmod(0o600)
    until = (FIRST + timedelta(days=2)).date().isoformat()
    pulls = {
        "salesforce": {"url": "https://example.my.salesforce.com", "client_id": "id", "client_secret": "${T_SF}",
                       "objects": ["accounts", "contracts", "contacts", "tasks", "opportunities"]},
        "zendesk": {"url": "https://example.zendesk.com", "user": "a@b.c", "api_token": "${T_ZD}",
                    "custom_fields": FIELDS},
        "stripe": {"api_key": "${T_ST}", "objects": ["customers", "invoices"]},
    }  # fmt: skip
    config = {**exported, "secrets_file": "secrets.env", "engine": {"threads": 1}, "tables": {}}
    del config["sources"]["rest"]
    for tool, section in pulls.items():
        config["sources"][tool] = {"pull": {tool: section}, "max_rejected_share": 0.2, "observed_until": until}
    own = {"plan": "Plan__c", "touch_model": "TouchModel__c", "phase": "Phase__c", "csm_sentiment": "Sentiment__c"}
    tables = {
        "accounts": {"preset": "salesforce/accounts", "from": "accounts_history",
                     "columns": {**own, "owner": "OwnerId"}},
        "subscriptions": {"preset": "salesforce/contracts", "from": "contracts"},
        "contacts": {"preset": "salesforce/contacts", "from": "contacts"},
        "touchpoints": {"preset": "salesforce/tasks", "from": "tasks"},
        "opportunities": {"preset": "salesforce/opportunities", "from": "opportunities"},
        "tickets": {"preset": "zendesk/tickets", "from": "tickets",
                    "with": {"history": "ticket_field_history", "comments": "ticket_comment", "users": "users"}},
        "invoices": {"preset": "stripe/invoices", "from": "invoices"},
    }  # fmt: skip
    for name, section in tables.items():
        config["tables"][name] = {"source": section["preset"].partition("/")[0], **section}
    config["identities"]["keys"] = {
        "salesforce": {"from": "accounts", "preset": "salesforce/accounts"},
        "zendesk": {"from": "organizations", "preset": "zendesk/organizations"},
        "stripe": {"from": "customers", "preset": "stripe/customers"},
    }
    (folder / "x" / "acme.json").write_text(json.dumps(config))
    settings = load_config(folder / "x" / "acme.json")
    org, desk, books = (make(folder / "x" / tool) for make, tool in
                        ((org_of, "salesforce"), (desk_of, "zendesk"), (books_of, "stripe")))  # fmt: skip
    ways = {"salesforce": transport(org), "zendesk": transport(desk), "stripe": transport(books)}
    first = pipeline.pull(settings, clock=lambda: FIRST, transports=ways)
    loaded = load(settings, today=FIRST.date())
    frames = {name: loaded.tables[name].to_pandas() for name in tables}
    changed = org.records["Account"][0]
    owner = (changed["OwnerId"], "somebody new")
    changed |= {"OwnerId": owner[1], "SystemModstamp": "2026-06-01T12:00:00.000+0000"}
    second = pipeline.pull(settings, ["salesforce"], clock=lambda: FIRST + timedelta(days=1), transports=ways)
    few = settings.model_copy(
        update={"tables": {name: settings.tables[name] for name in ("accounts", "subscriptions")}}
    )
    accounts = load(few, today=FIRST.date() + timedelta(days=1)).tables["accounts"].to_pandas()
    coverage = {tool.tool: tool.unmatched + tool.ambiguous for tool in loaded.coverage}
    return Pulled(company, settings, folder, owner, [first, second], coverage, frames, accounts)


def test_every_row_is_counted_and_nothing_is_left(pulled: Pulled) -> None:
    first, second = pulled.reports
    assert first.ok
    assert first.complete
    found = {source.source: counts(source) for source in first.sources}
    expected = {name: len(frame) for name, frame in pulled.company.tables.items()}
    assert found["salesforce"]["contracts"][1] == expected["subscriptions"] + 2  # a draft and a deleted one
    assert found["zendesk"]["tickets"][1] == expected["tickets"] + 2  # an old version and a deleted one
    assert found["stripe"]["invoices"][1] == expected["invoices"] + 2  # a draft and one of test mode
    assert counts(second.sources[0])["accounts"] == (1, 1, 0, 0)


@pytest.mark.parametrize("table", ["subscriptions", "tickets", "contacts", "touchpoints", "invoices", "opportunities"])
def test_a_pulled_table_is_the_canonical_one(pulled: Pulled, table: str) -> None:
    names = {account_key(one): one for one in set(pulled.company.tables["accounts"]["account_id"])}
    found = pulled.tables[table].assign(
        account_id=lambda frame: frame["account_id"].map(lambda one: names.get(one, one))
    )
    wanted = pulled.company.tables[table]
    columns = sorted({*found.columns} & {*wanted.columns} - {"known_at"})
    sorts = [f"{table[:-1]}_id" if f"{table[:-1]}_id" in columns else columns[0]]
    both = [frame.sort_values(sorts, ignore_index=True)[columns] for frame in (found, wanted)]
    for frame in both:  # days of a Parquet file and of the simulator count in other units
        for column in frame.select_dtypes("datetime"):
            frame[column] = frame[column].astype("datetime64[us]")
    pd.testing.assert_frame_equal(*both, check_dtype=False)


def test_the_newest_version_of_every_account_is_the_canonical_one(pulled: Pulled) -> None:
    found = pulled.tables["accounts"].sort_values("known_at").groupby("account_id").last()
    wanted = pulled.company.tables["accounts"].sort_values("known_at").groupby("account_id").last()
    wanted.index = wanted.index.map(account_key)
    for column in ("name", "industry", "country", "segment", "owner", "plan", "employees", "touch_model", "phase"):
        assert found[column].to_dict() == wanted[column].to_dict(), column


def test_every_tools_records_are_matched(pulled: Pulled) -> None:
    assert pulled.coverage == {"stripe": 0, "zendesk": 0}


def test_an_owner_that_was_overwritten_keeps_its_past(pulled: Pulled) -> None:
    before, after = pulled.owner
    frame = pulled.accounts
    changed = frame.loc[frame["owner"] == after, "account_id"]
    own = frame[frame["account_id"].isin(changed)].sort_values("known_at")
    arrived = [FIRST.replace(tzinfo=None), (FIRST + timedelta(days=1)).replace(tzinfo=None)]
    assert own["known_at"].tolist()[1:] == arrived
    assert own["owner"].tolist()[1:] == [before, after]
    assert pd.isna(own["owner"].tolist()[0])  # before the first pull nobody knew
    assert own["name"].nunique() == 1  # what holds since the record came to be is known throughout

    def seen(day: date) -> Any:
        known = frame_known_before(own, "accounts", pd.Timestamp(day))
        return known.sort_values("known_at")["owner"].tolist()[-1]

    assert seen(FIRST.date() + timedelta(days=1)) == before  # midnight between the two pulls
    assert seen(FIRST.date() + timedelta(days=2)) == after
    assert pd.isna(seen(FIRST.date()))


def test_a_secret_stands_nowhere(pulled: Pulled, capsys: pytest.CaptureFixture[str]) -> None:
    shown = str(pulled.reports) + str(pulled.config.as_dict()) + repr(pulled.config)
    assert "c4nary" not in shown
    found = [
        file for file in pulled.folder.rglob("*")
        if file.is_file() and file.name != "secrets.env" and b"c4nary" in file.read_bytes()
    ]  # fmt: skip
    assert found == []
    planned = pipeline.preview_pull(pulled.config)
    assert "c4nary" not in str(planned)
    assert planned[0].since["accounts"] == FIRST + timedelta(days=1) - timedelta(minutes=65)
    assert planned[0].request is not None


def test_what_lands_is_for_its_owner_only(pulled: Pulled) -> None:
    workspace = pulled.config.workspace_dir
    assert [(workspace / name).stat().st_mode & 0o077 for name in ("landing", "pulls", "pulls/history.jsonl")] == [
        0
    ] * 3
    lines = (workspace / "pulls" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["salesforce", "zendesk", "stripe", "salesforce"]
