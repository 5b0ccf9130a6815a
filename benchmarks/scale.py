"""How seconds and memory grow with the number of accounts: ``python benchmarks/scale.py [--accounts N …] [--json]``.

For each size a company of 24 months is simulated, and run with the demo's config, each in a process of its own. Told
are the seconds of every stage (by the clock, and of CPU over all threads) and the most memory that the process held
meanwhile, looked at fifty times a second. Beside them, on the same rows, in a process of its own: one LightGBM fit (300
trees of 16 leaves, one thread, binning told apart) and the frame written to Parquet. Two cores are meant; other work on
the machine makes the clock useless, of CPU less so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
MONTHS, SEED = 24, 11
TREES, LEAVES = 300, 16
EXTRAPOLATED = (100_000, 1_000_000)
LOOKS_PER_SECOND = 50


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: seconds by the clock and of CPU, and the most memory held meanwhile, MiB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


class Meter:
    """Measures pieces of work; told of a run's stages, it measures those."""

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self._process = psutil.Process()
        self._peak, self._begun = 0.0, (0.0, 0.0)
        threading.Thread(target=self._look, daemon=True).start()

    def begin(self, stage: object) -> None:
        """Start measuring."""
        self._peak, self._begun = self._held(), (time.perf_counter(), time.process_time())

    def say(self, text: str) -> None:
        """Progress inside a stage is not measured."""

    def end(self, stage: str, seconds: float) -> None:
        """Keep what the stage took."""
        wall, cpu = self._begun
        self.costs[stage] = Cost(
            round(time.perf_counter() - wall, 1), round(time.process_time() - cpu, 1), round(self._peak, 0)
        )

    def _held(self) -> float:
        return float(self._process.memory_info().rss) / 2**20

    def _look(self) -> None:
        while True:
            self._peak = max(self._peak, self._held())
            time.sleep(1 / LOOKS_PER_SECOND)


def simulated(folder: Path, accounts: int) -> dict[str, Any]:
    """Simulate a company."""
    from churnml import pipeline
    from churnml.progress import Stages

    meter = Meter()
    pipeline.simulate_company(folder / "raw", accounts=accounts, months=MONTHS, seed=SEED, stages=Stages(meter))
    return _plain(meter)


def chain(folder: Path) -> dict[str, Any]:
    """Run the whole chain on a company, and keep its training frame for the bare work."""
    import pyarrow.parquet as pq

    from churnml import memory, pipeline
    from churnml.config import load_config
    from churnml.progress import Stages

    meter = Meter()
    stages = Stages(meter)
    config = load_config(
        ROOT / "configs" / "demo.yaml",
        {
            "source": {"folder": str(folder / "raw")},
            "workspace": str(folder / "workspace"),
            "models_dir": str(folder / "models"),
        },
    )
    began = time.perf_counter()
    checked = pipeline.check(config, stages)
    prepared = pipeline.prepare(config, stages, loaded=checked.loaded)
    prepared.as_text().to_parquet(folder / "frame.parquet", index=False)
    memory.give_back()  # what writing this file took is no part of a run
    pipeline.train(config, stages, prepared=prepared)
    frame, names = prepared.frame, prepared.feature_set.names
    facts = {
        "events": pq.read_metadata(folder / "raw" / "events.parquet").num_rows,
        "rows": len(frame),
        "labelled": int(frame["churned"].notna().sum()),
        "churned_accounts": int(frame.loc[frame["churned"] == 1, "account_id"].nunique()),
        "features": len(names),
    }
    del frame, prepared
    pipeline.score(config, stages, loaded=checked.loaded)
    run = round(time.perf_counter() - began, 1)
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    peak = max(cost.peak_mb for cost in meter.costs.values())
    return {**facts, "stages": _plain(meter), "run_seconds": run, "peak_mb": peak}


def bare(folder: Path) -> dict[str, Any]:
    """Bin and fit one plain LightGBM on the labelled rows, and write the frame to Parquet."""
    import lightgbm as lgb
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(folder / "frame.parquet")
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    meter = Meter()
    meter.begin("write")
    frame.to_parquet(folder / "again.parquet", index=False)
    meter.end("write", 0.0)
    rows = frame[frame["churned"].notna()]
    numeric = [name for name in names if pd.api.types.is_numeric_dtype(rows[name].dtype)]
    X, y = rows[numeric].to_numpy(dtype=np.float64), rows["churned"].to_numpy(dtype=np.float64)
    params = {"objective": "binary", "num_leaves": LEAVES, "num_threads": 1, "verbosity": -1, "force_col_wise": True}
    data = lgb.Dataset(X, y, params={key: params[key] for key in ("num_threads", "verbosity", "force_col_wise")})
    meter.begin("bin")
    data.construct()
    meter.end("bin", 0.0)
    meter.begin("boost")
    lgb.train(params, data, TREES)
    meter.end("boost", 0.0)
    return _plain(meter)


def _plain(meter: Meter) -> dict[str, Any]:
    return {name: asdict(cost) for name, cost in meter.costs.items()}


def _apart(work: str, folder: Path, accounts: int) -> dict[str, Any]:
    """Do one piece of work in a process of its own, so that memory is its own too."""
    told = subprocess.run(
        [sys.executable, __file__, "--only", work, "--folder", str(folder), "--accounts", str(accounts)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def measured(accounts: int) -> dict[str, Any]:
    """Measure one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = _apart("simulate", folder, accounts)
        found = _apart("chain", folder, accounts)
        plain = _apart("bare", folder, accounts)
    stages = found["stages"] = {**made, **found["stages"]}
    fit = plain["bin"]["cpu_seconds"] + plain["boost"]["cpu_seconds"]
    return {
        "accounts": accounts,
        **found,
        "bare": plain,
        "fit_over_bare_fit": round(stages["fit"]["cpu_seconds"] / max(fit, 0.1), 1),
        "backtest_over_fit": round(stages["backtest"]["cpu_seconds"] / max(stages["fit"]["cpu_seconds"], 0.1), 1),
    }


def show(found: dict[str, Any]) -> None:
    """Print one size as a table."""
    print(
        f"\n{found['accounts']:,} accounts, {found['events']:,} events: {found['rows']:,} rows, "
        f"{found['labelled']:,} labelled, {found['churned_accounts']:,} accounts churned, {found['features']} features"
    )
    print(f"{'':24}{'seconds':>9}{'CPU':>9}{'peak MiB':>10}")
    bare_work = {f"bare {name}": cost for name, cost in found["bare"].items()}
    for name, cost in {**found["stages"], **bare_work}.items():
        print(f"{name:24}{cost['seconds']:9.1f}{cost['cpu_seconds']:9.1f}{cost['peak_mb']:10.0f}")
    print(f"{'run':24}{found['run_seconds']:9.1f}{'':9}{found['peak_mb']:10.0f}")
    print(f"fit ÷ bare fit {found['fit_over_bare_fit']}, backtest ÷ fit {found['backtest_over_fit']} (of CPU)")


def extrapolated(smaller: dict[str, Any], larger: dict[str, Any], accounts: int) -> dict[str, float]:
    """Return the seconds of every stage at a larger size: on the line through two that were measured."""
    share = (accounts - smaller["accounts"]) / (larger["accounts"] - smaller["accounts"])
    seconds = {}
    for name, cost in larger["stages"].items():
        before = smaller["stages"][name]["seconds"]
        seconds[name] = max(round(before + share * (cost["seconds"] - before)), cost["seconds"])
    return seconds


def show_extrapolated(sizes: list[dict[str, Any]]) -> None:
    """Print what larger customer bases would take, if every stage went on along its line."""
    smaller, larger = sizes[-2:]
    for accounts in EXTRAPOLATED:
        if accounts <= larger["accounts"]:
            continue
        seconds = extrapolated(smaller, larger, accounts)
        print(f"\n{accounts:,} accounts, EXTRAPOLATED on a line through the last two sizes, not measured:")
        print(", ".join(f"{name} {value:,.0f} s" for name, value in seconds.items()))


def main() -> None:
    """Measure each size and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1500])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("simulate", "chain", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        (accounts,) = options.accounts
        works = {
            "simulate": lambda: simulated(options.folder, accounts),
            "chain": lambda: chain(options.folder),
            "bare": lambda: bare(options.folder),
        }
        print(json.dumps(works[options.only]()))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sizes = []
    for accounts in options.accounts:
        sizes.append(measured(accounts))
        if not options.json:
            show(sizes[-1])
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "sizes": sizes}, indent=1))
    elif len(sizes) > 1 and sizes[-1]["accounts"] >= 4 * sizes[-2]["accounts"]:  # else a line tells of chance
        show_extrapolated(sizes)


if __name__ == "__main__":
    main()
