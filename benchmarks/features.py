"""How close the feature engine is to one bare scan of the events, and the same features the way others make them.

Usage: ``python benchmarks/features.py [--sizes 2 20 50] [--peers 2] [--polars 50] [--order time] [--json]``

Sizes are millions of events, in order of time as an append-only log has them (``--order random``: in none). At every
size, each in a process of its own and on the same Parquet file, in the page cache since it was just written:

- a bare scan: DuckDB counts events per account and day, into Arrow;
- the engine: 49 features (8 kinds, events, active days, exact distinct users, events per user over 7/28/91/182 days,
  recency) at 15 monthly snapshots of all accounts;
- ``full rebuild``: the same for one `as_of`; ``keep``: all but its last day laid out and kept on disk;
  ``incremental``: the same `as_of` from what was kept and that day's news, which must equal the full rebuild exactly;
- at 2 M: ``anchored``, 60,000 rows that each have an `as_of` of their own, and keep, full rebuild and incremental
  once more with facts that become known late;
- in the sizes of ``--peers`` the peers of ``--against``, in those of ``--polars`` the Polars loop alone: each must
  equal the engine to 1e-9. featuretools gets an environment of its own and a part of the rows (one whole snapshot,
  and 30 of the anchored rows); its time is scaled up to all rows.

Every process is warmed up by the same job on 20,000 events, which is not measured; ``cold`` runs have no warm-up.
The bare scan, and at 2 M everything, runs three times (as long as that takes less than a minute): the median counts.
Lines come as they are measured (with ``--json`` on stderr), the goals last. Polars must be installed for its loop.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from features_jobs import DATES, NAMES, OWN_JOBS, Data, anchors, engine, spine
from features_peers import FEATURETOOLS, PEERS, TOLERANCE, featuretools, install_featuretools, largest_difference

SHORT = 2
"""Up to so many millions of events everything is repeated, and small jobs are added."""
_REPEATS = 3
_PATIENCE = 60.0
"""Seconds after which nothing is repeated."""
_LIMIT = 3600
"""Seconds after which a job is given up."""
_CHECKED = 500
"""Anchored rows that are compared with a DuckDB range join."""
Run = dict[str, Any]


def measure(job: str, data: Data, *, cold: bool) -> Run:
    """Run one job in this process, then check what it made."""
    if job in FEATURETOOLS:
        return measure_featuretools(job, data)
    work, asked = OWN_JOBS.get(job) or (PEERS[job], spine)
    if not cold:
        tiny = Data(data.folder, 0, data.late)
        work(tiny, asked(tiny))
    rows = asked(data)
    repeats = 1 if cold or (job != "bare scan" and data.millions > SHORT) else _REPEATS
    made: Any = None
    seconds: list[float] = []
    cpu: list[float] = []
    peak = 0.0
    while len(seconds) < repeats and sum(seconds) < _PATIENCE:
        made = None
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        made = work(data, rows)
        seconds.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        peak = peak or after.ru_maxrss * 1.024 / 1000
    return {
        "seconds": statistics.median(seconds),
        "repeats": len(seconds),
        "cpu_seconds": statistics.median(cpu),
        "peak_rss_mb": round(peak),
    } | check(job, data, made)


def check(job: str, data: Data, made: Any) -> Run:
    """Compare what a job made with what another made before, or leave it for others to compare with."""
    if job in ("engine", "full rebuild"):
        made.to_parquet(data.result(job))
    elif job == "incremental":
        made.to_parquet(data.result(job))
        equal = pd.read_parquet(data.result("full rebuild")).equals(pd.read_parquet(data.result(job)))
        return {"equal": equal, "checked": "every value against the full rebuild's, exactly"}
    elif job == "anchored":
        few = made.sample(_CHECKED, random_state=7)
        found = PEERS["duckdb range join"](data, few[["account_id", "as_of"]])
        return _equality(found, few, "a DuckDB range join")
    elif job in PEERS:
        return _equality(made, pd.read_parquet(data.result("engine")), "the engine")
    return {}


def measure_featuretools(job: str, data: Data) -> Run:
    """Give featuretools a part of the rows, compare them with the engine's, and scale its time up to all."""
    if job == "featuretools":
        rows = spine(data)
        rows = rows[rows["as_of"] == DATES[len(DATES) // 2]]
    else:
        rows = anchors(data).head(30)
    found, measured = featuretools(data, rows, data.folder / "featuretools" / "bin" / "python")
    part = FEATURETOOLS[job]
    return {
        "seconds": measured["build_seconds"] + measured["seconds"] / part,
        "measured_seconds": measured["seconds"],
        "ms_per_row": 1000 * measured["seconds"] / len(rows),
        "peak_rss_mb": round(measured["peak_rss_mb"]),
        "scaled": f"from {len(rows)} rows, {1 / part:.0f} times as many in all",
        "versions": f"featuretools {measured['featuretools']}, pandas {measured['pandas']}",
    } | _equality(found, engine(data, rows), "the engine")


def _equality(found: Any, truth: pd.DataFrame, whose: str) -> Run:
    difference = largest_difference(found, truth)
    words = f"{len(found)} rows, largest relative difference to {whose} {difference:.1e}"
    return {"equal": difference <= TOLERANCE, "checked": words}


def in_own_process(job: str, data: Data, *, cold: bool = False) -> Run:
    """Run one job in a fresh process, so that its peak memory is its own."""
    load = os.getloadavg()[0]
    command = [sys.executable, __file__, "--job", job, "--folder", str(data.folder), "--sizes", str(data.millions)]
    command += ["--cold"] * cold + ["--late"] * data.late
    run: Run = {"millions": data.millions, "job": job, "late_facts": data.late, "cold": cold, "load_before": load}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        return run | {"error": f"given up after {_LIMIT} s"}
    if done.returncode:
        return run | {"error": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}
    run |= json.loads(done.stdout.splitlines()[-1])
    return run


def machine() -> dict[str, str | int]:
    """Return what it ran on."""
    cpu, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    found: dict[str, str | int] = {"cpu": cpu, "cores": os.cpu_count() or 0, "python": platform.python_version()}
    for name in ("duckdb", "ibis-framework", "numpy", "pandas", "polars", "pyarrow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def plan(millions: int, peers: list[str]) -> list[tuple[str, bool, bool]]:
    """Return what runs at one size, in order: job, with late facts, cold."""
    daily = ("keep", "full rebuild", "incremental")
    jobs = [(job, False, False) for job in ("bare scan", "engine", *daily)]
    if millions <= SHORT:
        jobs += [("bare scan", False, True), ("engine", False, True), ("anchored", False, False)]
        jobs += [(job, True, False) for job in daily]
        jobs += [(job, False, True) for job in peers if job == "polars loop"]
    return jobs + [(job, False, False) for job in peers]


def line(run: Run, baselines: dict[str, float]) -> str:
    """Return one measurement in words."""
    name = run["job"] + (", late facts" if run["late_facts"] else "") + (", cold" if run["cold"] else "")
    start = f"{run['millions']:>3} M  {name:<26}"
    if "error" in run:
        return f"{start} NOT MEASURED: {run['error']}"
    parts = [f"{run['seconds']:>9.2f} s"]
    parts += [f"{run['seconds'] / seconds:>8.3f} x {other}" for other, seconds in baselines.items()]
    if "cpu_seconds" in run:
        parts.append(f"cpu {run['cpu_seconds']:.2f} s, {run['repeats']} run{'s' if run['repeats'] > 1 else ''}")
    if "scaled" in run:
        parts.append(f"{run['ms_per_row']:.1f} ms a row, scaled {run['scaled']}; {run['versions']}")
    parts.append(f"{run['peak_rss_mb']} MB, load before {run['load_before']:.1f}")
    if "equal" in run:
        parts.append(f"{'equal' if run['equal'] else 'NOT EQUAL'}: {run['checked']}")
    return f"{start} {'; '.join(parts)}"


def goals(runs: list[Run]) -> list[Run]:
    """Return what was aimed at beside what was measured."""
    found = {
        (run["job"], run["millions"]): run
        for run in runs
        if "seconds" in run and not run["cold"] and not run["late_facts"]
    }

    def seconds(job: str, millions: int) -> float:
        return found[job, millions]["seconds"] if (job, millions) in found else float("nan")

    memory = found.get(("engine", 50), {}).get("peak_rss_mb", float("nan")) / 1000
    checks = [run.get("equal", False) for run in runs if "equal" in run or "error" in run]
    aims = [
        ("engine / bare scan at 50 M", seconds("engine", 50) / seconds("bare scan", 50), "at most", 2.5),
        ("engine's peak memory at 50 M, GB", memory, "at most", 4.0),
        ("engine at 50 M / engine at 2 M (linear: 25)", seconds("engine", 50) / seconds("engine", 2), "at most", 25.0),
        ("engine / Polars loop at 2 M", seconds("engine", 2) / seconds("polars loop", 2), "at most", 1.0),
        ("Polars loop / engine at 50 M", seconds("polars loop", 50) / seconds("engine", 50), "at least", 5.0),
        (
            "incremental / full rebuild at 50 M",
            seconds("incremental", 50) / seconds("full rebuild", 50),
            "at most",
            0.05,
        ),
        ("equal results, part of all checks", sum(checks) / max(len(checks), 1), "at least", 1.0),
    ]
    return [
        {
            "goal": f"{name}: {side} {limit:g}",
            "measured": None if value != value else round(value, 3),
            "verdict": "not measured" if value != value else "met" if _met(value, side, limit) else "NOT MET",
        }
        for name, value, side, limit in aims
    ]


def _met(value: float, side: str, limit: float) -> bool:
    return value <= limit if side == "at most" else value >= limit


def main() -> None:
    """Run what was asked for; print every line as it comes, then the goals, or all as JSON."""
    everyone = [*PEERS, *FEATURETOOLS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 20, 50])
    parser.add_argument("--peers", type=int, nargs="*", default=[2], help="sizes at which the peers run")
    parser.add_argument("--against", nargs="*", choices=everyone, default=everyone, help="which peers")
    parser.add_argument(
        "--polars", type=int, nargs="*", default=[50], help="sizes at which the Polars loop runs anyway"
    )
    parser.add_argument("--order", choices=("time", "random"), default="time", help="of the events in the file")
    parser.add_argument("--json", action="store_true", help="JSON on stdout at the end; the lines go to stderr")
    for name in ("--job", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--cold", "--late"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        data = Data(Path(arguments.folder), arguments.sizes[0], arguments.late)
        print(json.dumps(measure(arguments.job, data, cold=arguments.cold)))
        return
    out = sys.stderr if arguments.json else sys.stdout
    report: Run = {"machine": machine(), "order": arguments.order, "features": len(NAMES), "snapshots": len(DATES)}
    print(json.dumps(report), file=out, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report["runs"] = run_all(arguments, Path(folder), out)
    report["goals"] = goals(report["runs"])
    for goal in report["goals"]:
        print(f"{goal['goal']:<60} {goal['measured']!s:>8}  {goal['verdict']}", file=out)
    if arguments.json:
        print(json.dumps(report))


def run_all(arguments: argparse.Namespace, folder: Path, out: Any) -> list[Run]:
    """Run every job at every size."""
    runs: list[Run] = []
    refusal = None
    if set(arguments.sizes) & set(arguments.peers) and set(FEATURETOOLS) & set(arguments.against):
        refusal = install_featuretools(folder / "featuretools")
    for late in (False, True):
        Data(folder, 0, late).generate(arguments.order)
    for millions in arguments.sizes:
        peers = arguments.against if millions in arguments.peers else []
        if millions in arguments.polars and "polars loop" not in peers:
            peers = [*peers, "polars loop"]
        seconds: dict[str, float] = {}
        for job, late, cold in plan(millions, peers):
            data = Data(folder, millions, late)
            if not data.path.is_file():
                data.generate(arguments.order)
            if job in FEATURETOOLS and refusal:
                run: Run = {"millions": millions, "job": job, "late_facts": late, "cold": cold}
                run["error"] = f"featuretools could not be installed: {refusal}"
            else:
                run = in_own_process(job, data, cold=cold)
            runs.append(run)
            if not cold:
                seconds[job] = run.get("seconds", float("nan"))
            others = _beside(job, peers)
            print(line(run, {other: seconds[other] for other in others if other in seconds}), file=out, flush=True)
        for path in folder.glob(f"events_{millions}m*"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
    return runs


def _beside(job: str, peers: list[str]) -> tuple[str, ...]:
    """Return which jobs a job's time is divided by."""
    if job == "featuretools anchored":
        return ("anchored",)
    if job in peers:
        return ("bare scan", "engine")
    return {"incremental": ("full rebuild",), "keep": (), "bare scan": ()}.get(job, ("bare scan",))


if __name__ == "__main__":
    main()
