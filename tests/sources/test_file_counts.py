"""What was counted of a large Parquet file is taken over while it lies unchanged, and of nothing else."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from churnml.sources import Loaded
from churnml.sources.staged import StagedTable


@pytest.fixture
def counting(raw: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return raw files of which any is large and old enough, and how often queries are answered from rows."""
    monkeypatch.setattr("churnml.sources.raw.MOST_ROWS", 0)
    monkeypatch.setattr("churnml.sources.file_counts._SETTLED_SECONDS", 0)
    raw.asked = []
    run = StagedTable.run

    def watched(self: StagedTable, query: str, **more: Any) -> Any:
        if any(part in query for part in ("fact_day", "bit_xor", "DISTINCT hash")):
            raw.asked.append(query)
        return run(self, query, **more)

    monkeypatch.setattr(StagedTable, "run", watched)
    raw.tables["events"] = {"from": "events.parquet"}
    lay(raw.folder)
    return raw


def lay(folder: Path, kind: str = "login") -> Path:
    """Write 60 events of three accounts, one of them unreadable, two of them equal."""
    file = folder / "events.parquet"
    duckdb.sql(
        "SELECT 'a' || n % 3 AS account_id, CASE WHEN n = 7 THEN NULL ELSE '" + kind + "' END AS event_type, "
        "TIMESTAMP '2026-01-01' + INTERVAL (n % 40) DAY AS occurred_at, 1.5 AS value FROM range(61) AS r(n)"
    ).write_parquet(str(file))
    return file


def told(loaded: Loaded) -> tuple[Any, ...]:
    """Return all that a load tells."""
    notes, checks = list(map(str, loaded.notes)), sorted(map(str, loaded.checks))
    return loaded.fingerprint, loaded.counts, notes, checks, loaded.rejected.to_dict(), loaded.use, loaded.reaches


def test_a_file_that_lies_unchanged_is_not_counted_again_and_all_that_is_told_is_the_same(counting: Any) -> None:
    first = told(counting.load())
    assert len(counting.asked) == 3  # rows by day, values, equal rows
    inode = (counting.workspace / "tables" / "events.parquet").stat().st_ino
    counting.asked.clear()
    assert told(counting.load()) == first
    assert not counting.asked
    assert (counting.workspace / "tables" / "events.parquet").stat().st_ino == inode
    assert first[1]["events"] == 60


def test_a_file_of_other_content_is_counted_whatever_its_size_and_time_say(counting: Any) -> None:
    before = counting.load()
    file = counting.folder / "events.parquet"
    was = file.stat()
    data = file.read_bytes()
    assert b"login" in data
    file.write_bytes(data.replace(b"login", b"logon"))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    after = counting.load()
    assert after.fingerprint != before.fingerprint
    assert set(after.tables["events"].event_type.execute()) == {"logon"}


def test_a_canonical_file_that_was_damaged_is_written_anew(counting: Any) -> None:
    first = told(counting.load())
    file = counting.workspace / "tables" / "events.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:20] + bytes(100) + whole[120:])
    assert told(counting.load()) == first
    assert set(counting.load().tables["events"].event_type.execute()) == {"login"}


@pytest.mark.parametrize(
    ("kind", "again"), [("lower(event_type)", 0), ("CASE WHEN random() < 2 THEN event_type END", 4)]
)
def test_what_depends_on_more_than_the_file_is_counted_each_time(counting: Any, kind: str, again: int) -> None:
    counting.tables["events"] = {"from": "events.parquet", "columns": {"event_type": {"expr": kind}}}
    counting.load()
    counting.asked.clear()
    counting.load()
    assert len(counting.asked) == again  # the fourth compares the rows with the canonical file


def test_counts_of_another_day_or_of_a_file_just_written_are_not_taken_over(
    counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.load()
    counting.asked.clear()
    counting.load(today=date(2026, 6, 2))
    assert len(counting.asked) == 4
    monkeypatch.setattr("churnml.sources.file_counts._SETTLED_SECONDS", 3600)
    counting.asked.clear()
    counting.load(today=date(2026, 6, 2))
    assert len(counting.asked) == 4
    assert not list((counting.workspace / "tables").glob("*.json"))
