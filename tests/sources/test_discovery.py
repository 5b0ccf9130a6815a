"""`churnml init`: files nobody has described become a config that passes `check` without an edit."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.companies.command import churnml

from churnml.sources.discovery import profile_files, propose, write_config
from churnml.sources.discovery.roles import plain_name


def found(folder: Path) -> dict[str, dict[str, object]]:
    """Return canonical table → columns, as proposed for a folder."""
    return {match.table: dict(match.columns) for match in propose("acme", profile_files(folder)).matches if match.table}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw" / "crm").mkdir(parents=True)
    return tmp_path / "raw"


def test_tables_are_told_by_what_their_columns_mean(folder: Path) -> None:
    accounts = [f"C-{number:03d}" for number in range(30)]
    pd.DataFrame(
        {"Customer ID": accounts, "Company Name": accounts, "Industry": "IT", "Signup Date": "2024-01-05"}
    ).to_csv(folder / "crm" / "customers.csv", index=False)
    pd.DataFrame(
        {
            "Customer ID": accounts,
            "Contract Start": "01.02.2024",
            "Contract End": "31.01.2025",
            "ARR": 12_000,
            "Seats": 5,
        }
    ).to_csv(folder / "crm" / "contracts.csv", index=False, sep=";")
    pd.DataFrame(
        {"customer_id": accounts * 4, "login": "u1", "action": "export", "ts": [1_706_000_000 + n for n in range(120)]}
    ).to_csv(folder / "usage.csv", index=False)
    times = {"Created At": "2024-03-01 10:00", "Closed At": "2024-03-02 11:00"}
    tickets = {"Ticket ID": range(30), "Customer ID": accounts, **times, "Priority": "high"}
    pd.DataFrame(tickets).to_csv(folder / "tickets.csv", index=False)
    tables = found(folder)
    assert set(tables) == {"accounts", "subscriptions", "events", "tickets"}
    assert tables["subscriptions"]["mrr"] == {"expr": '"ARR" / 12.0'}
    assert tables["subscriptions"]["started_on"] == {"column": "Contract Start", "format": "%d.%m.%Y"}
    assert tables["events"]["occurred_at"] == {"expr": "to_timestamp(CAST(ts AS DOUBLE))"}
    assert tables["events"]["user_id"] == "login"
    assert tables["tickets"]["solved_at"] == "Closed At"


def test_a_date_that_reads_two_ways_is_asked_about(folder: Path) -> None:
    pd.DataFrame(
        {"account": [f"a{n}" for n in range(9)], "event": "login", "date": [f"0{n}/0{n}/2024" for n in range(1, 10)]}
    ).to_csv(folder / "usage.csv", index=False)
    (match,) = propose("acme", profile_files(folder)).matches
    assert any("%d/%m/%Y" in str(question) and "%m/%d/%Y" in str(question) for question in match.questions)


def test_what_is_not_used_says_why(folder: Path) -> None:
    pd.DataFrame({"colour": ["red"], "hex": ["ff0000"]}).to_csv(folder / "colours.csv", index=False)
    (folder / "broken.parquet").write_bytes(b"PAR1 nothing")
    proposal = propose("acme", profile_files(folder))
    why = {match.path: match.why for match in proposal.matches}
    assert str(why["colours.csv"]) == "its columns look like none of the canonical tables"
    assert why["broken.parquet"]
    assert not proposal.usable


def test_numbered_parts_are_one_table(folder: Path) -> None:
    for month in (1, 2, 3):
        rows = {
            "account_id": [f"a{n}" for n in range(5)],
            "event_type": "x",
            "occurred_at": f"2024-0{month}-03 10:00:00",
        }
        pd.DataFrame(rows).to_csv(folder / f"events_2024{month:02d}.csv", index=False)
    (match,) = propose("acme", profile_files(folder)).matches
    assert (match.path, match.rows) == ("events_*.csv", 15)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [("Account ID", "account_id"), ("createdAt", "created_at"), ("Tier__c", "tier"), ("顧客ID", "顧客id")],
)
def test_headings_of_any_style_are_one(raw: str, plain: str) -> None:
    assert plain_name(raw) == plain


@pytest.mark.slow
def test_the_written_config_passes_check_as_it_stands(tmp_path: Path) -> None:
    assert churnml("simulate", tmp_path / "raw", "--accounts", 60, "--months", 12, "--seed", 2, "--json").exit_code == 0
    out = tmp_path / "configs" / "acme.yaml"
    made = churnml("init", tmp_path / "raw", "--out", out, "--json")
    assert made.exit_code == 0, made.stderr
    document = json.loads(made.stdout)
    tables = {match["table"] for match in document["matches"] if match["table"]}
    assert {"accounts", "subscriptions", "events", "tickets", "surveys", "invoices"} <= tables
    assert yaml.safe_load(out.read_text())["label"]["churn"] == "contractual"
    checked = churnml("check", out, "--json")
    assert checked.exit_code == 0, checked.stdout
    again = churnml("init", tmp_path / "raw", "--out", out)
    assert again.exit_code != 0
    assert "There is a config already" in again.stderr


def test_columns_that_have_the_canonical_names_are_taken_where_their_content_fits(folder: Path) -> None:
    accounts = [f"C-{number:03d}" for number in range(20)]
    at, known = "2024-01-05 10:00:00", "2024-02-01 00:00:00"
    own = {"account_id": accounts, "planned_at": at, "completed_at": at, "kind": "training", "known_at": known}
    pd.DataFrame({"milestone_id": range(20), **own}).to_csv(folder / "steps.csv", index=False)
    sent = {"account_id": accounts, "campaign_id": "c", "kind": "opened", "occurred_at": at, "known_at": known}
    pd.DataFrame({"campaign_event_id": range(20), **sent}).to_csv(folder / "mails.csv", index=False)
    tables = found(folder)
    assert {name: tables["milestones"][name] for name in ("kind", "known_at")} == {
        "kind": "kind",
        "known_at": "known_at",
    }
    assert {*sent, "campaign_event_id"} == {*tables["campaign_events"]}
    pd.DataFrame({"milestone_id": range(20), **own, "kind": "webinar"}).to_csv(folder / "steps.csv", index=False)
    pd.DataFrame({"campaign_event_id": range(20), **sent, "kind": "bounced"}).to_csv(folder / "mails.csv", index=False)
    tables = found(folder)
    assert tables["milestones"]["kind"] is None
    assert "campaign_events" not in tables


def test_a_quantity_in_several_units_is_asked_about_and_names_are_shown_whole(folder: Path, tmp_path: Path) -> None:
    accounts = [f"C-{number:03d}" for number in range(20)]
    terms = {"account_id": accounts * 2, "start_date": "2024-01-01", "end_date": "2025-01-01", "mrr": 10, "quantity": 3}
    units = ["users"] * 20 + ["searches"] * 20
    pd.DataFrame({**terms, "units": units}).to_csv(folder / "subscriptions_2024.csv", index=False)
    made = churnml("init", folder, "--yes", "--out", tmp_path / "acme.yaml")
    assert made.exit_code == 0, made.stderr
    assert "subscriptions_2024.csv  subscriptions    40  2024-01-01  2024-01-01" in made.stdout
    text = (tmp_path / "acme.yaml").read_text()
    assert "CHECK seats: quantity is counted in several units (users / searches)" in text
    assert """{expr: "CASE WHEN units = 'users' THEN quantity END"}""" in text
    assert yaml.safe_load(text)["tables"]["subscriptions"]["columns"]["seats"] == "quantity"
    pd.DataFrame({**terms, "units": "users"}).to_csv(folder / "subscriptions_2024.csv", index=False)
    again = churnml("init", folder, "--yes", "--out", tmp_path / "acme.yaml")
    assert "units" not in again.stdout


def test_a_config_names_every_file_it_left_out(folder: Path) -> None:
    rows = {"account_id": ["a"] * 3, "event_type": "x", "occurred_at": "2024-01-03 10:00:00"}
    pd.DataFrame(rows).to_csv(folder / "events.csv", index=False)
    pd.DataFrame({"colour": ["red"]}).to_csv(folder / "colours.csv", index=False)
    text = write_config(propose("acme", profile_files(folder)), "raw", "workspace")
    assert yaml.safe_load(text)["tables"] == {"events": {"from": "events.csv"}}
    assert "#   colours.csv: its columns look like none" in text
