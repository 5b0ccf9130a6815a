"""Faults of the machine that can be foreseen: a full disk, a read-only workspace, a damaged file, too little memory."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path

from churnml.errors import ChurnmlError, WorkspaceError
from churnml.language import Text

__all__ = ["foreseen"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_WORDS = (
    (("no space left on device", "database or disk is full", "disk quota exceeded", "file too large"), "full"),
    (("readonly database", "read-only file system", "permission denied"), "forbidden"),
    (("disk image is malformed", "file is not a database"), "damaged_database"),
    (
        (
            "parquet magic bytes",
            "not a parquet file",
            "no magic bytes found",
            "to be a parquet file",
            "couldn't deserialize thrift",
        ),
        "damaged_parquet",
    ),
    (("out of memory", "unable to allocate", "failed to allocate"), "memory"),
)
"""How the libraries beneath say it."""
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")
"""How numpy says that a file was cut short: without the kernel's number."""


def foreseen(error: BaseException, workspace: Path | None = None) -> ChurnmlError | None:
    """Return the message for a fault of the machine; None where the error is churnml's own.

    Of an error that churnml raised because of another one, only a full disk is looked for: whoever reads a file says
    what is wrong with the file, and a disk without room is no fault of it. An error that names no file happened in the
    `workspace`.

    Examples
    --------
    >>> foreseen(OSError(errno.ENOSPC, "No space left on device", "/data/scores.parquet")).where
    '/data/scores.parquet'
    >>> foreseen(OSError("23760 requested and 4592 written"), Path("/data")).where
    '/data'
    >>> foreseen(ValueError("x")) is None
    True
    """
    own = isinstance(error, ChurnmlError)
    for cause in _causes(error.__cause__ if own else error):
        kind = _kind(cause)
        if kind is not None and (kind == "full" or not own):
            named = getattr(cause, "filename", None) or _path_in(_plain(str(cause)))
            where = named or getattr(error, "where", None) or workspace
            said = _plain(_telling_line(cause))
            return WorkspaceError(
                Text.of(f"error-machine_{kind}"),
                where=None if where is None else str(where),
                got=said[:300],
                code=f"workspace.{kind}",
            )
    return None


def _plain(said: str) -> str:
    r"""Return the message inside DuckDB's record of an error in another thread, and any other as it is.

    Examples
    --------
    >>> _plain('IO Error: Async write: {"exception_message":"No space at \\"/x\\"","errno":"28"}')
    'No space at "/x"'
    """
    inner = re.search(r'"exception_message":"((?:[^"\\]|\\.)*)"', said)
    return inner.group(1).replace('\\"', '"') if inner else said


def _path_in(said: str) -> str | None:
    """Return the file that a message names, as DuckDB and Arrow do in quotation marks."""
    path = re.search(r"""["'](/[^"']+|[A-Za-z]:\\[^"']+)["']""", said)
    return path.group(1) if path else None


def _kind(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return "full"
        if error.errno in _FORBIDDEN:
            return "forbidden"
    said = str(error)
    if isinstance(error, OSError) and _CUT_SHORT.fullmatch(said):
        return "full"
    return _kind_of(said)


def _kind_of(said: str) -> str | None:
    return next((kind for words, kind in _WORDS if any(word in said.lower() for word in words)), None)


def _telling_line(error: BaseException) -> str:
    """Return the line of a message that says what was wrong; SQLAlchemy may put a remark of its own before it."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if _kind_of(line)), lines[0])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
