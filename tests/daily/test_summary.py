"""One summary a run: once each, tried again by the next run, and never failing this one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from tests.daily.test_stages import config_in, failing, stage

from churnml.config import Config
from churnml.pipeline.daily import run_daily
from churnml.pipeline.daily.summary import tell
from churnml.store import Run, Store

_SLACK = "slack.daily:ops"


class Channel:
    """A Slack hook that records what it is told."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.cards: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.status == 200:
            self.cards.append(json.loads(request.content))
        return httpx.Response(self.status, text="ok", headers={"retry-after": "60"})


def _config(folder: Path, when: str = "always") -> Config:
    hook = {"webhook_url": "https://hooks.slack.example/services/T0/B0/x"}
    return config_in(folder, daily={"summary": {"when": when, "slack": {"ops": hook}}})


def _runs(config: Config, *works: Any) -> list[Run]:
    """Make runs without telling anybody."""
    quiet = config.model_copy(
        update={"daily": config.daily.model_copy(update={"summary": type(config.daily.summary)()})}
    )
    return [run_daily(quiet, plan=[stage("check"), stage("score", "check", work=work)]).run for work in works]


def test_a_failure_is_told_once_and_the_recovery_after_it(tmp_path: Path) -> None:
    config, channel = _config(tmp_path, "trouble"), Channel()
    well = lambda day: stage("x").work(day)  # noqa: E731
    runs = _runs(config, well, failing, well, well)
    transports = {_SLACK: httpx.MockTransport(channel)}
    with Store(config.store_url) as store:
        for before, run in zip([None, *runs], runs, strict=False):
            for _ in range(2):  # telling twice tells once
                tell(config, store, run, before, transports=transports)
    assert [card["text"].split(" of ")[0] for card in channel.cards] == ["acme: the daily run"] * 2
    assert ["failed" in card["text"] for card in channel.cards] == [True, False]
    assert "The feed stopped" in json.dumps(channel.cards[0])
    assert "still served" in json.dumps(channel.cards[0])


def test_what_could_not_be_sent_waits_for_the_next_run(tmp_path: Path) -> None:
    config, channel = _config(tmp_path), Channel(status=429)
    first, second = _runs(config, failing, failing)
    transports = {_SLACK: httpx.MockTransport(channel)}
    with Store(config.store_url) as store:
        (told,) = tell(config, store, first, None, transports=transports)
        assert not told.sent
        assert told.why
        channel.status = 200
        later = datetime(2099, 1, 1, tzinfo=UTC)
        tell(config, store, second, first, clock=lambda: later, transports=transports)
    assert len(channel.cards) == 2


def test_a_secret_that_is_missing_fails_no_run(tmp_path: Path) -> None:
    config = config_in(tmp_path, daily={"summary": {"slack": {"ops": {"webhook_url": "${NOT_SET}"}}}})
    done = run_daily(config, plan=[stage("check")])
    assert done.well
    assert not done.notices[0].sent
