"""The pages are made once before anybody asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.pages.browsing import EVE, Browser

from churnml.language import languages
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.serving.warming import warm_up


def test_every_page_that_is_made_beforehand_can_be_made(look: Any) -> None:
    eve = look(EVE)
    before = eve.state.store.audit()
    ready: list[int] = []
    assert warm_up(eve.state, lambda: ready.append(1)) == 3 * len(languages()) + 6
    assert ready
    assert eve.state.store.audit() == before
    assert eve.get("/").status_code == 200


def test_a_service_without_scores_or_store_starts_all_the_same(nothing_scored: Browser, tmp_path: Path) -> None:
    assert warm_up(nothing_scored.state) > 0
    fields = {"bundles_dir": tmp_path, "registered_model": "x", "config_version": "0f0f0f0f0f0f"}
    ready: list[int] = []
    lost = ServingState(Settings(name="x", store_url="sqlite:////nowhere/at/all.db", **fields))
    assert warm_up(lost, lambda: ready.append(1)) == 0
    assert ready, "what cannot be made beforehand keeps nobody out"


def test_until_then_the_service_is_not_ready(look: Any) -> None:
    eve = look(EVE)
    assert eve.get("/v1/readyz").status_code == 200
    eve.state.warmed.clear()
    answer = eve.get("/v1/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
