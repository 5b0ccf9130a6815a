"""What a run is doing and how long each stage took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from churnml.errors import Said

__all__ = ["Listener", "Progress", "Stage", "Stages", "peak_rss_mb"]


Progress = Callable[[Said], None]
"""Told in one line what a stage is at."""


class Listener(Protocol):
    """Shows a run's progress, e.g. as a live line in a terminal."""

    def begin(self, stage: Stage) -> None:
        """Show that a stage has begun."""

    def say(self, text: Said) -> None:
        """Show what the stage is at."""

    def end(self, stage: str, seconds: float) -> None:
        """Show that a stage is done."""


class Stage:
    """A stage that runs: what it is at, and how much of it is done as far as anybody can tell.

    Parameters
    ----------
    name : str
    steps : int, optional
        How many steps it has; `advance` counts them.
    expected : float, optional
        Seconds it took the last time.
    clock : callable
        Seconds that only grow.

    Examples
    --------
    >>> now = iter([0.0, 10.0, 12.0])
    >>> stage = Stage("backtest", steps=4, clock=lambda: next(now))
    >>> stage.advance("fold 1")
    >>> stage.advance("fold 2")  # after ten seconds one of four steps is done
    >>> stage.share(), stage.text
    (0.3, 'fold 2')
    """

    def __init__(
        self,
        name: str,
        *,
        steps: int | None = None,
        expected: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self.text: Said = ""
        self._steps, self._expected, self._clock = steps, expected, clock
        self._started = clock()
        self._begun = 0
        self._done_after = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._started

    def advance(self, text: Said) -> None:
        """Begin the next step."""
        self.text = text
        if self._begun:
            self._done_after = self.elapsed
        self._begun += 1

    def share(self) -> float | None:
        """Return how much is done, 0–0.99; None where nothing tells."""
        total = self._expected
        done = self._begun - 1
        if self._steps and done > 0:
            total = self._done_after / done * self._steps
        if not total:
            return None
        return min(self.elapsed / total, 0.99)


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
        self._running: Stage | None = None
        self.seconds: dict[str, float] = {}
        self.expected: dict[str, float] = {}
        """Stage → seconds it took the last time, where that is known."""

    @contextmanager
    def __call__(self, name: str, steps: int | None = None) -> Iterator[None]:
        """Time the block as a stage; a stage entered twice adds up.

        Parameters
        ----------
        name : str
        steps : int, optional
            How often `say` will be called, where that is known beforehand.
        """
        stage = self._running = Stage(name, steps=steps, expected=self.expected.get(name))
        if self._listener:
            self._listener.begin(stage)
        yield
        took = stage.elapsed
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
        if self._listener:
            self._listener.end(name, took)

    def say(self, text: Said) -> None:
        """Tell the listener what the current stage is at."""
        if self._running is not None:
            self._running.advance(text)
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
