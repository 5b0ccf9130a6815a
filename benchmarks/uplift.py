"""Whether the uplift ranking beats risk where it should and only there, and whether effects lie in their intervals.

Usage: ``python benchmarks/uplift.py [--worlds 60] [--accounts 1000 4000] [--share 0.3] [--seed 1] [--json]``

Simulated lots with a planted effect of a contact: *none*; *uniform* (it avoids 40 % of everybody's churn, so ranking by
risk is as good as can be); *mid risk* (it avoids 70 % of the churn of accounts whose true chance lies between 0.15 and
0.4, and nothing of the others'). Lots are drawn over a year; the model's probability is the true chance with noise;
three covariates say nothing. Each world is reported as ``churnml experiments rank`` does it. Then its ranking and that
by risk rank 20,000 fresh accounts of the same kind, whose true effects are known.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from churnml.actions import compare_rankings, experiment_report, fit_ranking
from churnml.config.experiments import ExperimentsConfig
from churnml.metrics.uplift import qini

KINDS = ("none", "uniform", "mid risk")
UNTIL = date(2026, 6, 30)
SECTION = ExperimentsConfig(enabled=True, arr_below=1e9, covariates=("health_score", "tenure_days", "days_to_renewal"))
FRESH = 20_000
CONTACTED = 0.2
"""Share of the fresh accounts that is contacted."""


def avoided(chance: np.ndarray, kind: str) -> np.ndarray:
    """Return the churn that a contact avoids, of each true chance."""
    if kind == "none":
        return np.zeros_like(chance)
    if kind == "uniform":
        return 0.4 * chance
    return np.where((chance > 0.15) & (chance < 0.4), 0.7 * chance, 0.0)


def world(kind: str, accounts: int, share: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return followed lots and the true effect of each."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1.3, 2.7, accounts)
    effect = avoided(chance, kind)
    held = rng.permutation(accounts) < share * accounts
    odds = np.log(chance / (1 - chance)) + rng.normal(0, 0.3, accounts)
    rows = pd.DataFrame(
        {
            "account_id": [f"a{number}" for number in range(accounts)],
            "arm": np.where(held, "held_out", "contacted"),
            "assigned_on": [date(2025, 1, 6) + timedelta(days=int(day)) for day in rng.integers(0, 365, accounts)],
            "churn_probability": 1 / (1 + np.exp(-odds)),
            "arr": np.exp(rng.normal(9, 0.7, accounts)),
            "share": share,
            "churned": (rng.random(accounts) < np.where(held, chance, chance - effect)).astype(float),
            "health_score": rng.normal(50, 20, accounts),
            "tenure_days": rng.integers(30, 2000, accounts).astype(float),
            "days_to_renewal": rng.integers(0, 365, accounts).astype(float),
        }
    )
    return rows, effect


def top(score: np.ndarray, effect: np.ndarray) -> float:
    """Return the churners avoided per hundred accounts, were those contacted that a score puts first."""
    first = np.argsort(-score, kind="stable")[: int(CONTACTED * len(score))]
    return 100 * float(effect[first].sum()) / len(score)


def one(kind: str, accounts: int, share: float, seed: int) -> dict[str, Any]:
    """Return what is found in one world, and what is true of it."""
    rows, effect = world(kind, accounts, share, seed)
    arms = experiment_report(rows, SECTION, days=90, until=UNTIL, by_segment=False)
    judged = compare_rankings(rows, SECTION, seed=0)
    assert arms.churn_avoided is not None
    assert arms.arr_saved is not None
    assert judged.gain is not None
    saved = float((effect * rows["arr"]).mean())
    fresh, true = world(kind, FRESH, share, seed + 1_000_003)
    risk = fresh["churn_probability"].to_numpy()
    uplift = fit_ranking(rows, SECTION, seed=0).predict(fresh)
    return {
        "churn_covered": arms.churn_avoided.low <= effect.mean() <= arms.churn_avoided.high,
        "arr_covered": arms.arr_saved.low <= saved <= arms.arr_saved.high,
        "beats": judged.beats,
        "departs": bool(judged.trees),
        "gain": judged.gain.value,
        "true_gain": qini(uplift, true) - qini(risk, true),
        "top_risk": top(risk, true),
        "top_uplift": top(uplift, true),
        "top_used": top(uplift if judged.beats else risk, true),
        "top_best": top(true, true),
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found: list[dict[str, Any]] = []
    for kind in KINDS:
        for accounts in asked.accounts:
            began = time.perf_counter()
            seeds = range(asked.seed * 100_000, asked.seed * 100_000 + asked.worlds)
            worlds = pd.DataFrame([one(kind, accounts, asked.share, seed) for seed in seeds])
            figures = {name: round(float(value), 4) for name, value in worlds.mean().items()}
            used = {"seconds": round((time.perf_counter() - began) / asked.worlds, 2)}
            found.append({"kind": kind, "accounts": accounts, "worlds": asked.worlds, **figures, **used})
            if not asked.json:
                print(found[-1], flush=True)
    if asked.json:
        print(json.dumps({"share": asked.share, "seed": asked.seed, "found": found}, indent=1))


if __name__ == "__main__":
    main()
