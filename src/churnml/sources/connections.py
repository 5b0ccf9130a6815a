"""Connects to the databases of sources, and says what is missing where a source has not what the config names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.config import mask_text, mask_url
from churnml.errors import near_name
from churnml.sources.sql import problem

if TYPE_CHECKING:
    from ibis.backends import BaseBackend

__all__ = ["connected", "missing_file", "missing_folder", "missing_table"]


def connected(url: str, key: str) -> BaseBackend:
    """Return the backend of a connection URL; `key` is the key of the source in the config."""
    import ibis
    from ibis.backends import BaseBackend

    try:
        backend = ibis.connect(url)
    except ImportError as error:
        raise problem(
            "CHK001",
            "The driver of the source is not installed",
            where=f"{key}.connection",
            got=mask_text(str(error).splitlines()[0], [url]),
            remedy=f"Run: pip install 'ibis-framework[{url.split(':', 1)[0]}]'",
        ) from error
    except Exception as error:  # every driver has its own exceptions
        raise problem(
            "CHK001",
            "The source refused the connection",
            where=f"{key}.connection",
            got=f"{mask_url(url)}: {mask_text((str(error).splitlines() or [type(error).__name__])[0], [url])}",
            remedy=f"Correct {key}.connection, and check that the database is up and lets you in.",
        ) from error
    assert isinstance(backend, BaseBackend)
    return backend


def missing_folder(folder: Path, key: str) -> Exception:
    """Return the error of a folder that is not there."""
    siblings = [path.name for path in folder.parent.glob("*") if path.is_dir()] if folder.parent.is_dir() else []
    near = near_name(folder.name, siblings)
    return problem(
        "CHK001",
        f"There is no folder {folder}",
        where=f"{key}.folder",
        expected=f"{folder.parent / near} perhaps" if near else None,
        remedy=f"Correct {key}.folder; a relative path starts at the config file's own folder.",
    )


def missing_file(folder: Path, pattern: str, where: str) -> Exception:
    """Return the error of a file that is not there."""
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    near = near_name(pattern, there)
    shown = ", ".join(there[:12]) + (" …" if len(there) > 12 else "")
    return problem(
        "CHK001",
        f"No file matches {pattern!r}",
        where=f"{where} in {folder}",
        got=f"the folder holds {shown}" if there else "an empty folder",
        expected=f"{near} perhaps" if near else None,
        remedy=f"Write `from: {near}`." if near else None,
    )


def missing_table(name: str, known: Iterable[str], where: str) -> Exception:
    """Return the error of a table that a database does not have."""
    names = sorted(known)
    near = near_name(name, names)
    return problem(
        "CHK001",
        f"There is no table {name!r} in the source",
        where=where,
        got=f"tables: {', '.join(names[:12])}" if names else "no tables",
        expected=f"{near} perhaps" if near else None,
        remedy=f"Write `from: {near}`." if near else None,
    )
