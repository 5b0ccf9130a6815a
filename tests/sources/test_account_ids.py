"""One account in several tools: matched by a file, by ids, then by rules that hold for one account; merges followed."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from churnml.config import Config
from churnml.errors import DataError
from churnml.sources import load

ACME, GLOBEX, TWIN, LONE = "0015e00000AbCdEAAV", "0015e00000AbCdXAAV", "0015e00000AbCdxAAF", "0015e00000AbCdYAAV"
ACCOUNT = {"IsDeleted": False, "MasterRecordId": None, "BillingCountry": "DE", "OwnerId": "005"}
ACCOUNT |= {"CreatedDate": "2025-01-01T10:00:00.000+0000"}


class Company:
    """A CRM that leads, a desk with its own ids, and a product that names the CRM's in both lengths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for tool in ("crm", "desk", "product"):
            (folder / tool).mkdir()
        self.accounts([])
        contract = {"StartDate": "2025-01-01", "EndDate": "2027-12-31", "Status": "Activated", "IsDeleted": False}
        records = [
            {"Id": f"8{n}", "AccountId": one, "ContractNumber": "1", "MRR__c": 100 * (n + 1), **contract}
            for n, one in enumerate((ACME, GLOBEX, LONE))
        ]
        (folder / "crm" / "contracts.json").write_text(json.dumps({"done": True, "records": records}))
        call = {"type": "track", "event": "Export", "userId": "u"}
        calls = [
            {**call, "messageId": f"{n}", "context": {"groupId": one}, "timestamp": f"2026-01-0{n + 1}T08:00:00Z",
             "receivedAt": f"2026-01-0{n + 1}T08:00:00Z"}
            for n, one in enumerate((ACME, ACME[:15], GLOBEX[:15], TWIN[:15]))
        ]  # fmt: skip
        (folder / "product" / "calls.jsonl").write_text("\n".join(map(json.dumps, calls)))
        organizations = [
            {"id": 1, "external_id": ACME[:15], "name": "whatever", "domain_names": []},
            {"id": 2, "external_id": None, "name": "other", "domain_names": ["globex.example", "gmail.com"]},
            {"id": 3, "external_id": None, "name": "LONE  Ltd", "domain_names": ["gmail.com"]},
            {"id": 4, "external_id": None, "name": "Same Name", "domain_names": []},
            {"id": 5, "external_id": None, "name": "Nobody", "domain_names": []},
        ]
        for one in organizations:
            one |= {"created_at": "2025-01-01T00:00:00Z", "deleted_at": None}
        (folder / "desk" / "organizations.json").write_text(json.dumps({"organizations": organizations}))
        tickets = "id,created_at,status,organization_id,requester_id,priority,generated_timestamp\n" + "".join(
            f"{n},2026-01-0{n % 5 + 1} 10:00:00,new,{n % 5 + 1},9,high,1\n" for n in range(10)
        )
        (folder / "desk" / "tickets.csv").write_text(tickets)

    def accounts(self, more: list[dict[str, Any]]) -> None:
        records = [
            {"Id": ACME, "Name": "Acme GmbH", "Website": "https://www.acme.example/de", **ACCOUNT},
            {"Id": GLOBEX, "Name": "Globex, Inc.", "Website": "globex.example", **ACCOUNT},
            {"Id": LONE, "Name": "Lone, Ltd.", "Website": None, **ACCOUNT},
            {"Id": "0015e00000AbCd1AAF", "Name": "Same Name", "Website": "gmail.com", **ACCOUNT},
            {"Id": "0015e00000AbCd2AAF", "Name": "same-name", "Website": "gmail.com", **ACCOUNT},
            {"Id": TWIN, "Name": "globex inc", "Website": None, **ACCOUNT, "IsDeleted": True, "MasterRecordId": GLOBEX},
            *more,
        ]
        (self.folder / "crm" / "accounts.json").write_text(json.dumps({"done": True, "records": records}))

    def load(self, **identities: Any) -> Any:
        keys = {
            "crm": {"from": "accounts.json", "preset": "salesforce/accounts"},
            "desk": {"from": "organizations.json", "preset": "zendesk/organizations"},
        }
        config = Config.model_validate(
            {
                "name": "test",
                "workspace": self.folder / "ws",
                "sources": {
                    tool: {"folder": self.folder / tool, "max_rejected_share": 0.9}
                    for tool in ("crm", "desk", "product")
                },
                "identities": {"keys": keys, **identities},
                "tables": {
                    "accounts": {"source": "crm", "preset": "salesforce/accounts", "from": "accounts.json"},
                    "subscriptions": {"source": "crm", "preset": "salesforce/contracts", "from": "contracts.json"},
                    "events": {"source": "product", "preset": "segment/tracks", "from": "calls.jsonl"},
                    "tickets": {"source": "desk", "preset": "zendesk/tickets", "from": "tickets.csv"},
                },
                "label": {"churn": "contractual"},
                "engine": {"threads": 1, "memory_limit": "500MB"},
            }
        )
        return load(config, today=date(2026, 6, 1))


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def counts(loaded: Any, table: str) -> dict[str, int]:
    frame = loaded.tables[table].to_pandas()
    return dict(frame.groupby("account_id").size().items())


@pytest.mark.slow
def test_ids_of_both_lengths_and_merged_ones_are_the_survivor(company: Company) -> None:
    loaded = company.load()
    assert counts(loaded, "events") == {ACME: 2, GLOBEX: 2}  # differing by case alone, the twin was merged into Globex
    assert TWIN not in set(loaded.tables["accounts"].to_pandas()["account_id"])


def test_a_parent_is_named_by_the_accounts_own_id_and_follows_merges(company: Company) -> None:
    child = {"Name": "child", "Website": None, **ACCOUNT}
    company.accounts(
        [
            {**child, "Id": "0015e00000AbCd5AAF", "ParentId": TWIN[:15]},  # was merged into Globex
            {**child, "Id": "0015e00000AbCd6AAF", "ParentId": ACME[:15]},
            {**child, "Id": "0015e00000AbCd7AAF", "ParentId": "0015e00000ABCD1AAF"},  # letters of another case
        ]
    )
    loaded = company.load()
    accounts = loaded.tables["accounts"].to_pandas().set_index("account_id")["parent_id"]
    assert [accounts[f"0015e00000AbCd{n}AAF"] for n in (5, 6)] == [GLOBEX, ACME]
    assert accounts.notna().sum() == 2  # of a broken id only the value is lost, and that is noted
    assert [one.rows for one in loaded.checks if (one.code, one.column) == ("CHK033", "parent_id")] == [1]
    assert not any(one.code == "CHK046" and one.rows for one in loaded.checks)


def test_an_id_comes_first_then_a_domain_then_a_name_and_nothing_is_guessed(company: Company) -> None:
    loaded = company.load()
    assert counts(loaded, "tickets") == {ACME: 2, GLOBEX: 2, LONE: 2}
    (desk,) = (each for each in loaded.coverage if each.tool == "desk")
    assert (desk.matched, desk.unmatched, desk.ambiguous) == (3, 1, 1)
    assert (desk.matched_rows, desk.unmatched_rows, desk.ambiguous_rows) == (6, 2, 2)
    assert desk.by == {"account": 1, "domain": 1, "name": 1}
    assert desk.matched_arr == 12 * (100 + 200 + 300)
    (product,) = (each for each in loaded.coverage if each.tool == "product")
    assert (product.matched, product.matched_arr) == (4, 12 * (100 + 200))  # four ids of two accounts
    assert any(
        note.startswith("CHK049 desk: 3 of 5 records with facts are known accounts") for note in map(str, loaded.notes)
    )


@pytest.mark.slow
def test_the_unmatched_are_written_and_can_be_fed_back(company: Company) -> None:
    company.load()
    file = company.folder / "ws" / "identities_unmatched.csv"
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["source"], row["id"], row["name"], row["rows"]) for row in rows] == [
        ("desk", "4", "Same Name", "2"),
        ("desk", "5", "Nobody", "2"),
    ]
    assert rows[0]["candidates"] == "0015e00000AbCd1AAF 0015e00000AbCd2AAF"
    rows[1]["account_id"] = ACME
    done = company.folder / "identities.csv"
    with done.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    loaded = company.load(file=done)
    assert counts(loaded, "tickets")[ACME] == 4
    assert [row["id"] for row in csv.DictReader(file.read_text().splitlines())] == ["4"]


def test_a_chain_of_merges_ends_at_its_survivor_and_a_circle_is_refused(company: Company) -> None:
    middle, last = "0015e00000AbCd3AAF", "0015e00000AbCd4AAF"
    merged = {**ACCOUNT, "Name": "m", "IsDeleted": True}
    company.accounts(
        [{**merged, "Id": last, "MasterRecordId": middle}, {**merged, "Id": middle, "MasterRecordId": TWIN}]
    )
    calls = company.folder / "product" / "calls.jsonl"
    calls.write_text(calls.read_text().replace(TWIN[:15], last[:15]))
    assert counts(company.load(), "events") == {ACME: 2, GLOBEX: 2}
    company.accounts(
        [{**merged, "Id": last, "MasterRecordId": middle}, {**merged, "Id": middle, "MasterRecordId": last}]
    )
    with pytest.raises(DataError, match="CHK048"):
        company.load()


def test_without_the_section_ids_must_be_the_same(company: Company) -> None:
    with pytest.raises(DataError, match="CHK040"):
        _plain(company)


def _plain(company: Company) -> Any:
    config = Config.model_validate(
        {
            "name": "test",
            "workspace": company.folder / "ws",
            "sources": {tool: {"folder": company.folder / tool} for tool in ("crm", "desk", "product")},
            "tables": {
                "accounts": {"source": "crm", "preset": "salesforce/accounts", "from": "accounts.json"},
                "events": {"source": "product", "preset": "segment/tracks", "from": "calls.jsonl"},
                "tickets": {"source": "desk", "preset": "zendesk/tickets", "from": "tickets.csv"},
            },
            "label": {"churn": "silence"},
        }
    )
    return load(config, today=date(2026, 6, 1))
