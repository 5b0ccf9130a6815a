"""A year of clean days with a model in use: how often monitoring cries wolf about data, drift and performance.

A simulated company trains a model and is then run by ``churnml daily`` once every few days for a year, each on the data
that is known by then, with no fault planted and no retraining, so that the model grows as old as it can. Every alarm
that opens is told, by area; those about data are measured for every day by ``benchmarks/monitoring.py``. Run with
``python benchmarks/quiet_year.py --step 7 --seed 5``; a year that was cut off goes on in its ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import time_machine
import yaml

from churnml.config import Config, load_config
from churnml.monitoring import ALARMS
from churnml.pipeline.daily import run_daily
from churnml.pipeline.training import train
from churnml.store import Store
from small_company import churnml

_TABLES = ("accounts", "subscriptions", "events", "tickets", "invoices")
_YEAR_DAYS = 365


def settings() -> dict[str, Any]:
    """Return the config: labels that are final after a month or two, and no new model."""
    return {
        "name": "quiet",
        "source": {"folder": "raw"},
        "tables": {name: {"from": f"{name}.parquet"} for name in _TABLES},
        "label": {"churn": "contractual", "horizon_days": 30},
        "splits": {"folds": 2, "test_snapshots": 3},
        "features": {"windows_days": [28], "max_event_types": 3},
        "model": {"kind": "logistic", "seeds": 1, "min_churners": 2},
        "daily": {"retrain": False},
    }


def year(folder: Path, accounts: int, step: int, seed: int) -> Config:
    """Live the year, or go on with it."""
    if not (folder / "whole").exists():
        churnml("simulate", str(folder / "part"), "--accounts", str(accounts), "--months", "32", "--seed", str(seed))
        (folder / "part").rename(folder / "whole")
    whole = {name: pd.read_parquet(folder / "whole" / f"{name}.parquet") for name in _TABLES}
    end = whole["events"]["occurred_at"].max().normalize()
    (folder / "raw").mkdir(exist_ok=True)
    path = folder / "quiet.yaml"
    path.write_text(yaml.safe_dump(settings()), encoding="utf-8")
    config = load_config(path)
    with Store(config.store_url) as store:
        last = store.runs(config.name).last(ended=True)
    for day in pd.date_range(end - pd.Timedelta(days=_YEAR_DAYS), end, freq=f"{step}D"):
        if last is not None and day.date() <= last.started_at.date():
            continue
        for name, frame in whole.items():
            frame[frame["known_at"] < day].to_parquet(folder / "raw" / f"{name}.parquet", index=False)
        with time_machine.travel(datetime(day.year, day.month, day.day, 4, tzinfo=UTC)):
            if not list(config.bundles_dir.rglob("champion.json")):
                train(config, promote_because="It is the first.")
            run_daily(config)
    return config


def main() -> None:
    """Print the alarms of the year as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=150)
    parser.add_argument("--step", type=int, default=7, help="days from one run to the next")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the company stays, and goes on after a cut")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="churnml-quiet-"))
    try:
        folder.mkdir(exist_ok=True)
        config = year(folder, given.accounts, given.step, given.seed)
        with Store(config.store_url) as store:
            episodes = store.monitoring(config.name).alarms()
            runs = store.runs(config.name).find(limit=1000)
            matured = store.monitoring(config.name).matured()
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    alarms = [(one.alarm.code, one.alarm.subject, str(one.opened_on), str(one.alarm.said)) for one in episodes]
    told = {
        "runs": len(runs),
        "failed": sum(run.outcome != "done" for run in runs),
        "scorings_with_final_labels": len(matured),
        "by_area": dict(Counter(ALARMS[code] for code, *_ in alarms)),
        "alarms": alarms,
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
