"""One small company with a champion, copied for each test that changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.companies.command import churnml, without_plots

TABLES = ("accounts", "subscriptions", "events", "tickets")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of a company that was trained, and never scored."""
    folder = tmp_path_factory.mktemp("daily")
    made = churnml(
        "simulate", folder / "raw", "--accounts", 100, "--months", 14, "--seed", 5, "--churn-rate", 0.05, "--json"
    )
    assert made.exit_code == 0, made.stderr
    config = folder / "acme.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "acme",
                "source": {"folder": "raw"},
                "tables": {name: {"from": f"{name}.parquet"} for name in TABLES},
                "label": {"churn": "contractual", "horizon_days": 60},
                "splits": {"folds": 2, "test_snapshots": 1},
                "features": {"windows_days": [28], "max_event_types": 3},
                "model": {"kind": "logistic", "seeds": 1, "min_churners": 2},
                "daily": {"retrain": False},
                "deliveries": {"tables": {"bi": {"folder": "bi", "format": "csv"}}},
            }
        )
    )
    with without_plots():
        result = churnml("train", config, "--force", "--reason", "It is the first.", "--json")
    assert result.exit_code == 0, result.stderr
    return config


@pytest.fixture
def acme(trained: Path, tmp_path: Path) -> Path:
    """Return the config of a copy of the company."""
    shutil.copytree(trained.parent, tmp_path / "acme")
    return tmp_path / "acme" / "acme.yaml"


def live_until(config: Path, day: pd.Timestamp) -> None:
    """Cut the raw events off at a day, as if it were the newest that is known."""
    events = pd.read_parquet(config.parent / "raw" / "events.parquet")
    events[events["occurred_at"] < day].to_parquet(config.parent / "raw" / "events.parquet", index=False)
