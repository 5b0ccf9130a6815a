"""What a run is doing and how long each stage took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Listener", "Stages", "peak_rss_mb"]


class Listener(Protocol):
    """Shows a run's progress, e.g. as a live line in a terminal."""

    def begin(self, stage: str) -> None:
        """Show that a stage has begun."""

    def say(self, text: str) -> None:
        """Show what the stage is at."""

    def end(self, stage: str, seconds: float) -> None:
        """Show that a stage is done."""


class Stages:
    """Times the stages of a run and tells a listener.

    Parameters
    ----------
    listener : Listener, optional
        Told of every stage; nobody by default.

    Examples
    --------
    >>> stages = Stages()
    >>> with stages("features"):
    ...     stages.say("events")
    >>> list(stages.seconds)
    ['features']
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the block as a stage; a stage entered twice adds up."""
        started = time.perf_counter()
        if self._listener:
            self._listener.begin(stage)
        yield
        took = time.perf_counter() - started
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + took, 3)
        if self._listener:
            self._listener.end(stage, took)

    def say(self, text: str) -> None:
        """Tell the listener what the current stage is at."""
        if self._listener:
            self._listener.say(text)


def peak_rss_mb() -> float:
    """Return this process's peak resident memory so far, MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
