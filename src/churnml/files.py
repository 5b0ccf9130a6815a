"""Files that appear whole or not at all: written beside, then renamed."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import pandas as pd

if sys.platform != "win32":
    import fcntl

__all__ = [
    "all_beside",
    "beside",
    "file_stem",
    "folder_beside",
    "remove_folder",
    "sqlite_path",
    "sqlite_url",
    "stage_folder",
    "sweep",
    "write_array",
    "write_documents",
    "write_json",
    "write_parquet",
    "write_text",
]

_PARTS = itertools.count()
_STALE_SECONDS = 86_400


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
    with all_beside(path) as (temporary,):
        yield temporary


@contextmanager
def all_beside(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Give a temporary path beside each; when the block ends well, rename all, one right after the other."""
    parts = tuple(_part_of(path) for path in paths)
    with ExitStack() as held:
        try:
            for part in parts:
                part.parent.mkdir(parents=True, exist_ok=True)
                # What is written may be customers' data: it is the owner's alone from its first byte on.
                part.touch(0o600)
                held.enter_context(_held(part))
            yield parts
            for part in parts:
                _flush(part)
            for part, path in zip(parts, paths, strict=True):
                os.replace(part, path)
        except OSError as error:
            _name(error, paths[0])
            raise
        finally:
            for part in parts:
                part.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside; rename it to `path` when the block ends well, else remove it.

    What `path` was before is renamed away first, and so is never seen in part.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "kept"
    >>> for text in ("old", "new"):
    ...     with folder_beside(target) as temporary:
    ...         _ = (temporary / "a.txt").write_text(text)
    >>> (target / "a.txt").read_text(), len(list(target.parent.iterdir()))
    ('new', 1)
    """
    part = _part_of(path)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    try:
        with _held(part):
            yield part
            for file in part.rglob("*"):
                _flush(file)
            remove_folder(path)
            part.rename(path)
    except OSError as error:
        _name(error, path)
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder as a whole: it is renamed first, so that nobody finds half of it."""
    away = path.with_name(f".{path.name}.{os.getpid()}-old.part")
    try:
        path.rename(away)
    except FileNotFoundError:
        return
    shutil.rmtree(away, ignore_errors=True)


@contextmanager
def stage_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give a folder for temporary copies, removed at the end, or by `sweep` where the process was killed."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=parent))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> list[Path]:
    """Remove the temporary files and folders that killed processes have left below a folder; return what was removed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with beside(folder / "a.json") as mine:
    ...     (folder / ".b.json.1.part").touch()
    ...     [path.name for path in sweep(folder)], mine.exists()
    (['.b.json.1.part'], True)
    """
    removed = []
    for path in sorted(folder.rglob(".*.part")):
        if path.exists() and _abandoned(path):
            removed.append(path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return removed


def _name(error: OSError, path: Path) -> None:
    """Let an error name the file that was being written: what a disk refuses late does not say which."""
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
        error.filename = str(path)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_PARTS)}.part")


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, whatever ends it: by it `sweep` knows what is still being written."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _abandoned(path: Path) -> bool:
    with suppress(OSError):
        if sys.platform == "win32":
            return time.time() - path.stat().st_mtime > _STALE_SECONDS
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(handle)
        return True
    return False


def _flush(path: Path) -> None:
    """Have the disk hold what was written before a name points to it."""
    if path.is_file():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            # Some file systems cannot; one that has no room left may say so only here.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF):
                raise
        finally:
            os.close(handle)


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
    stem = unicodedata.normalize("NFC", text)
    stem = re.sub(r"[^\w.-]+", "_", stem)
    stem = re.sub(r"^\.+", "_", stem)[:_STEM_LETTERS] or "_"
    if stem == text and stem.casefold() not in taken:
        return stem
    return f"{stem}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


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


def write_documents(path: Path, documents: Iterable[Any]) -> Path:
    """Write documents as a JSON array, each on a line of its own, one after another: they may be many.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_documents(Path(folder) / "two.json", ({"n": n} for n in (1, 2))).read_text(), end="")
    [
    {"n": 1}
    ,{"n": 2}
    ]
    """
    return write_array(path, (json.dumps(document, ensure_ascii=False) for document in documents))


def write_array(path: Path, texts: Iterable[str]) -> Path:
    """Write documents that are JSON already as `write_documents` writes documents."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n")
        for number, text in enumerate(texts):
            file.write(f"{',' if number else ''}{text}\n")
        file.write("]\n")
    return path


def write_parquet(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as Parquet, without its index."""
    with beside(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return path
