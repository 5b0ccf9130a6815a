"""Open the database: SQLite in WAL mode or PostgreSQL, at the package's schema version."""

from __future__ import annotations

import json
import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from tenacity import Retrying, retry, retry_if_exception, stop_after_delay, wait_random

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.schema import Base

__all__ = ["PATIENCE_SECONDS", "SCHEMA_VERSION", "is_busy", "migrate", "open_engine", "schema_version"]

SCHEMA_VERSION = "0015"
"""The newest migration in `churnml.store.migrations`; a test holds it to be so."""

PATIENCE_SECONDS = 30.0
"""How long a write waits for others by default."""
_POLL_SECONDS = 0.002, 0.005
"""How often a write asks whether it is its turn: more often than a publisher's pause between two chunks.

SQLite's own waiting asks every tenth of a second, and would miss those pauses for seconds."""
_READ_SECONDS = 5.0
"""How long a SQLite read waits; only the recovery after a crash makes it wait."""

_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code for a lock that was waited for too long."""
_LOCK = 0x63_68_75_72_6E
"""Number of PostgreSQL's advisory lock under which one process at a time migrates."""


def open_engine(url: str, patience_seconds: float = PATIENCE_SECONDS) -> Engine:
    """Open an engine on a URL and make its schema current.

    Parameters
    ----------
    url : str
        SQLAlchemy URL.
    patience_seconds : float
        How long a write waits for others before it fails as busy.

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
        if sqlite:
            _make_private(parsed.database, url)
        engine = create_engine(
            parsed,
            json_serializer=partial(json.dumps, ensure_ascii=False, allow_nan=False),
            pool_pre_ping=not sqlite,
            hide_parameters=True,  # an error must not bring an account id into a log
            connect_args={"timeout": _READ_SECONDS} if sqlite else {},
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            Text.of("error-store_url"),
            where="store.url",
            got=str(error),
            code="store.url",
        ) from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", partial(_begin_sqlite, patience_seconds))
    else:
        event.listen(engine, "begin", partial(_begin_postgres, patience_seconds))
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


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring a database to a schema, the newest by default, one process at a time."""
    from alembic.config import Config as AlembicConfig
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).parent / "migrations"))

    def steps(revisions: Any, _context: Any) -> Any:
        return script._upgrade_revs(to, revisions)

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
            version = schema_version(connection)
        if version is not None and version > SCHEMA_VERSION:
            raise StoreError(
                Text.of("error-store_newer"),
                where=engine.url.render_as_string(hide_password=True),
                got=Text.of("error-store_newer.schema", number=str(version)),
                expected=Text.of("error-store_newer.schema", number=str(SCHEMA_VERSION)),
                code="store.schema",
            )
        if version != SCHEMA_VERSION:
            migrate(engine)
    except (DBAPIError, sqlite3.Error) as error:
        raise _unopened(engine.url.render_as_string(hide_password=True), error) from error


def _unopened(where: str, error: Exception) -> StoreError:
    said = str(getattr(error, "orig", error)).strip()
    if "not a database" in said or "malformed" in said:
        return StoreError(
            Text.of("error-store_damaged"),
            where=where,
            got=said,
            code="store.damaged",
        )
    return StoreError(
        Text.of("error-store_unopened"),
        where=where,
        got=said,
        code="store.unreachable",
    )


def _make_private(database: str | None, url: str) -> None:
    """Make the folder and the file of a new SQLite store: the owner's only, and so what SQLite puts beside it."""
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    path = Path(database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never opened where it exists: closing it would take away the locks that this process's connections hold.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise _unopened(url, error) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy emits BEGIN itself, see _begin_sqlite
    _use_write_ahead_log(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY


@retry(
    retry=retry_if_exception(_is_locked),
    stop=stop_after_delay(PATIENCE_SECONDS),
    wait=wait_random(0.01, 0.05),
    reraise=True,
)
def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, which a file keeps.

    Of several first connections one makes the switch; SQLite tells the others "locked" at once, whatever their
    timeout, because each holds a read lock that it would have to give up first.
    """
    connection.execute("PRAGMA journal_mode=WAL").close()


def is_busy(error: BaseException) -> bool:
    """Tell whether a database refused because others were writing for too long."""
    cause = getattr(error, "orig", error)
    return _is_locked(cause) or getattr(cause, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _is_locked_behind(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and _is_locked(error.orig or error)


def _begin_sqlite(patience_seconds: float, connection: Connection) -> None:
    if not connection.get_execution_options().get("write", False):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        Retrying(
            retry=retry_if_exception(_is_locked_behind),
            stop=stop_after_delay(patience_seconds),
            wait=wait_random(*_POLL_SECONDS),
            reraise=True,
        )(connection.exec_driver_sql, "BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_READ_SECONDS * 1000:.0f}")


def _begin_postgres(patience_seconds: float, connection: Connection) -> None:
    if connection.get_execution_options().get("write", False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {patience_seconds * 1000:.0f}")
