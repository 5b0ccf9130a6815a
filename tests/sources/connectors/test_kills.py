"""A pull that is killed loses nothing and lands nothing twice; `benchmarks/pull_kills.py` kills many."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from benchmarks.pull_kills import begin, desk, landed

from churnml.config.pulls import PullConfig
from churnml.sources.connectors import pull_source
from churnml.sources.connectors.dlt_landing import DltLanding
from churnml.sources.connectors.pulling import Surroundings

from .world import counts

pytestmark = pytest.mark.slow  # processes are started and killed


def around(folder: Path) -> Surroundings:
    return Surroundings(lambda: datetime.now(UTC), lambda seconds: None, folder)


def test_a_pull_that_is_killed_in_the_middle_goes_on_from_its_last_batch(tmp_path: Path) -> None:
    with desk(tickets=300, kills=(13,)) as (kind, url):  # ten pages are a batch: one has landed
        child = begin(tmp_path, url, kind)
        child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL
        assert landed(tmp_path) == (200, 200)
        login = {"url": url, "user": "a@b.c", "api_token": "secret", "objects": ["tickets"]}
        landing = DltLanding("desk", file=tmp_path / "desk.duckdb", destination=None, folder=tmp_path / "under_way")
        done = pull_source("desk", PullConfig.model_validate({"zendesk": login}), landing, around(tmp_path))
        landing.close()
        assert counts(done) == {"tickets": (100, 100, 0, 0)}
        assert landed(tmp_path) == (300, 300)
        assert kind.pages == 13 + 5  # the pages of the first batch are not asked for again
