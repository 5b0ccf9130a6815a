"""What learning from less costs: ``python benchmarks/sampling.py [--accounts N] [--seeds N …] [--steps N …]``.

For each seed a company of 24 months is simulated. The model is fitted to its earlier dates with every ratio of rows
that stayed to rows that churned (`model.stayers_per_churner`; 0 is all rows) and every size of the trees' steps (as
many times the usual ones; three times is what large companies get), and judged on the later dates, a label window after
the last that it learnt from: log loss, concordance within a date, expected ÷ observed churn, and the seconds of CPU
that the fit took. ``--json`` for all of it as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from churnml.training.trees import tree_settings

ROOT = Path(__file__).parents[1]
MONTHS = 24
LATER = 0.7
"""Share of the dates after which rows are judged."""


def prepared(folder: Path, accounts: int, seed: int) -> tuple[Any, Any]:
    """Simulate a company and return its frame with features, and the config."""
    from churnml import pipeline
    from churnml.config import load_config

    pipeline.simulate_company(folder / "raw", accounts=accounts, months=MONTHS, seed=seed)
    config = load_config(
        ROOT / "configs" / "demo.yaml",
        {
            "source": {"folder": str(folder / "raw")},
            "workspace": str(folder / "workspace"),
            "models_dir": str(folder / "models"),
        },
    )
    return pipeline.prepare(config), config


def _settings(params: dict[str, Any], steps: int, own_steps: int) -> Any:
    return tree_settings(params, steps=own_steps)


def judged(accounts: int, seed: int, ratios: list[int], steps: list[int]) -> list[dict[str, Any]]:
    """Fit with every ratio and size of steps, and judge on later dates."""
    from churnml.config import LearningConfig
    from churnml.training.fitting import fit_rows

    with tempfile.TemporaryDirectory() as name:
        made, config = prepared(Path(name), accounts, seed)
    frame = made.frame[made.frame["churned"].notna()]
    dates = np.sort(frame["as_of"].unique())
    first = pd.Timestamp(dates[int(len(dates) * LATER)])
    train = frame[frame["as_of"] <= first - pd.Timedelta(days=config.label.purge_days)]
    later = frame[frame["as_of"] >= first]
    outcome = later["churned"].to_numpy(dtype=np.float64)
    results = []
    for ratio, size in product(ratios, steps):
        model = config.model.model_copy(update={"stayers_per_churner": ratio or None})
        learning = LearningConfig.of(config.model_copy(update={"model": model}))
        began = time.process_time()
        sized = partial(_settings, own_steps=size)
        with patch("churnml.training.estimator.tree_settings", sized):
            fitted = fit_rows(train, made.feature_set, learning)
        seconds = time.process_time() - began
        chance = fitted.probability(fitted.matrix(later))
        within = [roc_auc_score(outcome[at], chance[at]) for at in later.groupby("as_of").indices.values()]
        results.append(
            {
                "accounts": accounts,
                "seed": seed,
                "stayers_per_churner": ratio,
                "steps": size,
                "learnt_rows": fitted.info.learnt_rows,
                "churned_rows": fitted.info.churned_rows,
                "cpu_seconds": round(seconds, 1),
                "log_loss": round(float(log_loss(outcome, chance)), 5),
                "concordance": round(float(np.mean(within)), 4),
                "expected_over_observed": round(float(chance.sum() / outcome.sum()), 3),
            }
        )
    return results


def main() -> None:
    """Judge every seed and ratio, and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202])
    parser.add_argument("--ratios", type=int, nargs="+", default=[0, 10, 6])
    parser.add_argument("--steps", type=int, nargs="+", default=[3])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        for one in judged(options.accounts, seed, options.ratios, options.steps):
            results.append(one)
            if not options.json:
                print(", ".join(f"{name} {value:,}" for name, value in one.items()), flush=True)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
