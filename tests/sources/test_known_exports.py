"""`churnml init` on exports of known tools: recognised by their headings, mapped by presets, tools side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.companies.command import churnml

from churnml.config import Config
from churnml.sources.discovery import Match, profile_files, propose, write_config

ACCOUNTS = ["0015e00000AbCdEAAV", "0015e00000AbCdXAAV", "0015e00000AbCdYAAV"]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One company's exports of three tools, and a file of nobody."""
    folder = tmp_path_factory.mktemp("exports")
    for name in ("crm", "desk", "product"):
        (folder / name).mkdir()
    account = {"IsDeleted": False, "MasterRecordId": None, "BillingCountry": "DE", "OwnerId": "005", "Industry": "IT"}
    account |= {"NumberOfEmployees": 9, "CreatedDate": "2025-01-01T10:00:00.000+0000"}
    records = [{"Id": one, "Name": f"A{n}", **account} for n, one in enumerate(ACCOUNTS)]
    (folder / "crm" / "a.json").write_text(json.dumps({"done": True, "records": records}))
    contract = {"StartDate": "2025-01-01", "EndDate": "2026-12-31", "Status": "Activated", "IsDeleted": False}
    contracts = [
        {"Id": f"800{n}", "AccountId": one, "ContractNumber": str(n), "MRR__c": 100, **contract}
        for n, one in enumerate(ACCOUNTS)
    ]
    (folder / "crm" / "b.json").write_text(json.dumps({"done": True, "records": contracts}))
    header = "Opportunity ID,Opportunity Name,Account ID,Stage,Amount,Close Date,Created Date,Closed,Won"
    report = f'{header}\nO1,x,{ACCOUNTS[0][:15]},Closed Won,5,1/31/2026,1/13/2025,1,1\n\n"Total ©"\n'
    (folder / "crm" / "c.csv").write_bytes(report.encode("latin-1"))
    (folder / "crm" / "ui.csv").write_text(
        "Ticket ID,Ticket name,Ticket status,Priority,Create date,Close date,Associated Company IDs\n"
        f"1,x,Closed,High,2025-02-01 09:15,,{ACCOUNTS[0]}\n"
    )
    columns = "id,created_at,status,organization_id,requester_id,priority,updated_at"
    (folder / "desk" / "t.csv").write_text(
        f"{columns}\n1,2025-03-01 10:00:00,solved,{ACCOUNTS[0]},9,high,2025-03-02\n"
        f"2,2025-03-05 10:00:00,open,{ACCOUNTS[1]},9,high,2025-03-06\n"
        "3,2025-03-05 10:00:00,open,stranger,9,low,2025-03-06\n"
    )
    (folder / "desk" / "h.csv").write_text(
        "field_name,ticket_id,updated,user_id,value\nstatus,1,2025-03-02 10:00:00,3,solved\n"
    )
    days = [f"2025-03-{n % 28 + 1:02d}T08:00:00Z" for n in range(60)]
    call = {"type": "track", "event": "Export", "userId": "u"}
    calls = [
        {**call, "messageId": f"m{n}", "context": {"groupId": ACCOUNTS[n % 3]}, "timestamp": day, "receivedAt": day}
        for n, day in enumerate(days)
    ]
    (folder / "product" / "calls.jsonl").write_text("\n".join(map(json.dumps, calls)))
    (folder / "colours.csv").write_text("colour,hex\nred,ff0000\n")
    return folder


@pytest.fixture(scope="module")
def matches(tools: Path) -> dict[str, Match]:
    return {match.path: match for match in propose("acme", profile_files(tools)).matches}


def test_tool_and_object_are_told_by_the_headings_whatever_the_file_is_called(matches: dict[str, Match]) -> None:
    assert {path: (match.known, match.table) for path, match in matches.items()} == {
        "crm/a.json": ("salesforce/accounts", "accounts"),
        "crm/b.json": ("salesforce/contracts", "subscriptions"),
        "crm/c.csv": ("salesforce/opportunities", "opportunities"),
        "crm/ui.csv": ("hubspot/tickets", "tickets"),
        "desk/t.csv": ("zendesk/tickets", "tickets"),
        "desk/h.csv": ("zendesk/ticket_field_history", ""),
        "product/calls.jsonl": ("segment/tracks", "events"),
        "colours.csv": ("", ""),
    }


def test_rows_dates_and_the_share_of_accounts_that_meet_are_told(matches: dict[str, Match]) -> None:
    tickets, deals = matches["desk/t.csv"], matches["crm/c.csv"]
    assert (tickets.rows, tickets.first, tickets.last) == (3, "2025-03-01", "2025-03-05")
    assert tickets.accounts_met == pytest.approx(2 / 3, abs=0.001)
    assert tickets.with_ == {"history": "desk/h.csv"}
    assert deals.accounts_met == 1.0  # 15 characters there, 18 here
    assert deals.asks == ()
    assert matches["crm/ui.csv"].asks == ("timezone",)
    assert deals.options == {"ends_at_blank_line": True}


def test_what_is_read_beside_others_or_says_who_is_who_is_not_called_unused(tools: Path, tmp_path: Path) -> None:
    files = profile_files(tools)
    history = next(match for match in propose("acme", files).matches if match.path == "desk/h.csv")
    assert (history.role, history.why) == ("beside", None)
    lone = tmp_path / "organizations.csv"
    lone.write_text(f"id,external_id,name,created_at,shared_tickets\n77,{ACCOUNTS[0]},A0,2025-01-01 10:00:00,false\n")
    proposal = propose("acme", [*files, *profile_files(tmp_path)])
    by_path = {match.path: match for match in proposal.matches}
    assert (by_path["organizations.csv"].role, by_path["organizations.csv"].why) == ("identities", None)
    tickets = by_path["desk/t.csv"]  # the desk has its own ids now
    assert (tickets.role, tickets.accounts_met) == ("identities", None)
    text = write_config(proposal, "exports", "w")
    assert [line.split()[1] for line in text.partition("not used:\n")[2].splitlines()] == ["colours.csv:"]
    assert yaml.safe_load(text)["identities"]["keys"]["zendesk"]["from"] == "organizations.csv"


def test_the_config_names_presets_and_several_sources(tools: Path) -> None:
    text = write_config(propose("acme", profile_files(tools)), "exports", "workspace")
    config = yaml.safe_load(text)
    assert {*config["sources"]} == {"salesforce", "hubspot", "zendesk", "segment"}
    assert config["tables"]["tickets"][0] == {
        "source": "zendesk",
        "preset": "zendesk/tickets",
        "from": "desk/t.csv",
        "with": {"history": "desk/h.csv"},
    }
    assert "# timezone: Europe/Berlin  # CHECK" in text
    assert config["label"]["churn"] == "contractual"
    Config.model_validate({**config, "workspace": "w"})


def test_several_raw_tables_of_one_kind_become_a_list(tmp_path: Path) -> None:
    columns = "activity_date,activity_type_id,campaign_id,lead_id,email_template_id,choice_number,id"
    for kind, number in (("open", 10), ("click", 11)):
        (tmp_path / f"{kind}.csv").write_text(f"{columns}\n2025-03-01 10:00:00,{number},5,7,1,0,{number}\n")
    (tmp_path / "leads.csv").write_text(
        "id,created_at,updated_at,email,first_name,last_name\n7,2025-01-01,2025-01-01,x@y,a,b\n"
    )
    text = write_config(propose("acme", profile_files(tmp_path)), ".", "w")
    parts = yaml.safe_load(text)["tables"]["campaign_events"]
    assert [(part["preset"], part["from"], part["with"]) for part in parts] == [
        ("marketo/activities", "click.csv", {"leads": "leads.csv"}),
        ("marketo/activities", "open.csv", {"leads": "leads.csv"}),
    ]


def test_two_objects_that_count_the_same_are_not_both_used(tmp_path: Path) -> None:
    header = (
        "id,_fivetran_start,_fivetran_end,_fivetran_active,master_record_id,number_of_employees,billing_country,"
        "owner_id,account_source,is_deleted"
    )
    row = "0015e00000AbCdEAAV,2025-01-01,9999-12-31,true,,9,DE,005,web,false"
    history = ((header, "_fivetran_start,_fivetran_end,"), (row, "2025-01-01,9999-12-31,"))
    now = [text.replace(part, "") for text, part in history]
    (tmp_path / "now.csv").write_text("\n".join(now))
    (tmp_path / "past.csv").write_text(f"{header}\n{row}\n")
    found: dict[str, Any] = {match.path: match for match in propose("acme", profile_files(tmp_path)).matches}
    assert (found["past.csv"].known, found["past.csv"].table) == ("salesforce/account_history", "accounts")
    assert "says more about the same records" in str(found["now.csv"].why)


@pytest.mark.slow
def test_the_command_shows_tool_and_object_and_its_config_passes_check(tools: Path, tmp_path: Path) -> None:
    out = tmp_path / "configs" / "acme.yaml"
    shown = churnml("init", tools / "crm", tools / "product", "--out", out)
    assert shown.exit_code == 0, shown.stderr
    assert "contracts" in shown.stdout
    text = out.read_text()
    refused = churnml("check", out)
    assert "CHK044" in refused.stderr
    assert "`sources.hubspot.timezone`" in " ".join(refused.stderr.split())
    out.write_text(text.replace("# timezone: Europe/Berlin", "timezone: Europe/Berlin"))
    rows = {"accounts": 3, "subscriptions": 3, "events": 60, "opportunities": 1, "tickets": 1}
    checked = churnml("check", out, "--json")
    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["tables"] == rows
