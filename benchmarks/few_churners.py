"""What the default estimator is worth to small companies, beside its two parts alone and the rules.

Usage: ``python benchmarks/few_churners.py [--accounts 120 200 300 400 600] [--seeds 31 32 33] [--kinds auto lightgbm
logistic] [--cache FOLDER] [--json]``

Every company is simulated anew, one per size and seed, and the model is backtested on it as ``churnml train`` would.
With ``--cache`` its frame of features is kept there and used again. Of a blend the logistic part comes at no cost, so
``--kinds auto`` alone leaves out the trees' column only.
"""

from __future__ import annotations

import argparse
import json
import pickle
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from churnml import snapshots
from churnml.config import load_config
from churnml.evaluation import backtest
from churnml.features.spec import FeatureSet
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.pipeline import prepare, simulate_company
from churnml.snapshots.splits import Split

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "configs" / "demo.yaml"
KINDS = ("auto", "lightgbm", "logistic")


def company(accounts: int, seed: int, cache: Path | None) -> dict[str, Any]:
    """Return frame, features and splits of one simulated company, from the cache where it is there."""
    path = None if cache is None else cache / f"few_{accounts}_{seed}.pkl"
    if path is not None and path.exists():
        known: dict[str, Any] = pickle.loads(path.read_bytes())
        return known
    with tempfile.TemporaryDirectory() as folder:
        simulate_company(Path(folder) / "raw", accounts=accounts, months=24, seed=seed)
        config = load_config(DEMO, {"source": {"folder": f"{folder}/raw"}, "workspace": f"{folder}/workspace"})
        prepared = prepare(config)
        splits = [(split.name, split.train, split.test) for split in snapshots.splits(prepared.frame, config)]
    made = {"frame": prepared.frame, "specs": prepared.feature_set.as_dicts(), "splits": splits}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(made))
    return made


def measure(accounts: int, seed: int, kinds: Sequence[str], cache: Path | None) -> dict[str, Any]:
    """Return AUC and log loss of every kind of model and of every rule on one simulated company."""
    made = company(accounts, seed, cache)
    features = FeatureSet.from_dicts(made["specs"])
    folds = [Split(*split) for split in made["splits"]]
    config = load_config(DEMO)
    found: dict[str, Any] = {"accounts": accounts, "seed": seed}
    for kind in kinds:
        asked = config.model_copy(update={"model": config.model.model_copy(update={"kind": kind})})
        tested = backtest(made["frame"], features, folds, asked)
        rows = tested.predictions
        columns = {kind: "p_model"}
        if kind == "auto":
            columns |= {name: f"p_{name}" for name in tested.baselines}
            found["churned_accounts"] = tested.models[-1].churned_accounts
        y = rows["churned"].to_numpy()
        for name, column in columns.items():
            found[name] = {"roc_auc": roc_auc(y, rows[column]), "log_loss": log_loss(y, rows[column])}
    return found


def mean_of(results: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the mean AUC and log loss of each kind of model and each rule over companies."""
    return {
        name: {metric: float(np.mean([one[name][metric] for one in results])) for metric in ("roc_auc", "log_loss")}
        for name in names
    }


def main() -> None:
    """Run every size with every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", nargs="+", type=int, default=[120, 200, 300, 400, 600])
    parser.add_argument("--seeds", nargs="+", type=int, default=[31, 32, 33])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for accounts in options.accounts:
        for seed in options.seeds:
            results.append(measure(accounts, seed, options.kinds, options.cache))
            done = results[-1]
            told = ", ".join(f"{kind} {done[kind]['roc_auc']:.3f}" for kind in options.kinds)
            print(f"{accounts} accounts, seed {seed}: AUC {told}", file=sys.stderr, flush=True)
    # Where the regression is published, the blend stands beside it: a column that not every company has.
    names = [
        name for name, value in results[0].items() if isinstance(value, dict) and all(name in one for one in results)
    ]
    means = mean_of(results, names)
    smallest = mean_of([one for one in results if one["accounts"] == min(options.accounts)], names)
    machine = {"python": platform.python_version(), "machine": platform.machine(), "lightgbm": version("lightgbm")}
    if options.json:
        print(json.dumps({"results": results, "means": means, "smallest": smallest, **machine}, indent=1))
        return
    print("| accounts | seed | churned in training | " + " | ".join(names) + " |")
    print("|" + "---|" * (3 + len(names)))
    for result in results:
        cells = [f"{result[name]['roc_auc']:.3f} / {result[name]['log_loss']:.4f}" for name in names]
        print(f"| {result['accounts']} | {result['seed']} | {result['churned_accounts']} | {' | '.join(cells)} |")
    for title, group in (("mean", means), (f"mean of {min(options.accounts)} accounts", smallest)):
        cells = [f"{group[name]['roc_auc']:.3f} / {group[name]['log_loss']:.4f}" for name in names]
        print(f"| {title} | | | {' | '.join(cells)} |")
    print(f"AUC / log loss, pooled over the backtest's folds. {machine}")


if __name__ == "__main__":
    main()
