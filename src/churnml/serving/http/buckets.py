"""Token buckets: how often a caller may call, counted over all worker processes of a service together."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Allowance", "Buckets"]

_SWEEP = 10_000
"""So many calls lie between two sweeps of buckets that are full again."""
_FULL_SECONDS = 60.0
"""An empty bucket is full again after a minute, so one left alone for so long need not be kept."""


@dataclass(frozen=True)
class Allowance:
    """What is left of a caller's requests: `wait_seconds` is 0 when this one is allowed."""

    limit: int
    remaining: int
    wait_seconds: float


class Buckets:
    """Token buckets by caller: so many requests a minute, of which a burst of that many may come at once.

    Parameters
    ----------
    per_minute : int
        Tokens that a bucket holds, and that it gets back in a minute.
    path : Path, optional
        SQLite file to keep the levels in, shared by the processes that name it; by default this process's memory.
        The first process must open it before it starts the others.
    clock : callable
        Seconds of a clock that all processes share.

    Examples
    --------
    >>> clock = iter([0.0, 0.0, 0.0, 30.0])
    >>> buckets = Buckets(2, clock=lambda: next(clock))
    >>> [buckets.take("k").wait_seconds for _ in range(4)]
    [0.0, 0.0, 30.0, 0.0]
    """

    def __init__(
        self, per_minute: int, path: Path | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._calls = 0
        self._levels = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=5, check_same_thread=False)
        # A crash of the machine may lose the counts, so nothing waits for the disk.
        for setting in ("journal_mode=WAL", "synchronous=OFF"):
            self._levels.execute(f"PRAGMA {setting}").close()
        self._levels.execute(
            "CREATE TABLE IF NOT EXISTS levels (caller TEXT PRIMARY KEY, level REAL, at REAL) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Close the file."""
        self._levels.close()

    def take(self, caller: str, tokens: int = 1) -> Allowance:
        """Take a token; without one, say how long to wait. ``tokens=0`` only looks."""
        with self._lock:
            self._levels.execute("BEGIN IMMEDIATE")
            try:
                return self._take(caller, tokens)
            finally:
                self._levels.execute("COMMIT")

    def _take(self, caller: str, tokens: int) -> Allowance:
        now = self._clock()
        held = self._levels.execute("SELECT level, at FROM levels WHERE caller = ?", (caller,)).fetchone()
        level, before = held or (float(self._limit), now)
        level = min(float(self._limit), level + max(0.0, now - before) * self._limit / 60)
        wanted = max(tokens, 1)
        allowed = level >= wanted
        if allowed and tokens:
            level -= tokens
            self._levels.execute("REPLACE INTO levels VALUES (?, ?, ?)", (caller, level, now))
        self._calls += 1
        if self._calls % _SWEEP == 0:
            self._levels.execute("DELETE FROM levels WHERE at < ?", (now - _FULL_SECONDS,))
        wait = 0.0 if allowed else (wanted - level) * 60 / self._limit
        return Allowance(self._limit, int(level), wait)
