"""How seconds and memory grow with the number of accounts: ``python benchmarks/scale.py [--accounts N …] [--json]``.

``--score-only N …`` measures scoring alone, where a company is too large to be trained on here: the champion is trained
on a smaller company of the same simulator. ``--keep FOLDER`` keeps companies and that champion there, and takes what
lies there already; ``--months`` shortens the history of the company that is scored.

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
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from churnml.config import Config

ROOT = Path(__file__).parents[1]
MONTHS, SEED = 24, 11
TRAINED_ON = 3000
"""Accounts of the company whose champion scores the larger ones."""
SIMULATED_AT_ONCE = 12_500
TREES, LEAVES = 300, 16
EXTRAPOLATED = (100_000, 1_000_000)
EXTRAPOLATED_EVENTS = (10**8, 10**9, 10**10)
READING_EVENTS = ("check", "features")
"""Stages whose work grows with the events; that of the others grows with accounts and snapshots."""
LOOKS_PER_SECOND = 50
PART_ROWS = 8192


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

    def say(self, text: object) -> None:
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


def simulated(folder: Path, accounts: int, months: int = MONTHS) -> dict[str, Any]:
    """Simulate a company; a large one in parts, side by side, because the simulator holds all of its events."""
    from churnml import pipeline
    from churnml.progress import Stages

    meter = Meter()
    if accounts <= SIMULATED_AT_ONCE:
        pipeline.simulate_company(folder / "raw", accounts=accounts, months=months, seed=SEED, stages=Stages(meter))
        return _plain(meter)
    meter.begin("simulate")
    parts = -(-accounts // SIMULATED_AT_ONCE)
    for number in range(parts):
        size = accounts // parts + (number < accounts % parts)
        pipeline.simulate_company(folder / f"part{number}", accounts=size, months=months, seed=SEED + number)
    _joined(folder, parts)
    meter.end("simulate", 0.0)
    return _plain(meter)


def _joined(folder: Path, parts: int) -> None:
    """Make one company of several, each id marked with its part."""
    import duckdb

    (folder / "raw").mkdir()
    connection = duckdb.connect(config={"memory_limit": "2GB", "preserve_insertion_order": False})
    for file in sorted((folder / "part0").glob("*.parquet")):
        columns = connection.execute(f"SELECT * FROM '{file}' LIMIT 0").description
        ids = [name for name, *_ in columns if name.endswith("_id")]
        files = {part: folder / f"part{part}" / file.name for part in range(parts)}
        marked = {part: ", ".join(f"'{part}-' || {name} AS {name}" for name in ids) for part in files}
        selects = [f"SELECT * REPLACE ({marked[part]}) FROM '{own}'" for part, own in files.items()]
        connection.execute(f"COPY ({' UNION ALL '.join(selects)}) TO '{folder / 'raw' / file.name}' (FORMAT parquet)")
    for part in range(parts):
        shutil.rmtree(folder / f"part{part}")


def demo(raw: Path, workspace: Path, models: Path) -> Config:
    """Return the demo's config with folders of its own."""
    from churnml.config import load_config

    overrides = {"source": {"folder": str(raw)}, "workspace": str(workspace), "models_dir": str(models)}
    return load_config(ROOT / "configs" / "demo.yaml", overrides)


def chain(folder: Path) -> dict[str, Any]:
    """Run the whole chain on a company, and keep its training frame for the bare work."""
    import pyarrow.parquet as pq

    from churnml import memory, pipeline
    from churnml.progress import Stages

    meter = Meter()
    stages = Stages(meter)
    config = demo(folder / "raw", folder / "workspace", folder / "models")
    began = time.perf_counter()
    checked = pipeline.check(config, stages)
    prepared = pipeline.prepare(config, stages, loaded=checked.loaded)
    kept_since = time.perf_counter()  # for the bare work: no part of a run
    _write(prepared.as_text(), folder / "frame.parquet")
    began += time.perf_counter() - kept_since
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
    memory.give_back()  # as `churnml run` does
    pipeline.score(config, stages, loaded=checked.loaded)
    run = round(time.perf_counter() - began, 1)
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    peak = max(cost.peak_mb for cost in meter.costs.values())
    return {**facts, "stages": _plain(meter), "run_seconds": run, "peak_mb": peak}


def trained(folder: Path) -> dict[str, Any]:
    """Train the champion on the smaller company."""
    from churnml import pipeline

    pipeline.train(demo(folder / "raw", folder / "workspace", folder / "models"))
    return {}


def scored(folder: Path, models: Path) -> dict[str, Any]:
    """Score a company for the first time, with the champion of another one."""
    import pyarrow.parquet as pq

    from churnml import pipeline
    from churnml.progress import Stages

    for file in (folder / "workspace").glob("store.db*"):
        file.unlink()  # so that its history is made, too
    meter = Meter()
    outcome = pipeline.score(demo(folder / "raw", folder / "workspace", models), Stages(meter))
    return {
        "events": pq.read_metadata(folder / "raw" / "events.parquet").num_rows,
        "scored_accounts": len(outcome.table),
        "stages": _plain(meter),
    }


def _write(frame: Any, path: Path) -> None:
    """Write a frame in parts: a second one in memory is no part of a run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(path, schema) as writer:
        for at in range(0, len(frame), PART_ROWS):
            part = frame.iloc[at : at + PART_ROWS]
            writer.write_table(pa.Table.from_pandas(part, schema=schema, preserve_index=False))


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


def _apart(work: str, folder: Path, accounts: int, *more: str) -> dict[str, Any]:
    """Do one piece of work in a process of its own, so that memory is its own too."""
    done = subprocess.run(
        [sys.executable, __file__, "--only", work, "--folder", str(folder), "--accounts", str(accounts), *more],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measures


def company(accounts: int, months: int, keep: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a company never trained on, and what simulating it took where it was not there."""
    folder = keep / f"{accounts}x{months}"
    for name in ("workspace", "models"):
        shutil.rmtree(folder / name, ignore_errors=True)
    if (folder / "raw" / "events.parquet").is_file():
        return folder, {}
    return folder, _apart("simulate", folder, accounts, "--months", str(months))


def measured(accounts: int, keep: Path) -> dict[str, Any]:
    """Measure one size."""
    folder, made = company(accounts, MONTHS, keep)
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


def score_measured(accounts: int, keep: Path, months: int) -> dict[str, Any]:
    """Measure the first scoring of one size, with a champion trained on `TRAINED_ON` accounts."""
    small = keep / f"{TRAINED_ON}"
    if not (small / "models").is_dir():
        _apart("simulate", small, TRAINED_ON)
        _apart("train", small, TRAINED_ON)
    large, _ = company(accounts, months, keep)
    measures = _apart("score", large, accounts, "--models", str(small / "models"))
    return {"accounts": accounts, "months": months, **measures}


def show_scored(measures: dict[str, Any]) -> None:
    """Print the scoring of one size as a table."""
    print(
        f"\n{measures['accounts']:,} accounts, {measures['months']} months, {measures['events']:,} events: "
        f"{measures['scored_accounts']:,} accounts scored"
    )
    _show_stages(measures["stages"])


def _show_stages(stages: dict[str, Any]) -> None:
    print(f"{'':24}{'seconds':>9}{'CPU':>9}{'peak MiB':>10}")
    for name, cost in stages.items():
        print(f"{name:24}{cost['seconds']:9.1f}{cost['cpu_seconds']:9.1f}{cost['peak_mb']:10.0f}")


def show(found: dict[str, Any]) -> None:
    """Print one size as a table."""
    print(
        f"\n{found['accounts']:,} accounts, {found['events']:,} events: {found['rows']:,} rows, "
        f"{found['labelled']:,} labelled, {found['churned_accounts']:,} accounts churned, {found['features']} features"
    )
    _show_stages({**found["stages"], **{f"bare {name}": cost for name, cost in found["bare"].items()}})
    print(f"{'run':24}{found['run_seconds']:9.1f}{'':9}{found['peak_mb']:10.0f}")
    print(f"fit ÷ bare fit {found['fit_over_bare_fit']}, backtest ÷ fit {found['backtest_over_fit']} (of CPU)")


def extrapolated(smaller: dict[str, Any], larger: dict[str, Any], by: str, amount: int) -> dict[str, float]:
    """Return the seconds of every stage at a larger size: on the line through two that were measured.

    `by` is what is larger, ``"accounts"`` or ``"events"``.
    """
    share = (amount - smaller[by]) / (larger[by] - smaller[by])
    seconds = {}
    for name in smaller["stages"].keys() & larger["stages"].keys():
        before, after = (size["stages"][name]["seconds"] for size in (smaller, larger))
        seconds[name] = max(round(before + share * (after - before)), after)
    return {name: seconds[name] for name in larger["stages"] if name in seconds}


def show_extrapolated(sizes: list[dict[str, Any]]) -> None:
    """Print how the stages grew, and what larger companies would take if every stage went on along its line."""
    smaller, larger = sizes[-2:]
    print(f"\nfor {larger['accounts'] / smaller['accounts']:.2f} × as many accounts:")
    print(", ".join(f"{name} {ratio:.1f} ×" for name, ratio in grown(smaller, larger).items()))
    wanted = [("accounts", amount) for amount in EXTRAPOLATED] + [("events", amount) for amount in EXTRAPOLATED_EVENTS]
    for by, amount in wanted:
        if amount <= larger[by]:
            continue
        seconds = extrapolated(smaller, larger, by, amount)
        if by == "events":
            seconds = {name: seconds[name] for name in READING_EVENTS}
        print(f"\n{amount:,} {by}, EXTRAPOLATED on a line through the last two sizes, not measured:")
        print(", ".join(f"{name} {value:,.0f} s" for name, value in seconds.items()))


def grown(smaller: dict[str, Any], larger: dict[str, Any]) -> dict[str, float]:
    """Return how many times the seconds of a smaller size each stage takes that is worth a second there."""
    costs = {name: cost["seconds"] for name, cost in smaller["stages"].items() if cost["seconds"] >= 1.0}
    return {
        name: round(larger["stages"][name]["seconds"] / cost, 2)
        for name, cost in costs.items()
        if name in larger["stages"]
    }


def main() -> None:
    """Measure each size and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1500])
    parser.add_argument("--score-only", type=int, nargs="+", default=[], metavar="N")
    parser.add_argument("--months", type=int, default=MONTHS)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("simulate", "chain", "bare", "train", "score"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        (accounts,) = options.accounts
        works = {
            "simulate": lambda: simulated(options.folder, accounts, options.months),
            "chain": lambda: chain(options.folder),
            "bare": lambda: bare(options.folder),
            "train": lambda: trained(options.folder),
            "score": lambda: scored(options.folder, options.models),
        }
        print(json.dumps(works[options.only]()))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.score_only:
        _measure_scoring(options.score_only, options.keep, options.months, as_json=options.json)
        return
    sizes = []
    with tempfile.TemporaryDirectory() as name:
        for accounts in options.accounts:
            sizes.append(measured(accounts, options.keep or Path(name)))
            if not options.json:
                show(sizes[-1])
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "sizes": sizes}, indent=1))
    elif len(sizes) > 1 and sizes[-1]["accounts"] >= 4 * sizes[-2]["accounts"]:  # else a line tells of chance
        show_extrapolated(sizes)


def _measure_scoring(sizes: list[int], keep: Path | None, months: int, *, as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        measures = [score_measured(accounts, keep or Path(name), months) for accounts in sizes]
    if as_json:
        print(json.dumps({"cores": os.cpu_count(), "sizes": measures}, indent=1))
    for one in () if as_json else measures:
        show_scored(one)


if __name__ == "__main__":
    main()
