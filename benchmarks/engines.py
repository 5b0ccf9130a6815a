"""The newest cohort's features on each engine: ``python benchmarks/engines.py [--accounts N] [--json]``.

A company of 24 months is simulated and checked once, with the demo's config. Then each engine, in a process of its own,
opens the canonical tables and computes every feature of the newest cohort, as a scoring asks for them: DuckDB, and
Spark in local mode on as many cores. Told are the seconds by the clock until the tables are open and for the features
(Spark's first query starts its executors, so a cohort of one account goes before), the most memory that the process and
its children held, and by how much any feature differs from DuckDB's.
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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

ROOT = Path(__file__).parents[1]
MONTHS, SEED = 24, 11
ENGINES: dict[str, dict[str, Any]] = {
    "duckdb": {"backend": "duckdb"},
    "pyspark": {"backend": "pyspark", "options": {"spark.master": f"local[{os.cpu_count()}]"}},
}


def settings(folder: Path, engine: str) -> dict[str, Any]:
    """Return what the company's config says otherwise than the demo's."""
    return {
        "source": {"folder": str(folder / "raw")},
        "workspace": str(folder / "workspace"),
        "models_dir": str(folder / "models"),
        "engine": {**ENGINES[engine], "memory_limit": "6GB"},
    }


def made(folder: Path, engine: str) -> dict[str, Any]:
    """Compute the features of the newest cohort on one engine, and keep them in a file."""
    from churnml import features, pipeline, snapshots
    from churnml.config import load_config

    config = load_config(ROOT / "configs" / "demo.yaml", settings(folder, engine))
    memory = _Memory()
    began = time.perf_counter()
    tables = pipeline.check(config).loaded.tables
    opened = time.perf_counter()
    cohort = snapshots.cohort_at(tables, config, pd.Timestamp(tables.observed_until))
    feature_set = features.catalogue(tables, config.features)
    features.compute(tables, cohort.head(1), feature_set, config.features)
    warm = time.perf_counter()
    frame = features.compute(tables, cohort, feature_set, config.features)
    done = time.perf_counter()
    frame.to_pickle(folder / f"{engine}.pickle")
    return {
        "accounts": len(cohort),
        "features": len(feature_set.names),
        "open_seconds": round(opened - began, 1),
        "first_seconds": round(warm - opened, 1),
        "features_seconds": round(done - warm, 1),
        "peak_mb": round(memory.peak),
    }


class _Memory:
    """The most memory that this process and its children held, MiB, looked at five times a second."""

    def __init__(self) -> None:
        self.peak = 0.0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        process = psutil.Process()
        while True:
            held = 0
            for one in (process, *process.children(recursive=True)):
                try:
                    held += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, held / 2**20)
            time.sleep(0.2)


def _apart(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def largest_difference(folder: Path, engine: str) -> float:
    """Return the largest difference of a feature from DuckDB's, relative to the larger of the value and 1."""
    one, other = (pd.read_pickle(folder / f"{name}.pickle") for name in ("duckdb", engine))
    other = one[["account_id"]].merge(other, on="account_id", how="left", validate="one_to_one")
    numbers = one.select_dtypes("number").columns
    left, right = one[numbers].to_numpy(dtype=float), other[numbers].to_numpy(dtype=float)
    if (np.isnan(left) != np.isnan(right)).any():
        return float("inf")
    return float(np.nanmax(np.abs(left - right) / np.maximum(np.abs(left), 1.0)))


def main() -> None:
    """Measure each engine and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=tuple(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(made(options.folder, options.only)))
        return
    from churnml import simulate_company

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_company(folder / "raw", accounts=options.accounts, months=MONTHS, seed=SEED)
        events = len(pd.read_parquet(folder / "raw" / "events.parquet", columns=["account_id"]))
        for engine in ENGINES:
            found[engine] = _apart(["--only", engine, "--folder", str(folder)])
            found[engine]["largest_difference"] = largest_difference(folder, engine)
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "events": events, "engines": found}, indent=1))
        return
    print(f"{options.accounts:,} accounts that ever signed up, {events:,} events, {os.cpu_count()} cores")
    print("          cohort  features  open s  first s  features s  peak MiB  differs")
    for engine, one in found.items():
        print(
            f"{engine:8}{one['accounts']:8,}{one['features']:10}{one['open_seconds']:8.1f}{one['first_seconds']:9.1f}"
            f"{one['features_seconds']:12.1f}{one['peak_mb']:10,}{one['largest_difference']:9.0e}"
        )


if __name__ == "__main__":
    main()
