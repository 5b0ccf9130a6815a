"""How fast a batch of explanations is, beside `shap.TreeExplainer` on the same model in the same run.

Usage: ``python benchmarks/explain.py [--accounts 50000] [--features 120] [--trees 300] [--json]``
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

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


def main() -> None:
    """Time both and compare their numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--leaves", type=int, default=31)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import shap

    from churnml.explain.batch import fast_contributions

    matrix, churned = made_up(options.accounts, options.features, options.seed)
    params = {"objective": "binary", "num_leaves": options.leaves, "verbose": -1, "seed": options.seed}
    booster = lgb.train(params, lgb.Dataset(matrix, churned), options.trees)

    fast_contributions([booster], matrix[:100])  # compile and import outside the clock
    start = time.perf_counter()
    ours = fast_contributions([booster], matrix)
    our_seconds = time.perf_counter() - start

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.TreeExplainer(booster)
        start = time.perf_counter()
        theirs = np.asarray(explainer.shap_values(matrix))
        their_seconds = time.perf_counter() - start
    result = {
        "accounts": options.accounts,
        "features": options.features,
        "trees": options.trees,
        "seconds": round(our_seconds, 2),
        "shap_seconds": round(their_seconds, 2),
        "times_faster": round(their_seconds / our_seconds, 2),
        "largest_difference": float(np.abs(ours[:, :-1] - theirs).max()),
        "largest_additivity_error": float(np.abs(ours.sum(axis=1) - booster.predict(matrix, raw_score=True)).max()),
    }
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<26} {value}")


if __name__ == "__main__":
    main()
