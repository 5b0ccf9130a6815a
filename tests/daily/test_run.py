"""A daily run of a small company: what it makes, and that another one makes nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
from tests.companies.command import churnml

from churnml.config import load_config
from churnml.pipeline import monitoring
from churnml.store import Store

pytestmark = pytest.mark.slow


def run(config: Path, code: int = 0) -> dict[str, Any]:
    """Run the daily run; returns its record."""
    done = churnml("daily", config, "--json")
    assert done.exit_code == code, done.stdout + done.stderr
    record: dict[str, Any] = json.loads(done.stdout)["run"]
    return record


def outcomes(record: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in record["stages"]}


def state(config: Path) -> dict[str, Any]:
    """Return what a user could tell of a company's store and files."""
    settings = load_config(config)
    with Store(settings.store_url) as store:
        newest = store.latest(settings.name)
        assert newest is not None
        accounts = store.accounts(newest.id, limit=1000).accounts
        told = store.explanations(newest.id, [one.account_id for one in accounts], [])
        alerts, _ = zip(*store.alerts(settings.name).find(limit=1000), strict=True)
        history = store.history(settings.name, accounts[0].account_id)
    return {
        "scores": accounts,
        "explanations": told,
        "alerts": sorted((one.account_id, one.kind, one.episode, one.state) for one in alerts),
        "dates": [info.as_of for info, _ in history],
        "file": pd.read_parquet(settings.workspace_dir / "scores.parquet").drop(columns="scored_at").to_csv(),
        "bi": pd.read_csv(settings.workspace_dir / "bi" / "churnml_scores.csv").drop(columns="scored_at").to_csv(),
    }


def test_a_day_and_again(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Mock(wraps=monitoring.data_health)
    monkeypatch.setattr(monitoring, "data_health", judge)
    first = run(acme)
    assert judge.call_count == 1  # it is the same data for the stages `data`, `score` and `monitor`
    assert outcomes(first) == {
        "check": "done", "data": "done", "score": "done", "alerts": "done", "deliver": "done", "monitor": "done",
        "keep": "unchanged",
    }  # fmt: skip
    scored = next(one for one in first["stages"] if one["name"] == "score")
    assert scored["rows"] == sum(scored["detail"]["bands"].values())
    before = state(acme)
    again = run(acme)
    assert outcomes(again) == {
        "check": "done", "data": "done", "score": "unchanged", "alerts": "unchanged", "deliver": "unchanged",
        "monitor": "done", "keep": "unchanged",
    }  # fmt: skip
    assert state(acme) == before
    # The files beside the store are made again where they are missing; nothing is published for it.
    (acme.parent / "workspace" / "scores.parquet").unlink()
    (acme.parent / "workspace" / "scored.json").unlink()
    assert outcomes(run(acme))["score"] == "done"
    assert state(acme) == before
    listed = churnml("daily", "list", acme)
    assert listed.exit_code == 0
    assert listed.stdout.count("unchanged") == 8


def test_a_broken_table_leaves_the_last_scores(acme: Path) -> None:
    run(acme)
    before = state(acme)
    (acme.parent / "raw" / "events.parquet").write_bytes(b"half a fi")
    record = run(acme, code=1)
    assert outcomes(record) == {
        "check": "failed", "data": "skipped", "score": "skipped", "alerts": "skipped", "deliver": "unchanged",
        "monitor": "skipped", "keep": "unchanged",
    }  # fmt: skip
    assert record["stages"][0]["error"]["where"]
    assert state(acme) == before
