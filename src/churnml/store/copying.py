"""Copies of a SQLite store, taken and put back while others read and write it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from churnml.errors import StoreError
from churnml.files import beside, sqlite_path
from churnml.language import Text

__all__ = ["copy_out", "put_back"]

_PAGES = 2000
"""Pages in one step, some hundredths of a second; between two steps writers get their turn."""


def copy_out(url: str, to: Path) -> None:
    """Copy a SQLite store to a file, as it is at one moment, whoever works with it.

    Raises
    ------
    StoreError
        The store is no SQLite file.
    """
    path = _path(url)
    if not path.is_file():
        raise StoreError(Text.of("fault-no_store"), where=str(path), code="store.missing")
    with (
        beside(to) as part,
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target, pages=_PAGES, sleep=0.02)
        # One file by itself: a copy needs no log beside it.
        target.execute("PRAGMA journal_mode=DELETE").close()


def put_back(copy: Path, url: str) -> None:
    """Put a copy in the place of a store in one transaction: who reads sees the old store or the copy.

    Raises
    ------
    StoreError
        The store is no SQLite file, or the copy is damaged.
    """
    path = _path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as source:
            row = source.execute("PRAGMA integrity_check").fetchone()
            if row is None or row[0] != "ok":
                raise sqlite3.DatabaseError(str(row[0]) if row else "no answer")
            with closing(sqlite3.connect(path, timeout=30)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode=WAL").close()
    except sqlite3.Error as error:
        raise StoreError(
            Text.of("fault-store_restore"), where=str(copy), got=str(error), code="store.restore"
        ) from error
    path.chmod(0o600)


def _path(url: str) -> Path:
    path = sqlite_path(url)
    if path is None:
        raise StoreError(Text.of("fault-not_sqlite"), where="store.url", code="store.not_sqlite")
    return path
