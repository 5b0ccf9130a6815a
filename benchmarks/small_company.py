"""A small simulated company, trained and scored in seconds, for benchmarks that need a workspace of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import yaml

_TABLES = ("accounts", "subscriptions", "events", "tickets")


def small_company(
    folder: Path, accounts: int = 120, months: int = 16, *, then: tuple[str, ...] = ("run",), **sections: object
) -> Path:
    """Simulate a company into a folder, run everything on it once (or `then`), and return its config.

    The model is a regression and its events are kept between runs; `sections` are further ones of its config.
    """
    churnml("simulate", str(folder / "raw"), "--accounts", str(accounts), "--months", str(months), "--seed", "3")
    config = {
        "name": "small",
        "source": {"folder": "raw"},
        "tables": {name: {"from": f"{name}.parquet"} for name in _TABLES},
        "label": {"churn": "contractual", "horizon_days": 60},
        "splits": {"folds": 1, "test_snapshots": 2},
        "features": {"windows_days": [28], "max_event_types": 2},
        "model": {"kind": "logistic", "seeds": 1},
        "engine": {"keep_events": True},
        **sections,
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    churnml(then[0], str(path), *then[1:])
    return path


def churnml(*arguments: str) -> float:
    """Run a command to its end; return the seconds it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from churnml.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"churnml {' '.join(arguments)} failed:\n{done.stderr}")
    return time.perf_counter() - started
