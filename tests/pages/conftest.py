"""Services on a store that was filled by hand: no model is trained for a page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from tests.companies.scored import fill
from tests.pages.browsing import Browser, settings_of

from churnml.serving.people.viewer import Viewer
from churnml.serving.state import ServingState
from churnml.store import Store


@pytest.fixture(scope="session")
def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, today: date) -> Path:
    """The folder of a store of 120 accounts; tests work on a copy of it."""
    folder = tmp_path_factory.mktemp("filled")
    with Store(settings_of(folder).store_url) as store:
        fill(store, "acme", 120, today, weeks=6)
    return folder


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as started:
        yield started


@pytest.fixture
def look(
    filled: Path, tmp_path: Path, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Browser]]:
    """Return a browser of somebody on a copy of the company's store; without anybody it is one on this machine."""
    with ExitStack() as stack:
        shutil.copytree(filled, tmp_path / "store", dirs_exist_ok=True)
        state = ServingState(settings_of(tmp_path / "store"))
        state.start()
        stack.callback(state.stop)

        def start(viewer: Viewer | None = None) -> Browser:
            if viewer is not None:
                monkeypatch.setattr(
                    "churnml.serving.http.authentication.viewer_with_key",
                    lambda *_args, **_named: replace(viewer, by="insecure"),
                )
            return Browser(portal, state, viewer)

        yield start


@pytest.fixture(scope="session")
def nothing_scored(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Browser]:
    """A service before the first scoring."""
    state = ServingState(settings_of(tmp_path_factory.mktemp("empty")))
    state.start()
    try:
        yield Browser(portal, state)
    finally:
        state.stop()
