"""Which companies get a learned model published, of those without any signal and of those with one.

Usage: ``python benchmarks/verdict.py [--noise 60] [--real 16] [--accounts 150 240 400 600] [--fresh N] [--keep FOLDER]
[--json]``

*Noise*: features of simulated companies, with departures drawn anew that know nothing of any feature: a hazard per
month that is constant, rises fivefold, falls to a fifth, doubles, halves, or has a season. *Real*: simulated companies
as they are, 150 to 600 accounts. Each is backtested as ``churnml train`` would and judged twice: by the verdict of
today, and by the one before it (better than every rule in pooled AUC or pooled log loss by 95 % of 300 draws of
accounts, worse in neither). ``--fresh`` adds a number to every seed, for companies that no choice has seen. ``--keep``
writes every backtest's predictions there and reads them again the next time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml import snapshots
from churnml.config import Config, load_config
from churnml.evaluation import backtest, judge
from churnml.metrics import clustered_bootstrap, log_loss, paired_gain, roc_auc
from churnml.pipeline import prepare, simulate_company
from churnml.pipeline.results import Prepared

ROOT = Path(__file__).parents[1]
MONTHS = 24
LEARNED = ("logistic", "blend")

Hazard = Callable[[np.ndarray], np.ndarray]
SHAPES: dict[str, Hazard] = {
    "constant": lambda share: np.full_like(share, 0.03),
    "rising x5": lambda share: 0.01 * 5.0**share,
    "falling x5": lambda share: 0.05 * 0.2**share,
    "rising x2": lambda share: 0.02 * 2.0**share,
    "falling x2": lambda share: 0.04 * 0.5**share,
    "seasonal": lambda share: 0.03 * (1.0 + 0.7 * np.sin(4.0 * np.pi * share)),
}
"""Monthly hazard of departure by the share of the history that has passed."""
ACCOUNTS = (150, 240, 400, 600)


def prepared_company(
    folder: Path, accounts: int, seed: int, churn_rate: float | None = None
) -> tuple[Config, Prepared]:
    """Simulate a company and make its training frame as the demo's config does."""
    simulate_company(folder / "raw", accounts=accounts, months=MONTHS, seed=seed, churn_rate=churn_rate)
    config = load_config(
        ROOT / "configs" / "demo.yaml",
        {
            "source": {"folder": f"{folder}/raw"},
            "workspace": f"{folder}/workspace",
            "features": {"windows_days": [28, 91], "max_event_types": 3},
        },
    )
    config = config.model_copy(update={"model": config.model.model_copy(update={"seeds": 1})})
    return config, prepare(config)


def with_noise(frame: pd.DataFrame, hazard: Hazard, horizon_days: int, seed: int) -> pd.DataFrame:
    """Return the frame with departures that know nothing of its features; accounts leave the frame as they go."""
    rng = np.random.default_rng(seed)
    first, last = frame["as_of"].min(), frame["as_of"].max() + pd.Timedelta(days=horizon_days)
    days = np.arange((last - first).days)
    daily = hazard(days / len(days)) * 12.0 / 365.25
    # Inverse transform: an account leaves where its own exponential clock meets the cumulated hazard since it joined.
    total = np.concatenate([[0.0], np.cumsum(daily)])
    joined = frame.groupby("account_id")["as_of"].min()
    start = (joined - first).dt.days.to_numpy()
    leaves = np.searchsorted(total, total[start] + rng.exponential(size=len(joined)))
    gone = pd.Series(first + pd.to_timedelta(leaves, unit="D"), index=joined.index)
    gone = gone.where(leaves < len(total))
    churn_on = frame["account_id"].map(gone)
    inside = churn_on < frame["as_of"] + pd.Timedelta(days=horizon_days)
    label = inside.astype(float).where(frame["churned"].notna())
    noisy = frame.assign(churned=label, churn_on=churn_on.where(inside))
    return noisy[~(churn_on <= frame["as_of"])].reset_index(drop=True)


def before(rows: pd.DataFrame, seed: int) -> bool:
    """Return whether the verdict before this one would have published the model."""
    y, p = rows["churned"].to_numpy(), rows["p_model"].to_numpy()
    draws = clustered_bootstrap(rows["account_id"], 300, seed)
    for column in [name for name in rows if name.startswith("p_") and name != "p_model"]:
        auc = paired_gain(roc_auc, y, p, rows[column], draws)
        loss = -paired_gain(log_loss, y, p, rows[column], draws)
        if auc.below_zero or loss.below_zero:
            return False
        if column.removeprefix("p_") not in LEARNED and not (auc.above_zero or loss.above_zero):
            return False
    return True


def judged(rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return both verdicts, and how every candidate did within dates and as told."""
    rivals = {name.removeprefix("p_"): rows[name] for name in rows if name.startswith("p_") and name != "p_model"}
    dates = rows["fold"].astype(str) + rows["as_of"].astype(str)
    verdict = judge(rows["churned"], rows["p_model"], rivals, rows["account_id"], dates=dates, seed=seed)
    churned = rows.loc[rows["churned"] == 1, "account_id"].nunique()
    return {
        "churned_accounts": int(churned),
        "published": str(verdict.verdict) == "publishable",
        "scorer": verdict.scorer,
        "before": before(rows, seed),
        "reason": verdict.reason,
        "roc_auc": roc_auc(rows["churned"], rows["p_model"]),
        "concordance": verdict.candidates["model"].concordance.value if verdict.candidates else None,
    }


def companies(noise: int, real: int, sizes: Sequence[int], fresh: int) -> Iterator[tuple[str, str, int, int]]:
    """Give kind, shape, accounts and seed of every company."""
    shapes = list(SHAPES)
    for number in range(noise):
        size = sizes[(number // len(shapes)) % len(sizes)]
        yield "noise", shapes[number % len(shapes)], size, 700 + number + fresh
    for number in range(real):
        yield "real", "real", sizes[number % len(sizes)], 50 + number + fresh


def predictions(
    kind: str, shape: str, accounts: int, seed: int, frames: dict[int, tuple[Config, Prepared]], fresh: int = 0
) -> pd.DataFrame:
    """Return the backtest's predictions of one company."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "real":
            config, prepared = prepared_company(Path(folder), accounts, seed)
            frame = prepared.frame
        else:
            # The features of a size are made once; departures are drawn anew for each company.
            if accounts not in frames:
                frames[accounts] = prepared_company(Path(folder), accounts, accounts + fresh, churn_rate=0.002)
            config, prepared = frames[accounts]
            frame = with_noise(prepared.frame, SHAPES[shape], config.label.horizon_days, seed)
        tested = backtest(frame, prepared.feature_set, snapshots.splits(frame, config), config)
    return tested.predictions


def main() -> None:
    """Judge every company and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=int, default=60)
    parser.add_argument("--real", type=int, default=16)
    parser.add_argument("--accounts", type=int, nargs="+", default=list(ACCOUNTS))
    parser.add_argument("--fresh", type=int, default=0, help="added to every seed")
    parser.add_argument("--keep", type=Path, help="folder for the predictions of every backtest")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    frames: dict[int, tuple[Config, Prepared]] = {}
    results: list[dict[str, Any]] = []
    for kind, shape, accounts, seed in companies(options.noise, options.real, options.accounts, options.fresh):
        file = options.keep / f"{kind}-{accounts}-{seed}.parquet" if options.keep else None
        if file is not None and file.is_file():
            rows = pd.read_parquet(file)
        else:
            rows = predictions(kind, shape, accounts, seed, frames, options.fresh)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                rows.to_parquet(file)
        results.append({"kind": kind, "shape": shape, "accounts": accounts, "seed": seed, **judged(rows, seed)})
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    summary = [
        {
            "kind": kind,
            "shape": shape,
            "companies": len(group),
            "published": int(group["published"].sum()),
            "published_before": int(group["before"].sum()),
        }
        for (kind, shape), group in pd.DataFrame(results).groupby(["kind", "shape"], sort=False)
    ]
    if options.json:
        print(json.dumps({"summary": summary, "results": results}, indent=1))
        return
    print("| kind | hazard | companies | published before | published now |")
    print("|---|---|---|---|---|")
    for row in summary:
        cells = (row[name] for name in ("kind", "shape", "companies", "published_before", "published"))
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
