"""Stores to test on: SQLite always, a real PostgreSQL where its binaries are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from churnml.store import Actor, Snapshot, Store

NOW = datetime(2024, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new, empty database."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture(scope="session")
def new_store(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Make a store without rows and return its URL. It is a copy: making the schema takes longer than most tests."""
    if database == "sqlite":
        empty = Path(request.getfixturevalue("empty_store"))

        def copy_file() -> str:
            return f"sqlite:///{shutil.copy(empty, tmp_path_factory.mktemp('store') / 'store.db')}"

        return copy_file
    create: Callable[..., str] = request.getfixturevalue("new_postgres")
    template = create()
    Store(template).close()
    return partial(create, template)


@pytest.fixture
def store(new_store: Callable[[], str]) -> Iterator[Store]:
    with Store(new_store()) as opened:
        yield opened


@pytest.fixture
def actor() -> Actor:
    return Actor("tester", NOW)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def snapshot() -> Callable[..., Snapshot]:
    return _snapshot


def _snapshot(as_of: date = date(2024, 3, 1), accounts: int = 5, version: str = "1", **changes: object) -> Snapshot:
    """A snapshot whose account n has probability n/10, ARR 1000 and features."""
    ids = [f"a{number}" for number in range(accounts)]
    scores = pd.DataFrame(
        {
            "account_id": ids,
            "churn_probability": [number / 10 for number in range(accounts)],
            "health_score": [90.0 - 15 * number for number in range(accounts)],
            "band": ["green", "green", "yellow", "yellow", "red"][:accounts],
            "coverage": 0.8,
            "arr": 1000.0,
            "owner": ["ann", "bob"] * (accounts // 2) + ["ann"] * (accounts % 2),
            "segment": "smb",
            "days_to_renewal": [10.0 * number for number in range(accounts)],
            "trend_7d": [float("nan")] + [1.5] * (accounts - 1),
        }
    )
    features = pd.DataFrame({"account_id": ids, "events_28d": [float(n) for n in range(accounts)], "plan": "pro"})
    reasons = [{"account_id": name, "drivers": [{"feature": "events_28d", "effect": 0.25}]} for name in ids]
    values: dict[str, object] = {
        "config": "acme",
        "as_of": as_of,
        "scored_at": NOW,
        "model_version": version,
        "config_hash": "0123456789ab",
        "scores": scores,
        "features": features,
        "explanations": reasons,
        "info": {"horizon_days": 90},
    }
    return Snapshot(**(values | changes))  # type: ignore[arg-type]
