"""Kills the daily run of a small company at random moments, over and over, and compares what is left with a twin's.

Each round begins with a company that was trained and never scored. Its daily run is killed a few times, then let run to
its end; the twin's was never disturbed. Run with ``python benchmarks/daily_kills.py --kills 60``; exits with 1 where a
round ends otherwise than its twin. The runs are children of a process that has imported everything, so that a kill
meets work and not an import.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from kill_windows import Commands, commands
from small_company import small_company


def make(folder: Path, accounts: int) -> Path:
    """Simulate a company, train it, and return its config."""
    return small_company(
        folder,
        accounts,
        then=("train", "--force", "--reason", "It is the first."),
        daily={"retrain": False},
        deliveries={"tables": {"bi": {"folder": "bi", "format": "csv"}}},
    )


def state(config: Path) -> dict[str, Any]:
    """Return what a user could tell of a company's store and files."""
    from churnml.config import load_config
    from churnml.store import Store

    settings = load_config(config)
    with Store(settings.store_url) as store:
        newest = store.latest(settings.name)
        assert newest is not None
        accounts = store.accounts(newest.id, limit=10_000).accounts
        told = store.explanations(newest.id, [one.account_id for one in accounts], [])
        alerts = [alert for alert, _ in store.alerts(settings.name).find(limit=10_000)]
        histories = {
            one.account_id: [info.as_of for info, _ in store.history(settings.name, one.account_id)] for one in accounts
        }
        delivered = store.deliveries(settings.name).counts("tables.bi")
    bi = settings.workspace_dir / "bi"
    return {
        "scores": accounts,
        "explanations": told,
        "alerts": sorted((one.account_id, one.kind, one.episode, one.state) for one in alerts),
        "histories": histories,
        "delivered": delivered,
        "file": pd.read_parquet(settings.workspace_dir / "scores.parquet").drop(columns="scored_at").to_csv(),
        "bi": {path.name: pd.read_csv(path).drop(columns="scored_at").to_csv() for path in sorted(bi.rglob("*.csv"))},
    }


def rounds(
    kills: int, each: int, minutes: float, draw: random.Random, base: Path, folder: Path, churnml: Commands
) -> dict[str, Any]:
    """Kill so many runs, `each` of them in a round, and compare every round's end with the twin's."""
    twin = Path(shutil.copytree(base.parent, folder / "twin")) / base.name
    longest = churnml.run("daily", str(twin))
    undisturbed = state(twin)
    killed, differing, at = 0, [], Counter[str]()
    number, end = 0, time.monotonic() + 60 * minutes
    while killed < kills and time.monotonic() < end:
        config = Path(shutil.copytree(base.parent, folder / f"round{number}")) / base.name
        for _ in range(each):
            killed += churnml.killed(["daily", str(config)], draw.uniform(0.0, longest))
        try:
            churnml.run("daily", str(config))
            found = state(config)
        except SystemExit as failed:
            found = {"failed": str(failed)}
        at.update(_died_in(config))
        differing += [f"round {number}: {name}" for name in undisturbed if found.get(name) != undisturbed[name]]
        shutil.rmtree(config.parent)
        number += 1
    return {
        "killed": killed,
        "rounds": number,
        "killed_in_stage": dict(at),
        "differing": differing,
        "undisturbed_seconds": round(longest, 1),
    }


def _died_in(config: Path) -> list[str]:
    from churnml.config import load_config
    from churnml.pipeline.daily import list_runs

    killed = (run for run in list_runs(load_config(config)) if run.outcome == "killed")
    return [next((one.name for one in run.stages if one.outcome == "killed"), "between stages") for run in killed]


def main() -> None:
    """Print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--each", type=int, default=3, help="kills before a run may end")
    parser.add_argument("--accounts", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no further round after so long")
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="churnml-daily-"))
    try:
        base = make(folder / "base", given.accounts)
        with commands() as churnml:
            draw = random.Random(given.seed)
            found = rounds(given.kills, given.each, given.minutes, draw, base, folder, churnml)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))
    sys.exit(bool(found["differing"]))


if __name__ == "__main__":
    main()
