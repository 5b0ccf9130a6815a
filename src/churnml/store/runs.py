"""Runs on record: what each stage did, how long it took, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Engine, delete, func, insert, select, update

from churnml.store.plain import plain
from churnml.store.queries import lots
from churnml.store.schema import RunRow, RunStageRow
from churnml.store.writes import changing, reading

__all__ = ["Run", "RunOutcome", "RunStage", "Runs", "StageOutcome"]

RunOutcome = Literal["running", "done", "failed", "killed"]
"""`done`: every stage ended well; `failed`: at least one did not; `killed`: the process ended before the run did."""

StageOutcome = Literal["running", "done", "unchanged", "not_due", "failed", "skipped", "killed"]
"""`unchanged`: what it would make is there already; `skipped`: a stage that it needs did not end well."""


@dataclass(frozen=True)
class RunStage:
    """A stage of a run.

    Parameters
    ----------
    name : str
    outcome : str
        See `StageOutcome`.
    started_at : datetime
    seconds : float or None
        None while it runs, or where it was killed.
    rows : int or None
        What it worked on: rows read, accounts scored, alerts opened, records delivered.
    error : mapping or None
        ``code, what, where, got, expected, remedy`` of what it failed with.
    detail : mapping
        JSON-ready facts of its own.
    """

    name: str
    outcome: str
    started_at: datetime
    seconds: float | None = None
    rows: int | None = None
    error: Mapping[str, str] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether what needs it may go on."""
        return self.outcome in ("done", "unchanged", "not_due")


@dataclass(frozen=True)
class Run:
    """A run with its stages, in their order; `peak_mb` is the most memory it held, MiB."""

    id: int
    config: str
    kind: str
    holder: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    peak_mb: float | None = None
    stages: tuple[RunStage, ...] = ()

    def stage(self, name: str) -> RunStage | None:
        """Return a stage by its name; None where the run had none, or did not come so far."""
        return next((one for one in self.stages if one.name == name), None)


_RUN = tuple(getattr(RunRow, name) for name in list(Run.__dataclass_fields__)[:-1])
_STAGE = tuple(getattr(RunStageRow, name) for name in RunStage.__dataclass_fields__)


class Runs:
    """The runs of one config; by `Store.runs`.

    Who writes them holds a lock of its own: one run of a kind at a time.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> from churnml.store import Store
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> with Store("sqlite://") as store:
    ...     runs = store.runs("acme")
    ...     lost = runs.begin("daily", "host:1", noon)
    ...     run = runs.begin("daily", "host:2", noon + timedelta(days=1))
    ...     runs.begin_stage(run, "check", noon)
    ...     runs.end_stage(run, "check", "done", seconds=1.5, rows=10)
    ...     runs.end(run, "done", noon)
    ...     [(one.outcome, [stage.rows for stage in one.stages]) for one in runs.find()]
    [('done', [10]), ('killed', [])]
    """

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine, self._config = engine, config

    def begin(self, kind: str, holder: str, now: datetime) -> int:
        """Note that a run has begun, and that those which never ended were killed; returns its id."""
        left = select(RunRow.id).where(*self._of(kind), RunRow.outcome == "running")
        with changing(self._engine) as connection:
            ids = list(connection.execute(left).scalars())
            if ids:
                stages = update(RunStageRow).where(RunStageRow.run_id.in_(ids), RunStageRow.outcome == "running")
                connection.execute(stages.values(outcome="killed"))
                connection.execute(update(RunRow).where(RunRow.id.in_(ids)).values(outcome="killed"))
            row = {"config": self._config, "kind": kind, "holder": holder, "started_at": now, "outcome": "running"}
            return int(connection.execute(insert(RunRow).values(**row).returning(RunRow.id)).scalar_one())

    def begin_stage(self, run_id: int, name: str, now: datetime) -> None:
        """Note that a stage has begun."""
        count = select(func.count()).select_from(RunStageRow).where(RunStageRow.run_id == run_id)
        with changing(self._engine) as connection:
            position = connection.execute(count).scalar_one()
            row = {"run_id": run_id, "name": name, "position": position, "outcome": "running", "started_at": now}
            connection.execute(insert(RunStageRow).values(**row, detail={}))

    def end_stage(
        self,
        run_id: int,
        name: str,
        outcome: StageOutcome,
        *,
        seconds: float,
        rows: int | None = None,
        error: Mapping[str, str] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note how a stage ended; see `RunStage`."""
        values = {"outcome": outcome, "seconds": seconds, "rows": rows, "error": error, "detail": plain(detail or {})}
        mine = (RunStageRow.run_id == run_id, RunStageRow.name == name)
        with changing(self._engine) as connection:
            connection.execute(update(RunStageRow).where(*mine).values(**values))

    def end(self, run_id: int, outcome: RunOutcome, now: datetime, *, peak_mb: float | None = None) -> None:
        """Note how a run ended."""
        with changing(self._engine) as connection:
            values = {"outcome": outcome, "ended_at": now, "peak_mb": peak_mb}
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(**values))

    def find(self, kind: str = "daily", *, limit: int = 20) -> list[Run]:
        """Return the last runs of a kind, newest first."""
        query = select(*_RUN).where(*self._of(kind)).order_by(RunRow.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            runs = [Run(*row) for row in connection.execute(query)]
            stages: dict[int, list[RunStage]] = {one.id: [] for one in runs}
            order = (RunStageRow.run_id, RunStageRow.position)
            rows = select(RunStageRow.run_id, *_STAGE).where(RunStageRow.run_id.in_(list(stages))).order_by(*order)
            for row in connection.execute(rows):
                stages[row[0]].append(RunStage(*row[1:]))
        return [Run(**{**one.__dict__, "stages": tuple(stages[one.id])}) for one in runs]

    def last(self, kind: str = "daily", *, ended: bool = False) -> Run | None:
        """Return the newest run of a kind; with `ended` the newest that has ended, be it by a kill."""
        runs: Sequence[Run] = self.find(kind, limit=2)
        return next((one for one in runs if not ended or one.outcome != "running"), None)

    def forget(self, before: datetime, kind: str = "daily") -> int:
        """Remove runs that began before a time, but never the newest; returns how many."""
        newest = select(func.max(RunRow.id)).where(*self._of(kind)).scalar_subquery()
        old = (*self._of(kind), RunRow.started_at < before, RunRow.id != newest)
        with changing(self._engine) as connection:
            ids = list(connection.execute(select(RunRow.id).where(*old)).scalars())
            for some in lots(ids):
                connection.execute(delete(RunStageRow).where(RunStageRow.run_id.in_(some)))
                connection.execute(delete(RunRow).where(RunRow.id.in_(some)))
        return len(ids)

    def _of(self, kind: str) -> tuple[Any, ...]:
        return RunRow.config == self._config, RunRow.kind == kind
