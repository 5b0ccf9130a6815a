"""One daily run, one pull of a source at a time: locks that end with their process, whatever ends it."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from churnml.errors import WorkspaceError
from churnml.language import Text

if sys.platform != "win32":
    import fcntl

__all__ = ["Busy", "holder", "locked", "only_one"]


class Busy(WorkspaceError):  # noqa: N818
    """Another run is at work."""

    code = "daily.busy"
    exit_code = 3


def holder() -> str:
    """Return what names this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def only_one(folder: Path, name: str, store_url: str) -> Iterator[None]:
    """Hold the lock of a config's daily run.

    On this machine it is a file that the kernel locks; it is unlocked when the process ends, so a file that lies there
    means nothing by itself. Where the store is on PostgreSQL, which machines share, a session of the server holds a
    second one, which the server ends with the connection.

    Parameters
    ----------
    folder : Path
        The workspace.
    name : str
        The config's name.
    store_url : str

    Raises
    ------
    Busy
        Another run holds it; the message says which, and since when.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with only_one(folder, "acme", "sqlite://"):
    ...     try:
    ...         with only_one(folder, "acme", "sqlite://"):
    ...             pass
    ...     except Busy as busy:
    ...         busy.what
    'A daily run of acme is at work already'
    """
    with ExitStack() as held:
        held.enter_context(locked(folder / f".daily-{name}.lock", lambda who: _busy(name, who)))
        if store_url.startswith("postgresql"):
            held.enter_context(_server_lock(store_url, name))
        yield


@contextmanager
def locked(path: Path, busy: Callable[[str], WorkspaceError]) -> Iterator[None]:
    """Hold a file for this process; the lock ends with the process, whatever ends it.

    Parameters
    ----------
    path : Path
        Says who holds it, and since when.
    busy : callable
        Makes the error for a lock that another process holds, given who that is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                said = os.pread(handle, 200, 0).decode("utf-8", "replace").strip()
                raise busy(said or str(path)) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{holder()} since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode())
        yield
    finally:
        os.close(handle)


@contextmanager
def _server_lock(url: str, name: str) -> Iterator[None]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, isolation_level="AUTOCOMMIT")
    key = int.from_bytes(hashlib.sha256(f"churnml daily {name}".encode()).digest()[:8], "big", signed=True)
    try:
        with engine.connect() as connection:
            if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
                raise _busy(name, "a process on another machine")
            yield
    finally:
        engine.dispose()


def _busy(name: str, who: str) -> Busy:
    return Busy(Text.of("fault-daily_busy", name=name), got=who)
