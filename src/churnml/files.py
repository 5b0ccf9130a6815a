"""Files that appear whole or not at all: written beside, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["beside", "file_stem", "sqlite_path", "sqlite_url", "write_json", "write_parquet", "write_text"]


_STEM_LETTERS = 60
"""A letter takes up to four bytes, and file systems end at 255."""


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; rename it to `path` when the block ends well, else remove it.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a" / "b.txt"
    >>> with beside(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # What is written may be customers' data: it is the owner's alone from its first byte on.
        temporary.touch(0o600)
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_stem(text: str, taken: Collection[str] = ()) -> str:
    """Return a file name, without its suffix, for any text: recognisable, one's own, and never a path.

    Letters and digits of every script stay. Where anything had to be replaced, or the name is `taken` by another kind
    of file, a short hash of the text keeps it apart.

    Examples
    --------
    >>> file_stem("株式会社東京"), file_stem("A-17.b")
    ('株式会社東京', 'A-17.b')
    >>> file_stem("a/b"), file_stem("a b"), file_stem("..")
    ('a_b-c14cddc0', 'a_b-c8687a08', '_-5ec1f7e7')
    >>> file_stem("portfolio", taken=["portfolio"])
    'portfolio-0e6a8e0b'
    """
    kept = unicodedata.normalize("NFC", text)
    kept = re.sub(r"[^\w.-]+", "_", kept)
    kept = re.sub(r"^\.+", "_", kept)[:_STEM_LETTERS] or "_"
    if kept == text and kept.casefold() not in taken:
        return kept
    return f"{kept}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def sqlite_url(path: Path, scheme: str = "sqlite") -> str:
    """Return SQLAlchemy's URL of a SQLite file, whatever its path holds.

    Examples
    --------
    >>> sqlite_url(Path("/data/会社 1/why?/store.db"))
    'sqlite:////data/会社 1/why%3F/store.db'
    >>> sqlite_path(sqlite_url(Path("/data/why?/100%/store.db")))
    PosixPath('/data/why?/100%/store.db')
    """
    return f"{scheme}:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def sqlite_path(url: str) -> Path | None:
    """Return the file that a SQLite URL names; None for another database, or one in memory.

    Examples
    --------
    >>> sqlite_path("sqlite:///store.db?timeout=5")
    PosixPath('store.db')
    >>> sqlite_path("sqlite://") is sqlite_path("postgresql://db/x") is None
    True
    """
    scheme, mark, rest = url.partition(":///")
    file = unquote(rest.partition("?")[0])
    if not mark or scheme.partition("+")[0] != "sqlite" or file in ("", ":memory:") or file.startswith("file:"):
        return None
    return Path(file)


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text."""
    with beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, data: Any) -> Path:
    """Write data as indented JSON."""
    return write_text(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def write_parquet(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as Parquet, without its index."""
    with beside(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return path
