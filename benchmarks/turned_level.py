"""The level of a model beside the base-rate rule's, where churn rose for all of the training and then fell.

Usage: ``python benchmarks/turned_level.py [--seeds 1 2 3 4] [--json]``

A company of about 1,200 accounts whose churn a month rises from 2 to 13 % through ten months and falls to 3 % after
them; accounts that are hardly used leave six times as often. Trained on weekly snapshots of the rise, judged on
fourteen dates of which most lie after the fall: nothing in the training tells it. The rule is the rate of the training
rows, the same for every account. Each is judged by calibration error and log loss; *told* is its mean probability.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import warnings
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from churnml import snapshots
from churnml.config import load_config
from churnml.evaluation import backtest
from churnml.metrics import ece, log_loss, roc_auc
from churnml.pipeline import prepare

START, END = date(2023, 1, 1), date(2024, 6, 30)
CONFIG = """
name: turned
workspace: workspace
source: {folder: raw}
tables:
  subscriptions: {from: subscriptions.csv}
  events: {from: events.csv}
label: {churn: contractual, horizon_days: 60}
snapshots: {every: week}
splits:
  fixed: [{train_until: 2023-08-14, test_from: 2023-10-16, test_until: 2024-01-15}]
"""


def level(month: float) -> float:
    """Return the share of accounts that leave within a month, by the months since the start."""
    return 0.02 + 0.012 * month if month <= 9 else 0.03


def write_company(folder: Path, seed: int) -> None:
    """Write config and raw tables of the company."""
    draw = random.Random(seed)
    terms: list[tuple[str, date, date | None]] = []
    events: list[tuple[str, str, date, int]] = []

    def account(start: date) -> None:
        name, heavy = f"a{len(terms):04d}", draw.random() < 0.5
        day, stop = start, None
        while day <= END:
            if draw.random() < level((day - START).days / 30.4) * (0.3 if heavy else 1.7) * 7 / 30:
                stop = day
                break
            day += timedelta(days=7)
        terms.append((name, start, stop))
        day = max(start, START)
        while day < (stop or END):
            if draw.random() < (0.6 if heavy else 0.2):
                events.append((name, draw.choice("xyz"), day, draw.randint(1, 9)))
            day += timedelta(days=3)

    for _ in range(500):
        account(START - timedelta(days=draw.randint(1, 300)))
    for month in range(18):
        for _ in range(40):
            account(START + timedelta(days=30 * month + draw.randint(0, 29)))
    (folder / "raw").mkdir()
    columns = ["account_id", "started_on", "terminated_on"]
    pd.DataFrame(terms, columns=columns).to_csv(folder / "raw" / "subscriptions.csv", index=False)
    columns = ["account_id", "event_type", "occurred_at", "event_count"]
    pd.DataFrame(events, columns=columns).to_csv(folder / "raw" / "events.csv", index=False)
    (folder / "turned.yaml").write_text(CONFIG, encoding="utf-8")


def measured(seed: int) -> dict[str, Any]:
    """Return what model and rule told of the test rows, and what happened."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_company(folder, seed)
        config = load_config(folder / "turned.yaml")
        prepared = prepare(config)
        folds = snapshots.splits(prepared.frame, config)
        tested = backtest(prepared.frame, prepared.feature_set, folds, config)
    rows = tested.predictions
    y = rows["churned"].to_numpy(dtype=float)
    # Where the regression is published the configured model stands beside it.
    columns = {"model": "p_blend" if "p_blend" in rows else "p_model", "base rate": "p_base_rate"}
    return {
        "seed": seed,
        "rows": len(rows),
        "happened": float(y.mean()),
        **{
            learner: {
                "told": float(rows[column].mean()),
                "calibration_error": ece(y, rows[column].to_numpy()),
                "log_loss": log_loss(y, rows[column].to_numpy()),
                "roc_auc": roc_auc(y, rows[column].to_numpy()),
            }
            for learner, column in columns.items()
        },
    }


def main() -> None:
    """Measure every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    for seed in options.seeds:
        results.append(measured(seed))
        print(f"seed {seed}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print("| seed | rows | happened | learner | told | calibration error | log loss | AUC |")
    print("|---|---|---|---|---|---|---|---|")
    for row in results:
        for learner in ("model", "base rate"):
            own = row[learner]
            print(
                f"| {row['seed']} | {row['rows']} | {row['happened']:.3f} | {learner} | {own['told']:.3f} "
                f"| {own['calibration_error']:.3f} | {own['log_loss']:.4f} | {own['roc_auc']:.3f} |"
            )


if __name__ == "__main__":
    main()
