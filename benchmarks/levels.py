"""Other rules for the level of the probabilities, on the same fits as the rule that is used.

Usage::

    python benchmarks/levels.py [--seeds 501 …] [--cache FOLDER] [--json]

The companies, courses and dates are those of ``benchmarks/calibration.py``. Every training is fitted once; then
only the level is learnt anew, by each rule:

- ``used``: `churnml.training.level.find_level` as it is.
- ``unbounded``: the drift may go beyond what the final model lacks on the newest label window, and against it.
- ``cap 0.15``: as ``unbounded``, but capped at .15 instead of .25 of the log-odds.
- ``training rate``: no drift, no season.
- ``local level``: the drift is a Gaussian process' level (memory of two years, its size weighed by belief) of what the
  final model lacks per date, one label window ahead.

Each is compared with ``used``, company by company, with a 95 % interval. ``drifting`` and ``calm`` are means over the
courses that drift and those that do not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import t as student

import calibration as bench
from churnml.features.spec import FeatureSet
from churnml.training import ChurnClassifier, ensemble, level
from churnml.training.calibration import calibrate_level
from churnml.training.experience import expected_coefficients
from churnml.training.level import Level, find_level, offsets

Array = np.ndarray
Inputs = tuple[Any, ...]
SEEDS = range(501, 509)
GROUPS = {kind: (kind,) for kind in bench.KINDS} | {
    "drifting": bench.DRIFTING,
    "calm": tuple(kind for kind in bench.KINDS if kind not in bench.DRIFTING),
}


def trainings(cache: Path, seed: int) -> list[dict[str, Any]]:
    """Fit every training of one company, and return what its level is learnt from and judged on."""
    made = bench.cached(cache, f"drift_{seed}")
    rows: list[dict[str, Any]] = []
    for number, kind in enumerate(bench.KINDS):
        for task in bench.thinned(made, kind, seed * 10 + number):
            inputs: list[Inputs] = []

            def noted(*arguments: Any, inputs: list[Inputs] = inputs) -> Level:
                inputs.append(arguments)
                return find_level(*arguments)

            ensemble.find_level = noted  # type: ignore[assignment]
            model = ChurnClassifier(
                seeds=1,
                purge_days=bench.PURGE,
                monotone=[0 if spec["categorical"] else spec["monotone"] for spec in task.specs],
                expected=expected_coefficients(FeatureSet.from_dicts(task.specs)),
            )
            frame, y = task.train[task.names], task.train["churned"].to_numpy().astype(int)
            model.fit(frame, y, dates=task.train["as_of"].to_numpy(), groups=task.train["account_id"].to_numpy())
            ensemble.find_level = find_level
            rows.append(
                {
                    "kind": kind,
                    "inputs": inputs[0],
                    "raw": model.decision_function(task.test[task.names]),
                    "dates": task.test["as_of"].to_numpy(),
                    "y": task.test["churned"].to_numpy(),
                    "w": task.weights,
                }
            )
    return rows


def lacking(inputs: Inputs, used: Level, group: Array) -> tuple[Array, Array]:
    """Return what the final model lacks in each group of training rows, season put in, and the variance of that."""
    _, fitted, y, _, timeline, weights = inputs
    season = 0.0 if used.season is None else used.season.shift(timeline.dates)
    base, _ = offsets(used.slope * fitted + season, y, np.zeros(len(y), dtype=np.intp), weights)
    return offsets(used.slope * fitted + season + base[0], y, group, weights)


def training_rate(inputs: Inputs) -> Level:
    """Return the level of the training rows."""
    return replace(find_level(*inputs), drift=0.0, season=None)


def unbounded(inputs: Inputs, cap: float = level._CAP) -> Level:
    """Return the level whose drift the newest label window does not bound."""
    used, bound = find_level(*inputs), level._lacking
    drift = 0.0
    for free in (-np.inf, np.inf):
        level._lacking = lambda *_, free=free: free
        drift += find_level(*inputs).drift
    level._lacking = bound
    return replace(used, drift=float(np.clip(drift, -cap, cap)))


def local_level(inputs: Inputs) -> Level:
    """Return the level of a Gaussian process one label window ahead of the newest date."""
    used, timeline = find_level(*inputs), inputs[4]
    days, date = np.unique(timeline.days, return_inverse=True)
    off, variance = lacking(inputs, used, date)
    apart = np.abs(days[:, None] - days[None, :])
    shared = np.clip(1.0 - apart / timeline.purge_days, 0.0, 1.0)
    noise = np.sqrt(variance)[:, None] * shared * np.sqrt(variance)[None, :] + 1e-6 * np.eye(len(days))
    ahead = np.exp(-(days[-1] + timeline.purge_days - days) / level._MEMORY_DAYS)
    supports, drifts = [], []
    for size in level._DRIFTS:
        factor = cho_factor(size**2 * np.exp(-apart / level._MEMORY_DAYS) + noise, lower=True)
        solved = cho_solve(factor, off)
        support = -0.5 * float(off @ solved) - float(np.log(np.diag(factor[0])).sum())
        supports.append(support - 0.5 * (size / level._DRIFT_PRIOR) ** 2)
        drifts.append(size**2 * float(ahead @ solved))
    belief = np.exp(np.array(supports) - max(supports))
    drift = float(belief @ np.array(drifts) / belief.sum())
    return replace(used, drift=float(np.clip(drift, -level._CAP, level._CAP)))


RULES: dict[str, Callable[[Inputs], Level]] = {
    "used": lambda inputs: find_level(*inputs),
    "unbounded": unbounded,
    "cap 0.15": lambda inputs: unbounded(inputs, 0.15),
    "training rate": training_rate,
    "local level": local_level,
}


def judged(row: dict[str, Any], learnt: Level) -> tuple[float, float]:
    """Return |log(expected ÷ observed)| and log loss of the test rows under a level."""
    _, fitted, y, folds, timeline, weights = row["inputs"]
    rows = np.concatenate([fold.valid for fold in folds])

    def seasonal(dates: Array) -> Array | float:
        return 0.0 if learnt.season is None else learnt.season.shift(dates) / learnt.slope

    calibrator = calibrate_level(
        learnt, y[rows], fitted + seasonal(timeline.dates), y, judged_weights=weights[rows], weights=weights
    )
    figures = bench.measures(row["y"], calibrator(row["raw"] + seasonal(row["dates"])), row["w"])
    return abs(figures["log_expected_over_observed"]), figures["log_loss"]


def compared(figures: Array, used: Array) -> dict[str, float]:
    """Return the mean over companies, and the mean difference from the rule that is used with a 95 % interval."""
    change = figures - used
    reach = float(student.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change)))
    mean = float(change.mean())
    return {"mean": float(figures.mean()), "change": mean, "low": mean - reach, "high": mean + reach}


def main() -> None:
    """Judge every rule on every company and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "churnml-calibration")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    figures: dict[str, list[dict[str, Array]]] = {rule: [] for rule in RULES}
    for seed in options.seeds:
        rows = bench.resumed(options.cache, f"levels_{seed}", lambda seed=seed: trainings(options.cache, seed))
        for rule, learn in RULES.items():
            by_kind = {
                kind: np.mean([judged(row, learn(row["inputs"])) for row in rows if row["kind"] == kind], axis=0)
                for kind in bench.KINDS
            }
            figures[rule].append(
                {name: np.mean([by_kind[kind] for kind in own], axis=0) for name, own in GROUPS.items()}
            )
        print(f"company {seed}", file=sys.stderr, flush=True)
    result: dict[str, Any] = {"companies": len(options.seeds)}
    for rule, companies in figures.items():
        result[rule] = {
            metric: {
                name: compared(
                    *(np.array([one[name][place] for one in group]) for group in (companies, figures["used"]))
                )
                for name in GROUPS
            }
            for place, metric in enumerate(("off", "log_loss"))
        }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print("| rule | " + " | ".join(GROUPS) + " | drifting beside used | calm beside used |")
    print("|" + "---|" * (len(GROUPS) + 3))
    for rule in RULES:
        off = result[rule]["off"]
        beside = [
            f"{off[name]['change']:+.3f} ({off[name]['low']:+.3f} to {off[name]['high']:+.3f})"
            for name in ("drifting", "calm")
        ]
        print(
            f"| {rule} | "
            + " | ".join(f"{off[name]['mean']:.3f}" for name in GROUPS)
            + f" | {beside[0]} | {beside[1]} |"
        )


if __name__ == "__main__":
    main()
