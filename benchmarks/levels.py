"""Other rules for the level of the probabilities, on the same fits as the rule that is used.

Usage::

    python benchmarks/levels.py [--seeds 501 …] [--newest-days 270] [--beside EARLIER.json] [--cache FOLDER] [--json]

The companies, courses and dates are those of ``benchmarks/calibration.py``. Every training is fitted once; then
only the level is learnt anew, by each rule:

- ``used``: `churnml.training.level.find_level` as it is.
- ``unbounded``: the drift may go beyond what the final model lacks on the newest label window, and against it.
- ``cap 0.15``: as ``unbounded``, but capped at .15 instead of .25 of the log-odds.
- ``training rate``: no drift, no season.
- ``local level``: the drift is a Gaussian process' level (memory of two years, its size weighed by belief) of what the
  final model lacks per date, one label window ahead.
- ``events by month``: the drift is a Gaussian process (memory of four years, season, sizes weighed by belief) through
  the churn events of each month beside those that the final model expects of the accounts there. Every event counts
  once, in the month it came in, those of the last month before training too: what unfinished label windows have seen.
- ``at any length``: as ``used``, but a drift is carried on by a history shorter than a year, too.
- ``true state``: no rule but the simulator's own probabilities, averaged over its futures and thinned as the companies
  are: how far off those are is luck.

With ``--newest-days`` only so many days of training rows are learnt from. With ``--beside``, the output (--json) of
``benchmarks/calibration.py`` by an earlier estimator on the same companies, it says which share of what luck leaves has
been gained since, over the drifting courses.

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
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from scipy.stats import t as student

import calibration as bench
from churnml.features.spec import FeatureSet
from churnml.simulate import simulate, true_probability
from churnml.training import ChurnClassifier, ensemble, level
from churnml.training.calibration import calibrate_level
from churnml.training.experience import expected_coefficients
from churnml.training.level import Level, find_level, offsets

Array = np.ndarray
Inputs = tuple[Any, ...]
Row = dict[str, Any]
MONTH = 30.0
SEEDS = range(501, 509)
GROUPS = {kind: (kind,) for kind in bench.KINDS} | {
    "drifting": bench.DRIFTING,
    "calm": tuple(kind for kind in bench.KINDS if kind not in bench.DRIFTING),
}


def trainings(cache: Path, seed: int, newest_days: int | None) -> list[Row]:
    """Fit every training of one company, and return what its level is learnt from and judged on."""
    made = bench.cached(cache, f"drift_{seed}")
    truth = simulate(accounts=400, months=36, seed=seed, churn_rate=0.05).truth
    rows: list[Row] = []
    for number, kind in enumerate(bench.KINDS):
        for task in bench.thinned(made, kind, seed * 10 + number):
            inputs: list[Inputs] = []
            if newest_days is not None:
                since = task.train["as_of"].max() - pd.Timedelta(days=newest_days)
                task = replace(task, train=task.train[task.train["as_of"] > since])

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
                    "churn_on": task.train["churn_on"].to_numpy().astype("datetime64[D]").astype(np.float64),
                    "true": true_odds(truth, task, kind, made["frame"]),
                }
            )
    return rows


def true_odds(truth: Any, task: bench.Task, kind: str, frame: pd.DataFrame) -> Array:
    """Return the probabilities of the test rows that the simulator itself knows, once churners are thinned."""
    known = [
        true_probability(truth, day, bench.PURGE, knows="state").assign(as_of=day)
        for day in sorted(task.test["as_of"].unique())
    ]
    keys = ["account_id", "as_of"]
    p = task.test[keys].merge(pd.concat(known), on=keys, how="left")["probability"].to_numpy()
    labelled = frame[frame["churned"].notna()]["as_of"]
    end = labelled.max() + pd.Timedelta(days=bench.PURGE)
    within = [task.test["as_of"] + pd.Timedelta(days=days) for days in (15, 45, 75)]
    share = np.mean([bench.kept_share(kind, on, labelled.min(), end) for on in within], axis=0)
    return p * share / (1.0 - p + p * share)


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


def by_month(row: Row) -> tuple[Array, Array, Array]:
    """Return the middle of each month of the training, its churn events and those that the final model expects."""
    inputs, used = row["inputs"], find_level(*row["inputs"])
    _, fitted, y, _, timeline, weights = inputs
    base, _ = offsets(used.slope * fitted, y, np.zeros(len(y), dtype=np.intp), weights)
    daily = -np.log1p(-expit(used.slope * fitted + base[0])) / bench.PURGE
    left = np.where(row["churn_on"] > -1e17, row["churn_on"], np.inf)  # no date becomes a huge negative number
    dates = np.unique(timeline.days)
    begins = np.append(dates, [dates[-1] + MONTH, dates[-1] + 2 * MONTH])
    ends = np.append(begins[1:], dates[-1] + bench.PURGE)
    events, expected = [], []
    for begin, end in zip(begins, ends, strict=True):
        there = (timeline.days == dates[dates <= begin][-1]) & (left >= begin)
        events.append(float((left[there] < end).sum()))
        expected.append(float(daily[there] @ (np.minimum(left[there], end) - begin)))
    # Windows of early dates count a churner less often than later ones do; the mean is the training rate's.
    return (begins + ends) / 2, np.array(events), np.array(expected) * (sum(events) / sum(expected))


def events_by_month(row: Row) -> Level:
    """Return the level of a Gaussian process through the churn events of each month."""
    used = find_level(*row["inputs"])
    days, events, expected = by_month(row)
    ahead = days[-1] + MONTH / 2 + np.arange(5) * MONTH
    apart, to_come = (np.abs(one[:, None] - days[None, :]) for one in (days, ahead))
    supports, drifts = [], []
    for size in level._DRIFTS:
        for season in (0.0, 0.2, 0.4):

            def shared(gap: Array, size: float = size, season: float = season) -> Array:
                return size**2 * np.exp(-gap / (2 * level._MEMORY_DAYS)) + season**2 * level._yearly(gap)

            support, drift = poisson_process(events, expected, shared(apart), shared(to_come))
            prior = 0.5 * (size / level._DRIFT_PRIOR) ** 2 + 0.5 * (season / level._SEASON_PRIOR) ** 2
            supports.append(support - prior)
            drifts.append(drift)
    belief = np.exp(np.array(supports) - max(supports))
    return replace(used, season=None, drift=float(belief @ np.array(drifts) / belief.sum()))


def poisson_process(events: Array, expected: Array, own: Array, ahead: Array) -> tuple[float, float]:
    """Return Laplace's evidence of a log-Gaussian process of counts, and its mean ahead.

    References
    ----------
    Rasmussen and Williams 2006, *Gaussian Processes for Machine Learning*, 3.4.
    """
    f = np.zeros(len(events))
    for _ in range(50):
        rate = expected * np.exp(f)
        root = np.sqrt(rate)
        factor = cho_factor(np.eye(len(f)) + root[:, None] * own * root[None, :], lower=True)
        pulled = rate * f + events - rate
        solved = pulled - root * cho_solve(factor, root * (own @ pulled))
        moved = own @ solved
        settled = float(np.abs(moved - f).max()) < 1e-9
        f = moved
        if settled:
            break
    support = float(events @ f - (expected * np.exp(f)).sum() - 0.5 * solved @ f - np.log(np.diag(factor[0])).sum())
    return support, float((ahead @ solved).mean())


def at_any_length(inputs: Inputs) -> Level:
    """Return the level whose drift needs no year of history."""
    least, level._DRIFT_FROM_DAYS = level._DRIFT_FROM_DAYS, 0
    carried = find_level(*inputs)
    level._DRIFT_FROM_DAYS = least
    return carried


RULES: dict[str, Callable[[Row], Level | None]] = {
    "used": lambda row: find_level(*row["inputs"]),
    "unbounded": lambda row: unbounded(row["inputs"]),
    "cap 0.15": lambda row: unbounded(row["inputs"], 0.15),
    "training rate": lambda row: training_rate(row["inputs"]),
    "local level": lambda row: local_level(row["inputs"]),
    "events by month": events_by_month,
    "at any length": lambda row: at_any_length(row["inputs"]),
    "true state": lambda row: None,
}


def judged(row: Row, learnt: Level | None) -> tuple[float, float]:
    """Return |log(expected ÷ observed)| and log loss of the test rows under a level; None is the simulator's own."""
    figures = bench.measures(row["y"], row["true"] if learnt is None else told(row, learnt), row["w"])
    return abs(figures["log_expected_over_observed"]), figures["log_loss"]


def told(row: Row, learnt: Level) -> Array:
    """Return the probabilities of the test rows under a level."""
    _, fitted, y, folds, timeline, weights = row["inputs"]
    rows = np.concatenate([fold.valid for fold in folds])

    def seasonal(dates: Array) -> Array | float:
        return 0.0 if learnt.season is None else learnt.season.shift(dates) / learnt.slope

    calibrator = calibrate_level(
        learnt, y[rows], fitted + seasonal(timeline.dates), y, judged_weights=weights[rows], weights=weights
    )
    return calibrator(row["raw"] + seasonal(row["dates"]))


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
    parser.add_argument("--newest-days", type=int, help="learn from the rows of so many days only")
    parser.add_argument("--beside", type=Path, help="output of calibration.py by an earlier estimator")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "churnml-calibration")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    figures: dict[str, list[dict[str, Array]]] = {rule: [] for rule in RULES}
    for seed in options.seeds:
        days = options.newest_days
        rows = bench.resumed(
            options.cache, f"levels_{seed}_{days}", lambda seed=seed, days=days: trainings(options.cache, seed, days)
        )
        for rule, learn in RULES.items():
            by_kind = {
                kind: np.mean([judged(row, learn(row)) for row in rows if row["kind"] == kind], axis=0)
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
    if options.beside:
        earlier = json.loads(options.beside.read_text())["companies"]["off_by_company"]
        before = float(np.mean([earlier[str(seed)]["drifting"] for seed in options.seeds]))
        now, luck = (result[rule]["off"]["drifting"]["mean"] for rule in ("used", "true state"))
        result["reached"] = {"before": before, "now": now, "luck": luck, "share": (before - now) / (before - luck)}
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
    if options.beside:
        print(json.dumps(result["reached"]))


if __name__ == "__main__":
    main()
