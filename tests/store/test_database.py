"""Opening the store: schema, versions, wrong URLs, many processes at once."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from churnml import store as room
from churnml.errors import StoreError
from churnml.store import SCHEMA_VERSION, Store
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
    with pytest.raises((StoreError, OSError)):
        Store(wrong)


def test_a_password_is_not_in_the_message() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:hush@127.0.0.1:1/none")
    assert "hush" not in str(caught.value)
