"""What `load` returns beside the tables: fingerprint, counts, notes, checks, observed period."""

from __future__ import annotations

import random
import re
from datetime import date
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.config import Config, load_config
from churnml.errors import DataError, Said
from churnml.sources import load
from churnml.sources.period import plausible_days
from churnml.tables import CHECKS, TABLES

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


def test_fingerprint_depends_on_the_content_and_the_mapping_alone(raw):
    header, *body = (f"{line}\n" for line in EVENTS.splitlines())
    first = raw.write("events.csv", header + "".join(body)).load()
    assert re.fullmatch("[0-9a-f]{16}", first.fingerprint)
    random.Random(1).shuffle(body)
    assert raw.write("events.csv", header + "".join(body)).load().fingerprint == first.fingerprint
    assert raw.write("events.csv", header + "".join(body[1:])).load().fingerprint != first.fingerprint
    changed = [body[0].replace("login", "logout"), *body[1:]]
    assert raw.write("events.csv", header + "".join(changed)).load().fingerprint != first.fingerprint
    mapped = raw.write("events.csv", header + "".join(body), columns={"value": {"value": 1}}).load()
    assert mapped.fingerprint != first.fingerprint


EVENTS = "account_id,event_type,occurred_at\n" + "".join(
    f"a{n % 3},login,2026-01-{n % 28 + 1:02d}\n" for n in range(60)
)


def test_a_large_table_is_written_again_only_where_a_row_or_a_value_differs(raw, monkeypatch):
    monkeypatch.setattr("churnml.sources.raw.MOST_ROWS", 0)
    header, *body = (f"{line}\n" for line in EVENTS.splitlines())
    raw.write("events.csv", header + "".join(body)).load()
    file = raw.workspace / "tables" / "events.parquet"
    first = file.stat().st_ino
    random.Random(1).shuffle(body)
    raw.write("events.csv", header + "".join(body)).load()
    assert file.stat().st_ino == first
    for worse in ([body[0].replace("login", "logout"), *body[1:]], body[1:], [*body, body[0]], [*body[1:], body[1]]):
        loaded = raw.write("events.csv", header + "".join(worse)).load()
        assert file.stat().st_ino != first
        assert sorted(loaded.tables["events"].event_type.execute()) == sorted(line.split(",")[1] for line in worse)
        first = file.stat().st_ino
    whole = file.read_bytes()
    file.write_bytes(whole[:20] + bytes(200) + whole[220:])  # damaged within
    assert sorted(raw.load().tables["events"].event_type.execute()) == sorted(line.split(",")[1] for line in worse)
    assert not list((raw.workspace).glob(".*"))


def test_every_column_of_every_table_has_its_canonical_type(raw):
    raw.write("events.csv", EVENTS)
    raw.write("accounts.csv", "account_id\na0\na1\na2\n")
    raw.write("subscriptions.csv", "account_id,started_on\na0,2026-01-01\n")
    loaded = raw.load()
    kinds = {"timestamp": ibis.dtype("timestamp(6)")}
    for name, table in loaded.tables.items():
        schema = {column.name: kinds.get(column.dtype, ibis.dtype(column.dtype)) for column in TABLES[name].columns}
        assert dict(table.schema().items()) == schema


def test_tables_can_be_put_on_another_connection(raw):
    backend = ibis.duckdb.connect()
    loaded = raw.load(connection=backend)
    assert loaded.tables.connection is backend
    assert loaded.tables["events"].count().execute() == 42


def test_progress_is_told_in_lines(raw):
    said: list[Said] = []
    raw.load(progress=said.append)
    assert [str(line) for line in said] == ["reading events", "events: 42 rows"]


def test_missing_tables_are_noted(raw):
    notes = [*map(str, raw.load().notes)]
    assert "tickets is not mapped: support features are off" in notes
    assert notes[0] == "observed from 2026-01-01 until 2026-01-15 (exclusive), told by the events"


def test_observed_until_of_the_config_wins(raw):
    raw.source["observed_until"] = date(2026, 2, 1)
    assert raw.load().tables.observed_until == date(2026, 2, 1)


def test_without_events_the_facts_tell_the_observed_period(raw):
    raw.write("subscriptions.csv", "account_id,started_on\na,2025-01-01\na,2025-06-01\nb,2027-01-01\n")
    raw.write("tickets.csv", "account_id,opened_at\na,2026-01-01\n")
    config = raw.config().model_copy(update={"tables": {n: t for n, t in raw.config().tables.items() if n != "events"}})
    loaded = load(config, today=date(2026, 6, 1))
    assert (loaded.tables.observed_from, loaded.tables.observed_until) == (date(2025, 1, 1), date(2026, 1, 2))


def test_nothing_dated_is_refused(raw):
    raw.write("subscriptions.csv", "account_id,started_on\nb,2027-01-01\n")
    config = raw.config().model_copy(update={"tables": {"subscriptions": raw.config().tables["subscriptions"]}})
    with pytest.raises(DataError, match="CHK041"):
        load(config, today=date(2026, 6, 1))


def test_every_check_that_was_made_is_told(raw):
    raw.write("events.csv", EVENTS + "a0,,2026-01-03\n")
    checks = {(check.code, check.column): check for check in raw.load().checks if check.table == "events"}
    assert checks["CHK010", "event_type"].outcome == "failed"
    assert checks["CHK010", "event_type"].rows == 1
    assert checks["CHK010", "account_id"].outcome == "ok"
    assert checks["CHK021", ""].outcome == "not applicable"  # events have no key
    assert checks["CHK022", "account_id"].outcome == "not applicable"  # accounts are derived
    assert {check.code for check in checks.values()} <= set(CHECKS)


def test_kept_and_set_aside_rows_add_up(raw):
    bad = "a0,,2026-01-03\na1,login,nope\n\n"
    raw.write("events.csv", EVENTS + bad)
    loaded = raw.load()
    assert loaded.counts["events"] + loaded.rejected["rows"].sum() == 62
    assert loaded.rejected.columns.tolist() == ["table", "reason", "column", "rows", "example", "remedy"]


def test_a_table_whose_rows_are_not_held_comes_to_the_same(raw, monkeypatch):
    events = [
        f"{account},Login,2026-01-{day:02d} 09:00" for account in ("a", " b", "NULL", "stranger") for day in (3, 3, 4)
    ]
    raw.write(
        "events.csv",
        "id,kind,at\n" + "\n".join([*events, "a,Login,nope", "b,,2026-01-05", "a,Login,2030-01-01"]),
        columns={"account_id": "id", "event_type": {"expr": "lower(kind)"}, "occurred_at": "at"},
    )
    raw.write("accounts.csv", "account_id,name\na,Ann\nb,\u3000Bob \nb,Bo\nc,C\n")
    raw.write(
        "invoices.csv",
        "account_id,invoice_id,issued_on,amount,due_on\n"
        "a,1,2026-01-03,5.50,2026-02-03\na,1,2026-01-03,6.50,9999-12-31\nb,x,2026-01-04,-7,2026-01-01\n",
        where="amount <> 6.5",
    )
    raw.source["max_rejected_share"] = 0.9

    def comes_to() -> list[object]:
        loaded = raw.load()
        frames = [loaded.tables[name].to_pandas() for name in loaded.tables]
        rows = [frame.astype(str).sort_values(list(frame.columns)).to_dict("records") for frame in frames]
        rejected = sorted(
            pd.concat(map(pd.read_parquet, raw.workspace.glob("rejected/*.parquet"))).astype(str).values.tolist()
        )
        return [loaded.notes, loaded.rejected.to_dict("records"), loaded.fingerprint, loaded.checks, rows, rejected]

    held = comes_to()
    monkeypatch.setattr("churnml.sources.raw.MOST_ROWS", 0)
    assert comes_to() == held


def test_a_load_leaves_nothing_attached_to_the_engine(raw, tmp_path):
    with duckdb.connect(str(tmp_path / "source.duckdb")) as db:
        db.execute(
            "CREATE TABLE events AS SELECT 'a' AS account_id, 'login' AS event_type, DATE '2026-01-05' AS occurred_at"
        )
    raw.source = {"duckdb": tmp_path / "source.duckdb"}
    raw.tables["events"] = {"from": "events"}
    backend = ibis.duckdb.connect()
    for _ in range(2):
        loaded = raw.load(connection=backend)
    assert loaded.tables["events"].count().execute() == 1
    assert not [name for name, *_ in backend.con.execute("SHOW DATABASES").fetchall() if "raw_source" in name]
    assert backend.con.execute("SELECT count(*) FROM duckdb_tables() WHERE NOT internal").fetchone() == (0,)


CELLS = st.sampled_from(
    [
        "a",
        "7",
        "",
        " ",
        "NULL",
        "2026-01-03",
        "31.12.2025",
        "1,5",
        "-2",
        "1e400",
        "nan",
        "9999-12-31",
        "株",
        "0001-01-01",
        "x;y",
        "5",
        "2026-01-03T10:00:00+09:00",
        "99999999999999999999",
        "2026-02-30",
        "'",
        "true",
        "１２",
        "\\N",
        "1.0",
        "12:30",
    ]
)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[CELLS] * 6), min_size=1, max_size=6))
def test_whatever_the_cells_hold_every_row_is_kept_or_told(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("fuzz")
    header = "account_id,subscription_id,started_on,ends_on,seats,mrr\n"
    (folder / "s.csv").write_text(header + "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in cells))
    (folder / "events.csv").write_text(EVENTS)
    config = Config.model_validate(
        {
            "name": "fuzz",
            "workspace": folder / "ws",
            "source": {"folder": folder, "max_rejected_share": 1},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events.csv"}, "subscriptions": {"from": "s.csv"}},
            "engine": {"threads": 1, "memory_limit": "300MB"},
        }
    )
    refusal = None
    try:
        loaded = load(config, today=date(2026, 6, 1))
    except DataError as error:
        refusal = error
    rejected = folder / "ws" / "rejected" / "subscriptions.parquet"
    aside = len(pd.read_parquet(rejected)) if rejected.exists() else 0
    if refusal is not None:
        assert (refusal.code, aside) == ("data.too_many_rejected", len(cells))  # not one good row
        return
    assert loaded.counts["subscriptions"] + aside == len(cells)
    assert loaded.rejected.loc[loaded.rejected["table"] == "subscriptions", "rows"].sum() == aside
    assert len(loaded.tables["subscriptions"].to_pandas()) == loaded.counts["subscriptions"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.sampled_from([0, 4000, 20000]))
def test_plausible_days_never_drop_much(offsets, far):
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(sorted({*offsets, offsets[0] + far}), unit="D")
    rows = pd.Series(100, index=pd.DatetimeIndex(days))
    first, last = plausible_days(rows)
    kept = rows[(rows.index >= pd.Timestamp(first)) & (rows.index <= pd.Timestamp(last))]
    assert kept.sum() >= 0.98 * rows.sum() or len(rows) == 1
    assert first <= last


def test_a_second_life_of_the_data_is_no_stray():
    days = pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2026-01-01", "2026-01-02"])
    assert plausible_days(pd.Series([50, 50, 50, 50], index=days)) == (date(2020, 1, 1), date(2026, 1, 2))


@pytest.mark.parametrize("name", ["demo", "crm5", "git_b2b"])
def test_shipped_configs_are_valid(name):
    config = load_config(ROOT / "configs" / f"{name}.yaml")
    assert config.name == name
    assert config.workspace_dir == ROOT / "workspace" / name
    assert config.bundles_dir == ROOT / "models"


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no third-party data")
def test_git_b2b(tmp_path):
    loaded = load(load_config(ROOT / "configs" / "git_b2b.yaml", {"workspace": str(tmp_path)}))
    assert loaded.counts == {"accounts": 4481, "events": 684_585}
    assert loaded.tables.observed_until == date(2026, 8, 1)
    assert loaded.rejected.empty
    days = loaded.tables["events"].mutate(days=lambda t: t.known_at.delta(t.occurred_at, unit="day"))
    late = days.filter(lambda t: t.days > 30).count()
    assert 0.07 < late.execute() / 684_585 < 0.085


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="no third-party data")
def test_crm5(tmp_path):
    loaded = load(load_config(ROOT / "configs" / "crm5.yaml", {"workspace": str(tmp_path)}))
    assert loaded.counts == {"accounts": 1355, "subscriptions": 35_610, "events": 28_021_334}
    assert (loaded.tables.observed_from, loaded.tables.observed_until) == (date(2022, 1, 1), date(2024, 2, 1))
    plans = loaded.tables["subscriptions"].filter(lambda t: ~t.is_addon)
    assert plans.seats.min().execute() >= 1
    assert loaded.rejected.empty
