"""The made-up company of the tests in a store, and a service on it, for what measures or pictures the pages."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.store import Store

NAME = "acme"


def fill_store(url: str, accounts: int, **given: int) -> None:
    """Fill a store with the made-up company; a package that is called as the tests' may be installed."""
    tests = types.ModuleType("tests")
    tests.__path__ = [str(Path(__file__).parent.parent / "tests")]
    sys.modules["tests"] = tests
    fill = importlib.import_module("tests.companies.scored").fill
    with Store(url) as store:
        fill(store, NAME, accounts, datetime.now(UTC).date(), **given)


@contextmanager
def serving(url: str, folder: Path) -> Iterator[tuple[ServingState, str]]:
    """Yield the state of a service on a filled store, and an account that waits for somebody."""
    settings = Settings(
        name=NAME,
        bundles_dir=folder / "models",
        registered_model=NAME,
        store_url=url,
        config_version="0f0f0f0f0f0f",
        currency="EUR",
        insecure=True,
    )
    state = ServingState(settings)
    state.start()
    try:
        alerts = state.store.alerts(NAME).find(owner="ann", held_back=False, limit=1)
        yield state, alerts[0][0].account_id
    finally:
        state.stop()
