"""The same company from a folder, a DuckDB file, and databases behind Ibis gives the same tables."""

from __future__ import annotations

import sqlite3

import duckdb
import pandas as pd
import pytest

from churnml.errors import DataError

EVENTS = pd.DataFrame(
    {
        "customer": ["a", "a", "b"],
        "kind": ["login", "report", "login"],
        "at": pd.to_datetime(["2026-01-05 10:00", "2026-01-06 11:30", "2026-01-07 00:00"]),
        "payload": ["x", "y", "z"],
    }
)
MAPPING = {
    "columns": {"account_id": "customer", "event_type": {"expr": "upper(kind)"}, "occurred_at": "at"},
    "where": "kind <> 'report'",
}
EXPECTED = [
    {"account_id": "a", "event_type": "LOGIN", "occurred_at": pd.Timestamp("2026-01-05 10:00")},
    {"account_id": "b", "event_type": "LOGIN", "occurred_at": pd.Timestamp("2026-01-07")},
]


def check(raw, rows, source: dict[str, object], table: str) -> None:
    raw.source = source
    raw.tables = {"events": {"from": table, **MAPPING}}
    loaded = raw.load()
    assert rows(loaded, "events", "account_id", "event_type", "occurred_at") == EXPECTED
    raw.tables = {"events": {"from": "evnts", **MAPPING}}
    with pytest.raises(DataError, match="CHK001") as caught:
        raw.load()
    assert "events perhaps" in (caught.value.expected or "")


def test_folder_of_parquet(raw, rows):
    EVENTS.to_parquet(raw.folder / "events")
    (raw.folder / "events").rename(raw.folder / "events.parquet")
    raw.tables = {"events": {"from": "events.parquet", **MAPPING}}
    assert rows(raw.load(), "events", "account_id", "event_type", "occurred_at") == EXPECTED


def test_duckdb_file_with_schemas_and_views(raw, rows, tmp_path):
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as db:
        db.register("frame", EVENTS)
        db.execute("CREATE TABLE raw_events AS FROM frame; CREATE VIEW events AS FROM raw_events")
        db.execute("CREATE SCHEMA crm; CREATE TABLE crm.events AS FROM frame")
    check(raw, rows, {"duckdb": file}, "events")
    check(raw, rows, {"duckdb": file}, "crm.events")
    raw.source = {"duckdb": tmp_path / "werehouse.duckdb"}
    with pytest.raises(DataError, match="CHK001") as caught:
        raw.load()
    assert "warehouse.duckdb perhaps" in (caught.value.expected or "")


def test_a_file_that_is_no_duckdb(raw, tmp_path):
    (tmp_path / "x.duckdb").write_bytes(b"not a database" * 1000)
    raw.source = {"duckdb": tmp_path / "x.duckdb"}
    with pytest.raises(DataError, match="CHK002"):
        raw.load()


def test_sqlite_over_ibis(raw, rows, tmp_path):
    with sqlite3.connect(tmp_path / "crm.db") as db:
        EVENTS.assign(at=EVENTS["at"].astype(str)).to_sql("events", db, index=False)
    db.close()
    check(raw, rows, {"connection": f"sqlite://{tmp_path / 'crm.db'}"}, "events")


def test_a_duckdb_url_is_opened_as_a_file(raw, rows, tmp_path):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as db:
        db.register("frame", EVENTS)
        db.execute("CREATE TABLE events AS FROM frame")
    check(raw, rows, {"connection": f"duckdb://{tmp_path / 'warehouse.duckdb'}"}, "events")


def test_a_connection_that_is_refused(raw, tmp_path):
    raw.source = {"connection": f"sqlite://{tmp_path}/none/x.db"}
    raw.tables = {"events": {"from": "events"}}
    with pytest.raises(DataError, match="CHK001") as caught:
        raw.load()
    assert caught.value.where == "source.connection"


def test_a_connection_without_its_driver_names_the_extra(raw):
    raw.source = {"connection": "bigquery://project:secret@x/dataset"}
    raw.tables = {"events": {"from": "events"}}
    with pytest.raises(DataError, match="CHK001") as caught:
        raw.load()
    assert "pip install 'ibis-framework[bigquery]'" in (caught.value.remedy or "")
    assert "secret" not in str(caught.value)


def test_a_database_that_fails_while_it_is_read(raw, tmp_path):
    with sqlite3.connect(tmp_path / "crm.db") as db:
        db.execute("CREATE TABLE kinds (a)")
        db.execute("CREATE VIEW events AS SELECT 'a' AS account_id, 'x' AS event_type, a AS occurred_at FROM kinds")
        db.execute("DROP TABLE kinds")
    db.close()
    raw.source = {"connection": f"sqlite://{tmp_path / 'crm.db'}"}
    raw.tables = {"events": {"from": "events"}}
    with pytest.raises(DataError, match="CHK002") as caught:
        raw.load()
    assert "kinds" in (caught.value.got or "")


@pytest.mark.postgres
def test_postgres_over_ibis(raw, rows, postgres_database):
    import psycopg

    with psycopg.connect(postgres_database) as db:
        db.execute("CREATE TABLE events (customer text, kind text, at timestamp, payload point)")
        db.execute("CREATE SCHEMA crm")
        with db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO events VALUES (%s, %s, %s, NULL)",
                list(EVENTS[["customer", "kind", "at"]].itertuples(index=False, name=None)),
            )
        db.execute("CREATE TABLE crm.events AS SELECT * FROM events")
    source = {"connection": postgres_database.replace("postgresql://", "postgres://")}
    check(raw, rows, source, "events")
    check(raw, rows, source, "crm.events")
