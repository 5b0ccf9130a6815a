"""Pulls one source: page after page into rows, rows in batches into the landing, each batch with its positions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from churnml.config.pulls import PullConfig
from churnml.language import Text
from churnml.progress import Progress
from churnml.sources.connectors.access import Access, Request
from churnml.sources.connectors.budget import Budget
from churnml.sources.connectors.catalogue import connector_of
from churnml.sources.connectors.faults import Expired, LeftOut, Stopped
from churnml.sources.connectors.landing import Batch, Landing, Position
from churnml.sources.connectors.reports import ObjectPull, PlannedPull, SourcePull
from churnml.sources.connectors.rows import Row, row_of
from churnml.sources.connectors.tool import Connector, Page, Window, secrets_of

__all__ = ["Surroundings", "preview_source", "pull_source"]

_ROWS = 20_000
_SECONDS = 120.0


@dataclass(frozen=True)
class Surroundings:
    """What a pull needs of the world around it.

    Parameters
    ----------
    clock : callable
        Returns the time, UTC.
    wait : callable
        Waits so many seconds.
    folder : Path or None
        Where calls are counted and rejected records are kept; None keeps nothing.
    say : callable
        Told of progress.
    transport : httpx.BaseTransport, optional
        Another way to send, for tests.
    batch_rows : int
        So many rows land together at most, give or take a page.
    """

    clock: Callable[[], datetime]
    wait: Callable[[float], None]
    folder: Path | None = None
    say: Progress = lambda text: None
    transport: httpx.BaseTransport | None = None
    batch_rows: int = _ROWS


def pull_source(
    name: str, section: PullConfig, landing: Landing, around: Surroundings, *, since: datetime | None = None
) -> SourcePull:
    """Fetch what is new of one source and land it.

    Parameters
    ----------
    name : str
        The source.
    section : PullConfig
        Its section ``pull``.
    landing : Landing
        Where rows land.
    around : Surroundings
    since : datetime, optional
        Fetch every object anew from here on, whatever was fetched before.

    Returns
    -------
    SourcePull
        Also where the pull ended early: what was landed until then stays.
    """
    started = around.clock()
    with _connected(name, section, around) as (connector, notes):
        running = _Running(name or "source", section, landing, around, connector, started, notes)
        before = connector.access.budget.calls
        stopped: Stopped | None = None
        try:
            for stream in _wanted(connector, section, notes):
                running.fetch(stream, since)
        except Stopped as reason:
            stopped = reason
        running.land()
        landing.lay_views(connector.kinds)
        running.note_columns()
        budget = connector.access.budget
    return SourcePull(
        name or section.tool,
        section.tool,
        started,
        around.clock(),
        running.counted(),
        calls=budget.calls - before,
        calls_today=budget.calls,
        calls_allowed=budget.allowed,
        notes=tuple(note for place, note in enumerate(notes) if note not in notes[:place]),
        stopped=stopped.why if stopped else None,
        next_at=stopped.next_at if stopped else None,
        failed=stopped is not None and stopped.failed,
    )


def preview_source(
    name: str, section: PullConfig, landing: Landing, around: Surroundings, *, since: datetime | None = None
) -> PlannedPull:
    """Return what a pull would begin with; nothing leaves."""
    shown: list[Request] = []

    def show(request: httpx.Request) -> httpx.Response:
        body = request.read().decode("utf-8", "replace")
        shown.append(Request(request.method, str(request.url), body or None))
        raise Stopped(Text.of("pull-stopped-budget", n=0))

    dry = replace(around, folder=None, transport=httpx.MockTransport(show))
    with _connected(name, section, dry) as (connector, notes):
        running = _Running(name or "source", section, landing, dry, connector, around.clock(), notes)
        streams = _wanted(connector, section, notes)
        starts = {stream: running.window(stream, since)[0].since for stream in streams}
        for stream in streams[:1]:
            with suppress(Stopped, Expired, LeftOut):
                next(connector.pages(stream, running.window(stream, since)[0]), None)
        first = shown[0] if shown else None
        masked = replace(first, url=connector.access.masked(first.url), body=None) if first is not None else None
        budget = _budget(section, around, name)
        return PlannedPull(name or section.tool, section.tool, starts, masked, budget.calls, budget.allowed)


@contextmanager
def _connected(name: str, section: PullConfig, around: Surroundings) -> Iterator[tuple[Connector, list[Text]]]:
    notes: list[Text] = []
    access = Access(
        _budget(section, around, name), around.clock, around.wait,
        timeout_seconds=section.login.timeout_seconds, secrets=secrets_of(section.login), transport=around.transport,
        say=around.say,
    )  # fmt: skip
    key = f"{f'sources.{name}' if name else 'source'}.pull.{section.tool}"
    try:
        yield connector_of(section, access, key, lambda code, **words: notes.append(Text.of(code, **words))), notes
    finally:
        access.close()


def _budget(section: PullConfig, around: Surroundings, name: str) -> Budget:
    path = around.folder / f"{name or 'source'}.calls.json" if around.folder is not None else None
    login = section.login
    return Budget(path, around.clock, daily_calls=login.daily_calls, share=login.allowance_share)


def _wanted(connector: Connector, section: PullConfig, notes: list[Text]) -> list[str]:
    """Return the objects to fetch; one that the connector does not know is noted."""
    known = connector.streams()
    named = section.login.objects
    unknown = (each for each in named if each not in known)
    notes.extend(Text.of("pull-note-unknown", object=each, known=", ".join(known)) for each in unknown)
    return [stream for stream in known if not named or stream in named]


@dataclass
class _Running:
    """One pull while it runs."""

    name: str
    section: PullConfig
    landing: Landing
    around: Surroundings
    connector: Connector
    started: datetime
    notes: list[Text]
    positions: dict[str, Position] = field(default_factory=dict)
    waiting: dict[str, dict[str, Row]] = field(default_factory=dict)
    rows_in: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.positions = self.landing.positions()
        self.kinds = {kind.name: kind for kind in self.connector.kinds}
        self.covered = {
            kind.name: position.until
            for kind in self.connector.kinds
            if (position := self.positions.get(kind.stream or kind.name)) is not None and position.until is not None
        }
        self.columns = {name: dict(self.landing.columns(name)) for name in self.kinds}
        self.seen: dict[str, dict[str, str]] = {}
        self.widest: Counter[str] = Counter()
        self._landed_at = self.around.clock()

    def window(self, stream: str, since: datetime | None) -> tuple[Window, Position]:
        """Return what is to be fetched of an object: an unfinished window goes on, else a new one begins."""
        position = self.positions.get(stream, Position())
        if since is not None:
            return Window(since, self.started), replace(position, window=(since, self.started), resume={})
        if position.window is not None:
            begun, until = position.window
            return Window(begun, until, position.mark, position.resume), position
        if position.until is not None:
            begin: datetime | None = position.until - timedelta(minutes=self.section.login.overlap_minutes)
            first = self._first()
            begin = begin if first is None or begin is None else max(begin, first)
        else:
            begin = self._first()
        return (
            Window(begin, self.started, position.mark),
            replace(position, window=(begin, self.started), resume={}),
        )

    def _first(self) -> datetime | None:
        first = self.section.login.since
        return None if first is None else datetime(first.year, first.month, first.day, tzinfo=self.started.tzinfo)

    def fetch(self, stream: str, since: datetime | None) -> None:
        """Fetch the window of one object."""
        window, position = self.window(stream, since)
        for attempt in (1, 2):
            try:
                self._pages(stream, window, position)
            except Expired as expired:
                if attempt == 2:
                    raise Stopped(Text.of("pull-stopped-refused", said=expired.said), failed=True) from None
                self.notes.append(Text.of("pull-note-expired", object=stream, said=expired.said))
                window = Window(self._first(), self.started)
                position = replace(position, mark={}, window=(window.since, window.until), resume={})
            except LeftOut as left_out:
                self.notes.append(Text.of("pull-note-left-out", object=stream, said=left_out.said))
                return
            else:
                return

    def _pages(self, stream: str, window: Window, position: Position) -> None:
        last: Mapping[str, Any] = window.resume or window.mark
        for page in self._asked(stream, window):
            self._take(page)
            last = page.resume or last
            self.positions[stream] = replace(position, resume=dict(last))
            rows = sum(map(len, self.waiting.values()))
            self.around.say(
                Text.of(
                    "progress-pull", object=stream, rows=self.rows_in[stream], calls=self.connector.access.budget.calls
                )
            )
            due = (self.around.clock() - self._landed_at).total_seconds() > _SECONDS
            if rows >= self.around.batch_rows or (rows and due):
                self.land()
        until = window.until - self.connector.settle
        self.positions[stream] = Position(until=max(until, position.until or until), mark=dict(last))

    def _asked(self, stream: str, window: Window) -> Iterator[Page]:
        """Yield the pages of a window; an answer in a shape that nobody knows ends the pull with a message."""
        pages = self.connector.pages(stream, window)
        while True:
            try:
                page = next(pages, None)
            except (KeyError, TypeError, AttributeError) as error:
                said = self.connector.access.masked(f"{stream}: {type(error).__name__} {error}")
                raise Stopped(Text.of("pull-stopped-shape", said=said[:200]), failed=True) from error
            if page is None:
                return
            yield page

    def _take(self, page: Page) -> None:
        for table, records in page.records.items():
            kind = self.kinds[table]
            waiting = self.waiting.setdefault(table, {})
            seen = self.seen.setdefault(table, {})
            for record in records:
                self.rows_in[table] += 1
                row = row_of(record, kind)
                if isinstance(row, str):
                    self.rejected[table] += 1
                    self._keep_rejected(table, row, record)
                    continue
                waiting.setdefault(row.key, row)
                self.widest[table] = max(self.widest[table], len(row.values))
                for name in row.values:
                    seen.setdefault(name.casefold(), name)

    def _keep_rejected(self, table: str, why: str, record: Any) -> None:
        if self.around.folder is None:
            return
        file = self.around.folder / f"{self.name}.rejected.jsonl"
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"object": table, "reason": why, "record": record}, ensure_ascii=False) + "\n")

    def land(self) -> None:
        """Land what waits, with the positions that it leads to."""
        rows: dict[str, Sequence[Row]] = {table: list(each.values()) for table, each in self.waiting.items() if each}
        landed = self.landing.land(Batch(rows, self.started, self.covered), self.positions)
        for table, count in landed.items():
            self.accepted[table] += count
        self.waiting = {}
        self._landed_at = self.around.clock()

    def note_columns(self) -> None:
        """Note which columns are new, and which are sent no longer."""
        for table, seen in self.seen.items():
            before = self.columns[table]
            if not before or not seen:
                continue
            new = sorted(seen[each] for each in {*seen} - {*before})
            gone = sorted(before[each] for each in {*before} - {*seen} if "." not in each)
            if self.widest[table] * 2 < len(before):
                gone = []  # only tombstones came, which have hardly any columns
            if new:
                self.notes.append(Text.of("pull-note-new-columns", object=table, columns=", ".join(new[:20])))
            if gone:
                self.notes.append(Text.of("pull-note-gone-columns", object=table, columns=", ".join(gone[:20])))

    def counted(self) -> tuple[ObjectPull, ...]:
        """Return the counts of every table of which a row came in."""
        return tuple(
            ObjectPull(
                name, count, self.accepted[name], self.rejected[name],
                count - self.accepted[name] - self.rejected[name], self.kinds[name].preset,
            )
            for name, count in self.rows_in.items()
        )  # fmt: skip
