"""Many companies or business units: a folder of configs, each run in a process of its own, within a memory limit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from churnml.config import load_config
from churnml.errors import ChurnmlError, UsageError
from churnml.language import Text
from churnml.store import Store

__all__ = ["Unit", "configs_in", "megabytes", "run_units"]

_POLL_SECONDS = 0.1
_GUESS_MB = 700.0
"""What a unit is taken to need before its first run has told."""
_OUTCOMES = {0: "done", 1: "failed", 2: "refused", 3: "busy"}
_SIZES = {"MB": 1.0, "GB": 1024.0, "TB": 1024.0**2}


@dataclass(frozen=True)
class Unit:
    """What became of one config.

    Parameters
    ----------
    config : Path
    outcome : str
        ``done``; ``failed``: a stage was not well; ``refused``: the config is wrong; ``busy``: another run is at it;
        ``killed``: its process was ended; ``memory``: it needs more than there is, even alone.
    seconds : float
    peak_mb : float
        Most memory that was seen, MiB.
    starts : int
        More than one where it had to make room for others first.
    report : mapping
        What its run printed as JSON; empty where there is nothing to read.
    """

    config: Path
    outcome: str
    seconds: float
    peak_mb: float
    starts: int
    report: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Job:
    config: Path
    expected_mb: float
    starts: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    began: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    out: IO[bytes] | None = None
    too_large: bool = False

    def start(self, command: Sequence[str]) -> None:
        """Start its process."""
        self.starts += 1
        self.began = time.monotonic()
        if self.out is not None:
            self.out.close()
        self.out = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, str(self.config)], stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.DEVNULL
        )

    def memory_mb(self) -> float:
        """Return what it holds now, its children included, MiB."""
        import psutil  # type: ignore[import-untyped]

        assert self.process is not None
        total = 0.0
        with suppress(psutil.Error):
            process = psutil.Process(self.process.pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    total += one.memory_info().rss / 2**20
        self.peak_mb = max(self.peak_mb, total)
        return total

    def kill(self) -> None:
        """End it: a daily run is safe to kill."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.seconds += time.monotonic() - self.began

    def result(self) -> Unit:
        """Return what became of it."""
        assert self.process is not None
        code = self.process.returncode
        outcome = "memory" if self.too_large else "killed" if code < 0 else _OUTCOMES.get(code, "failed")
        report: dict[str, Any] = {}
        if self.out is not None:
            self.out.seek(0)
            with suppress(ValueError):
                report = json.loads(self.out.read().decode("utf-8", "replace"))
            self.out.close()
        return Unit(self.config, outcome, round(self.seconds, 1), round(self.peak_mb, 1), self.starts, report)


def run_units(
    folder: Path,
    *,
    jobs: int = 1,
    memory_mb: float | None = None,
    command: Sequence[str] | None = None,
    ended: Callable[[Unit], None] = lambda unit: None,
) -> list[Unit]:
    """Run the daily run of every config in a folder, some side by side; what happens to one is not another's.

    A unit is started when what it needed the last time still fits. Where memory runs out all the same, the unit that
    began last is ended, and begun again when there is room; one that does not even fit alone is given up.

    Parameters
    ----------
    folder : Path
    jobs : int
        Most at a time.
    memory_mb : float, optional
        Memory of all of them together, MiB.
    command : sequence of str, optional
        What runs one config, whose path is added; by default churnml's own.
    ended : callable
        Told of each unit as it ends.

    Raises
    ------
    UsageError
        The folder holds no config.
    """
    command = command or [sys.executable, "-c", "from churnml.cli import main; main()", "daily", "run", "--json"]
    waiting = [_Job(path, _needed(path)) for path in configs_in(folder)]
    running: list[_Job] = []
    results: dict[Path, Unit] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs and _fits(waiting[0], running, memory_mb):
                job = waiting.pop(0)
                job.start(command)
                running.append(job)
            time.sleep(_POLL_SECONDS)
            held = {id(job): job.memory_mb() for job in running}
            for job in [one for one in running if one.process is not None and one.process.poll() is not None]:
                running.remove(job)
                job.seconds += time.monotonic() - job.began
                results[job.config] = job.result()
                ended(results[job.config])
            alive = [job for job in running if id(job) in held]
            if memory_mb is not None and alive and sum(held[id(job)] for job in alive) > memory_mb:
                last = alive[-1]
                last.kill()
                running.remove(last)
                last.expected_mb = max(last.expected_mb, last.peak_mb)
                last.too_large = not running
                if last.too_large:
                    results[last.config] = last.result()
                    ended(results[last.config])
                else:
                    # It goes on alone, where it cannot make others begin again and again.
                    last.expected_mb = memory_mb
                    waiting.append(last)
    finally:
        for job in running:
            job.kill()
    return [results[path] for path in configs_in(folder)]


def _fits(job: _Job, running: Sequence[_Job], memory_mb: float | None) -> bool:
    if memory_mb is None or not running:
        return True
    return sum(max(one.expected_mb, one.peak_mb) for one in running) + job.expected_mb <= memory_mb


def _needed(path: Path) -> float:
    """Return what a unit needed in its last run, MiB; a guess where none is on record."""
    with suppress(ChurnmlError):
        config = load_config(path)
        with Store(config.store_url) as store:
            known = [run.peak_mb for run in store.runs(config.name).find(limit=5) if run.peak_mb is not None]
        if known:
            return max(known)
    return _GUESS_MB


def configs_in(folder: Path) -> list[Path]:
    """Return the configs of a folder, by name.

    Raises
    ------
    UsageError
        There is none.
    """
    configs = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file())
    if not configs:
        raise UsageError(Text.of("fault-no_configs"), where=str(folder))
    return configs


def megabytes(text: str) -> float:
    """Return an amount of memory in MiB.

    Examples
    --------
    >>> megabytes("8GB"), megabytes("512 MB")
    (8192.0, 512.0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(MB|GB|TB)\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(Text.of("fault-memory"), where="--memory", got=text)
    return float(match[1]) * _SIZES[match[2].upper()]
