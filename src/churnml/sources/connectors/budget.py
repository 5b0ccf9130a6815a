"""How many calls a source may make on a day: its own number, and a share of what the tool says is left."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from churnml.files import write_json
from churnml.language import Text
from churnml.sources.connectors.faults import Stopped

__all__ = ["Budget", "next_midnight"]

_EVERY = 20


class Budget:
    """Counts the calls of one source and day, UTC, also over several pulls.

    Parameters
    ----------
    path : Path or None
        Where the count is kept; None keeps it in memory.
    clock : callable
        Returns the time, UTC.
    daily_calls : int
        Most calls a day.
    share : float
        Share of what the tool has left, at the first answer of the day that tells, that may be used.

    Examples
    --------
    >>> from datetime import UTC
    >>> budget = Budget(None, lambda: datetime(2026, 3, 2, 6, tzinfo=UTC), daily_calls=100, share=0.2)
    >>> budget.spend()
    >>> budget.note_left(51)
    >>> budget.calls, budget.allowed
    (1, 11)
    """

    def __init__(self, path: Path | None, clock: Callable[[], datetime], *, daily_calls: int, share: float) -> None:
        self._path = path
        self._clock = clock
        self._most = daily_calls
        self._share = share
        self._day = clock().date().isoformat()
        self.calls = 0
        self._left: int | None = None
        if path is not None and path.is_file():
            with suppress(OSError, ValueError, KeyError, TypeError):  # a damaged count begins anew
                saved = json.loads(path.read_text(encoding="utf-8"))
                if saved["day"] == self._day:
                    self.calls, self._left = int(saved["calls"]), saved["allowed"]

    @property
    def allowed(self) -> int:
        """Calls that may be made on this day, all in all."""
        return self._most if self._left is None else min(self._most, self._left)

    def spend(self) -> None:
        """Count a call.

        Raises
        ------
        Stopped
            The day's budget is used up.
        """
        now = self._clock()
        if now.date().isoformat() != self._day:
            self._day, self.calls, self._left = now.date().isoformat(), 0, None
        if self.calls >= self.allowed:
            self.keep()
            raise Stopped(Text.of("pull-stopped-budget", n=self.calls), next_midnight(now))
        self.calls += 1
        if self.calls % _EVERY == 1:
            self.keep()

    def note_left(self, left: int) -> None:
        """Take note of what the tool says is left of its allowance; the first word of the day counts."""
        if self._left is None:
            self._left = self.calls + math.floor(max(left, 0) * self._share)
            self.keep()

    def keep(self) -> None:
        """Write the count down."""
        if self._path is not None:
            write_json(self._path, {"day": self._day, "calls": self.calls, "allowed": self._left})


def next_midnight(now: datetime) -> datetime:
    """Return when the next day begins.

    Examples
    --------
    >>> next_midnight(datetime(2026, 2, 28, 6, 30)).isoformat()
    '2026-03-01T00:00:00'
    """
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
