"""Wrong raw data: every case is refused or set aside with table, column, rows, example and remedy."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from tests.sources.conftest import EVENTS

from churnml.errors import DataError

GOOD = 40


def lines(header: str, good: str, *bad: str, count: int = GOOD) -> str:
    """Return a file of many good rows (``{n}`` numbers them) and some bad ones."""
    return "\n".join([header, *(good.format(n=n, day=n % 28 + 1) for n in range(count)), *bad]) + "\n"


def refused(raw, code: str, **parts: str) -> DataError:
    """Load, and return the error after checking its code and that its parts say what they should."""
    with pytest.raises(DataError) as caught:
        raw.load()
    error = caught.value
    assert error.what.startswith(code), str(error)
    assert error.remedy
    assert error.where
    for part, text in parts.items():
        assert text in (getattr(error, part) or ""), str(error)
    return error


def set_aside(raw, table: str, code: str, column: str, rows: int, example: str, remedy: str) -> None:
    """Load, and check that some rows are counted, written and left out."""
    loaded = raw.load()
    found = loaded.rejected[loaded.rejected["table"] == table].to_dict("records")
    assert len(found) == 1, found
    assert found[0]["reason"].startswith(code)
    assert (found[0]["column"], found[0]["rows"], found[0]["example"]) == (column, rows, example)
    assert remedy in found[0]["remedy"]
    file = pd.read_parquet(raw.workspace / "rejected" / f"{table}.parquet")
    assert len(file) == rows
    assert file["reason"].str.startswith(code).all()
    assert loaded.counts[table] == int(loaded.tables[table].count().execute())
    assert any(code in note and table in note for note in map(str, loaded.notes))


def test_missing_folder(raw):
    (raw.folder.parent / "raws").mkdir()
    raw.config()
    raw.source = {"folder": raw.folder.parent / "rawz"}
    refused(raw, "CHK001", where="source.folder", expected="perhaps")


def test_missing_file_names_the_near_one(raw):
    raw.write("subscription.csv", "account_id,started_on\na,2026-01-01\n")
    raw.tables = {"subscriptions": {"from": "subscriptions.csv"}}
    refused(
        raw, "CHK001", where="tables.subscriptions.from", expected="subscription.csv", remedy="from: subscription.csv"
    )


def test_a_broken_workbook(raw):
    refused(raw.write("tickets.xlsx", b"PK\x03\x04 no workbook"), "CHK002", where="tables.tickets.from", remedy="CSV")


def test_a_broken_parquet_file(raw):
    refused(raw.write("tickets.parquet", b"PAR1"), "CHK002", where="tables.tickets.from")


@pytest.mark.parametrize("text", ["", "account_id,ticket_id,opened_at\n"])
def test_empty_table(raw, text):
    refused(raw.write("tickets.csv", text), "CHK003", where="tables.tickets", remedy="remove the table")


def test_a_filter_that_leaves_nothing(raw):
    raw.write("tickets.csv", "account_id,ticket_id,opened_at\na,1,2026-01-01\n", where="account_id = 'z'")
    refused(raw, "CHK003", where="tables.tickets.where", remedy="where")


def test_unknown_raw_column_names_the_near_one(raw):
    raw.write("tickets.csv", "account_id,ticket_id,created\na,1,2026-01-01\n", columns={"opened_at": "create"})
    error = refused(raw, "CHK004", where="tables.tickets.columns.opened_at", expected="created")
    assert "ticket_id" in (error.got or "")


def test_needed_column_not_mapped(raw):
    raw.write("tickets.csv", "account_id,ticket_id,created\na,1,2026-01-01\n")
    error = refused(raw, "CHK006", where="tables.tickets.columns.opened_at", got="created")
    assert "opened" in (error.expected or "")


@pytest.mark.parametrize("sql", ["upper(creator", "upper(creator)", "nosuch(account_id)"])
def test_an_expression_that_cannot_be_evaluated(raw, sql):
    raw.write("tickets.csv", "account_id,ticket_id,opened_at\na,1,2026-01-01\n", columns={"category": {"expr": sql}})
    error = refused(raw, "CHK005", where="tables.tickets.columns.category", got=sql)
    assert "Traceback" not in str(error)


def test_an_expression_that_fails_on_a_row(raw):
    raw.write(
        "invoices.csv",
        "account_id,issued_on,cents\na,2026-01-01,x1\n",
        columns={"amount": {"expr": "CAST(cents AS INTEGER) / 100"}},
    )
    refused(raw, "CHK005", where="tables.invoices.columns.amount", got="x1", remedy="try_cast")


def test_a_filter_that_fails(raw):
    raw.write("invoices.csv", "account_id,issued_on\na,2026-01-01\n", where="status = 'paid'")
    refused(raw, "CHK005", where="tables.invoices.where", got="status")


def test_duplicate_keys_keep_the_row_known_last(raw, rows):
    text = lines("account_id,ticket_id,opened_at,category,known_at", "a,t{n},2026-01-02,x,2026-01-03")
    text += "a,t0,2026-01-02,newer,2026-01-09\n"
    set_aside(raw.write("tickets.csv", text), "tickets", "CHK021", "ticket_id", 1, "t0", "unique")
    kept = [row for row in rows(raw.load(), "tickets", "ticket_id", "category") if row["ticket_id"] == "t0"]
    assert kept == [{"ticket_id": "t0", "category": "newer"}]


def test_duplicate_keys_without_a_time_are_resolved_the_same_way_every_time(raw, rows):
    header, *body = lines("account_id,name", "a{n},x", "a0,y", "a1,z").splitlines()
    raw.write("events.csv", "account_id,event_type,occurred_at\na0,login,2026-01-02\n")
    first = rows(raw.write("accounts.csv", "\n".join([header, *body])).load(), "accounts")
    raw.write("accounts.csv", "\n".join([header, *reversed(body)]))
    assert rows(raw.load(), "accounts") == first


def test_exact_duplicates_are_counted_but_refuse_nothing(raw):
    text = lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02", count=10)
    raw.write("tickets.csv", text + "\n".join(text.splitlines()[1:]) + "\n")
    set_aside(raw, "tickets", "CHK020", "ticket_id", 10, "t0", "same file twice")


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [
        ("31.12.2025", "%d.%m.%Y"),
        ("12/31/2025", "%m/%d/%Y"),
        ("20251231", "%Y%m%d"),
        ("31/12/25", "%d/%m/%y"),
        ("25/12/31", "%y/%m/%d"),
        ("202-12-31", "format"),
        ("31 Dec 2025", "%d %b %Y"),
        ("46022", "Excel"),
        ("1767139200", "to_timestamp"),
        ("1767139200000", "epoch_ms"),
        ("soon", "format"),
    ],
)
def test_a_date_that_does_not_parse(raw, bad, remedy):
    text = lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02", f"a,bad,{bad}")
    set_aside(raw.write("tickets.csv", text), "tickets", "CHK011", "opened_at", 1, bad, remedy)


def test_an_ambiguous_date_format_is_left_to_the_user(raw):
    text = lines("account_id,ticket_id,opened_at", "a,t{n},01/02/2026")
    error = refused(raw.write("tickets.csv", text), "CHK040", where="tables.tickets.columns.opened_at", got="CHK011")
    assert "%d/%m/%Y" in (error.remedy or "")
    assert "%m/%d/%Y" in (error.remedy or "")


def test_numbers_as_dates_are_not_guessed(raw):
    pd.DataFrame({"account_id": ["a"], "ticket_id": [1], "opened_at": [46022]}).to_parquet(
        raw.folder / "tickets.parquet"
    )
    raw.tables["tickets"] = {"from": "tickets.parquet"}
    refused(raw, "CHK040", got="'46022'", remedy="Excel")


def value_lost(raw, table: str, code: str, column: str, example: str, remedy: str) -> None:
    """Load, and check that one value is absent and noted, and that no row is lost."""
    loaded = raw.load()
    assert loaded.counts[table] == GOOD + 1
    assert loaded.rejected.empty
    (note,) = [note for note in map(str, loaded.notes) if note.startswith(code)]
    assert f"{table}.{column}: 1 values" in note
    assert repr(example) in note
    assert remedy in note, note
    assert int(loaded.tables[table][column].isnull().sum().execute()) >= 1


def test_an_optional_date_that_does_not_parse_is_lost_and_its_row_stays(raw):
    text = lines("account_id,ticket_id,opened_at,solved_at", "a,t{n},2026-01-02,2026-01-03", "a,bad,2026-01-02,later")
    value_lost(raw.write("tickets.csv", text), "tickets", "CHK033", "solved_at", "later", "later: null")


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [("twelve", "words: {twelve: null}"), ("1.5", "whole"), ("12,34", 'decimal: ","'), ("12 Sitze", "replace(seats")],
)
def test_an_optional_number_that_does_not_parse(raw, bad, remedy):
    text = lines("account_id;subscription_id;started_on;seats", "a;s{n};2026-01-02;5", f"a;bad;2026-01-02;{bad}")
    value_lost(raw.write("subscriptions.csv", text), "subscriptions", "CHK033", "seats", bad, remedy)


def test_decimal_is_not_proposed_where_it_is_set(raw):
    text = lines("account_id;invoice_id;issued_on;amount", "a;i{n};2026-01-02;5,5", "a;bad;2026-01-02;five")
    raw.write("invoices.csv", text, columns={"amount": {"column": "amount", "decimal": ","}})
    value_lost(raw, "invoices", "CHK033", "amount", "five", "five: null")


def test_an_optional_truth_that_does_not_parse(raw):
    text = lines("account_id,subscription_id,started_on,auto_renew", "a,s{n},2026-01-02,yes", "a,bad,2026-01-02,はい")
    value_lost(raw.write("subscriptions.csv", text), "subscriptions", "CHK033", "auto_renew", "はい", "words")


@pytest.mark.parametrize(
    ("column", "bad", "remedy"),
    [("seats", "-3", "source"), ("discount_rate", "15", "discount_rate / 100.0"), ("mrr", "-0.5", "source")],
)
def test_an_optional_value_out_of_range(raw, column, bad, remedy):
    text = lines(f"account_id,subscription_id,started_on,{column}", "a,s{n},2026-01-02,1", f"a,bad,2026-01-02,{bad}")
    value_lost(raw.write("subscriptions.csv", text), "subscriptions", "CHK034", column, bad, remedy)


def test_a_column_that_loses_too_many_values_is_refused(raw):
    raw.write(
        "subscriptions.csv", lines("account_id,subscription_id,started_on,discount_rate", "a,s{n},2026-01-02,{n}")
    )
    error = refused(raw, "CHK040", where="tables.subscriptions.columns.discount_rate", got="CHK034", remedy="/ 100.0")
    assert "38 of 40 values" in error.what


def test_a_missing_required_value(raw):
    text = lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02", ",bad,2026-01-02")
    set_aside(raw.write("tickets.csv", text), "tickets", "CHK010", "account_id", 1, "", "Complete")


def test_an_unknown_word_that_is_needed(raw):
    text = lines("account_id,kind,occurred_at", "a,opened,2026-01-01 00:00:{n:02d}", "a,bounced,2026-01-02")
    set_aside(raw.write("campaign_events.csv", text), "campaign_events", "CHK015", "kind", 1, "bounced", "words")


def test_an_end_before_its_start(raw):
    text = lines(
        "account_id,subscription_id,started_on,ends_on", "a,s{n},2026-01-02,2026-02-02", "a,b,2026-01-02,2025-01-02"
    )
    set_aside(raw.write("subscriptions.csv", text), "subscriptions", "CHK016", "ends_on", 1, "2025-01-02", "swapped")


def test_an_account_that_is_not_in_accounts(raw):
    raw.write("accounts.csv", "account_id\na\n")
    raw.write("events.csv", lines("account_id,event_type,occurred_at", "a,login,2026-01-02", "zz,login,2026-01-02"))
    set_aside(raw, "events", "CHK022", "account_id", 1, "zz", "Compare the ids")


def test_accounts_that_lost_their_leading_zeros(raw):
    raw.write("accounts.csv", "account_id\n007\n008\n")
    raw.write("events.csv", "account_id,event_type,occurred_at\n7,login,2026-01-02\n8,login,2026-01-02\n")
    refused(raw, "CHK040", got="CHK022", remedy="lpad")


def test_a_fact_after_today(raw):
    text = lines("account_id,event_type,occurred_at", "a,login,2026-01-02", "a,login,2026-06-02")
    set_aside(raw.write("events.csv", text), "events", "CHK017", "occurred_at", 1, "2026-06-02", "dates")
    assert raw.load().tables.observed_until == date(2026, 1, 3)


def test_a_contract_may_start_after_today(raw):
    raw.write("subscriptions.csv", "account_id,started_on\na,2026-09-01\n")
    assert raw.load().rejected.empty


@pytest.mark.parametrize("bad", ["1970-01-01", "1900-01-01", "0202-03-01", "-0001-01-01", "20260-03-01", "9999-12-31"])
def test_a_date_that_cannot_be(raw, bad):
    text = lines("account_id,event_type,occurred_at", "a,login,2026-01-{day:02d}", f"a,login,{bad}", count=200)
    set_aside(raw.write("events.csv", text), "events", "CHK019", "occurred_at", 1, bad, "dates")
    text = lines("account_id,invoice_id,issued_on", "a,i{n},2026-01-02", f"a,bad,{bad}")
    raw.write("events.csv", EVENTS)
    set_aside(raw.write("invoices.csv", text), "invoices", "CHK019", "issued_on", 1, bad, "dates")


@pytest.mark.parametrize("bad", ["2019-03-01"])
def test_a_stray_date_does_not_stretch_the_observed_period(raw, bad):
    text = lines("account_id,event_type,occurred_at", "a,login,2026-01-{day:02d}", f"a,login,{bad}", count=200)
    set_aside(raw.write("events.csv", text), "events", "CHK018", "occurred_at", 1, bad, "dates")
    tables = raw.load().tables
    assert (tables.observed_from, tables.observed_until) == (date(2026, 1, 1), date(2026, 1, 29))


def test_too_many_rows_set_aside_are_refused_with_counts_and_file(raw):
    text = lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02", *(f"a,b{n},nope" for n in range(10)))
    error = refused(raw.write("tickets.csv", text), "CHK040", got="CHK011", expected="5.0%", remedy="format")
    assert "10 of 50 rows of tickets" in error.what
    assert str(raw.workspace / "rejected" / "tickets.parquet") in (error.where or "")
    assert len(pd.read_parquet(raw.workspace / "rejected" / "tickets.parquet")) == 10
    raw.source["max_rejected_share"] = 0.5
    assert raw.load().counts["tickets"] == GOOD


def test_a_row_is_set_aside_once_for_its_gravest_fault(raw):
    text = lines(
        "account_id,subscription_id,started_on,ends_on",
        "a,s{n},2026-01-01,2026-02-01",
        ",bad,2026-01-01,2025-01-01",
    )
    set_aside(raw.write("subscriptions.csv", text), "subscriptions", "CHK010", "account_id", 1, "", "Complete")


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp932", "株式会社テスト"), ("latin-1", "Müller & Söhne"), ("utf-16", "Müller 会社")]
)
def test_other_encodings_are_named_and_then_read(raw, rows, encoding, name):
    data = f"account_id,name\na,{name}\n".encode(encoding)
    refused(raw.write("accounts.csv", data, where="true"), "CHK002", where="tables.accounts", remedy="encoding")
    raw.write("accounts.csv", data, encoding=encoding)
    raw.write("events.csv", "account_id,event_type,occurred_at\na,login,2026-01-02\n")
    assert rows(raw.load(), "accounts", "name") == [{"name": name}]


def test_the_reading_of_a_japanese_export_is_shown(raw):
    raw.write("accounts.csv", "account_id,name\na,株式会社テスト\n".encode("cp932"))
    error = refused(raw, "CHK002", remedy="cp932")
    assert "株式会社テスト" in (error.got or "")
    assert "line 2" in (error.got or "")


@pytest.mark.parametrize(("encoding", "got"), [("ascii", "0xc3"), ("utf-16", "0x61"), ("utf-32", "0x61")])
def test_a_wrong_encoding_in_the_config(raw, encoding, got):
    raw.write("accounts.csv", "account_id,name\na,é漢\n".encode(), encoding=encoding)
    assert refused(raw, "CHK002", remedy="encoding").got == got


def test_byte_order_mark_semicolons_and_carriage_returns(raw, rows):
    raw.write("invoices.csv", "\ufeffaccount_id;issued_on;amount\r\n007;2026-01-02;5\r\n".encode())
    assert rows(raw.load(), "invoices", "account_id", "amount") == [{"account_id": "007", "amount": 5.0}]


def test_a_delimiter_that_the_header_does_not_tell(raw, rows):
    raw.write("invoices.csv", "account_id~issued_on~amount\na~2026-01-02~5\n", delimiter="~")
    assert rows(raw.load(), "invoices", "amount") == [{"amount": 5.0}]


def test_malformed_lines(raw):
    text = lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02", "a,bad,2026-01-02,surplus")
    set_aside(raw.write("tickets.csv", text), "tickets", "CHK007", "", 1, "a,bad,2026-01-02,surplus", "quoted")
    file = pd.read_parquet(raw.workspace / "rejected" / "tickets.parquet")
    assert "line 42 of tickets.csv" in file["reason"][0]


def test_a_quote_that_is_never_closed(raw):
    text = lines("account_id,ticket_id,opened_at,category", "a,t{n},2026-01-02,x", 'a,bad,2026-01-02,"open', "a,b,c,d")
    refused(raw.write("tickets.csv", text), "CHK002", got="bad", remedy="quote")


def test_gzip_and_globs(raw, rows):
    import gzip

    (raw.folder / "2026-01.csv.gz").write_bytes(gzip.compress(b"account_id,issued_on,amount\na,2026-01-02,5\n"))
    (raw.folder / "2026-02.csv").write_bytes(b"account_id,amount,issued_on,new\na,6,2026-02-02,x\n")
    raw.tables["invoices"] = {"from": "2026-*"}
    assert [row["amount"] for row in rows(raw.load(), "invoices", "amount")] == [5.0, 6.0]


def test_duckdb_types_that_are_no_numbers_or_dates(raw):
    frame = pd.DataFrame({"account_id": ["a"], "ticket_id": ["1"], "opened_at": [[1, 2]]})
    frame.to_parquet(raw.folder / "tickets.parquet")
    raw.tables["tickets"] = {"from": "tickets.parquet"}
    refused(raw, "CHK040", got="[1, 2]")


def test_a_failed_load_leaves_the_old_tables_and_no_litter(raw):
    raw.write("tickets.csv", lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02"))
    raw.load()
    raw.write("events.csv", "account_id,event_type,occurred_at\nx,login,2026-01-02\n")
    raw.write("tickets.csv", "account_id,ticket_id\na,1\n")
    refused(raw, "CHK006")
    assert len(pd.read_parquet(raw.workspace / "tables" / "tickets.parquet")) == GOOD
    assert len(pd.read_parquet(raw.workspace / "tables" / "events.parquet")) == 42
    assert not [path for path in raw.workspace.rglob("*") if path.name.startswith((".", "load."))]


def test_a_table_that_is_no_longer_mapped_leaves_nothing_behind(raw):
    raw.write("tickets.csv", lines("account_id,ticket_id,opened_at", "a,t{n},2026-01-02", "a,bad,nope"))
    raw.load()
    assert (raw.workspace / "rejected" / "tickets.parquet").exists()
    del raw.tables["tickets"]
    raw.load()
    assert {path.stem for path in (raw.workspace / "tables").iterdir()} == {"accounts", "events"}
    assert not list((raw.workspace / "rejected").iterdir())
