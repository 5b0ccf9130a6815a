"""What is fetched, and what holds a publication back: a feed that stopped, as the config says, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.daily.test_stages import config_in
from tests.monitoring.test_model import outcome

from churnml.config import load_config
from churnml.errors import ChurnmlError, DataError
from churnml.language import Text
from churnml.pipeline import check, pulls, scoring
from churnml.pipeline.daily import DailyStage, Day, run_daily
from churnml.pipeline.daily.stages import STAGES, Done, data, pull
from churnml.pipeline.monitoring import data_alarms
from churnml.progress import Stages
from churnml.sources.connectors import SourcePull
from churnml.sources.connectors.reports import ObjectPull
from churnml.store import Actor, Store

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)


def live_then_stop(path: Path) -> None:
    """Load once while all is well, then cut the events of the last ten days off, while the other tables go on."""
    config = load_config(path)
    loaded = check(config).loaded
    with Store(config.store_url) as store:
        before = loaded.tables.observed_until - timedelta(days=20)
        _, records = data_alarms(config, loaded, before, store, now=datetime(*before.timetuple()[:3], 4, tzinfo=UTC))
        for record in records:
            assert record.loaded_at.date() == before
        store.monitoring(config.name).keep(replace(outcome(2), as_of=before), records, Actor("cli", NOW))
    events = pd.read_parquet(path.parent / "raw" / "events.parquet")
    kept = events[events["occurred_at"] < events["occurred_at"].max() - pd.Timedelta(days=10)]
    kept.to_parquet(path.parent / "raw" / "events.parquet", index=False)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "held"), [("always", False), ("no_severe_alarm", True), ("no_alarm", True)])
def test_a_feed_that_stopped_is_named_and_holds_back_what_the_config_says(acme: Path, rule: str, held: bool) -> None:
    live_then_stop(acme)
    acme.write_text(acme.read_text() + f"monitoring: {{publish_if: {rule}}}\n")
    config = load_config(acme)
    plan = [stage for stage in STAGES if stage.name in ("check", "data")]
    plan.append(DailyStage("score", lambda day: Done(), needs=("check", "data")))
    today = check(load_config(acme)).loaded.tables.observed_until + timedelta(days=10)
    run = run_daily(config, plan=plan, clock=lambda: datetime(*today.timetuple()[:3], 4, tzinfo=UTC)).run
    judged, scored = run.stage("data"), run.stage("score")
    assert judged is not None
    assert scored is not None
    if not held:
        assert judged.outcome == scored.outcome == "done"
        assert any(told.startswith("events: ") for told in judged.detail["alarms"])
        return
    assert (judged.outcome, scored.outcome) == ("failed", "skipped")
    assert judged.error is not None
    assert judged.error["code"] == "monitoring.held"
    assert judged.error["where"] == "events"
    assert "MON101" in judged.error["got"]
    # `churnml score` by itself refuses alike, before it makes anything.
    with pytest.raises(DataError) as refused:
        scoring.score(config, loaded=check(config).loaded)
    assert refused.value.code == "monitoring.held"
    assert not (config.workspace_dir / "scores.parquet").exists()


@pytest.mark.slow
def test_sound_data_is_held_back_by_no_rule(acme: Path) -> None:
    acme.write_text(acme.read_text() + "monitoring: {publish_if: no_severe_alarm}\n")
    config = load_config(acme)
    with Store(config.store_url) as store:
        day = Day(config, store, Stages(), datetime.now(UTC), loaded=check(config).loaded)
        assert data(day).outcome == "done"
    assert day.judged is not None


def fetched(source: str, accepted: int, stopped: str | None = None, *, failed: bool = False) -> SourcePull:
    why = None if stopped is None else Text.of(stopped, n=100, said="401")
    rows = [ObjectPull("tickets", accepted, accepted, 0, 0)]
    return SourcePull(source, "zendesk", NOW, NOW, rows, 3, 3, 100, stopped=why, failed=failed)


def pulling(folder: Path, monkeypatch: pytest.MonkeyPatch, *came: SourcePull) -> tuple[Day, Store]:
    tool = {"url": "https://acme.zendesk.example", "user": "a@acme.example", "api_token": "${TOKEN}"}
    sources = {one.source: {"pull": {"zendesk": tool}} for one in came}
    config = config_in(
        folder, source=None, sources=sources, tables={"events": {"from": "events.csv", "source": came[0].source}}
    )
    by_name = {one.source: one for one in came}
    monkeypatch.setattr(pulls, "pull_source", lambda name, *_, **__: by_name[name])
    store = Store(config.store_url)
    return Day(config, store, Stages(), NOW), store


@pytest.mark.parametrize(("rows", "outcome"), [((5, 2), "done"), ((0, 0), "unchanged")])
def test_what_came_in_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: tuple[int, int], outcome: str
) -> None:
    day, store = pulling(tmp_path, monkeypatch, fetched("desk", rows[0]), fetched("chat", rows[1]))
    with store:
        done = pull(day)
    assert (done.outcome, done.rows, done.detail) == (outcome, sum(rows), {"calls": 6, "complete": True})


def test_a_budget_that_is_used_up_is_no_failure_and_a_login_that_fails_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_up = fetched("desk", 5, "pull-stopped-budget")
    day, store = pulling(tmp_path, monkeypatch, used_up, fetched("chat", 1))
    with store:
        done = pull(day)
    assert (done.outcome, done.detail["complete"], list(done.detail["stopped"])) == ("done", False, ["desk"])
    assert "100" in done.detail["stopped"]["desk"]
    day, store = pulling(tmp_path, monkeypatch, used_up, fetched("chat", 0, "pull-stopped-login", failed=True))
    with store, pytest.raises(ChurnmlError) as error:
        pull(day)
    assert (error.value.code, error.value.where) == ("pull.failed", "chat")
    assert "401" in str(error.value.got)


def test_pull_is_a_stage_where_a_source_is_pulled_alone(tmp_path: Path) -> None:
    stage = next(one for one in STAGES if one.name == "pull")
    pulled: dict[str, Any] = {
        "desk": {
            "pull": {"zendesk": {"url": "https://a.zendesk.example", "user": "a@b.example", "api_token": "${TOKEN}"}}
        }
    }
    assert not stage.wanted(config_in(tmp_path))
    assert stage.wanted(config_in(tmp_path, source=None, sources=pulled))
