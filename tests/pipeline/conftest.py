"""One small simulated company, run through the whole chain once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.companies.command import churnml, without_plots

from churnml import pipeline
from churnml.pipeline.results import Prepared

TABLES = (
    "accounts",
    "subscriptions",
    "events",
    "tickets",
    "surveys",
    "contacts",
    "touchpoints",
    "invoices",
    "campaign_events",
    "milestones",
    "opportunities",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count what needs the whole chain to have run as a journey."""
    for item in items:
        if "ran" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Ran:
    """What the chain printed and left behind."""

    config: Path
    workspace: Path
    report: dict[str, Any]


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of a small simulated company."""
    folder = tmp_path_factory.mktemp("company")
    made = churnml(
        "simulate", folder / "raw", "--accounts", 260, "--months", 16, "--seed", 3, "--churn-rate", 0.03, "--json"
    )
    assert made.exit_code == 0, made.stderr
    config = folder / "small.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "small",
                "source": {"folder": "raw"},
                "tables": {name: {"from": f"{name}.parquet"} for name in TABLES},
                "label": {"churn": "contractual", "horizon_days": 60, "further_horizons_days": [120]},
                "splits": {"folds": 2, "test_snapshots": 2},
                "features": {"windows_days": [28, 91], "max_event_types": 3},
                "model": {"seeds": 1, "params": {"n_estimators": 40}},
                "playbooks": str(Path("configs/playbooks.yaml").resolve()),
                "alerts": {
                    "weekly_budget": 2,
                    "owners": {"ann": {"deputy": "bob"}},
                    "rules": {
                        "silence": {"threshold": 3, "touch": ["high", "low", "tech"]},
                        "score_fall": {"enabled": False},
                    },
                },
            }
        )
    )
    return config


@pytest.fixture(scope="session")
def ran(company: Path) -> Ran:
    """Run check, train and score on the small company; the plots are drawn where a second run is compared with it."""
    with without_plots():
        result = churnml("run", company, "--json")
    assert result.exit_code == 0, result.stderr
    return Ran(company, company.parent / "workspace", json.loads(result.stdout))


@dataclass(frozen=True)
class Made:
    """The training frame as `churnml features` has written it, and as it was in memory."""

    path: Path
    prepared: Prepared


@pytest.fixture(scope="session")
def made(ran: Ran) -> Made:
    """Make the training frame of the company by its command."""
    kept: list[Prepared] = []

    def prepare(*arguments: Any) -> Prepared:
        kept.append(real(*arguments))
        return kept[0]

    real = pipeline.prepare
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "prepare", prepare)
        done = churnml("features", ran.config, "--json")
    assert done.exit_code == 0, done.stderr
    return Made(Path(json.loads(done.stdout)["path"]), kept[0])


@pytest.fixture
def prepared(made: Made, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """Let commands on the company take the frame, and the tables behind it, as they were made before."""
    checked = pipeline.Checked(made.prepared.loaded, ())
    for room in ("alerting", "health"):
        monkeypatch.setattr(f"churnml.pipeline.{room}.prepare", lambda *_: made.prepared)
    monkeypatch.setattr("churnml.pipeline.overview.check", lambda *_: checked)
    return made.prepared
