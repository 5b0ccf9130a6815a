"""How fast a batch of explanations is, beside `shap.TreeExplainer` on the same model in the same run.

Ours explains every account. shap's cost is linear in rows, so it is timed on a sample of rows (and on half of it, which
shows the linearity) and scaled up; ``--full`` times it on all rows. The numbers are compared on the rows that both
explained. Progress goes to stderr.

Usage: ``python benchmarks/explain.py [--accounts 50000] [--features 120] [--trees 300] [--sample 2000] [--full]``
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable

import lightgbm as lgb
import numpy as np


def made_up(accounts: int, features: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix with missing values, and churn that a few columns and a pair of them drive."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(accounts, features))
    logit = matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + 0.5 * matrix[:, 3] - 2.5
    churned = rng.random(accounts) < 1 / (1 + np.exp(-logit))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, churned.astype(float)


def timed(what: str, work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Return what the work gives and the seconds it took, telling stderr."""
    print(f"{what} …", end=" ", file=sys.stderr, flush=True)
    start = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - start
    print(f"{seconds:.2f} s", file=sys.stderr, flush=True)
    return found, seconds


def main() -> None:
    """Time both and compare their numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--leaves", type=int, default=31)
    parser.add_argument("--sample", type=int, default=2_000, help="Rows that shap explains")
    parser.add_argument("--full", action="store_true", help="Let shap explain all rows")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import shap

    from churnml.explain.batch import fast_contributions

    matrix, churned = made_up(options.accounts, options.features, options.seed)
    params = {"objective": "binary", "num_leaves": options.leaves, "verbose": -1, "seed": options.seed}
    print(f"training {options.trees} trees …", file=sys.stderr, flush=True)
    booster = lgb.train(params, lgb.Dataset(matrix, churned), options.trees)
    fast_contributions([booster], matrix[:100])  # compile and import outside the clock
    ours, our_seconds = timed(f"churnml on {options.accounts:,} rows", lambda: fast_contributions([booster], matrix))

    rows = options.accounts if options.full else min(options.sample, options.accounts)
    pick = np.unique(np.linspace(0, options.accounts - 1, rows).round().astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.TreeExplainer(booster)
        half = matrix[pick[: len(pick) // 2]]
        _, half_seconds = timed(f"shap on {len(half):,} rows", lambda: np.asarray(explainer.shap_values(half)))
        picked = matrix[pick]
        theirs, sample_seconds = timed(f"shap on {len(pick):,} rows", lambda: np.asarray(explainer.shap_values(picked)))
    shap_seconds = sample_seconds * options.accounts / len(pick)
    result = {
        "accounts": options.accounts,
        "features": options.features,
        "trees": options.trees,
        "leaves": options.leaves,
        "seconds": round(our_seconds, 2),
        "shap_rows": len(pick),
        "shap_rows_seconds": round(sample_seconds, 2),
        "shap_half_rows_seconds": round(half_seconds, 2),
        "shap_seconds": round(shap_seconds, 2),
        "shap_scaled": len(pick) < options.accounts,
        "times_faster": round(shap_seconds / our_seconds, 2),
        "largest_difference": float(np.abs(ours[pick, :-1] - theirs).max()),
        "largest_additivity_error": float(np.abs(ours.sum(axis=1) - booster.predict(matrix, raw_score=True)).max()),
    }
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<26} {value}")


if __name__ == "__main__":
    main()
