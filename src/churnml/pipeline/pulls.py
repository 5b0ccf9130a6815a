"""`churnml pull`: fetches what is new from the tools that the config names, and lands it where the presets read it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import httpx
from pydantic_core import to_jsonable_python

from churnml.config import Config, SourceConfig
from churnml.errors import UsageError, WorkspaceError, near_name
from churnml.language import Text, one_of
from churnml.pipeline.lock import locked
from churnml.progress import Stages
from churnml.sources.connectors import PlannedPull, SourcePull, preview_source, pull_source
from churnml.sources.connectors.dlt_landing import DltLanding
from churnml.sources.connectors.landing import Landing, Nowhere
from churnml.sources.connectors.pulling import Surroundings

__all__ = ["PullReport", "preview_pull", "pull"]

_LOG = logging.getLogger("churnml.pull")


@dataclass(frozen=True)
class PullReport:
    """What a pull came to, source by source.

    Parameters
    ----------
    sources : tuple of SourcePull
    """

    sources: tuple[SourcePull, ...]

    @property
    def ok(self) -> bool:
        """Whether no source needs a person; one that only used up its budget goes on another day."""
        return not any(source.failed for source in self.sources)

    @property
    def complete(self) -> bool:
        """Whether every source was fetched to its end."""
        return all(source.stopped is None for source in self.sources)


def pull(
    config: Config,
    sources: Sequence[str] = (),
    *,
    since: date | None = None,
    stages: Stages | None = None,
    clock: Callable[[], datetime] | None = None,
    wait: Callable[[float], None] = time.sleep,
    transports: Mapping[str, httpx.BaseTransport] | None = None,
) -> PullReport:
    """Fetch what is new from the tools that the config names.

    Parameters
    ----------
    config : Config
        Its sources with a section ``pull`` are fetched.
    sources : sequence of str
        Only these; empty means all of them.
    since : date, optional
        Fetch everything anew that changed from this day on, UTC, whatever was fetched before.
    stages : Stages, optional
        Told of progress.
    clock : callable, optional
        Returns the time, UTC; by default the machine's.
    wait : callable
        Waits so many seconds.
    transports : mapping, optional
        Source → another way to send, for tests.

    Returns
    -------
    PullReport
        A source that cannot go on says why; the others are fetched all the same.

    Raises
    ------
    UsageError
        No source has a section ``pull``, or none of this name.
    WorkspaceError
        Another pull is at work, or what was fetched cannot be written.
    """
    stages = stages or Stages()
    done = []
    for name, source in _named(config, sources).items():
        assert source.pull is not None, "only pulled sources are named"
        folder = _folder(config)
        lock = folder / f"{name or 'source'}.lock"
        with stages(f"pull {name or source.pull.tool}"), locked(lock, partial(_busy, lock)):
            landing = _landing(config, name, source)
            around = Surroundings(
                clock or _now, wait, folder, stages.say, transports.get(name) if transports is not None else None
            )
            try:
                one = pull_source(name, source.pull, landing, around, since=_moment(since))
            finally:
                landing.close()
            _record(folder / "history.jsonl", one)
        done.append(one)
    return PullReport(tuple(done))


def preview_pull(
    config: Config,
    sources: Sequence[str] = (),
    *,
    since: date | None = None,
    clock: Callable[[], datetime] | None = None,
) -> list[PlannedPull]:
    """Return what a pull would begin with, secrets masked; nothing leaves.

    Raises
    ------
    UsageError
        No source has a section ``pull``, or none of this name.
    """
    planned = []
    for name, source in _named(config, sources).items():
        assert source.pull is not None, "only pulled sources are named"
        there = source.duckdb is not None and config.resolve(source.duckdb).is_file()
        landing: Landing = _landing(config, name, source) if there or source.pull.destination else Nowhere()
        around = Surroundings(clock or _now, lambda seconds: None, _folder(config))
        try:
            planned.append(preview_source(name, source.pull, landing, around, since=_moment(since)))
        finally:
            landing.close()
    return planned


def _named(config: Config, names: Sequence[str]) -> dict[str, SourceConfig]:
    """Return the sources to pull."""
    pulled = {name: source for name, source in config.named_sources.items() if source.pull is not None}
    if not pulled:
        raise UsageError(Text.of("fault-no_tool"), where="sources")
    unknown = [name for name in names if name not in pulled]
    if unknown:
        near = near_name(unknown[0], pulled)
        raise UsageError(Text.of("fault-no_source", name=repr(unknown[0])), expected=one_of(pulled, near))
    return {name: source for name, source in pulled.items() if not names or name in names}


def _landing(config: Config, name: str, source: SourceConfig) -> DltLanding:
    assert source.pull is not None, "only pulled sources land"
    file = config.resolve(source.duckdb) if source.duckdb is not None else None
    return DltLanding(
        name, file=file, destination=source.pull.destination, folder=config.workspace_dir / "pulls" / "under_way"
    )


def _folder(config: Config) -> Path:
    """Return the folder of counts and records; what was pulled is customers' data, for its owner alone."""
    for name in ("landing", "pulls"):
        folder = config.workspace_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    return folder


def _record(file: Path, one: SourcePull) -> None:
    """Write down what a pull came to, one line each."""
    file.touch(mode=0o600)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(to_jsonable_python(one), ensure_ascii=False) + "\n")
    if one.stopped is not None:
        _LOG.warning("The pull of %s ended early: %s", one.source, one.stopped.code)


def _busy(lock: Path, who: str) -> WorkspaceError:
    return WorkspaceError(Text.of("fault-pull_busy"), where=str(lock), got=who, code="workspace.busy")


def _moment(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)
