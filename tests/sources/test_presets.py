"""Presets on small exports written in the tools' documented shapes, the traps of each with the right value."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.companies.command import churnml

from churnml.config import Config
from churnml.errors import ConfigError, DataError
from churnml.sources import load
from churnml.sources.presets import known_objects, preset_text, presets
from churnml.tables import TABLES

ACME, GLOBEX, TWIN = "0015e00000AbCdE", "0015e00000AbCdX", "0015e00000AbCdx"
ACME_18, GLOBEX_18 = "0015e00000AbCdEAAV", "0015e00000AbCdXAAV"
EVENTS = "account_id,event_type,occurred_at\n" + "".join(
    f"{account},login,2026-01-{day:02d} 09:00:00\n"
    for account in ("a", "b", ACME_18, GLOBEX_18, "C1", "9")
    for day in range(1, 15)
)


class Exports:
    """Writes the exports of a tool and loads one canonical table from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "exports"
        self.folder.mkdir()
        self.workspace = folder / "ws"
        self.source: dict[str, Any] = {"folder": self.folder, "max_rejected_share": 0.99}
        (self.folder / "events.csv").write_text(EVENTS)

    def csv(self, name: str, text: str, encoding: str = "utf-8") -> Exports:
        (self.folder / name).write_bytes(text.encode(encoding))
        return self

    def json(self, name: str, document: Any) -> Exports:
        (self.folder / name).write_text(json.dumps(document))
        return self

    def load(self, preset: str, file: str, **more: Any) -> Any:
        table = presets()[preset].table
        top = {key: more.pop(key) for key in ("rates", "currency", "accounts") if key in more}
        tables = {"events": {"from": "events.csv"}, table: {"preset": preset, "from": file, **more}}
        if "accounts" in top:
            tables["accounts"] = top.pop("accounts")
        config = Config.model_validate(
            {
                "name": "test",
                "workspace": self.workspace,
                "source": self.source,
                "label": {"churn": "silence"},
                "tables": tables,
                "engine": {"threads": 1, "memory_limit": "500MB"},
                **top,
            }
        )
        self.loaded = load(config, today=date(2026, 12, 1))
        return self.loaded

    def rows(self, preset: str, file: str, *columns: str, **more: Any) -> list[tuple[Any, ...]]:
        loaded = self.load(preset, file, **more)
        frame = loaded.tables[presets()[preset].table].select(*columns).to_pandas().astype(object)
        shown = [tuple(None if pd.isna(one) else _shown(one) for one in row) for row in frame.to_numpy().tolist()]
        return sorted(shown, key=str)


def _shown(value: Any) -> Any:
    return str(value).removesuffix(" 00:00:00") if hasattr(value, "isoformat") else value


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


def test_every_preset_fits_its_table_and_says_where_it_comes_from() -> None:
    assert len(presets()) >= 50
    for name, one in presets().items():
        needed = [column.name for column in TABLES[one.table].columns if column.required and column.default is None]
        made = (*TABLES[one.table].key, "sent_at") if len(TABLES[one.table].key) == 1 else ()
        assert {*needed} - {*one.columns} <= {*made}, name
        assert one.documentation.startswith("https://"), name
        assert {lookup.object for lookup in one.lookups.values()} <= {*known_objects()} | {
            "pardot/prospects",
            "zendesk/users",
        }, name


def test_presets_are_listed_and_printed() -> None:
    listed = json.loads(churnml("presets", "list", "stripe", "--json").stdout)["presets"]
    assert [row["preset"] for row in listed] == ["stripe/customers", "stripe/invoices", "stripe/subscriptions"]
    assert churnml("presets", "show", "zendesk/tickets").stdout == preset_text("zendesk/tickets")
    wrong = churnml("presets", "show", "zendesk/ticket")
    assert wrong.exit_code != 0
    assert "zendesk/tickets perhaps" in wrong.stderr


def test_ids_of_15_and_18_characters_are_one_and_a_broken_one_is_told(exports: Exports) -> None:
    exports.csv(
        "tasks.csv",
        "Id,AccountId,WhoId,WhatId,ActivityDate,TaskSubtype,Status,CallType,CompletedDateTime\n"
        f"00T1,{ACME},,,2026-01-02,Call,Completed,Inbound,2026-01-03T10:00:00.000+0000\n"
        f"00T2,{ACME_18},,,2026-01-04,Email,Completed,,\n"
        f"00T3,{GLOBEX},,,2026-01-05,Email,Completed,,\n"
        f"00T4,{TWIN},,,2026-01-06,Email,Completed,,\n"
        f"00T5,{ACME_18.upper()},,,2026-01-07,Email,Completed,,\n"
        f"00T6,{ACME},,,2026-01-08,Call,Not Started,,\n",
    )
    rows = exports.rows("salesforce/tasks", "tasks.csv", "touchpoint_id", "account_id", "occurred_at", "direction")
    assert [row[:3] for row in rows] == [
        ("00T1", ACME_18, "2026-01-03 10:00:00"),
        ("00T2", ACME_18, "2026-01-04"),
        ("00T3", GLOBEX_18, "2026-01-05"),
        ("00T4", "0015e00000AbCdxAAF", "2026-01-06"),  # differs from the one above by case alone
    ]
    assert rows[0][3] == "inbound"
    rejected = exports.loaded.rejected
    assert rejected["reason"].tolist() == ["CHK046 broken Salesforce id"]
    assert rejected["example"].tolist() == [ACME_18.upper()]
    assert "touchpoints: where leaves 1 rows out" in map(str, exports.loaded.notes)


def test_a_report_ends_at_its_first_empty_line_whatever_its_footer_is_written_in(exports: Exports) -> None:
    report = (
        '"Account ID","Account Name","Account Owner","Type","Created Date","Amount","Amount"\n'
        f'"{ACME}","Acme, Inc.","Ann","Customer","1/13/2024","1","2"\n'
        f'"{GLOBEX}","Globex\nGmbH","Ann","Customer","2/14/2024","1","2"\n\n'
        '"Grand Totals (2 records)"\n"Copyright © 2000-2026"\n'
    )
    exports.csv("accounts.csv", report, "latin-1")
    assert exports.rows("salesforce/accounts", "accounts.csv", "account_id", "name", "created_on") == [
        (ACME_18, "Acme, Inc.", "2024-01-13"),
        (GLOBEX_18, "Globex\nGmbH", "2024-02-14"),
    ]


def test_a_date_that_reads_two_ways_is_refused_with_examples_until_the_source_says(exports: Exports) -> None:
    exports.csv(
        "accounts.csv",
        "Account ID,Account Name,Account Owner,Created Date\n"
        + "".join(f"C{n},n,o,0{n}/0{n + 1}/2024\n" for n in (1, 2, 3, 4)),
    )
    with pytest.raises(DataError, match="CHK045") as error:
        exports.load("salesforce/accounts", "accounts.csv")
    assert error.value.got == "'01/02/2024', '02/03/2024', '03/04/2024'"
    assert error.value.remedy is not None
    assert "`source.date_order: day`" in error.value.remedy
    exports.source["date_order"] = "day"
    days = [row[0] for row in exports.rows("salesforce/accounts", "accounts.csv", "created_on")]
    assert days == ["2024-02-01", "2024-03-02", "2024-04-03", "2024-05-04"]


def test_an_inclusive_end_is_the_day_before_and_drafts_and_deleted_ones_are_left_out(exports: Exports) -> None:
    fields = {"Status": "Activated", "IsDeleted": False, "CurrencyIsoCode": "USD", "ContractNumber": "1"}
    ends = {"StartDate": "2026-02-01", "EndDate": "2027-01-31"}
    records = [
        {"Id": "8001", "AccountId": ACME_18, **ends, **fields, "ARR__c": 12000.0},
        {"Id": "8002", "AccountId": ACME_18, **ends, **fields, "Status": "Draft", "ARR__c": 1.0},
        {"Id": "8003", "AccountId": ACME_18, **ends, **fields, "IsDeleted": True, "ARR__c": 1.0},
        {"Id": "8004", "AccountId": ACME_18, **fields, "StartDate": "2026-01-01", "EndDate": "2025-11-30", "ARR__c": 1},
    ]
    exports.json("contracts.json", {"totalSize": 4, "done": True, "records": records})
    rows = exports.rows("salesforce/contracts", "contracts.json", "subscription_id", "started_on", "ends_on", "mrr")
    assert rows == [("8001", "2026-02-01", "2027-02-01", 1000.0)]
    assert exports.loaded.rejected["reason"].tolist() == ["CHK016 end before start"]


def test_of_versions_and_repeats_the_latest_counts_by_its_own_time(exports: Exports) -> None:
    base = {
        "created_at": "2026-01-01T08:15:00Z",
        "priority": "high",
        "tags": [],
        "organization_id": 7,
        "type": "incident",
    }
    metric = {"solved_at": "2026-01-03T16:00:00Z", "reply_time_in_minutes": {"calendar": 65, "business": None}}
    tickets = [
        {"id": 1, **base, "status": "open", "generated_timestamp": 1793721601},
        {"id": 1, **base, "status": "solved", "generated_timestamp": 1793725201, "metric_set": metric,
         "satisfaction_rating": {"score": "bad"}},
        {"id": 2, **base, "status": "closed", "generated_timestamp": 1, "tags": ["closed_by_merge"]},
        {"id": 3, **base, "status": "deleted", "generated_timestamp": 1},
        {"id": 4, **base, "status": "new", "generated_timestamp": 1, "organization_id": None},
    ]  # fmt: skip
    exports.json("tickets.json", {"tickets": tickets, "end_of_stream": True})
    rows = exports.rows(
        "zendesk/tickets", "tickets.json", "ticket_id", "account_id", "solved_at", "first_response_at", "csat_score"
    )
    assert rows == [("1", "7", "2026-01-03 16:00:00", "2026-01-01 09:20:00", 1.0)]
    assert exports.loaded.rejected[["reason", "rows"]].to_numpy().tolist() == [["CHK010 required value missing", 1]]


def test_the_history_of_fields_says_when_a_ticket_was_solved_and_opened_again(exports: Exports) -> None:
    exports.csv(
        "ticket.csv",
        "id,created_at,status,organization_id,requester_id,priority,updated_at\n"
        "5,2026-01-01 08:00:00,solved,7,9,urgent,2026-01-09\n",
    )
    moves = [("new", 1), ("solved", 2), ("open", 3), ("solved", 5), ("closed", 8)]
    exports.csv(
        "history.csv",
        "field_name,ticket_id,updated,user_id,value\n"
        + "".join(f"status,5,2026-01-0{day} 10:00:00,9,{status}\n" for status, day in moves)
        + "priority,5,2026-01-04 10:00:00,9,solved\n",
    )
    exports.csv("users.csv", "id,role\n9,end-user\n3,agent\n")
    exports.csv(
        "comments.csv",
        "ticket_id,created,public,user_id\n5,2026-01-01 08:05:00,true,9\n5,2026-01-01 09:00:00,false,3\n"
        "5,2026-01-01 09:30:00,true,3\n",
    )
    columns = ("solved_at", "reopened_at", "first_response_at")
    further = {"history": "history.csv", "users": "users.csv", "comments": "comments.csv"}
    rows = exports.rows("zendesk/tickets", "ticket.csv", *columns, **{"with": further})
    assert rows == [("2026-01-05 10:00:00", "2026-01-03 10:00:00", "2026-01-01 09:30:00")]
    exports.load("zendesk/tickets", "ticket.csv")
    assert any(
        "tickets: with `history: …` (zendesk/ticket_field_history) it would be known: when tickets were solved" in note
        for note in map(str, exports.loaded.notes)
    )


def test_cents_are_divided_and_a_currency_without_them_is_not(exports: Exports) -> None:
    columns = "id,customer,amount_due,amount_paid,amount_remaining,auto_advance,currency,created,status,livemode,total"
    exports.csv(
        "invoices.csv",
        f"{columns}\ni1,a,120000,0,0,true,usd,1767225600,open,true,120000\n"
        "i2,a,1440000,0,0,true,jpy,1767225600,paid,true,1440000\n"
        "i3,a,9,0,0,true,usd,1767225600,draft,true,9\ni4,a,9,0,0,true,usd,1767225600,open,false,9\n",
    )
    with pytest.raises(DataError, match="1 rows in JPY"):
        exports.load("stripe/invoices", "invoices.csv")
    exports.csv("rates.csv", "currency,since,rate\nJPY,2025-12-01,0.0065\nJPY,2026-02-01,0.5\n")
    rows = exports.rows(
        "stripe/invoices", "invoices.csv", "invoice_id", "amount", "issued_on", rates={"from": "rates.csv"}
    )
    assert rows == [("i1", 1200.0, "2026-01-01"), ("i2", pytest.approx(9360.0), "2026-01-01")]
    exports.csv("rates.csv", "currency,since,rate\nJPY,2026-02-01,0.5\n")
    with pytest.raises(DataError, match="do not cover"):
        exports.load("stripe/invoices", "invoices.csv", rates={"from": "rates.csv"})


def test_items_and_prices_give_seats_and_mrr_of_a_subscription(exports: Exports) -> None:
    price = {"unit_amount": 1200, "currency": "usd", "recurring": {"interval": "year", "interval_count": 1}}
    exports.json(
        "subscriptions.json",
        {
            "object": "list",
            "data": [
                {
                    "id": "sub_1", "customer": "cus_1", "status": "active", "start_date": 1767225600, "livemode": True,
                    "cancel_at_period_end": True, "canceled_at": 1769904000, "billing_cycle_anchor": 1767225600,
                    "items": {"data": [{"quantity": 10, "current_period_end": 1798761600, "price": price}]},
                }
            ],
        },
    )  # fmt: skip
    rows = exports.rows(
        "stripe/subscriptions", "subscriptions.json",
        "account_id", "started_on", "ends_on", "notice_at", "seats", "mrr", "auto_renew",
    )  # fmt: skip
    assert rows == [("cus_1", "2026-01-01", "2027-01-01", "2026-02-01", 10, 10.0, False)]


def test_times_without_a_zone_are_asked_for_once_per_tool(exports: Exports) -> None:
    exports.csv(
        "tickets.csv",
        "\ufeffTicket ID,Ticket name,Ticket status,Priority,Category,Create date,Close date,Associated Company IDs\r\n"
        "1,x,Closed,High,Product Issue;Billing Issue,2026-01-01 09:15,2026-01-03 17:00,9001;9002\r\n",
    )
    with pytest.raises(DataError, match="CHK044") as error:
        exports.load("hubspot/tickets", "tickets.csv")
    assert error.value.remedy is not None
    assert "`source.timezone`" in error.value.remedy
    exports.source["timezone"] = "Asia/Tokyo"
    rows = exports.rows(
        "hubspot/tickets", "tickets.csv", "account_id", "opened_at", "solved_at", "priority", "category"
    )
    assert rows == [("9001", "2026-01-01 00:15:00", "2026-01-03 08:00:00", "high", "Product Issue")]


def test_two_columns_of_one_name_and_a_day_month_time_with_am_and_pm(exports: Exports) -> None:
    exports.source["timezone"] = "Asia/Tokyo"
    exports.csv(
        "issues.csv",
        "Summary,Issue key,Issue id,Issue Type,Status,Priority,Created,Resolved,Labels,Labels,Custom field (Account)\n"
        "x,S-1,1,Incident,Resolved,Highest,01/Nov/26 5:15 PM,04/Nov/26 1:00 AM,vip,login,acme\n"
        "y,S-2,2,Incident,Open,Medium,21/Nov/26 8:59 AM,,,,acme\n",
    )
    rows = exports.rows("jira/issues", "issues.csv", "ticket_id", "opened_at", "solved_at", "priority")
    assert rows == [
        ("S-1", "2026-11-01 08:15:00", "2026-11-03 16:00:00", "urgent"),
        ("S-2", "2026-11-20 23:59:00", None, "normal"),
    ]


def test_three_header_lines_are_one(exports: Exports) -> None:
    exports.source["timezone"] = "UTC"
    exports.csv(
        "responses.csv",
        "StartDate,EndDate,Status,Finished,RecordedDate,ResponseId,ExternalReference,account_id,NPS\n"
        'Start Date,End Date,Response Type,Finished,Recorded Date,Response ID,Ref,account_id,"How likely\nare you"\n'
        '"{""ImportId"":""startDate""}",a,b,c,d,e,f,g,h\n'
        "2026-01-01 10:00:00,x,IP Address,True,2026-01-02 11:00:00,R_1,u1,acme,9\n"
        "2026-01-01 10:00:00,x,Survey Preview,True,2026-01-02 11:00:00,R_2,u1,acme,1\n",
    )
    rows = exports.rows(
        "qualtrics/responses", "responses.csv", "survey_id", "account_id", "sent_at", "responded_at", "score"
    )
    assert rows == [("R_1", "acme", "2026-01-01 10:00:00", "2026-01-02 11:00:00", 9.0)]


@pytest.mark.parametrize("pulled", [True, False])
def test_engagements_are_touchpoints_and_what_was_pulled_late_is_known_late(exports: Exports, pulled: bool) -> None:
    more = ["is_deleted,_known_at", "false,", "true,", "false,2026-03-01 02:00:00", "false,"] if pulled else [""] * 5
    lines = ["id,type", "1,CALL", "2,MEETING", "3,INCOMING_EMAIL", "4,CALL"]
    exports.csv("engagements.csv", "".join(f"{a},{b}\n" if b else f"{a}\n" for a, b in zip(lines, more, strict=True)))
    exports.csv("engagement_company.csv", "engagement_id,company_id\n1,7\n2,7\n3,8\n4,7\n4,8\n")
    exports.csv(
        "engagement_call.csv", "engagement_id,property_hs_timestamp\n1,2026-02-03T10:00:00Z\n4,2026-02-03T10:00:00Z\n"
    )
    exports.csv("engagement_meeting.csv", "engagement_id,start_time,property_hs_timestamp\n2,2026-02-04T09:00:00Z,\n")
    exports.csv("engagement_email.csv", "engagement_id,property_hs_timestamp\n3,2026-02-05T08:00:00Z\n")
    beside = {name: f"engagement_{name[:-1] if name != 'companies' else 'company'}.csv"
              for name in ("companies", "meetings", "calls", "emails")}  # fmt: skip
    rows = exports.rows(
        "hubspot/engagements", "engagements.csv", "touchpoint_id", "account_id", "occurred_at", "channel", "direction",
        "known_at", **{"with": beside},
    )  # fmt: skip
    call = ("1", "7", "2026-02-03 10:00:00", "call", "outbound", "2026-02-03 10:00:00")
    meeting = ("2", "7", "2026-02-04 09:00:00", "meeting", "outbound", "2026-02-04 09:00:00")
    known = "2026-03-01 02:00:00" if pulled else "2026-02-05 08:00:00"
    mail = ("3", "8", "2026-02-05 08:00:00", "incoming_email", "inbound", known)
    # A call with two companies is nobody's; an archived meeting is gone.
    assert [row for row in rows if row[1] is not None] == [call, *([] if pulled else [meeting]), mail]


def test_a_property_history_becomes_versions_of_the_account(exports: Exports) -> None:
    exports.csv(
        "history.csv",
        "company_id,name,value,timestamp,source\n"
        "9,name,Acme,2025-01-01 10:00:00,x\n9,industry,COMPUTER_SOFTWARE,2025-01-01 10:00:00,x\n"
        "9,hubspot_owner_id,51,2025-03-01 10:00:00,x\n9,hubspot_owner_id,52,2025-06-01 10:00:00,x\n",
    )
    rows = exports.rows("hubspot/company_property_history", "history.csv", "known_at", "name", "owner")
    assert rows == [
        ("2025-01-01 10:00:00", "Acme", None),
        ("2025-03-01 10:00:00", "Acme", "51"),
        ("2025-06-01 10:00:00", "Acme", "52"),
    ]


def test_repeats_of_events_and_automatic_ones_count_once_and_not_at_all(exports: Exports) -> None:
    def event(name: str, insert: str, **more: Any) -> dict[str, Any]:
        return {"event": name, "properties": {"time": 1768000000, "distinct_id": "u1", "$insert_id": insert, **more}}

    lines = [
        event("Report Exported", "x1", company="a"),
        event("Report Exported", "x1", company="a"),
        event("report exported", "x2", company=["b", "a"]),
        event("$mp_web_page_view", "x3", company="a"),
        event("Signed In", "x4"),
    ]
    (exports.folder / "mixpanel.jsonl").write_text("\n".join(map(json.dumps, lines)))
    exports.csv("other.csv", EVENTS)
    rows = exports.rows("mixpanel/events", "mixpanel.jsonl", "account_id", "event_type", "occurred_at", "user_id")
    assert rows == [
        ("a", "report exported", "2026-01-09 23:06:40", "u1"),
        ("b", "report exported", "2026-01-09 23:06:40", "u1"),
    ]


def test_when_a_call_was_received_is_when_it_was_known(exports: Exports) -> None:
    def call(kind: str, number: int, **more: Any) -> dict[str, Any]:
        times = {"timestamp": f"2026-01-0{number}T08:00:00Z", "receivedAt": f"2026-01-0{number}T09:00:00Z"}
        return {"type": kind, "messageId": f"m{number}", "userId": "u1", "event": "Export", **times, **more}

    lines = [
        call("track", 1, context={"groupId": "a"}),
        call("track", 1, context={"groupId": "a"}),
        call("track", 2, properties={"company_id": "b"}),
        call("group", 3, groupId="a"),
        call("track", 4),
    ]
    (exports.folder / "calls.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = exports.rows("segment/tracks", "calls.jsonl", "account_id", "event_type", "known_at")
    assert rows == [("a", "export", "2026-01-01 09:00:00"), ("b", "export", "2026-01-02 09:00:00")]


def test_a_line_of_the_config_replaces_one_of_the_preset(exports: Exports) -> None:
    exports.csv(
        "inc.csv",
        "number,sys_id,opened_at,resolved_at,priority,state,company,u_customer\n"
        "INC1,s,2026-01-01 10:00:00,,1 - Critical,New,x,acme\nINC2,s,2026-01-01 10:00:00,,3 - Moderate,New,x,acme\n",
    )
    rows = exports.rows("servicenow/incidents", "inc.csv", "account_id", "priority")
    assert rows == [("x", "normal"), ("x", "urgent")]
    own = {"account_id": "u_customer", "priority": {"value": "low"}, "category": None}
    rows = exports.rows(
        "servicenow/incidents", "inc.csv", "account_id", "priority", columns=own, where="number = 'INC2'"
    )
    assert rows == [("acme", "low")]


def test_a_preset_that_is_misspelt_or_feeds_another_table_is_refused(exports: Exports) -> None:
    exports.csv("t.csv", "id\n1\n")
    tables = {"events": {"from": "events.csv"}, "tickets": {"from": "t.csv", "preset": "zendesk/tikets"}}
    whole = {"name": "t", "workspace": exports.workspace, "source": exports.source, "label": {"churn": "silence"}}
    with pytest.raises(ConfigError, match="zendesk/tickets perhaps"):
        load(Config.model_validate({**whole, "tables": tables}), today=date(2026, 12, 1))
    tables["tickets"]["preset"] = "stripe/invoices"
    with pytest.raises(ConfigError, match="feeds invoices, not tickets"):
        load(Config.model_validate({**whole, "tables": tables}), today=date(2026, 12, 1))
