"""Is the level of the probabilities right where churn drifts, turns or has a season? A rolling evaluation.

Usage::

    python benchmarks/calibration.py [--companies development|evaluation|none] [--seeds 611 …] [--sets crm5 …]
        [--cache FOLDER] [--beside EARLIER.json] [--json]

Simulated companies (400 accounts, 36 months, 5 % churn a month; every default but windows of 28 and 91 days, without
trends and ranks, to be quick) are thinned: of the churners of a month only a share is kept, the others' last rows are
dropped, so that the odds of churn follow a course while everything else stays as it was. Each company is thinned six
ways: ``stable``; ``doubled`` and ``halved`` over the middle of the history; ``seasonal``, three times the odds in the
last quarter; ``turned``, three times up and back; ``few``, stable with 120 accounts. Trained on 250 accounts up to
three dates, each is judged on the three snapshots after the purge; there all accounts count, churners by the share that
would be kept. Development companies (seeds 501–504) were looked at while the rules were made, evaluation companies
(seeds 601–603) once, at the end. Data sets with dates are judged as their config splits them, beside a plain logistic
regression and a lightly regularised LightGBM.

Frames are kept in a cache folder, so that an older checkout can be judged on the very same rows, and so are the figures
of each company and the predictions for each set by each learner, under the fingerprint of the training's sources: what
was stopped goes on where it was. ``--beside`` takes the output of an earlier run with the same companies and adds what
changed, company by company, with a 95 % interval::

    PYTHONPATH=../older/src python benchmarks/calibration.py --json > before.json
    python benchmarks/calibration.py --beside before.json --json
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import t as student

import churnml.training
from churnml.training import ChurnClassifier

ROOT = Path(__file__).parents[1]
DEVELOPMENT, EVALUATION = range(501, 505), range(601, 604)
KINDS = ("stable", "doubled", "halved", "seasonal", "turned", "few")
DRIFTING = ("doubled", "halved", "seasonal", "turned")
SETS = ("crm5", "git_b2b", "git_b2b_established")
TRAINED_ON, FEW, PURGE = 250, 120, 90
BINS = 10

Array = np.ndarray


@dataclass(frozen=True)
class Task:
    """Rows to learn from and later rows to judge on, each of which counts by its weight."""

    train: pd.DataFrame
    test: pd.DataFrame
    weights: Array
    specs: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [spec["name"] for spec in self.specs]


def cached(cache: Path, name: str) -> dict[str, Any]:
    """Return the frame, features and splits of a simulated company or a data set, computed once."""
    path = cache / f"{name}.pkl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(computed(name)))
    made: dict[str, Any] = pickle.loads(path.read_bytes())
    return made


def fingerprint() -> str:
    """Return a mark of the training's sources: figures of another estimator are not taken for this one's."""
    sources = sorted(Path(churnml.training.__file__).parent.glob("*.*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.is_file())).hexdigest()[:12]


def resumed(cache: Path, name: str, make: Callable[[], Any], mark: str | None = None) -> Any:
    """Return what is made by this estimator, from the cache where an earlier run has made it."""
    path = cache / "made" / f"{name}_{fingerprint() if mark is None else mark}.pkl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(make()))
    return pickle.loads(path.read_bytes())


def computed(name: str) -> dict[str, Any]:
    """Simulate a company or read a data set, and compute its features."""
    from churnml import snapshots
    from churnml.config import load_config
    from churnml.pipeline import prepare, simulate_company

    with tempfile.TemporaryDirectory() as folder:
        changes: dict[str, Any] = {"workspace": f"{folder}/workspace"}
        if name.startswith("drift_"):
            seed = int(name.removeprefix("drift_"))
            simulate_company(Path(folder) / "raw", accounts=400, months=36, seed=seed, churn_rate=0.05)
            changes["source"] = {"folder": f"{folder}/raw"}
            config = load_config(ROOT / "configs" / "demo.yaml", changes)
        else:
            if name.endswith("_established"):
                changes["cohort"] = {"min_tenure_days": 365, "min_events": 50, "min_users": 3}
            config = load_config(ROOT / "configs" / f"{name.removesuffix('_established')}.yaml", changes)
        prepared = prepare(config)
    splits = [(split.name, split.train, split.test) for split in snapshots.splits(prepared.frame, config)]
    return {"frame": prepared.frame, "specs": prepared.feature_set.as_dicts(), "splits": splits}


def kept_share(kind: str, on: pd.Series, start: pd.Timestamp, end: pd.Timestamp) -> Array:
    """Return the share of churners that is kept, by the day they leave."""
    passed = ((on - start).dt.days / (end - start).days).clip(0, 1).to_numpy()
    if kind == "doubled":
        return 0.45 * 2.0 ** np.clip((passed - 0.25) / 0.6, 0, 1)
    if kind == "halved":
        return 0.9 * 0.5 ** np.clip((passed - 0.25) / 0.6, 0, 1)
    if kind == "seasonal":
        return np.where(on.dt.month.isin([10, 11, 12]).to_numpy(), 0.95, 0.95 / 3)
    if kind == "turned":
        return 0.3 + 0.6 * np.clip(1 - np.abs(passed - 0.6) / 0.3, 0, 1)
    return np.full(len(passed), 0.5)


def thinned(made: dict[str, Any], kind: str, seed: int, blocks: int = 3, size: int = 3) -> Iterator[Task]:
    """Yield the tasks of one simulated company whose churn follows a course."""
    frame = made["frame"][made["frame"]["churned"].notna()].reset_index(drop=True)
    specs = [
        spec
        for spec in made["specs"]
        if spec["kind"] in ("level", "age", "flag", "category") and spec["window_days"] in (None, 28, 91)
    ]
    end = frame["as_of"].max() + pd.Timedelta(days=PURGE)
    share = np.nan_to_num(kept_share(kind, pd.to_datetime(frame["churn_on"]), frame["as_of"].min(), end), nan=1.0)
    rng = np.random.default_rng(seed)
    accounts = np.array(sorted(frame["account_id"].unique()))
    luck = pd.Series(rng.random(len(accounts)), index=accounts)
    learnt = set(rng.permutation(accounts)[: FEW if kind == "few" else TRAINED_ON])
    churned = frame["churned"].to_numpy() == 1
    kept = (~churned | (luck.loc[frame["account_id"]].to_numpy() < share)) & frame["account_id"].isin(learnt).to_numpy()
    dates = sorted(frame["as_of"].unique())
    for block in reversed(range(blocks)):
        test_dates = dates[len(dates) - (block + 1) * size : len(dates) - block * size]
        known = frame["as_of"] <= test_dates[0] - pd.Timedelta(days=PURGE)
        test = frame["as_of"].isin(test_dates).to_numpy()
        yield Task(frame[known.to_numpy() & kept], frame[test], np.where(churned, share, 1.0)[test], specs)


def dated(made: dict[str, Any]) -> Iterator[Task]:
    """Yield the tasks of a data set, as its config splits it."""
    frame = made["frame"][made["frame"]["churned"].notna()]
    for _, train, test in made["splits"]:
        rows = frame[frame["as_of"].isin(test)]
        yield Task(frame[frame["as_of"].isin(train)], rows, np.ones(len(rows)), made["specs"])


def fitted(task: Task, kind: str = "auto") -> dict[str, Array]:
    """Return what the estimator tells of the test rows: calibrated, and without calibration."""
    asked: dict[str, Any] = {
        "kind": kind,
        "seeds": 1,
        "purge_days": PURGE,
        "monotone": [0 if spec["categorical"] else spec["monotone"] for spec in task.specs],
    }
    if "expected" in inspect.signature(ChurnClassifier).parameters:
        from churnml.features.spec import FeatureSet
        from churnml.training.experience import expected_coefficients

        asked["expected"] = expected_coefficients(FeatureSet.from_dicts(task.specs))
    model = ChurnClassifier(**asked)
    rows, later = task.train[task.names], task.test[task.names]
    churned = task.train["churned"].to_numpy().astype(int)
    model.fit(rows, churned, dates=task.train["as_of"].to_numpy(), groups=task.train["account_id"].to_numpy())
    known = (
        {"dates": task.test["as_of"].to_numpy()} if "dates" in inspect.signature(model.predict_proba).parameters else {}
    )
    return {
        "calibrated": model.predict_proba(later, **known)[:, 1],
        "uncalibrated": expit(model.decision_function(later)),
    }


def rivals(task: Task) -> dict[str, Array]:
    """Return what a plain logistic regression and a lightly regularised LightGBM tell of the test rows."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = [spec["name"] for spec in task.specs if spec["categorical"]]
    rows, later = (frame[task.names].astype(dict.fromkeys(words, "category")) for frame in (task.train, task.test))
    for word in words:
        later[word] = later[word].cat.set_categories(rows[word].cat.categories)
    churned = task.train["churned"].to_numpy().astype(int)
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    prepared = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
    )
    light = LGBMClassifier(
        n_estimators=200,
        learning_rate=0.03,
        num_leaves=8,
        min_child_samples=50,
        reg_lambda=10.0,
        colsample_bytree=0.7,
        n_jobs=1,
        random_state=7,
        verbose=-1,
    )
    learners = {"logistic": make_pipeline(prepared, LogisticRegression(max_iter=2000)), "light lightgbm": light}
    return {name: learner.fit(rows, churned).predict_proba(later)[:, 1] for name, learner in learners.items()}


def measures(y: Array, p: Array, weights: Array) -> dict[str, float]:
    """Return expected over observed as a log, calibration error and log loss of weighted rows."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    order = np.argsort(p, kind="stable")
    place = np.minimum((np.cumsum(weights[order]) / weights.sum() * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, weights=(weights * (p - y))[order], minlength=BINS)
    loss = -(weights * np.where(y == 1, np.log(p), np.log1p(-p))).sum() / weights.sum()
    return {
        "log_expected_over_observed": float(np.log((weights @ p) / (weights @ y))),
        "calibration_error": float(np.abs(gaps).sum() / weights.sum()),
        "log_loss": float(loss),
        "roc_auc": auc(y, p, weights),
    }


def auc(y: Array, p: Array, weights: Array) -> float:
    """Return the weighted area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, p, sample_weight=weights))


Rows = dict[str, list[dict[str, dict[str, float]]]]


def judged_company(cache: Path, seed: int) -> Rows:
    """Return the measures of every training on one simulated company, by course."""
    made = cached(cache, f"drift_{seed}")
    rows: Rows = {}
    for number, kind in enumerate(KINDS):
        for task in thinned(made, kind, seed * 10 + number):
            y = task.test["churned"].to_numpy()
            rows.setdefault(kind, []).append({name: measures(y, p, task.weights) for name, p in fitted(task).items()})
    return rows


def off(rows: Rows, kinds: Sequence[str]) -> float:
    """Return the mean of |log(expected ÷ observed)| over courses, each of the same weight."""
    return float(
        np.mean(
            [np.mean([abs(row["calibrated"]["log_expected_over_observed"]) for row in rows[kind]]) for kind in kinds]
        )
    )


def luck(trainings: Sequence[Sequence[dict[str, dict[str, float]]]]) -> float:
    """Return how far off the uncalibrated model still is once moved by what it was off by in the other companies.

    That knows the course and the date, as nobody does beforehand: what is left is the luck of the companies' own.
    """
    name = "log_expected_over_observed"
    ratio = np.array([[row["uncalibrated"][name] for row in company] for company in trainings])
    others = (ratio.sum(axis=0) - ratio) / (len(ratio) - 1)
    return float(np.abs(ratio - others).mean())


def simulated(cache: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Return the mean measures per kind over companies and dates."""
    companies: dict[int, Rows] = {}
    for seed in seeds:
        companies[seed] = resumed(cache, f"drift_{seed}", lambda seed=seed: judged_company(cache, seed))
        print(f"company {seed}", file=sys.stderr, flush=True)
    result: dict[str, Any] = {}
    for kind in KINDS:
        rows = [row for company in companies.values() for row in company[kind]]
        result[kind] = {"tasks": len(rows)}
        for name in rows[0]:
            ratio = np.array([row[name]["log_expected_over_observed"] for row in rows])
            result[kind][name] = {
                "mean_abs_log_expected_over_observed": float(np.abs(ratio).mean()),
                "mean_log_expected_over_observed": float(ratio.mean()),
                **{
                    metric: float(np.mean([row[name][metric] for row in rows]))
                    for metric in ("calibration_error", "log_loss", "roc_auc")
                },
            }
    result["drifting"] = float(np.mean([off(rows, DRIFTING) for rows in companies.values()]))
    if len(companies) > 1:
        result["luck"] = {kind: luck([rows[kind] for rows in companies.values()]) for kind in KINDS}
    result["off_by_company"] = {
        str(seed): {kind: off(rows, [kind]) for kind in KINDS} | {"drifting": off(rows, DRIFTING)}
        for seed, rows in companies.items()
    }
    return result


def changes(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return by how much companies are off less (below 0) or more, with a 95 % interval over companies."""
    earlier, later = (one["off_by_company"] for one in (before, now))
    seeds = sorted(set(earlier) & set(later))
    result: dict[str, Any] = {"companies": len(seeds)}
    for kind in (*KINDS, "drifting"):
        change = np.array([later[seed][kind] - earlier[seed][kind] for seed in seeds])
        error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
        reach = float(student.ppf(0.975, max(len(change) - 1, 1)) * error)
        usual = float(np.mean([earlier[seed][kind] for seed in seeds]))
        mean = float(change.mean())
        result[kind] = {
            "before": usual,
            "change": mean,
            "low": mean - reach,
            "high": mean + reach,
            "share": mean / usual,
        }
    return result


def on_sets(cache: Path, names: list[str]) -> dict[str, Any]:
    """Return the measures of the estimator, its parts and its rivals on data sets with dates."""
    result: dict[str, Any] = {}
    for name in names:
        tasks = list(dated(cached(cache, name)))
        predictions: dict[str, list[Array]] = {}
        for number, task in enumerate(tasks):
            own = resumed(cache, f"{name}_{number}_auto", lambda task=task: fitted(task))
            for kind in ("lightgbm", "logistic"):
                part = resumed(cache, f"{name}_{number}_{kind}", lambda task=task, kind=kind: fitted(task, kind))
                own[f"{kind} alone"] = part["calibrated"]
            own |= resumed(cache, f"{name}_{number}_rivals", lambda task=task: rivals(task), mark="any")
            for learner, p in own.items():
                predictions.setdefault(learner, []).append(p)
            print(f"{name}: split {number + 1} of {len(tasks)}", file=sys.stderr, flush=True)
        y = np.concatenate([task.test["churned"].to_numpy() for task in tasks])
        result[name] = {learner: measures(y, np.concatenate(p), np.ones(len(y))) for learner, p in predictions.items()}
    return result


def main() -> None:
    """Judge the asked companies and sets, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", choices=("development", "evaluation", "none"), default="evaluation")
    parser.add_argument("--seeds", nargs="+", type=int, help="companies of these seeds instead")
    parser.add_argument("--beside", type=Path, help="output (--json) of an earlier run on the same companies")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "churnml-calibration")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    result: dict[str, Any] = {}
    if options.seeds or options.companies != "none":
        seeds = options.seeds or (DEVELOPMENT if options.companies == "development" else EVALUATION)
        result["companies"] = simulated(options.cache, seeds)
        if options.beside:
            result["changes"] = changes(json.loads(options.beside.read_text())["companies"], result["companies"])
    result |= on_sets(options.cache, options.sets)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, group in result.items():
        print(name)
        for part, rows in group.items():
            print(f"  {part}: {json.dumps(rows)}")


if __name__ == "__main__":
    main()
