"""Whether the configured health score ranks churners as its model does, on sets with dates.

Usage: ``python benchmarks/health_sets.py [--sets crm5 …] [--folds 4] [--cache FOLDER] [--json]``

Every set is backtested on rolling folds (its config's one fold leaves nothing to learn blend and bands from) with the
defaults but one seed, and the readings of all folds but the first are scored as `churnml health backtest` does.
*Behind* is the AUC of the model alone minus that of the configured score, with a 95 % interval by account; the goal is
.005 at most.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import calibration as bench
from churnml import snapshots
from churnml.config import load_config
from churnml.evaluation import backtest
from churnml.features.spec import FeatureSet
from churnml.health import replay

GOAL = 0.005


def measured(cache: Path, name: str, folds: int) -> dict[str, Any]:
    """Return the AUC of configured score and model alone on the held-out readings of one set."""
    made = bench.cached(cache, name)
    changes = {"model": {"seeds": 1}, "splits": {"folds": folds, "fixed": []}}
    config = load_config(bench.ROOT / "configs" / f"{name.removesuffix('_established')}.yaml", changes)
    frame, features = made["frame"], FeatureSet.from_dicts(made["specs"])
    tested = backtest(frame, features, snapshots.splits(frame, config), config)
    held_out = SimpleNamespace(predictions=tested.predictions, splits=tested.splits, verdict=tested.verdict.verdict)
    configured, *_ = replay(frame, features, config, held_out, presets=())
    (beside,) = [one for one in configured.advice if one.setting == "alpha: 1"] or [None]
    result: dict[str, Any] = {"folds": len(tested.splits), "verdict": str(tested.verdict.verdict.value)}
    if beside is not None:
        result |= {"model": beside.roc_auc, "configured": beside.roc_auc - beside.gain, "behind": beside.gain}
        result |= {"low": beside.low, "high": beside.high, "met": bool(beside.gain <= GOAL)}
    return result


def main() -> None:
    """Measure every set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=bench.SETS, default=list(bench.SETS))
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "churnml-calibration")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = {}
    for name in options.sets:
        results[name] = measured(options.cache, name, options.folds)
        print(f"{name}: {json.dumps(results[name])}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print("| set | verdict | model alone | configured | behind | 95 % interval | goal |")
    print("|---|---|---|---|---|---|---|")
    for name, row in results.items():
        if "model" not in row:
            print(f"| {name} | {row['verdict']} | | | | | the model does not speak |")
            continue
        print(
            f"| {name} | {row['verdict']} | {row['model']:.4f} | {row['configured']:.4f} | {row['behind']:+.4f} "
            f"| {row['low']:+.4f} to {row['high']:+.4f} | {'met' if row['met'] else 'missed'} |"
        )


if __name__ == "__main__":
    main()
