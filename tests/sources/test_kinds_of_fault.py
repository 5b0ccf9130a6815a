"""Inputs as real exports have them: each ends with the right value, or is told with its cause and what mends it."""

from __future__ import annotations

import gzip
import time
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.sources.conftest import EVENTS, Raw

from churnml.errors import DataError
from churnml.sources.loaded import Loaded


def note(loaded: Loaded, code: str) -> str:
    """Return the one note of a check."""
    (text,) = [text for text in map(str, loaded.notes) if text.startswith(code)]
    return text


def accounts_of(loaded: Loaded) -> list[str]:
    return sorted(loaded.tables["events"].account_id.execute().unique())


def events_of(*ids: str, column: str = "id", **others: str) -> str:
    head = ",".join([column, *others, "event_type", "occurred_at"])
    return head + "\n" + "".join(",".join([each, *others.values(), "login", "2026-01-05\n"]) for each in ids)


LONG = ("1234567890123456781", "1234567890123456782", "1234567890123456793")


@pytest.mark.parametrize(
    "ids",
    [
        LONG,
        ("1.1", "1.10"),
        ("1E5", "10E4"),
        ("007", "7"),
        ("-0", "0"),
        ("12345678901234567890123456789012345678901",) * 2,
    ],
)
@pytest.mark.parametrize(
    "expr", ["coalesce(parent, id)", "id", "CASE WHEN parent IS NULL THEN id END", "CAST(id AS VARCHAR)"]
)
def test_ids_keep_their_text_in_an_expression(raw: Raw, ids: tuple[str, ...], expr: str) -> None:
    raw.write("events.csv", events_of(*ids, parent=""), columns={"account_id": {"expr": expr}})
    assert accounts_of(raw.load()) == sorted({*ids})


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("id <> '1234567890123456782'", {LONG[0], LONG[2]}),
        ("id IN ('1234567890123456781')", {LONG[0]}),
        ("id NOT IN ('1234567890123456781') AND n > 2", {LONG[2]}),
        ("id <> other", {LONG[0], LONG[1], LONG[2]}),
    ],
)
def test_ids_keep_their_text_in_a_condition(raw: Raw, where: str, left: set[str]) -> None:
    rows = "".join(f"{each},{each}0,{n},login,2026-01-05\n" for n, each in enumerate(LONG, start=1))
    raw.write("events.csv", "id,other,n,event_type,occurred_at\n" + rows, where=where, columns={"account_id": "id"})
    assert set(accounts_of(raw.load())) == left


def test_numbers_are_calculated_with_and_compared_as_numbers(raw: Raw, rows) -> None:
    raw.write(
        "invoices.csv",
        "account_id,issued_on,net,tax,code\na,2026-01-02,100,9.50,1.10\nb,2026-01-02,9.5,100.25,1.1\n",
        where="net + tax > 100 AND code <> '1.10'",
        columns={"amount": {"expr": "greatest(net, tax)"}},
    )
    assert rows(raw.load(), "invoices", "account_id", "amount") == [{"account_id": "b", "amount": 100.25}]


def test_parts_of_different_types_hold_the_same_ids(raw: Raw) -> None:
    times = {"event_type": ["x"] * 2, "occurred_at": pd.to_datetime(["2026-01-05"] * 2)}
    big = 1234567890123456781
    pd.DataFrame({"account_id": [big, 12], **times}).to_parquet(raw.folder / "p1.parquet")
    pd.DataFrame({"account_id": [12.0, 13.0], **times}).to_parquet(raw.folder / "p2.parquet")
    pd.DataFrame({"account_id": ["0012", "12"], **times}).to_parquet(raw.folder / "p3.parquet")
    raw.tables["events"] = {"from": "p*.parquet"}
    assert accounts_of(raw.load()) == sorted([str(big), "12", "13", "0012"])


def test_spreadsheets_and_letters_keep_ids_together(raw: Raw) -> None:
    rows = ['="00123"', '"=""00123"""', "caf\u00e9", "cafe\u0301", "ABC", "abc"]
    raw.write("events.csv", "account_id,event_type,occurred_at\n" + "".join(f"{row},x,2026-01-05\n" for row in rows))
    assert accounts_of(raw.load()) == ["00123", "ABC", "abc", "café"]


@pytest.mark.parametrize(
    ("accounts", "facts", "cause", "mends"),
    [
        (["001A0000006Vm0{}IAC"], ["001A0000006Vm0{}"], "15 characters", "left(account_id, 15)"),
        (["000{}7"], ["{}7"], "leading zeros", "lpad("),
        (["ab{}C"], ["AB{}c"], "upper and lower case", "lower("),
        (["acc-{}1"], ["{}1"], "prefix", "acc-"),
        (["6f9619ff-8b86-d01{}"], ["6F9619FF8B86D01{}"], "hyphens", "regexp_replace"),
        (["A {}"], ["A{}"], "white space", "regexp_replace"),
    ],
)
@pytest.mark.parametrize("mapped", [True, False])
def test_ids_that_never_meet_are_told_with_the_cause(raw: Raw, mapped, accounts, facts, cause, mends) -> None:
    def ids(form: list[str]) -> list[str]:
        return [form[0].format(n) for n in range(1, 10)]

    raw.write("events.csv", events_of(*ids(facts), column="account_id"))
    contracts = "account_id,started_on\n" + "".join(f"{each},2025-12-01\n" for each in ids(accounts))
    raw.write("subscriptions.csv", contracts)
    if mapped:
        raw.write("accounts.csv", "account_id\n" + "\n".join(ids(accounts)) + "\n")
        with pytest.raises(DataError, match="CHK040") as caught:
            raw.load()
        text = caught.value.remedy or ""
    else:
        text = note(raw.load(), "CHK026")
    assert cause in text
    assert mends.replace("account_id", "<column>" if mapped else "account_id") in text
    assert "remove `accounts`" not in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2024年1月5日", "2024-01-05"),
        ("令和6年1月5日", "2024-01-05"),
        ("令和元年5月1日", "2019-05-01"),
        ("平成31年4月30日", "2019-04-30"),
        ("R6.1.5", "2024-01-05"),
        ("２０２４/０１/０５", "2024-01-05"),
        ("2024年1月5日(金)", "2024-01-05"),
        ("2024/1/5", "2024-01-05"),
    ],
)
def test_japanese_dates_are_read(raw: Raw, rows, given: str, expected: str) -> None:
    raw.write("invoices.csv", f"account_id,issued_on,due_on\na,{given},{given}\n")
    day = pd.Timestamp(expected)
    assert rows(raw.load(), "invoices", "issued_on", "due_on") == [{"issued_on": day, "due_on": day}]


@pytest.mark.parametrize("form", [None, "%Y-%m-%dT%H:%M:%S%z"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC"])
def test_the_day_of_a_time_with_a_zone_is_its_day_in_the_columns_zone(raw: Raw, rows, form, zone) -> None:
    column = {"column": "s", "timezone": zone} | ({"format": form} if form else {})
    expected = pd.Timestamp("2025-03-01" if zone == "Asia/Tokyo" else "2025-02-28")
    for text in ("2025-02-28T15:00:00+0000", "2025-03-01T00:00:00+0900"):
        raw.write("invoices.csv", f"account_id,s\na,{text}\n", columns={"issued_on": column})
        loaded = raw.load()
        assert rows(loaded, "invoices", "issued_on") == [{"issued_on": expected}]
    if form is None:
        moved = pd.DataFrame({"account_id": ["a"], "s": pd.to_datetime(["2025-02-28T15:00:00Z"])})
        moved.to_parquet(raw.folder / "z.parquet")
        raw.tables["invoices"] = {"from": "z.parquet", "columns": {"issued_on": column}}
        assert rows(raw.load(), "invoices", "issued_on") == [{"issued_on": expected}]
        assert zone != "UTC" or "timezone" in note(loaded, "CHK036")


@pytest.mark.parametrize("bad", ["1900-01-01", "0001-01-01", "1899-12-30", "1753-01-01", "1970-01-01"])
def test_a_placeholder_is_no_date(raw: Raw, rows, bad: str) -> None:
    raw.write(
        "subscriptions.csv", f"account_id,started_on,terminated_on\na,2025-01-05,{bad}\nb,2025-01-05,2025-09-01\n"
    )
    loaded = raw.load()
    ends = [row["terminated_on"] for row in rows(loaded, "subscriptions", "account_id", "terminated_on")]
    assert ends == [None, pd.Timestamp("2025-09-01")]
    assert "nullif(terminated_on" in note(loaded, "CHK035")


@pytest.mark.parametrize("end", ["2099-12-31", "2100-01-01", "2999-12-31", "9999-12-31", "2049-12-31"])
def test_an_end_far_behind_every_other_one_is_none(raw: Raw, rows, end: str) -> None:
    raw.write("subscriptions.csv", f"account_id,started_on,ends_on\na,2025-01-05,{end}\nb,2025-01-05,2027-06-05\n")
    loaded = raw.load()
    ends = [row["ends_on"] for row in rows(loaded, "subscriptions", "account_id", "ends_on")]
    assert ends == [None, pd.Timestamp("2027-06-05")]
    assert "1 values" in note(loaded, "CHK032")


@pytest.mark.parametrize("bad", ["1900-01-01", "2099-12-31", "0202-01-01", "-0001-01-01"])
@pytest.mark.parametrize(("table", "column"), [("subscriptions", "started_on"), ("milestones", "planned_at")])
def test_what_lies_ahead_is_no_excuse_for_an_impossible_date(raw: Raw, bad: str, table: str, column: str) -> None:
    good = "".join(f"a{n},2026-01-05\n" for n in range(40))
    raw.write(f"{table}.csv", f"account_id,{column}\n{good}a,{bad}\n")
    loaded = raw.load()
    assert loaded.counts[table] == 40
    assert loaded.rejected["reason"].str.startswith("CHK019").all()


def test_facts_outside_an_accounts_life_are_counted(raw: Raw) -> None:
    raw.write("accounts.csv", "account_id,created_on\na,2026-01-05\nb,2026-01-01\nc,2026-01-01\n")
    raw.write("subscriptions.csv", "account_id,started_on,ends_on\na,2026-01-05,2026-01-10\nb,2026-01-01,\n")
    text = note(raw.load(), "CHK028")
    # Of a's fourteen logins at nine on 1 to 14 January, four lie before the fifth and five from the tenth on.
    assert "of 42 rows 4 lie before its account was created (e.g. 'a')" in text
    assert "5 after its last contract ended (e.g. 'a')" in text


def test_usage_by_subscription_is_looked_up(raw: Raw, rows) -> None:
    raw.write(
        "subscriptions.csv",
        "subscription_id,account_id,started_on\ns1,a,2025-12-01\ns2,a,2025-12-01\ns3,b,2025-12-01\n",
    )
    usage = "".join(f"{s},login,2026-01-{day:02d}\n" for s in ("s1", "s2", "s3") for day in range(1, 15))
    raw.write(
        "events.csv",
        "subscription,event_type,occurred_at\n" + usage + "s9,login,2026-01-03\n",
        via={"from": "subscriptions.csv", "column": "subscription", "matches": "subscription_id", "take": "account_id"},
    )
    loaded = raw.load()
    assert loaded.tables["events"].account_id.execute().value_counts().to_dict() == {"a": 28, "b": 14}
    assert any(
        "1 rows name a subscription that subscriptions.csv does not have" in text for text in map(str, loaded.notes)
    )


def test_one_account_with_nearly_everything_is_told(raw: Raw) -> None:
    text = EVENTS + "".join(f"x{n},login,2026-01-05\n" for n in range(8)) + "a,login,2026-01-06\n" * 90
    assert "'a', has 104 of 140 rows" in note(raw.write("events.csv", text).load(), "CHK027")


def test_what_where_leaves_out_is_counted_and_what_it_does_not_decide(raw: Raw) -> None:
    raw.write(
        "subscriptions.csv",
        "account_id,started_on,status\na,2025-01-05,active\nb,2025-01-05,\nc,2025-01-05,draft\n",
        where="status <> 'draft'",
    )
    text = note(raw.load(), "CHK025")
    assert "leaves 2 rows out, 1 of them" in text
    assert "where: status IS DISTINCT FROM 'draft'" in text
    raw.tables["subscriptions"]["where"] = "status IS DISTINCT FROM 'draft'"
    loaded = raw.load()
    assert loaded.counts["subscriptions"] == 2
    assert "subscriptions: where leaves 1 rows out" in map(str, loaded.notes)


@pytest.mark.parametrize(("choice", "seats", "rows_left"), [("keep", 30, 3), ("merge", 20, 2)])
def test_equal_lines_without_an_id(raw: Raw, choice: str, seats: int, rows_left: int) -> None:
    line = "a,2025-01-05,100,10\n"
    raw.write(
        "subscriptions.csv", "account_id,started_on,mrr,seats\n" + line * 2 + "b,2025-01-05,50,10\n", equal_rows=choice
    )
    loaded = raw.load()
    assert int(loaded.tables["subscriptions"].seats.sum().execute()) == seats
    assert loaded.counts["subscriptions"] == rows_left
    assert loaded.tables["subscriptions"].subscription_id.nunique().execute() == rows_left
    if choice == "keep":
        assert "1 rows equal another one" in note(loaded, "CHK024")
        assert "100 of mrr" in note(loaded, "CHK024")


def test_equal_events_count_and_are_told(raw: Raw) -> None:
    loaded = raw.write("events.csv", EVENTS + "a,login,2026-01-01 09:00:00\n" * 2).load()
    assert loaded.counts["events"] == 44
    assert "2 rows equal another one" in note(loaded, "CHK024")
    raw.tables["events"]["equal_rows"] = "merge"
    assert raw.load().counts["events"] == 42


def test_one_short_line_counts_once(raw: Raw) -> None:
    header = "account_id,subscription_id,started_on,mrr,plan,product,seats\n"
    good = "".join(f"a{n},{n},2025-03-05,10,x,y,5\n" for n in range(60))
    raw.write("subscriptions.csv", header + good + "Grand Total\nCopyright\n")
    loaded = raw.load()
    (reason,) = loaded.rejected.to_dict("records")
    assert (reason["reason"], reason["rows"]) == ("CHK007 malformed line", 2)
    assert "totals" in reason["remedy"]
    assert len(pd.read_parquet(raw.workspace / "rejected" / "subscriptions.parquet")) == 2


@pytest.mark.parametrize(
    ("given", "decimal", "expected"),
    [
        ("1 234,50", ",", 1234.5),
        ("1\u00a0234,50", ",", 1234.5),
        ("1\u202f234,50", ",", 1234.5),
        ("12.000円", ",", 12000.0),
        ("１２，０００円", ".", 12000.0),
        ("CHF 1'234.50", ".", 1234.5),
        ("USD 1,200.00", ".", 1200.0),
        ("1,200.00 EUR", ".", 1200.0),
        ("R$ 1.200,00", ",", 1200.0),
        ("(1,234.50)", ".", -1234.5),
        ("▲1,200", ".", -1200.0),
        ("1,234.50-", ".", -1234.5),
        ("−5", ".", -5.0),
        ("1,23,456.00", ".", 123456.0),
        ("12%", ".", 0.12),
        ("12万円", ".", 120000.0),
        (".5", ".", 0.5),
        ("-,25", ",", -0.25),
        ("5.", ".", 5.0),
        ("inf", ".", None),
        ("-Infinity", ".", None),
        ("NULL", ".", None),
        ("#N/A", ".", None),
        ("--", ".", None),
        ("(No value)", ".", None),
    ],
)
def test_numbers_as_people_write_them(raw: Raw, rows, given: str, decimal: str, expected: float | None) -> None:
    raw.write("invoices.csv", f"account_id;issued_on;amount\na;2026-03-01;{given}\n",
              columns={"amount": {"column": "amount", "decimal": decimal}})  # fmt: skip
    loaded = raw.load()
    assert rows(loaded, "invoices", "amount") == [{"amount": expected}]
    assert not [text for text in map(str, loaded.notes) if text.startswith("CHK033")]


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        (["1.250", "12.000", "980"], True),
        (["1,250", "12,000", "980"], True),
        (["1.250", "12.5"], False),
        (["1.250", "0.125"], False),
        (["1250.125", "980.000"], False),
    ],
)
def test_a_column_that_can_be_read_both_ways_is_asked_about(raw: Raw, values: list[str], asked: bool) -> None:
    text = "account_id;issued_on;amount\n" + "".join(f"a;2026-01-{n:02d};{v}\n" for n, v in enumerate(values, start=1))
    raw.write("invoices.csv", text)
    if not asked:
        raw.load()
        return
    with pytest.raises(DataError, match="CHK042") as caught:
        raw.load()
    assert caught.value.where == "tables.invoices.columns.amount"
    assert "1250" in str(caught.value)
    for decimal, total in ((",", 1250.0), (".", 1.25)):
        raw.tables["invoices"]["columns"] = {"amount": {"column": "amount", "decimal": decimal}}
        amounts = raw.load().tables["invoices"].amount.execute().tolist()
        assert (total in amounts) is ("." in values[0] or decimal == ".") or (1.25 in amounts or 1250.0 in amounts)


def test_null_words_mean_the_same_in_every_column(raw: Raw, rows) -> None:
    words = ["NULL", r"\N", "nan", "--", "(No value)", "#N/A", "-None-", "<NA>", "None"]
    text = "account_id,subscription_id,started_on,ends_on,mrr,plan\n"
    raw.write("subscriptions.csv", text + "".join(f"a,{n},2025-03-05,{w},{w},{w}\n" for n, w in enumerate(words)))
    for row in rows(raw.load(), "subscriptions", "ends_on", "mrr", "plan"):
        assert row == {"ends_on": None, "mrr": None, "plan": None}


@pytest.mark.parametrize(
    ("column", "word", "remedy"),
    [
        ("ends_on", "never", "words: {never: null}"),
        ("ends_on", "no end: open", 'words: {"no end: open": null}'),
        ("auto_renew", "vielleicht", "words: {vielleicht: true}"),
    ],
)
def test_a_word_that_cannot_be_read_is_named_in_its_remedy(raw: Raw, rows, column: str, word: str, remedy: str) -> None:
    good = "".join(f"a{n},2025-12-01,\n" for n in range(30))
    raw.write("subscriptions.csv", f"account_id,started_on,{column}\nx,2025-12-01,{word}\n{good}")
    assert remedy in note(raw.load(), "CHK033")
    words = {"column": column, "words": {word: None}}
    raw.write(
        "subscriptions.csv", f"account_id,started_on,{column}\nx,2025-12-01,{word}\n{good}", columns={column: words}
    )
    assert not [text for text in map(str, raw.load().notes) if text.startswith("CHK033")]


@pytest.mark.parametrize("blank", ["\u2028", "\u2029", "\x85", "\u3000", "\ufeff", "\x0b", "\x0c"])
def test_blanks_of_every_kind_are_no_content(raw: Raw, blank: str) -> None:
    lines = "".join(f"{blank}a{blank},x,2026-01-0{day}{blank}\n" for day in range(1, 8))
    raw.write("events.csv", f"account_id,event_type,occurred_at\n{lines}")
    assert accounts_of(raw.load()) == ["a"]


def test_words_may_stand_for_nothing_and_yes_is_a_word(raw: Raw, rows) -> None:
    raw.write(
        "subscriptions.csv",
        "account_id,started_on,auto_renew,seats\na,2025-01-01,1.0,Good\nb,2025-01-01,0.0,Offered\nc,2025-01-01,,Bad\n",
        columns={"seats": {"column": "seats", "words": {"Good": 5, "Bad": 1, "Offered": None}}},
    )
    assert rows(raw.load(), "subscriptions", "account_id", "auto_renew", "seats") == [
        {"account_id": "a", "auto_renew": True, "seats": 5},
        {"account_id": "b", "auto_renew": False, "seats": None},
        {"account_id": "c", "auto_renew": None, "seats": 1},
    ]


def trials(raw: Raw, **label: str) -> Loaded:
    raw.write(
        "subscriptions.csv",
        "account_id,started_on,ends_on,mrr\na,2026-01-01,2026-01-15,0\nb,2026-01-01,,10\nc,2026-01-01,,\n",
    )
    config = raw.config()
    config = config.model_copy(update={"label": config.label.model_copy(update=label)})
    from churnml.sources import load

    return load(config, today=date(2026, 6, 1))


@pytest.mark.parametrize(
    ("head", "lines", "found"),
    [
        ("mrr", ["$100", "USD 200", "US$ 300", "€90", "1.000 EUR"], ("USD 3 rows", "EUR 2 rows (e.g. '1.000 EUR')")),
        ("mrr", ["12000円", "¥9000", "100 USD"], ("JPY 2 rows", "USD 1 rows")),
        ("mrr;currency", ["100;USD", "90;eur", "80;EUR"], ("EUR 2 rows (e.g. '80 EUR')", "USD 1 rows")),
        ("mrr;通貨", ["100;JPY", "90;USD", "80;JPY"], ("JPY 2 rows", "USD 1 rows (e.g. '90 USD')")),
    ],
)
def test_several_currencies_in_one_column_are_told(raw: Raw, head: str, lines: list[str], found: tuple[str]) -> None:
    decimal = {"column": "mrr", "decimal": ","} if any(".000" in line for line in lines) else {"column": "mrr"}
    rows = "".join(f"{account};2025-12-01;{line}\n" for account, line in zip("abcde", lines, strict=False))
    raw.write("subscriptions.csv", f"account_id;started_on;{head}\n{rows}", columns={"mrr": decimal})
    told = note(raw.load(), "CHK037")
    assert all(part in told for part in found)
    assert "added as they stand" in told


@pytest.mark.parametrize(
    "mapping",
    [
        {"where": "currency = 'USD'"},
        {"columns": {"mrr": {"expr": "mrr * CASE currency WHEN 'EUR' THEN 1.1 ELSE 1 END"}}},
        {"columns": {"mrr": None}},
    ],
)
def test_one_currency_or_a_conversion_is_nothing_to_tell(raw: Raw, mapping: dict[str, object]) -> None:
    raw.write(
        "subscriptions.csv", "account_id,started_on,mrr,currency\na,2025-12-01,9,USD\nb,2025-12-01,8,EUR\n", **mapping
    )
    assert not [text for text in map(str, raw.load().notes) if text.startswith("CHK037")]


def test_contracts_of_mrr_0_are_a_choice_that_is_told(raw: Raw) -> None:
    loaded = trials(raw)
    assert "1 accounts have only contracts of MRR 0" in note(loaded, "CHK029")
    assert "label.trials" in note(loaded, "CHK029")
    assert trials(raw, trials="leave_out").counts["subscriptions"] == 2


@pytest.mark.parametrize("bad", ["x" * 256, "a\x07b", "a\x1b[31mb"])
def test_an_id_that_no_store_can_hold_is_set_aside(raw: Raw, bad: str) -> None:
    loaded = raw.write("events.csv", EVENTS + f'"{bad}",login,2026-01-05\n').load()
    assert loaded.counts["events"] == 42
    assert loaded.rejected["reason"].tolist() == ["CHK023 id that cannot be stored"]


def test_rejected_rows_keep_the_mapped_columns_unless_asked(raw: Raw) -> None:
    text = "account_id,event_type,occurred_at,password\n" + "".join(f"a,x,2026-01-{n:02d},s\n" for n in range(1, 29))
    raw.write("events.csv", text + "a,,2026-01-05,s\n")
    file = raw.workspace / "rejected" / "events.parquet"
    raw.load()
    assert "password" not in pd.read_parquet(file).columns
    assert file.stat().st_mode & 0o077 == 0
    raw.source["rejected_columns"] = "all"
    raw.load()
    assert "password" in pd.read_parquet(file).columns


def test_many_malformed_lines_are_refused_in_time_that_grows_with_the_file(raw: Raw) -> None:
    seconds = []
    for count in (2_000, 32_000):
        text = "customer,date,kind\n" + "".join(
            f"c{n % 50},2024-01-{n % 28 + 1:02d},order,extra\n" for n in range(count)
        )
        raw.write("events.csv", text, columns={"account_id": "customer", "event_type": "kind", "occurred_at": "date"})
        start = time.process_time()
        with pytest.raises(DataError, match="CHK040") as caught:
            raw.load()
        seconds.append(time.process_time() - start)
    assert "4 fields where the header has 3" in (caught.value.got or "")
    assert seconds[1] < 16 * max(seconds[0], 0.3)


def test_a_wrong_delimiter_is_named(raw: Raw) -> None:
    text = "account_id;event_type;occurred_at\n" + "a;login, at night;2026-01-05\n" * 40
    raw.write("events.csv", text, delimiter=",")
    with pytest.raises(DataError, match="CHK040") as caught:
        raw.load()
    assert "delimiter: ';'" in (caught.value.remedy or "")


def test_what_a_file_really_is(raw: Raw, rows) -> None:
    text = "account_id,issued_on,amount\na,2026-01-02,5\n"
    expected = [{"account_id": "a", "amount": 5.0}]
    for name, data in {
        "INVOICES.CSV.GZ": gzip.compress(text.encode()),
        "packed.csv": gzip.compress(text.encode()),
        "sep.csv": ("sep=;\n" + text.replace(",", ";")).encode(),
        "mixed.csv": text.replace("\n", "\r\n", 1).encode() + b"\x1a",
        "again.csv": (text + text.splitlines()[0] + "\n").encode(),
        "trailing.csv": text.replace("2,5\n", "2,5,\n").encode(),
        "rows.jsonl": b'{"account_id": "a", "issued_on": "2026-01-02", "amount": 5}\n',
        "named.csv": b'{"account_id": "a", "issued_on": "2026-01-02", "amount": 5}\n',
        "array.json": b'[{"account_id": "a", "issued_on": "2026-01-02", "amount": 5}]',
        "api.json": b'{"done": true,\n "records": [{"account_id": "a", "issued_on": "2026-01-02", "amount": 5}]}',
    }.items():
        raw.tables.pop("invoices", None)
        raw.write(name, data)
        raw.tables = {"invoices": {"from": name}}
        assert rows(raw.load(), "invoices", "account_id", "amount") == expected, name


def test_json_keeps_ids_and_takes_objects_apart(raw: Raw, rows) -> None:
    lines = [
        '{"org": {"id": 12345678901234567890123}, "kind": "x", "at": "2026-01-05T10:00:00Z", "value": 1.250}',
        '{"org": {"id": "007"}, "kind": "y", "at": "2026-01-05T10:00:00Z", "value": 2.125}',
    ]
    raw.write("events.jsonl", "\n".join(lines) + "\n",
              columns={"account_id": "org.id", "event_type": "kind", "occurred_at": "at"})  # fmt: skip
    assert rows(raw.load(), "events", "account_id", "value") == [
        {"account_id": "007", "value": 2.125},
        {"account_id": "12345678901234567890123", "value": 1.25},
    ]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.csv", b"PK\x03\x04 rubbish", "workbook or a zip"),
        ("x.csv", b"<!DOCTYPE html><html>login</html>", "web page"),
        ("x.parquet", b"account_id,opened_at\n", "no Parquet file"),
        ("x.csv", b"\x28\xb5\x2f\xfd....", "zstandard"),
        ("x.avro", b"Obj\x01....", "Avro"),
    ],
)
def test_a_file_that_is_something_else_is_called_what_it_is(raw: Raw, name: str, data: bytes, says: str) -> None:
    raw.write(name, data)
    raw.tables = {"tickets": {"from": name}}
    with pytest.raises(DataError, match="CHK002") as caught:
        raw.load()
    assert says in caught.value.what
    assert "encoding" not in (caught.value.remedy or "")


def test_all_tables_that_must_be_refused_are_told_in_one_round(raw: Raw) -> None:
    raw.write("tickets.csv", "account_id,opened_at\na,soon\n")
    raw.write("invoices.csv", "account_id,issued_on\na,later\n")
    with pytest.raises(DataError) as caught:
        raw.load()
    assert caught.value.what.startswith("2 tables cannot be used")
    assert "tables.tickets.columns.opened_at" in str(caught.value)
    assert "tables.invoices.columns.issued_on" in str(caught.value)


def test_a_table_that_ends_early_is_told(raw: Raw) -> None:
    days = pd.date_range("2025-09-01", "2026-02-20")
    raw.write("events.csv", "account_id,event_type,occurred_at\n" + "".join(f"a,x,{day.date()}\n" for day in days))
    early = "".join(f"a,{n},{day.date()}\n" for n, day in enumerate(days[:-45]))
    raw.write("tickets.csv", "account_id,ticket_id,opened_at\n" + early)
    loaded = raw.load()
    assert "tickets: the table ends on 2026-01-06, 45 days before" in note(loaded, "CHK043")
    assert loaded.reaches["tickets"] == date(2026, 1, 7)


def test_a_folder_may_be_called_anything(tmp_path: Path, rows) -> None:
    folder = tmp_path / "会社 [2026]? #*%"
    folder.mkdir()
    raw = Raw(folder)
    assert raw.load().counts["events"] == 42
