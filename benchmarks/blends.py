"""How is the blend weighed best, and how many trees does it want? On earlier dates and on companies of new seeds.

Usage::

    python benchmarks/blends.py [--groups crm5 …] [--cache FOLDER] [--json]

Tasks that the choice was made on; no label of a test row reaches into the dates that ``benchmarks/calibration.py``
judges on:

- ``crm5``: trained until June, July and August 2022, judged on three months from four months later; all accounts and
  six random parts of them to learn from.
- ``established``, ``git_b2b``: trained until the end of 2011 … 2018, judged on the twelve months from April on; all
  accounts, and random parts of them.
- ``drift``: companies 501–506 of ``benchmarks/calibration.py``, their last date of training on each of six courses.
- ``few``: companies of 120 to 1,200 accounts as in ``benchmarks/few_churners.py``, seeds 901–905, their last fold.

Rules: ``used`` is `churnml.training.choice.choose` as it is; ``later dates`` chooses number of trees and weight on the
folds cut by date alone; ``left out, trees by date`` weighs the parts on accounts left out, with the trees that later
dates chose; ``half`` weighs the parts alike. *Behind* is the AUC of the better part minus that of the blend; the
loss is the log loss within dates, in ten-thousandths beside ``later dates``, with its standard error over tasks.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import calibration as bench
import few_churners
from churnml.features.spec import FeatureSet
from churnml.training import ChurnClassifier, choice
from churnml.training.ensemble import Ensemble, fit_ensemble
from churnml.training.experience import expected_coefficients
from churnml.training.level import within_slope
from churnml.training.tree_tuning import TunedTrees

Array = np.ndarray
GROUPS = ("crm5", "established", "git_b2b", "drift", "few")
RULES = ("later dates", "used", "left out, trees by date", "half")
CRM_CUTS = (
    ("2022-06-01", "2022-10-01", "2022-12-01"),
    ("2022-07-01", "2022-11-01", "2023-01-01"),
    ("2022-08-01", "2022-12-01", "2023-02-01"),
)
GIT_CUTS = tuple((f"{year}-12-01", f"{year + 1}-04-01", f"{year + 2}-03-01") for year in (2011, 2013, 2015, 2017, 2018))
PARTS = {
    "crm5": ((1.0, 0), (0.5, 1), (0.5, 2), (0.7, 3), (0.6, 4), (0.8, 5), (0.8, 6)),
    "established": ((1.0, 0), (0.5, 1), (0.7, 2)),
    "git_b2b": ((1.0, 0), (0.1, 1), (0.2, 2), (0.4, 3), (0.1, 4), (0.15, 5), (0.3, 6)),
}


def tasks(group: str, cache: Path) -> Iterator[tuple[str, bench.Task]]:
    """Yield the tasks of a group by name."""
    if group == "drift":
        for seed in range(501, 507):
            made = bench.cached(cache, f"drift_{seed}")
            for number, kind in enumerate(bench.KINDS):
                *_, last = bench.thinned(made, kind, seed * 10 + number)
                yield f"{seed}_{kind}", last
    elif group == "few":
        for accounts in (120, 200, 300, 600, 1200):
            for seed in range(901, 906):
                made = few_churners.company(accounts, seed, cache)
                _, train, test = made["splits"][-1]
                yield f"{accounts}_{seed}", cut(made, train, test)
    else:
        made = bench.cached(cache, "git_b2b_established" if group == "established" else group)
        dates = pd.Series(sorted(made["frame"]["as_of"].unique()))
        for until, first, last in CRM_CUTS if group == "crm5" else GIT_CUTS:
            for share, seed in PARTS[group]:
                train, test = dates[dates <= until], dates[(dates >= first) & (dates <= last)]
                yield f"{until}_{share}_{seed}", cut(made, train, test, share, seed)


def cut(made: dict[str, Any], train: Any, test: Any, share: float = 1.0, seed: int = 0) -> bench.Task:
    """Return the labelled rows of some dates, to learn from those of a random part of the accounts."""
    frame = made["frame"][made["frame"]["churned"].notna()]
    accounts = np.array(sorted(made["frame"]["account_id"].unique()))
    drawn = np.random.default_rng(seed).permutation(accounts)[: int(len(accounts) * share)]
    later = frame[frame["as_of"].isin(test)]
    learnt = frame[frame["as_of"].isin(train) & frame["account_id"].isin(drawn)]
    return bench.Task(learnt, later, np.ones(len(later)), made["specs"])


def judged(task: bench.Task) -> dict[str, Any] | None:
    """Return AUC and loss of parts and rules on one task; None where a regression alone is fitted."""
    model = ChurnClassifier(
        seeds=1,
        purge_days=bench.PURGE,
        monotone=[0 if spec["categorical"] else spec["monotone"] for spec in task.specs],
        expected=expected_coefficients(FeatureSet.from_dicts(task.specs)),
    )
    y = task.train["churned"].to_numpy().astype(int)
    plan = model.plan(task.train[task.names], y, task.train["as_of"].to_numpy(), task.train["account_id"].to_numpy())
    if plan.recipe.kind != "blend" or not plan.folds:
        return None
    fixed = (plan.matrix, plan.outcome, plan.folds, plan.recipe, plan.timeline, plan.weights)
    used, by_date = fit_ensemble(*fixed, left_out=plan.left_out), fit_ensemble(*fixed)
    tune = choice.tune_trees

    def dated(*given: Any) -> TunedTrees:
        """Tune by what is left out how the parts are weighed, but not how many trees there are."""
        tuned = tune(*given)
        return replace(tuned, count=tuned.dated_count)

    choice.tune_trees = dated
    weighed = fit_ensemble(*fixed, left_out=plan.left_out)
    choice.tune_trees = tune
    later, outcome = task.test[task.names], task.test["churned"].to_numpy()
    place = np.unique(task.test["as_of"].to_numpy(), return_inverse=True)[1]

    def figures(ensemble: Ensemble, weight: float | None = None) -> dict[str, float]:
        own = ensemble if weight is None else replace(ensemble, linear_weight=weight)
        model.ensemble_ = own
        scores = model.decision_function(later)
        slope, level = within_slope(scores, outcome, place, np.ones(len(outcome)))
        signed = np.where(outcome == 1, 1.0, -1.0) * (slope * scores + level[place])
        return {
            "roc_auc": bench.auc(outcome, scores, task.weights),
            "loss": float(np.average(np.logaddexp(0.0, -signed), weights=task.weights)),
            "weight": own.linear_weight,
        }

    found = {"later dates": figures(by_date), "used": figures(used), "left out, trees by date": figures(weighed)}
    found |= {"half": figures(used, 0.5), "trees": figures(used, 0.0), "regression": figures(used, 1.0)}
    return found | {"trees by date": figures(by_date, 0.0)}


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over the tasks of a group."""
    result: dict[str, Any] = {"tasks": len(rows)}
    for part in ("trees", "trees by date", "regression"):
        result[part] = float(np.mean([row[part]["roc_auc"] for row in rows]))
    for rule in RULES:
        trees = "trees by date" if rule in ("later dates", "left out, trees by date") else "trees"
        best = np.array([max(row[trees]["roc_auc"], row["regression"]["roc_auc"]) for row in rows])
        area = np.array([row[rule]["roc_auc"] for row in rows])
        gain, loss = (
            np.array([row[rule][metric] - row["later dates"][metric] for row in rows]) for metric in ("roc_auc", "loss")
        )
        result[rule] = {
            "weight": float(np.mean([row[rule]["weight"] for row in rows])),
            "roc_auc": float(area.mean()),
            "behind": float((best - area).mean()),
            "gain": float(gain.mean()),
            "gain_error": float(gain.std() / np.sqrt(len(rows))),
            "loss": float(1e4 * loss.mean()),
            "loss_error": float(1e4 * loss.std() / np.sqrt(len(rows))),
        }
    return result


def main() -> None:
    """Judge every rule on the groups asked for and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "churnml-calibration")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    by_group: dict[str, list[dict[str, Any]]] = {}
    for group in options.groups:
        for name, task in tasks(group, options.cache):
            figures = bench.resumed(options.cache, f"blend_{group}_{name}", lambda task=task: judged(task))
            if figures is not None:
                by_group.setdefault(group, []).append(figures)
        print(f"{group}: {len(by_group.get(group, []))} tasks", file=sys.stderr, flush=True)
    by_group["all"] = [row for rows in by_group.values() for row in rows]
    result = {group: summed(rows) for group, rows in by_group.items()}
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print("| group | tasks | trees | trees by date | regression | rule | weight | AUC | behind | gain of AUC | loss |")
    print("|" + "---|" * 11)
    for group, row in result.items():
        for rule in RULES:
            own = row[rule]
            print(
                f"| {group} | {row['tasks']} | {row['trees']:.4f} | {row['trees by date']:.4f} "
                f"| {row['regression']:.4f} | {rule} | {own['weight']:.2f} | {own['roc_auc']:.4f} "
                f"| {own['behind']:+.4f} | {own['gain']:+.4f} ± {own['gain_error']:.4f} "
                f"| {own['loss']:+.1f} ± {own['loss_error']:.1f} |"
            )


if __name__ == "__main__":
    main()
