"""Opening the store: schema, versions, wrong URLs, many processes at once."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from churnml import store as room
from churnml.errors import StoreError
from churnml.store import SCHEMA_VERSION, Departed, Snapshot, Store, database
from churnml.store.schema import Base


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_schema_version_is_the_newest_migration() -> None:
    script = ScriptDirectory(str(Path(room.__file__).parent / "migrations"))
    assert script.get_heads() == [SCHEMA_VERSION]


def test_opening_again_keeps_everything(url: str) -> None:
    with Store(url) as first:
        first._engine.dispose()
    with Store(url) as again, again._engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [SCHEMA_VERSION]


def test_a_store_of_a_newer_churnml_is_refused(url: str) -> None:
    with Store(url) as store, store._engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer churnml"):
        Store(url)


def test_many_can_open_a_new_store_at_once(url: str) -> None:
    faults: list[BaseException] = []

    def opening() -> None:
        try:
            Store(url).close()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=opening) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_opening_waits_for_a_writer_of_a_file_that_has_no_write_ahead_log_yet(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("CREATE TABLE other (x)")
    done = threading.Timer(0.3, lambda: (writer.execute("COMMIT"), writer.close()))
    done.start()
    with Store(f"sqlite:///{path}") as store, store._engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    done.join()


@pytest.mark.parametrize("wrong", ["nonsense", "mongo://x/y", "sqlite:////proc/nope/store.db"])
def test_a_wrong_url_says_so(wrong: str) -> None:
    with pytest.raises(StoreError):
        Store(wrong)


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is a spreadsheet, not a database" * 100)


def _cut_short(path: Path) -> None:
    Store(f"sqlite:///{path}").close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _scribbled_on(path: Path) -> None:
    Store(f"sqlite:///{path}").close()
    whole = bytearray(path.read_bytes())
    whole[100:4000] = b"\xff" * 3900
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize("damage", [_garbage, _cut_short, _scribbled_on])
def test_a_damaged_file_says_so(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "store.db"
    damage(path)
    with pytest.raises(StoreError) as caught:
        Store(f"sqlite:///{path}")
    assert caught.value.code == "store.damaged"
    assert "backup" in (caught.value.remedy or "")


def test_a_folder_in_the_files_place_says_so(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreError) as caught:
        Store(f"sqlite:///{tmp_path}/store.db")
    assert caught.value.code == "store.unreachable"


def test_a_new_store_is_its_owners_only(tmp_path: Path, snapshot: Callable[..., Snapshot]) -> None:
    before = os.umask(0o022)
    try:
        with Store(f"sqlite:///{tmp_path}/new/store.db") as store:
            store.publish(snapshot())
            modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "new").iterdir()}
    finally:
        os.umask(before)
    assert modes == {"store.db": 0, "store.db-wal": 0, "store.db-shm": 0}


_OF_0001 = (
    "INSERT INTO snapshots (id, config, as_of, scored_at, published_at, model_version, config_hash, accounts, info) "
    "VALUES (:id, 'acme', :as_of, :at, :at, '1', 'h', 1, :info)",
    "INSERT INTO scores (snapshot_id, account_id, position, churn_probability, band, details) "
    "VALUES (:id, 'a', 0, 0.25, 'red', '{}')",
    "INSERT INTO features (snapshot_id, account_id, features) VALUES (:id, 'a', '{\"x\": 1.5, \"plan\": null}')",
    "INSERT INTO explanations (snapshot_id, account_id, body) VALUES (:id, 'a', '{\"account_id\": \"a\"}')",
)


def test_a_store_of_the_first_schema_is_brought_up_to_date(url: str) -> None:
    left = {"b": {"last": "2024-01-01", "why": "ended", "on": "2024-01-20"}, "c": {"last": "2024-01-01", "why": "left"}}
    old = {"b": {"last": "2024-01-01", "why": "left", "on": None}}
    engine = database.open_engine(url)
    with engine.execution_options(write=True).begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    database.migrate(engine, "0001")
    with engine.execution_options(write=True).begin() as connection:
        for number, as_of, gone in ((1, "2024-02-01", old), (2, "2024-03-01", left)):
            info = json.dumps({"horizon_days": 90, "left": gone})
            values = {"id": number, "as_of": as_of, "at": f"{as_of} 06:00:00.000000", "info": info}
            for statement in _OF_0001:
                names = set(re.findall(r":(\w+)", statement)) & set(values)
                connection.execute(text(statement), {name: values[name] for name in names})
    engine.dispose()
    with Store(url) as store:
        info = store.latest("acme")
        assert info is not None
        assert (info.id, info.info) == (2, {"horizon_days": 90})
        assert store.departures("acme") == {
            "b": Departed(date(2024, 1, 1), "ended", date(2024, 1, 20)),
            "c": Departed(date(2024, 1, 1), "left", None),
        }
        assert store.features(2, "a") == {"x": 1.5, "plan": None}
        assert store.explanation(2, "a") == {"account_id": "a"}
        assert [point.churn_probability for _, point in store.history("acme", "a")] == [0.25, 0.25]


def test_a_password_is_not_in_the_message() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:hush@127.0.0.1:1/none")
    assert "hush" not in str(caught.value)
