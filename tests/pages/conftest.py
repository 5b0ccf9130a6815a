"""Services on a store that was filled by hand: no model is trained for a page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from tests.companies.scored import fill
from tests.pages.browsing import Browser, settings_of

from churnml.serving.app import create_app
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


@pytest.fixture(scope="session")
def _seen(filled: Path) -> Iterator[tuple[ServingState, Any]]:
    """A service on the company's store itself."""
    with _state(filled) as state:
        yield state, create_app(state)


@contextmanager
def _state(folder: Path) -> Iterator[ServingState]:
    state = ServingState(settings_of(folder))
    state.start()
    try:
        yield state
    finally:
        state.stop()


def _as(viewer: Viewer | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service take whoever comes from this machine for somebody."""
    if viewer is not None:
        made = replace(viewer, by="insecure")
        monkeypatch.setattr("churnml.serving.http.authentication.viewer_with_key", lambda *_args, **_named: made)


@pytest.fixture
def see(
    _seen: tuple[ServingState, Any], portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Browser]:
    """Return a browser of somebody who changes nothing."""

    def start(viewer: Viewer | None = None) -> Browser:
        _as(viewer, monkeypatch)
        return Browser(portal, *_seen)

    return start


@pytest.fixture
def look(
    filled: Path, tmp_path: Path, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Browser]]:
    """Return a browser of somebody on a copy of the company's store, who may change it."""
    shutil.copytree(filled, tmp_path / "store")
    with _state(tmp_path / "store") as state:
        app = create_app(state)

        def start(viewer: Viewer | None = None) -> Browser:
            _as(viewer, monkeypatch)
            return Browser(portal, state, app)

        yield start


@pytest.fixture(scope="session")
def nothing_scored(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Browser]:
    """A service before the first scoring."""
    with _state(tmp_path_factory.mktemp("empty")) as state:
        yield Browser(portal, state)
