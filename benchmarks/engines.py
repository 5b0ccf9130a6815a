"""The newest cohort's features on each engine: ``python benchmarks/engines.py [--accounts N] [--json]``.

A company of 24 months is simulated and checked once, with the demo's config. Then each engine, in a process of its own,
opens the canonical tables and computes every feature of the newest cohort, as a scoring asks for them: DuckDB, and
Spark in local mode on as many cores. Told are the seconds by the clock until the tables are open and for the features
(Spark's first query starts its executors, so a cohort of one account goes before), the most memory that the process and
its children held, and by how much any feature differs from DuckDB's. ``--raw`` takes the raw tables of a company at
hand; with ``--models``, its champion scores the cohort too, in pandas and as rows of a Spark DataFrame.
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
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from churnml.config import Config

ROOT = Path(__file__).parents[1]
MONTHS, SEED = 24, 11
ENGINES: dict[str, dict[str, Any]] = {
    "duckdb": {"backend": "duckdb"},
    "pyspark": {"backend": "pyspark", "options": {"spark.master": f"local[{os.cpu_count()}]"}},
}


def settings(folder: Path, engine: str, raw: Path, models: Path | None) -> dict[str, Any]:
    """Return what the company's config says otherwise than the demo's."""
    return {
        "source": {"folder": str(raw)},
        "workspace": str(folder / "workspace"),
        "models_dir": str(models or folder / "models"),
        "engine": {**ENGINES[engine], "memory_limit": "6GB"},
    }


def made(folder: Path, engine: str, raw: Path, models: Path | None) -> dict[str, Any]:
    """Compute the features of the newest cohort on one engine, score them, and keep them in a file."""
    from churnml import features, pipeline, snapshots
    from churnml.config import load_config

    config = load_config(ROOT / "configs" / "demo.yaml", settings(folder, engine, raw, models))
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
    scores = {} if models is None else scored(config, frame, folder, engine)
    frame.to_pickle(folder / f"{engine}.pickle")
    return {
        **scores,
        "accounts": len(cohort),
        "features": len(feature_set.names),
        "open_seconds": round(opened - began, 1),
        "first_seconds": round(warm - opened, 1),
        "features_seconds": round(done - warm, 1),
        "peak_mb": round(memory.peak),
    }


def scored(config: Config, frame: pd.DataFrame, folder: Path, engine: str) -> dict[str, Any]:
    """Score the cohort by the champion where the engine would: in this process, or on Spark's workers."""
    from churnml import registry, scoring

    model = registry.load_champion(config.bundles_dir, config.registered_model).model
    if engine == "duckdb":
        began = time.perf_counter()
        scores = scoring.score(model, frame)
    else:
        from pyspark.sql import SparkSession

        from churnml.scoring.spark import score_spark

        text = {name: frame[name].astype("str") for name in model.features.categorical}
        frame.assign(**text).to_parquet(folder / "features.parquet", index=False, coerce_timestamps="us")
        session = SparkSession.builder.getOrCreate()
        began = time.perf_counter()
        scores = score_spark(model, session.read.parquet(str(folder / "features.parquet"))).toPandas()
    seconds = time.perf_counter() - began
    place = scores.set_index("account_id")[model.output].sort_index()
    return {"score_seconds": round(seconds, 1), "mean_score": float(place.mean())}


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
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(made(options.folder, options.only, options.raw, options.models)))
        return
    from churnml import simulate_company

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = options.raw or folder / "raw"
        if options.raw is None:
            simulate_company(raw, accounts=options.accounts, months=MONTHS, seed=SEED)
        events = pq.read_metadata(raw / "events.parquet").num_rows
        more = [] if options.models is None else ["--models", str(options.models)]
        for engine in ENGINES:
            found[engine] = _apart(["--only", engine, "--folder", str(folder), "--raw", str(raw), *more])
            found[engine]["largest_difference"] = largest_difference(folder, engine)
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "events": events, "engines": found}, indent=1))
        return
    print(f"{events:,} events, {os.cpu_count()} cores")
    print("          cohort  features  open s  first s  features s  score s  peak MiB  differs")
    for engine, one in found.items():
        print(
            f"{engine:8}{one['accounts']:8,}{one['features']:10}{one['open_seconds']:8.1f}{one['first_seconds']:9.1f}"
            f"{one['features_seconds']:12.1f}{one.get('score_seconds', 0.0):9.1f}{one['peak_mb']:10,}"
            f"{one['largest_difference']:9.0e}"
        )


if __name__ == "__main__":
    main()
