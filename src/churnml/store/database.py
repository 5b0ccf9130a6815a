"""Open the database: SQLite in WAL mode or PostgreSQL, at the package's schema version."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from churnml.errors import StoreError
from churnml.store.schema import Base

__all__ = ["SCHEMA_VERSION", "migrate", "open_engine", "schema_version"]

SCHEMA_VERSION = "0002"
"""The newest migration in `churnml.store.migrations`; a test holds it to be so."""

_PATIENCE_SECONDS = 30
"""How long a SQLite connection waits for another one's lock."""

_LOCK = 0x63_68_75_72_6E
"""Number of PostgreSQL's advisory lock under which one process at a time migrates."""


def open_engine(url: str) -> Engine:
    """Open an engine on a URL and make its schema current.

    A read begins with ``BEGIN``, a write (``execution_options(write=True)``) on SQLite with ``BEGIN IMMEDIATE``,
    so that a write never fails half-way because another one came between.

    Raises
    ------
    StoreError
        The URL cannot be read, the database cannot be reached, or a newer churnml made its schema.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        sqlite = parsed.get_backend_name() == "sqlite"
        if sqlite and parsed.database not in (None, "", ":memory:"):
            Path(str(parsed.database)).expanduser().parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            parsed,
            json_serializer=partial(json.dumps, ensure_ascii=False, allow_nan=False),
            pool_pre_ping=not sqlite,
            hide_parameters=True,  # an error must not bring an account id into a log
            connect_args={"timeout": _PATIENCE_SECONDS} if sqlite else {},
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            "The store's URL cannot be used",
            where="store.url",
            got=str(error),
            expected="sqlite:///path/store.db or postgresql://user:password@host/database",
            code="store.url",
        ) from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        _make_current(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def schema_version(connection: Connection) -> str | None:
    """Return the schema version of a database, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(engine: Engine) -> None:
    """Bring a database to the newest schema, one process at a time."""
    from alembic.config import Config as AlembicConfig
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).parent / "migrations"))

    def steps(found: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", found)

    with engine.execution_options(write=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if schema_version(connection) != SCHEMA_VERSION:
            with EnvironmentContext(AlembicConfig(), script, fn=steps) as environment:
                environment.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
                environment.run_migrations()


def _make_current(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            found = schema_version(connection)
        if found is not None and found > SCHEMA_VERSION:
            raise StoreError(
                "The store was made by a newer churnml",
                where=engine.url.render_as_string(hide_password=True),
                got=f"schema {found}",
                expected=f"schema {SCHEMA_VERSION}",
                remedy="Update churnml; a schema is never taken back.",
                code="store.schema",
            )
        if found != SCHEMA_VERSION:
            migrate(engine)
    except OperationalError as error:
        raise StoreError(
            "The store cannot be opened",
            where=engine.url.render_as_string(hide_password=True),
            got=str(error.orig).strip(),
            remedy="Check the path or the server's address, and that this user may write there.",
            code="store.unreachable",
        ) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy emits BEGIN itself, see _begin_sqlite
    _use_write_ahead_log(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY


@retry(
    retry=retry_if_exception(_is_locked),
    stop=stop_after_delay(_PATIENCE_SECONDS),
    wait=wait_random(0.01, 0.05),
    reraise=True,
)
def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, which a file keeps.

    Of several first connections one makes the switch; SQLite tells the others "locked" at once, whatever their
    timeout, because each holds a read lock that it would have to give up first.
    """
    connection.execute("PRAGMA journal_mode=WAL").close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
