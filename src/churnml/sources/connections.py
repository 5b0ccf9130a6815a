"""Connects to the databases of sources, and says what is missing where a source has not what the config names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.config import mask_text, mask_url
from churnml.errors import near_name
from churnml.language import Text
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
            Text.of("data-no_driver", driver=url.split(":", 1)[0]),
            where=f"{key}.connection",
            got=mask_text(str(error).splitlines()[0], [url]),
        ) from error
    except Exception as error:  # every driver has its own exceptions
        raise problem(
            "CHK001",
            Text.of("data-refused", key=key),
            where=f"{key}.connection",
            got=f"{mask_url(url)}: {mask_text((str(error).splitlines() or [type(error).__name__])[0], [url])}",
        ) from error
    assert isinstance(backend, BaseBackend)
    return backend


def missing_folder(folder: Path, key: str) -> Exception:
    """Return the error of a folder that is not there."""
    siblings = [path.name for path in folder.parent.glob("*") if path.is_dir()] if folder.parent.is_dir() else []
    near = near_name(folder.name, siblings)
    return problem(
        "CHK001",
        Text.of("data-no_folder", folder=str(folder), key=key),
        where=f"{key}.folder",
        expected=Text.of("data-perhaps", name=str(folder.parent / near)) if near else None,
    )


def missing_file(folder: Path, pattern: str, where: str) -> Exception:
    """Return the error of a file that is not there."""
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    near = near_name(pattern, there)
    shown = ", ".join(there[:12]) + (" …" if len(there) > 12 else "")
    return problem(
        "CHK001",
        Text.of("data-no_file", pattern=repr(pattern)),
        where=Text.of("data-no_file.where", place=where, folder=str(folder)),
        got=Text.of("data-no_file.holds", files=shown) if there else Text.of("data-no_file.none"),
        expected=Text.of("data-perhaps", name=near) if near else None,
        remedy=Text.of("data-write", it=f"from: {near}") if near else None,
    )


def missing_table(name: str, known: Iterable[str], where: str) -> Exception:
    """Return the error of a table that a database does not have."""
    names = sorted(known)
    near = near_name(name, names)
    return problem(
        "CHK001",
        Text.of("data-no_table", table=repr(name)),
        where=where,
        got=Text.of("data-no_table.there", tables=", ".join(names[:12])) if names else Text.of("data-no_table.none"),
        expected=Text.of("data-perhaps", name=near) if near else None,
        remedy=Text.of("data-write", it=f"from: {near}") if near else None,
    )
