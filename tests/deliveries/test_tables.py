"""The flat table: one row an account, each scoring once in its history, as files and in databases."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from .conftest import scored


def test_the_newest_scoring_is_the_table_and_each_stands_once_in_the_history(world, tmp_path):
    world.with_target(tables={"bi": {"folder": "bi"}})
    world.publish()
    assert world.deliver("tables.bi", None).targets[0].accepted == 1
    world.publish(scored(date(2026, 3, 2), {"acc-1": 11.0}))
    world.publish(scored(date(2026, 2, 1), {"acc-1": 50.0, "acc-2": 60.0}))
    assert world.deliver("tables.bi", None).targets[0].accepted == 2
    table = pd.read_parquet(tmp_path / "bi" / "churnml_scores.parquet")
    assert table[["account_id", "health_score"]].to_numpy().tolist() == [["acc-1", 11.0]]
    history = sorted((tmp_path / "bi" / "churnml_scores_history").iterdir())
    assert [path.name for path in history] == [
        "as_of=2026-02-01.parquet", "as_of=2026-03-01.parquet", "as_of=2026-03-02.parquet"
    ]  # fmt: skip
    assert list(pd.read_parquet(history[1])["summary"]) == ["Health 35", "Health 62", "Health 90"]


def test_no_cell_of_a_csv_is_a_formula(world, tmp_path):
    columns = {"account": "account_id", "name": "name", "change": "health_change_30d", "at": "scored_at"}
    world.with_target(tables={"bi": {"folder": "bi", "format": "csv", "columns": columns, "history": False}})
    world.publish(scored(health={"acc-1": 35.0}, names={"acc-1": "=cmd|' /C calc'!A0"}))
    world.deliver("tables.bi", None)
    lines = (tmp_path / "bi" / "churnml_scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "account,name,change,at"
    assert lines[1].startswith("acc-1,'=cmd|' /C calc'!A0,-12.5,2026-03-02")


def test_an_object_store_is_an_address(world):
    fsspec = pytest.importorskip("fsspec")
    world.with_target(tables={"bi": {"folder": "memory://bucket/churnml", "format": "csv"}})
    world.publish()
    world.deliver("tables.bi", None)
    files = fsspec.filesystem("memory")
    assert files.exists("/bucket/churnml/churnml_scores.csv")
    assert files.exists("/bucket/churnml/churnml_scores_history/as_of=2026-03-01.csv")


def read(url, name):
    if url.startswith("duckdb"):
        import duckdb

        with duckdb.connect(url.removeprefix("duckdb://"), read_only=True) as connection:
            return connection.execute(f"SELECT * FROM {name}").df()
    if url.startswith("sqlite") or url.endswith(".db"):
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return pd.read_sql(f"SELECT * FROM {name}", connection)
    import psycopg

    with psycopg.connect(url) as connection:
        cursor = connection.execute(f"SELECT * FROM {name}")
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


def both(world, url):
    columns = {"account_id": "account_id", "health": "health_score", "why": "summary", "as_of": "as_of"}
    world.with_target(tables={"bi": {"connection": url, "columns": columns}})
    world.publish()
    done = world.deliver("tables.bi", None).targets[0]
    assert done.accepted == 1, [row.said for row in world.rows("tables.bi").values()]
    world.publish(scored(date(2026, 3, 2), {"acc-1": 11.0}))
    world.publish(scored(date(2026, 3, 2), {"acc-1": 12.0}))
    assert world.deliver("tables.bi", None).targets[0].accepted == 2
    assert list(read(url, "churnml_scores")["health"]) == [12.0]
    history = read(url, "churnml_scores_history").sort_values(["as_of", "account_id"])
    assert list(history["health"]) == [35.0, 62.0, 90.0, 12.0]


def test_a_database_gets_the_same_and_writing_a_day_again_replaces_it(world, tmp_path):
    both(world, f"duckdb://{tmp_path / 'bi.duckdb'}")


@pytest.mark.parametrize("begins", ["sqlite:///", ""])
def test_sqlite_gets_the_same(world, tmp_path, begins):
    # A bare path is Ibis's way to name a SQLite file, whose statements it cannot all translate.
    both(world, f"{begins}{tmp_path / 'bi.db'}")


def test_an_address_that_no_database_has_is_said_to_be_one(world):
    world.with_target(tables={"bi": {"connection": "nonsense://x/y"}})
    world.publish()
    done = world.deliver("tables.bi", None).targets[0]
    assert done.stopped == "place: no database is known by this address; it begins with e.g. duckdb:// or postgres://"
    assert world.states("tables.bi") == {"snapshot:1": "waiting"}


def test_a_check_opens_the_place_and_names_what_a_history_lacks(world, tmp_path):
    world.with_target(tables={"bi": {"folder": "bi"}})
    assert [(one.ok, one.what) for one in world.check("tables.bi", None)] == [
        (True, f"{tmp_path / 'bi'} can be written to")
    ]
    assert list((tmp_path / "bi").iterdir()) == []
    (tmp_path / "file").write_text("")
    world.with_target(tables={"bi": {"folder": str(tmp_path / "file" / "bi")}})
    assert [one.ok for one in world.check("tables.bi", None)] == [False]
    for url in (f"sqlite:///{tmp_path / 'bi.db'}", f"duckdb://{tmp_path / 'bi.duckdb'}"):
        world.with_target(tables={"bi": {"connection": url, "columns": {"account_id": "account_id"}}})
        found = world.check("tables.bi", None)
        assert [one.what for one in found] == [
            "the database opens", "churnml_scores_history: is not there yet and will be made"
        ]  # fmt: skip
        world.publish()
        world.deliver("tables.bi", None)
        columns = {"account_id": "account_id", "why": "summary"}
        world.with_target(tables={"bi": {"connection": url, "columns": columns}})
        assert [(one.ok, one.what) for one in world.check("tables.bi", None)][1:] == [
            (False, "churnml_scores_history: lacks why")
        ]
    world.with_target(tables={"bi": {"connection": "postgres://me:hunter22@127.0.0.1:1/x"}})
    (finding,) = world.check("tables.bi", None)
    assert (finding.ok, "hunter22" in finding.what) == (False, False)


@pytest.mark.postgres
def test_postgresql_gets_the_same(world, postgres_database):
    both(world, postgres_database)


@pytest.mark.postgres
def test_a_warehouse_is_written_through_ibis(world, postgres_database, monkeypatch):
    # PostgreSQL stands for a warehouse: whatever SQLAlchemy does not know goes this way.
    monkeypatch.setattr("churnml.deliveries.targets.tables._TRANSACTIONAL", ())
    both(world, postgres_database)


def test_a_file_address_is_an_object_store_too(world, tmp_path):
    pytest.importorskip("fsspec")
    world.with_target(tables={"bi": {"folder": f"file://{tmp_path / 'lake'}", "format": "csv"}})
    world.publish(scored(health={"acc-1": 35.0}, names={"acc-1": "=1+1"}))
    world.deliver("tables.bi", None)
    world.publish(scored(date(2026, 3, 2), {"acc-1": 11.0}))
    world.deliver("tables.bi", None)
    assert len((tmp_path / "lake" / "churnml_scores.csv").read_text().splitlines()) == 2
    history = sorted((tmp_path / "lake" / "churnml_scores_history").iterdir())
    assert [path.name for path in history] == ["as_of=2026-03-01.csv", "as_of=2026-03-02.csv"]
    assert "'=1+1" in history[0].read_text()


def test_a_database_that_is_not_there_keeps_the_queue_and_tells_no_password(world):
    world.with_target(tables={"bi": {"connection": "postgres://me:hunter22@127.0.0.1:1/x"}})
    world.publish()
    done = world.deliver("tables.bi", None).targets[0]
    assert done.accepted == 0
    row = world.rows("tables.bi")["snapshot:1"]
    assert row.state == "waiting"
    assert "hunter22" not in f"{row.said} {done.stopped}"
