"""Faults of the disk under scoring and the daily run: a message, the old state whole, and the next run as ever."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.companies.command import typed

from churnml.cli.faults import foreseen
from churnml.config import load_config
from churnml.errors import EngineError
from churnml.pipeline.daily import run_daily
from churnml.pipeline.daily.stages import DailyStage, Day, Done
from churnml.registry import load_champion
from churnml.store import Store

pytestmark = pytest.mark.slow  # a model is trained and scored


@contextmanager
def refusing(name: str, code: int) -> Iterator[None]:
    """Let the disk refuse to give a finished file its name."""
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(code, os.strerror(code))
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        yield


def scored(config: Path) -> tuple[date, dict[str, float]]:
    """Return the newest scores of the store, each with an explanation; the files have to be of one scoring, too."""
    settings = load_config(config)
    load_champion(settings.bundles_dir, settings.registered_model)
    file = pd.read_parquet(settings.workspace_dir / "scores.parquet")
    reasons = json.loads((settings.workspace_dir / "explanations.json").read_text(encoding="utf-8"))
    assert {one["account_id"]: one["churn_probability"] for one in reasons} == dict(
        zip(file["account_id"], file["churn_probability"], strict=True)
    )
    with Store(settings.store_url) as store:
        newest = store.latest(settings.name)
        assert newest is not None
        rows = store.accounts(newest.id, limit=1000).accounts
        assert all(store.explanation(newest.id, row.account_id) for row in rows)
    return newest.as_of, {row.account_id: row.churn_probability for row in rows}


def test_scoring_that_is_refused_a_write_leaves_all_whole_and_succeeds_the_next_time(acme: Path) -> None:
    events = pd.read_parquet(acme.parent / "raw" / "events.parquet", columns=["occurred_at"])
    earlier = (events["occurred_at"].max() - pd.Timedelta(days=30)).date()
    assert typed("score", acme, "--as-of", str(earlier)).returncode == 0
    before = scored(acme)
    with refusing("scores.parquet", errno.ENOSPC):
        told = typed("score", acme)
    assert told.returncode == 1
    assert {"where:", "scores.parquet", "do:"} <= {word.rpartition("/")[2] for word in told.stderr.split()}
    assert "report it" not in told.stderr
    assert not list((acme.parent / "workspace").rglob(".*.part"))
    assert scored(acme)[0] >= before[0]
    assert typed("score", acme).returncode == 0
    day, scores = scored(acme)
    file = pd.read_parquet(acme.parent / "workspace" / "scores.parquet")
    assert day > earlier
    assert scores == pytest.approx(dict(zip(file["account_id"], file["churn_probability"], strict=True)))


def test_a_stage_that_found_no_room_says_so_whatever_it_took_it_for(acme: Path) -> None:
    def full(_: Day) -> Done:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/data/mlflow.db")
        except OSError as error:
            raise EngineError("MLflow refused", where="mlflow", remedy="Ask it.") from error

    plan = [DailyStage("train", full)]
    done = run_daily(load_config(acme), plan=plan, foresee=foreseen)
    stage = done.run.stage("train")
    assert stage is not None
    assert stage.error is not None
    assert (stage.error["code"], stage.error["where"]) == ("workspace.full", "/data/mlflow.db")


def test_the_daily_run_names_the_damaged_file_and_goes_on_without_it(acme: Path) -> None:
    workspace = acme.parent / "workspace"
    (sample,) = (workspace / "monitoring").glob("*.parquet")
    whole = sample.read_bytes()
    sample.write_bytes(whole[: len(whole) // 2])
    told = typed("daily", acme)
    assert told.returncode == 1
    assert sample.name in "".join(told.stdout.split())
    assert "report it" not in told.stdout + told.stderr
    with Store(load_config(acme).store_url) as store:
        run = store.runs("acme").last()
    assert run is not None
    failed = {one.name for one in run.stages if one.outcome == "failed"}
    assert (failed, run.stage("score").outcome) == ({"monitor"}, "done")  # type: ignore[union-attr]
    # As the message says: away with it, and all is well again.
    sample.unlink()
    assert typed("daily", acme).returncode == 0
