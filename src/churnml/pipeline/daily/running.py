"""Runs the stages one after the other, keeps a record of each, and tells how the run went."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from churnml.config import Config
from churnml.config.secrets import mask_secrets, mask_text
from churnml.errors import ChurnmlError
from churnml.language import Text, error_record
from churnml.pipeline.daily.stages import STAGES, DailyStage, Day, Done
from churnml.pipeline.daily.summary import Notice, tell
from churnml.pipeline.lock import holder, only_one
from churnml.progress import Stages, peak_rss_mb
from churnml.store import Run, Runs, Store

__all__ = ["DailyRun", "list_runs", "run_daily"]

_LOG = logging.getLogger("churnml.daily")
_KIND = "daily"


@dataclass(frozen=True)
class DailyRun:
    """What a daily run came to: its record, and what became of its summary."""

    run: Run
    notices: tuple[Notice, ...] = ()

    @property
    def well(self) -> bool:
        """Whether every stage ended well."""
        return self.run.outcome == "done"


def run_daily(
    config: Config,
    stages: Stages | None = None,
    *,
    plan: Sequence[DailyStage] = STAGES,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    foresee: Callable[[BaseException], ChurnmlError | None] = lambda error: None,
) -> DailyRun:
    """Run the stages that a config wants, in order; one that fails stops those that need it, and no other.

    Safe to run again at any time: after a kill the next run goes on where it makes sense to.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    plan : sequence of DailyStage
        The stages.
    clock : callable
        Returns the time, UTC.
    foresee : callable
        Returns a readable error for a fault of the machine, None for one that nobody foresaw.

    Raises
    ------
    Busy
        Another run of this config is at work.
    StoreError
        The store, in which the record is kept, cannot be opened.
    """
    stages = stages or Stages()
    with only_one(config.workspace_dir, config.name, config.store_url), Store(config.store_url) as store:
        runs = store.runs(config.name)
        before = runs.last(_KIND)
        run_id = runs.begin(_KIND, holder(), clock())
        day = Day(config, store, stages, clock(), before)
        ended: dict[str, bool] = {}
        for stage in (one for one in plan if one.wanted(config)):
            ended[stage.name] = _run_stage(stage, day, runs, run_id, ended, clock, foresee)
        runs.end(run_id, "done" if all(ended.values()) else "failed", clock(), peak_mb=peak_rss_mb())
        run = runs.last(_KIND)
        assert run is not None
        return DailyRun(run, tell(config, store, run, before, clock=clock))


def list_runs(config: Config, *, limit: int = 20) -> list[Run]:
    """Return the last daily runs of a config, newest first."""
    with Store(config.store_url) as store:
        return store.runs(config.name).find(_KIND, limit=limit)


def _run_stage(
    stage: DailyStage,
    day: Day,
    runs: Runs,
    run_id: int,
    ended: dict[str, bool],
    clock: Callable[[], datetime],
    foresee: Callable[[BaseException], ChurnmlError | None],
) -> bool:
    """Run one stage and note how it ended; returns whether what needs it may go on."""
    runs.begin_stage(run_id, stage.name, clock())
    missing = [name for name in stage.needs if not ended.get(name, True)]
    if missing:
        runs.end_stage(run_id, stage.name, "skipped", seconds=0.0, detail={"because": missing})
        return False
    began = time.perf_counter()
    try:
        done = stage.work(day)
    except Exception as error:
        foreseen = foresee(error) or (error if isinstance(error, ChurnmlError) else _unforeseen(stage.name, error))
        _LOG.warning("%s failed: %s", stage.name, foreseen.what)
        record = mask_secrets(error_record(foreseen))
        runs.end_stage(run_id, stage.name, "failed", seconds=_since(began), error=record)
        return False
    _note(runs, run_id, stage.name, done, _since(began))
    return True


def _note(runs: Runs, run_id: int, name: str, done: Done, seconds: float) -> None:
    runs.end_stage(run_id, name, done.outcome, seconds=seconds, rows=done.rows, detail=done.detail)


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)


def _unforeseen(stage: str, error: Exception) -> ChurnmlError:
    first = mask_text((str(error).splitlines() or [""])[0])[:300]
    _LOG.error("%s met an error that it did not foresee", stage, exc_info=error)
    return ChurnmlError(
        Text.of("fault-unforeseen", type=type(error).__name__, said=first),
        where=stage,
        remedy=Text.of("daily-unforeseen"),
        code="bug",
    )
