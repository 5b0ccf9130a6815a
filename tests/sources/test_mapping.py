"""Raw columns become canonical ones: renamed, constant, calculated, parsed."""

from __future__ import annotations

import pandas as pd
import pytest

from churnml.errors import DataError


def test_raw_columns_with_canonical_names_need_no_line(raw, rows):
    raw.write("events.csv", "Account_ID,event_type,occurred_at,junk\n a ,login,2026-01-05 10:00,1\n")
    loaded = raw.load()
    assert rows(loaded, "events") == [
        {
            "account_id": "a",
            "user_id": None,
            "event_type": "login",
            "occurred_at": pd.Timestamp("2026-01-05 10:00"),
            "event_count": 1,
            "value": None,
            "known_at": pd.Timestamp("2026-01-05 10:00"),
        }
    ]
    assert loaded.tables.supplied["events"] == {"account_id", "event_type", "occurred_at"}


def test_rename_constant_expression_and_filter(raw, rows):
    raw.write(
        "subscriptions.csv",
        "customer,start,arr_cents,units,status\nx,2026-01-01,1200,users,live\nx,2026-02-01,2400,api,live\n"
        "y,2026-01-01,9,users,test\n",
        where="status <> 'test'",
        columns={
            "account_id": "customer",
            "started_on": "start",
            "mrr": {"expr": "arr_cents / 1200"},
            "is_addon": {"expr": "units <> 'users'"},
            "plan": {"value": "standard"},
            "auto_renew": {"value": True},
        },
    )
    loaded = raw.load()
    assert rows(loaded, "subscriptions", "started_on", "mrr", "is_addon", "plan", "auto_renew") == [
        {
            "started_on": pd.Timestamp("2026-01-01"),
            "mrr": 1.0,
            "is_addon": False,
            "plan": "standard",
            "auto_renew": True,
        },
        {
            "started_on": pd.Timestamp("2026-02-01"),
            "mrr": 2.0,
            "is_addon": True,
            "plan": "standard",
            "auto_renew": True,
        },
    ]


def test_a_column_can_be_left_out(raw):
    raw.write(
        "events.csv", "account_id,user_id,event_type,occurred_at\na,1,login,2026-01-05\n", columns={"user_id": None}
    )
    assert "user_id" not in raw.load().tables.supplied["events"]


def test_ids_are_made_of_the_row_and_are_stable(raw, rows):
    text = "account_id,occurred_at,direction\na,2026-01-02,inbound\na,2026-01-03,inbound\n"
    first = rows(raw.write("touchpoints.csv", text).load(), "touchpoints", "touchpoint_id")
    lines = text.splitlines()
    raw.write("touchpoints.csv", "\n".join([lines[0], lines[2], lines[1]]) + "\n")
    assert rows(raw.load(), "touchpoints", "touchpoint_id") == first
    assert len({row["touchpoint_id"] for row in first}) == 2


@pytest.mark.parametrize(
    ("given", "source", "expected"),
    [
        ("2026-03-01 10:00:00", {}, "2026-03-01 10:00"),
        ("2026-03-01T10:00:00Z", {}, "2026-03-01 10:00"),
        ("2026-03-01 10:00:00+09:00", {}, "2026-03-01 01:00"),
        ("2026/03/01", {}, "2026-03-01"),
        ("2026-03-01 10:00", {"timezone": "Asia/Tokyo"}, "2026-03-01 01:00"),
        ("2026-03-01T10:00:00Z", {"timezone": "Asia/Tokyo"}, "2026-03-01 10:00"),
        ("01.03.2026 10:00", {"format": "%d.%m.%Y %H:%M"}, "2026-03-01 10:00"),
        ("2026年3月1日", {"format": "%Y年%m月%d日", "timezone": "Asia/Tokyo"}, "2026-02-28 15:00"),
        ("2026-03-01 10:00 +0900", {"format": "%Y-%m-%d %H:%M %z"}, "2026-03-01 01:00"),
        ("20260301", {"format": "%Y%m%d"}, "2026-03-01"),
    ],
)
def test_times_become_utc(raw, rows, given, source, expected):
    raw.write(
        "events.csv",
        f"account_id,event_type,at\na,login,{given}\n",
        columns={"occurred_at": {"column": "at", **source}},
    )
    assert rows(raw.load(), "events", "occurred_at") == [{"occurred_at": pd.Timestamp(expected)}]


def test_a_day_stays_the_day_that_was_written(raw, rows):
    raw.write(
        "invoices.csv",
        "account_id,issued,amount\na,2026-03-01 00:00:00+09:00,5\n",
        columns={"issued_on": {"column": "issued", "timezone": "Asia/Tokyo"}},
    )
    assert rows(raw.load(), "invoices", "issued_on") == [{"issued_on": pd.Timestamp("2026-03-01")}]


@pytest.mark.parametrize(
    ("given", "decimal", "expected"),
    [
        ("1234.5", ".", 1234.5),
        ('"1,234.50"', ".", 1234.5),
        ('"1.234,50"', ",", 1234.5),
        ('"12,5"', ",", 12.5),
        ("1.234", ",", 1234.0),
        ("$1200", ".", 1200.0),
        ("¥1200", ".", 1200.0),
        ("1 200", ".", 1200.0),
        ("-5", ".", -5.0),
        ("1e3", ".", 1000.0),
    ],
)
def test_numbers_in_text(raw, rows, given, decimal, expected):
    raw.write(
        "invoices.csv",
        f"account_id,issued_on,amount\na,2026-03-01,{given}\n",
        columns={"amount": {"column": "amount", "decimal": decimal}},
    )
    assert rows(raw.load(), "invoices", "amount") == [{"amount": expected}]


def test_percentages_booleans_and_null_words(raw, rows):
    raw.write(
        "subscriptions.csv",
        "account_id,started_on,discount_rate,auto_renew,seats,ends_on\na,2026-01-01,15%,Yes,5.0,\n"
        "b,2026-01-01,0.2,no,NULL,9999-12-31\nc,2026-01-01,,N/A,,N/A\n",
    )
    loaded = raw.load()
    assert rows(loaded, "subscriptions", "account_id", "discount_rate", "auto_renew", "seats", "ends_on") == [
        {"account_id": "a", "discount_rate": 0.15, "auto_renew": True, "seats": 5, "ends_on": None},
        {"account_id": "b", "discount_rate": 0.2, "auto_renew": False, "seats": None, "ends_on": None},
        {"account_id": "c", "discount_rate": None, "auto_renew": None, "seats": None, "ends_on": None},
    ]
    assert any(note.startswith("CHK032 subscriptions.ends_on: 1 values") for note in map(str, loaded.notes))


def test_words_of_an_enumeration(raw, rows):
    raw.write(
        "contacts.csv",
        "account_id,contact_id,role,started_at\na,1, Decision Maker ,2026-01-01\na,2,CEO,2026-01-01\n"
        "a,3,intern,2026-01-01\na,4,,2026-01-01\n",
        columns={
            "role": {"column": "role", "words": {"ceo": "sponsor", "Decision Maker": "decision_maker", "*": "user"}}
        },
    )
    assert [row["role"] for row in rows(raw.load(), "contacts", "contact_id", "role")] == [
        "decision_maker",
        "sponsor",
        "user",
        "user",
    ]


def test_an_unknown_optional_word_counts_as_absent_and_is_noted(raw, rows):
    raw.write(
        "tickets.csv",
        "account_id,ticket_id,opened_at,priority\na,1,2026-01-01,P1\na,2,2026-01-02,URGENT\n",
    )
    loaded = raw.load()
    assert [row["priority"] for row in rows(loaded, "tickets", "ticket_id", "priority")] == ["normal", "urgent"]
    (note,) = [note for note in map(str, loaded.notes) if note.startswith("CHK031")]
    assert "tickets.priority: 1 values" in note
    assert "'P1'" in note
    assert "words" in note


def test_ids_keep_leading_zeros_and_lose_blanks_and_float_tails(raw, rows):
    raw.write("accounts.csv", "account_id,name\n007, Bond \n 8,Miller\n")
    raw.write(
        "events.csv", "account_id,user_id,event_type,occurred_at\n007,1.0,login,2026-01-05\n8,,login,2026-01-05\n"
    )
    loaded = raw.load()
    assert rows(loaded, "events", "account_id", "user_id") == [
        {"account_id": "007", "user_id": "1"},
        {"account_id": "8", "user_id": None},
    ]
    assert rows(loaded, "accounts", "account_id", "name") == [
        {"account_id": "007", "name": "Bond"},
        {"account_id": "8", "name": "Miller"},
    ]


def test_ids_that_are_numbers_in_one_table_and_text_in_another_meet(raw):
    pd.DataFrame({"account_id": [12.0, 13.0]}).to_parquet(raw.folder / "accounts.parquet")
    raw.tables["accounts"] = {"from": "accounts.parquet"}
    raw.write("events.csv", "account_id,event_type,occurred_at\n12,login,2026-01-05\n13.0,login,2026-01-06\n")
    with pytest.raises(DataError, match="CHK040"):
        raw.load()  # a column that mixes 12 and 13.0 holds text: 13.0 is another account
    raw.write("events.csv", "account_id,event_type,occurred_at\n12.0,login,2026-01-05\n13.0,login,2026-01-06\n")
    assert raw.load().counts == {"accounts": 2, "events": 2}


def test_attributes_are_kept_as_text(raw, rows):
    raw.write(
        "accounts.csv", "account_id,region,tier\na,EU,1\nb,US,2\nc,,3\n", attributes={"area": "region", "tier": "tier"}
    )
    loaded = raw.load()
    assert rows(loaded, "accounts", "account_id", "area", "tier")[0] == {"account_id": "a", "area": "EU", "tier": "1"}
    assert loaded.tables["accounts"].columns[-2:] == ("area", "tier")
    assert {"area", "tier"} <= loaded.tables.supplied["accounts"]


def test_defaults_of_known_at_and_its_kin(raw, rows):
    raw.write("surveys.csv", "account_id,survey_id,responded_at,score\na,1,2026-01-05,9\n")
    raw.write("contacts.csv", "account_id,contact_id,started_at,left_at\na,1,2026-01-01,2026-01-09\n")
    raw.write(
        "tickets.csv",
        "account_id,ticket_id,opened_at,known_at\na,1,2026-01-05,2026-01-06\na,2,2026-01-05,2026-01-04\na,3,2026-01-05,\n",
    )
    loaded = raw.load()
    assert rows(loaded, "surveys", "sent_at") == [{"sent_at": pd.Timestamp("2026-01-05")}]
    assert not loaded.tables.has("surveys", "sent_at")
    assert rows(loaded, "contacts", "left_known_at") == [{"left_known_at": pd.Timestamp("2026-01-09")}]
    assert [row["known_at"].day for row in rows(loaded, "tickets", "ticket_id", "known_at")] == [6, 5, 5]
    assert any(note.startswith("CHK030 tickets.known_at: 1 values") for note in map(str, loaded.notes))


def test_a_contract_may_be_known_before_it_starts(raw, rows):
    raw.write("subscriptions.csv", "account_id,started_on,known_at\na,2026-03-01,2026-02-01\n")
    assert rows(raw.load(), "subscriptions", "known_at") == [{"known_at": pd.Timestamp("2026-02-01")}]


def test_accounts_without_known_at_have_no_history(raw, rows):
    raw.write("accounts.csv", "account_id,plan\na,x\nb,y\nc,z\n")
    loaded = raw.load()
    assert {row["known_at"] for row in rows(loaded, "accounts")} == {None}
    assert any("no history" in note and "plan" in note for note in map(str, loaded.notes))


def test_accounts_are_derived_from_the_facts(raw, rows):
    raw.write("events.csv", "account_id,event_type,occurred_at\na,login,2026-01-05\na,login,2026-01-03\n")
    raw.write("subscriptions.csv", "account_id,started_on\nb,2025-12-01\n")
    loaded = raw.load()
    assert rows(loaded, "accounts", "account_id", "created_on") == [
        {"account_id": "a", "created_on": pd.Timestamp("2026-01-03")},
        {"account_id": "b", "created_on": pd.Timestamp("2025-12-01")},
    ]
    assert any("derived" in note for note in map(str, loaded.notes))
