"""Writes a file beside its place and renames it, so that readers see the old one or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written"]


@contextmanager
def written(file: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `file` when the block ends well, and vanishes when it does not.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with written(Path(folder) / "a.txt") as path:
    ...         _ = path.write_text("done")
    ...     (Path(folder) / "a.txt").read_text()
    'done'
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
