"""What was counted of a large table, taken over while the files that it is read from lie unchanged."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

import churnml
from churnml.files import write_json
from churnml.sources.macros import definitions
from churnml.sources.mapping import Mapping
from churnml.sources.raw import Raw

__all__ = ["FileCounts"]

_SETTLED_SECONDS = 2.0
"""A file that was written a moment ago may be written again without its times showing it."""

_OWN_SQL = re.compile(
    r"\b(select|read_\w+|random|uuid\w*|gen_random\w*|setseed|now|today|get_current\w*|current_\w+|transaction_\w+|"
    r"getvariable|getenv|age|query\w*|nextval)\b",
    re.IGNORECASE,
)
"""SQL of a config that may come to something else though the files are the same."""

_OTHER_ROWS = re.compile(r"\b(from|join)\s+(?!\(|read_parquet\()", re.IGNORECASE)
"""Rows of anything but the files: of tables that hold ids, rates or lookups."""


@dataclass
class FileCounts:
    """The answers of queries over one table that is read from Parquet files alone.

    They are taken over where the same query, over the same mapping, was answered from files of the same names, sizes,
    inodes and times of change: a change of content moves the latter (``ctime``), whatever a program makes of ``mtime``.

    Parameters
    ----------
    path : Path
        Where they are kept: ``<workspace>/tables/<table>.counts.json``.
    files : tuple of Path
        The raw files.
    marks : list
        What they were like before they were read.
    mapping : str
        Stands for the mapping, and for what else answers depend on.
    """

    path: Path
    files: tuple[Path, ...]
    marks: list[list[Any]]
    mapping: str
    _answers: dict[str, list[list[Any]]] = field(default_factory=dict)
    _before: dict[str, Any] = field(default_factory=dict)
    _written: str = ""

    @classmethod
    def of(cls, folder: Path, mapping: Mapping, raw: Raw, rows: str) -> FileCounts | None:
        """Return the counts of a table; None where its rows depend on more than its files, or these were just written.

        Parameters
        ----------
        folder : Path
            Of the canonical files that were written the last time.
        mapping, raw : Mapping, Raw
            The table.
        rows : str
            The query of its rows, with the rules that they break.
        """
        if mapping.is_small or not raw.files or mapping.select.count("read_parquet(") != 1:
            return None
        own = [mapping.where or "", *(source.expr or "" for source in mapping.sources.values())]
        if any(map(_OWN_SQL.search, own)) or _OTHER_ROWS.search(mapping.select):
            return None
        marks = _marks(raw.files)
        if marks is None:
            return None
        text = json.dumps([churnml.__version__, duckdb.__version__, definitions(), rows])
        counts = cls(folder / f"{mapping.table.name}.counts.json", raw.files, marks, _short(text))
        with suppress(OSError, ValueError, AttributeError):  # none yet, or one that is damaged: all is counted anew
            known = json.loads(counts.path.read_text(encoding="utf-8"))
            if [known.get("files"), known.get("mapping")] == [marks, counts.mapping]:
                counts._before = known
        return counts

    def answer(self, query: str) -> list[tuple[Any, ...]] | None:
        """Return the rows of a query where they are known."""
        rows = self._before.get("answers", {}).get(_short(query))
        if rows is None:
            return None
        self._answers[_short(query)] = rows
        return [tuple(map(_from_json, row)) for row in rows]

    def keep(self, query: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Keep the rows of a query."""
        self._answers[_short(query)] = [list(map(_to_json, row)) for row in rows]

    def is_written(self, query: str, file: Path) -> bool:
        """Tell whether a file is the canonical one of the last time, which held the rows of a query."""
        self._written = _short(query)
        known = self._before.get("written")
        return known is not None and known == [self._written, _content_mark(file)]

    def save(self, file: Path) -> None:
        """Keep the answers for the next time, unless a raw file was changed in the meantime.

        Parameters
        ----------
        file : Path
            The canonical file of this time.
        """
        if not self._answers or _marks(self.files) != self.marks:
            self.path.unlink(missing_ok=True)
            return
        written = [self._written, _content_mark(file)] if self._written else None
        document = {"files": self.marks, "mapping": self.mapping, "answers": self._answers, "written": written}
        write_json(self.path, document)


def _marks(files: Sequence[Path]) -> list[list[Any]] | None:
    """Return what tells whether files changed; None where one has just been written, or is not there."""
    marks: list[list[Any]] = []
    try:
        for file in files:
            stat = file.stat()
            if time.time() - max(stat.st_mtime, stat.st_ctime) < _SETTLED_SECONDS:
                return None
            marks.append([str(file), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
    except OSError:
        return None
    return marks


def _content_mark(file: Path) -> list[int] | None:
    """Return the same of a file of our own, whose ``ctime`` moves with each link that is made to it."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _to_json(value: Any) -> Any:
    return {"date": value.isoformat()} if isinstance(value, date) else value


def _from_json(value: Any) -> Any:
    return date.fromisoformat(value["date"]) if isinstance(value, dict) else value
