"""The order of stages, what a failure stops, and the record: with stages that do nothing, on a store of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from churnml.config import Config
from churnml.errors import DataError
from churnml.pipeline.daily import DailyStage, Day, Done, list_runs, run_daily
from churnml.pipeline.lock import Busy, only_one


def config_in(folder: Path, **more: object) -> Config:
    """Return a config whose workspace lies in a folder."""
    return Config.model_validate(
        {
            "name": "acme",
            "workspace": folder,
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events.csv"}},
            **more,
        }
    )


def stage(name: str, *needs: str, work: Callable[[Day], Done] = lambda day: Done(rows=1)) -> DailyStage:
    return DailyStage(name, work, needs=needs)


def failing(day: Day) -> Done:
    raise DataError("The feed stopped", where="events", remedy="Ask for it.")


def test_a_failure_stops_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    plan = (
        stage("pull"),
        stage("check", "pull", work=failing),
        stage("score", "check"),
        stage("alerts", "score"),
        stage("deliver"),
    )
    done = run_daily(config_in(tmp_path), plan=plan)
    assert not done.well
    assert {one.name: one.outcome for one in done.run.stages} == {
        "pull": "done",
        "check": "failed",
        "score": "skipped",
        "alerts": "skipped",
        "deliver": "done",
    }
    failed = done.run.stage("check")
    assert failed is not None
    assert failed.error == {"code": "data", "what": "The feed stopped", "where": "events", "remedy": "Ask for it."}
    assert done.run.stages[3].detail == {"because": ["score"]}


def test_an_error_that_nobody_foresaw_is_on_record_and_masked(tmp_path: Path) -> None:
    def broken(day: Day) -> Done:
        raise RuntimeError("no route to postgres://me:s3cret@db/x")

    done = run_daily(config_in(tmp_path), plan=[stage("check", work=broken), stage("deliver")])
    error = done.run.stages[0].error
    assert error is not None
    assert error["code"] == "bug"
    assert "s3cret" not in str(error)
    assert done.run.stages[1].outcome == "done"


def test_two_at_once_the_second_says_so(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    with only_one(config.workspace_dir, "acme", config.store_url), pytest.raises(Busy) as busy:
        run_daily(config, plan=[stage("check")])
    assert str(os.getpid()) in str(busy.value.got)
    assert busy.value.exit_code == 3
    assert run_daily(config, plan=[stage("check")]).well


_DIE = """
import os, signal, sys
from churnml.config import Config
from churnml.pipeline.daily import DailyStage, Done, run_daily

config = Config.model_validate_json(sys.argv[1])
die = lambda day: os.kill(os.getpid(), signal.SIGKILL)
run_daily(config, plan=[DailyStage("check", lambda day: Done(rows=1)), DailyStage("score", die)])
"""


@pytest.mark.slow
def test_the_lock_and_the_record_survive_a_kill(tmp_path: Path) -> None:
    config = config_in(tmp_path).model_dump_json(exclude_unset=True, by_alias=True)
    assert subprocess.run([sys.executable, "-c", _DIE, config], check=False).returncode == -signal.SIGKILL
    assert run_daily(config_in(tmp_path), plan=[stage("check"), stage("score")]).well
    newest, killed = list_runs(config_in(tmp_path))
    assert (newest.outcome, killed.outcome) == ("done", "killed")
    assert [one.outcome for one in killed.stages] == ["done", "killed"]
    assert killed.ended_at is None


def test_old_runs_are_forgotten_but_never_the_newest(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from churnml.store import Store

    config = config_in(tmp_path)
    long_ago = datetime(2024, 1, 1, tzinfo=UTC)
    with Store(config.store_url) as store:
        runs = store.runs("acme")
        for day in range(3):
            runs.end(runs.begin("daily", "host:1", long_ago + timedelta(days=day)), "done", long_ago)
        assert runs.forget(long_ago + timedelta(days=400)) == 2
        assert len(runs.find()) == 1
