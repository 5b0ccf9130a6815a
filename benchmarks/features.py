"""How close the feature engine is to one bare scan of the events, and the same features the way others make them.

Usage: ``python benchmarks/features.py [--sizes 2 20 50] [--peers 2] [--against 'polars loop'] [--json] [--quick]``

Sizes are millions of events. Every size runs, in its own process and on the same Parquet file: a bare scan (DuckDB:
events per account and day), the engine (49 features: 8 kinds, events, active days, exact distinct users, events per
user over 7/28/91/182 days, recency; 15 monthly snapshots), and for the sizes in ``--peers`` the same features as a
pandas loop, a Polars loop and a DuckDB range join, each compared with the engine's result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import duckdb
import ibis
import numpy as np
import pandas as pd

from churnml import features
from churnml.config import Config
from churnml.features import FeatureSet
from churnml.tables import Tables

WINDOWS = (7, 28, 91, 182)
KINDS = tuple(f"kind_{n}" for n in range(1, 9))
DATES = pd.date_range("2024-07-01", periods=15, freq="MS")
ACCOUNTS = {2: 5_000, 20: 20_000, 50: 50_000}
USERS_PER_ACCOUNT = 20
NAMES = [
    f"{measure}_{w}d"
    for w in WINDOWS
    for measure in ("events", "active_days", "active_users", "events_per_user", *(f"events_of_{k}" for k in KINDS))
] + ["days_since_last_event"]


def generate(path: Path, millions: int) -> None:
    """Write events at random moments of 620 days, by a hash of their number: the same file every time."""
    accounts = _accounts(millions)
    connection = _connect()
    connection.execute(
        f"""copy (
            select 'acc' || lpad(a::varchar, 6, '0') as account_id,
                   'u' || lpad((a * {USERS_PER_ACCOUNT} + u)::varchar, 8, '0') as user_id,
                   'kind_' || k::varchar as event_type,
                   timestamp '2024-01-01' + to_seconds(s) as occurred_at
            from (select (hash(i * 7 + 1) % {accounts})::bigint as a,
                         (hash(i * 11 + 3) % {USERS_PER_ACCOUNT})::bigint as u,
                         (hash(i * 13 + 5) % {len(KINDS)})::bigint + 1 as k,
                         (hash(i * 17 + 7) % (620 * 86400))::bigint as s
                  from range({millions * 1_000_000}) t(i))
        ) to '{path}' (format parquet)"""
    )


def bare_scan(path: Path) -> None:
    """Count events per account and day."""
    _connect().sql(
        f"select account_id, cast(occurred_at as date) as day, count(*) as n from '{path}' group by all"
    ).to_arrow_table()


def spine(millions: int) -> pd.DataFrame:
    """Return every account at every date."""
    accounts = [f"acc{n:06d}" for n in range(_accounts(millions))]
    return pd.DataFrame(
        {"account_id": np.repeat(np.array(accounts, dtype=object), len(DATES)), "as_of": list(DATES) * len(accounts)}
    )


def engine(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Make the features with churnml."""
    tables, config = _company(path)
    chosen = FeatureSet([spec for spec in features.catalogue(tables, config) if spec.name in set(NAMES)])
    assert len(chosen) == len(NAMES)
    return features.compute(tables, rows, chosen, config)


def pandas_loop(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Make them snapshot by snapshot with pandas."""
    events = pd.read_parquet(path)
    events["day"] = events["occurred_at"].dt.normalize()
    events["account_id"] = events["account_id"].astype("category")
    events["user_id"] = events["user_id"].astype("category")
    parts = []
    for as_of in DATES:
        seen = events[events["occurred_at"] < as_of]
        known = {"days_since_last_event": (as_of - seen.groupby("account_id", observed=True)["day"].max()).dt.days}
        for w in WINDOWS:
            inside = seen[seen["occurred_at"] >= as_of - pd.Timedelta(days=w)]
            groups = inside.groupby("account_id", observed=True)
            known[f"events_{w}d"] = groups.size()
            known[f"active_days_{w}d"] = groups["day"].nunique()
            known[f"active_users_{w}d"] = groups["user_id"].nunique()
            kinds = inside.groupby(["account_id", "event_type"], observed=True).size().unstack(fill_value=0)
            known |= {f"events_of_{kind}_{w}d": kinds[kind] for kind in KINDS}
        parts.append(pd.DataFrame(known).rename_axis("account_id").reset_index().assign(as_of=as_of))
    return _finished(pd.concat(parts), rows)


def polars_loop(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Make them snapshot by snapshot with Polars."""
    import polars as pl

    events = pl.read_parquet(path).with_columns(pl.col("occurred_at").dt.truncate("1d").alias("day"))
    parts = []
    for as_of in DATES.to_pydatetime():
        seen = events.filter(pl.col("occurred_at") < as_of)
        part = seen.group_by("account_id").agg(
            (pl.lit(as_of) - pl.col("day").max()).dt.total_days().alias("days_since_last_event")
        )
        for w in WINDOWS:
            inside = seen.filter(pl.col("occurred_at") >= as_of - pd.Timedelta(days=w).to_pytimedelta())
            window = inside.group_by("account_id").agg(
                pl.len().alias(f"events_{w}d"),
                pl.col("day").n_unique().alias(f"active_days_{w}d"),
                pl.col("user_id").n_unique().alias(f"active_users_{w}d"),
                *((pl.col("event_type") == kind).sum().alias(f"events_of_{kind}_{w}d") for kind in KINDS),
            )
            part = part.join(window, on="account_id", how="left")
        parts.append(part.with_columns(pl.lit(as_of).alias("as_of")))
    columns = pl.concat(parts).to_dict(as_series=False)
    return _finished(pd.DataFrame(columns), rows)


def range_join(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Make them with one inequality join in DuckDB."""
    connection = _connect()
    connection.register("asked", rows)
    inside = {w: f"e.occurred_at >= a.as_of - interval {w} day" for w in WINDOWS}
    sums = ["date_diff('day', max(e.occurred_at)::date, a.as_of::date) as days_since_last_event"]
    for w, test in inside.items():
        sums += [
            f"count(*) filter ({test}) as events_{w}d",
            f"count(distinct e.occurred_at::date) filter ({test}) as active_days_{w}d",
            f"count(distinct e.user_id) filter ({test}) as active_users_{w}d",
        ]
        sums += [f"count(*) filter ({test} and e.event_type = '{k}') as events_of_{k}_{w}d" for k in KINDS]
    found = connection.sql(
        f"select a.account_id, a.as_of, {', '.join(sums)} from asked a join '{path}' e "
        "on e.account_id = a.account_id and e.occurred_at < a.as_of group by a.account_id, a.as_of"
    ).df()
    return _finished(found, rows)


PEERS: dict[str, Callable[[Path, pd.DataFrame], pd.DataFrame]] = {
    "pandas loop": pandas_loop,
    "polars loop": polars_loop,
    "duckdb range join": range_join,
}


def _finished(found: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    found["account_id"] = found["account_id"].astype("object")
    found["as_of"] = pd.to_datetime(found["as_of"]).astype("datetime64[us]")
    out = rows.astype({"as_of": "datetime64[us]"}).merge(found, on=["account_id", "as_of"], how="left")
    counts = [name for name in NAMES if name in out and name != "days_since_last_event"]
    out[counts] = out[counts].fillna(0.0)
    for w in WINDOWS:
        users = out[f"active_users_{w}d"]
        out[f"events_per_user_{w}d"] = out[f"events_{w}d"] / users.where(users > 0)
    return out


def _accounts(millions: int) -> int:
    return ACCOUNTS.get(millions, max(millions * 1000, 500))


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"set threads={os.cpu_count()}; set memory_limit='2GB'; set preserve_insertion_order=false")
    connection.execute(f"set temp_directory='{tempfile.gettempdir()}'")
    return connection


def _company(path: Path) -> tuple[Tables, Config]:
    backend = ibis.duckdb.from_connection(_connect())
    events = backend.read_parquet(path)
    events = events.mutate(
        event_count=ibis.literal(1, "int64"), value=ibis.null("float64"), known_at=events.occurred_at
    )
    tables = Tables(
        {"events": events},
        backend,
        date(2024, 1, 1),
        date(2025, 9, 12),
        {"events": frozenset({"account_id", "user_id", "event_type", "occurred_at"})},
    )
    config = Config.model_validate(
        {
            "name": "bench",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events.parquet"}},
            "features": {"windows_days": WINDOWS, "max_event_types": len(KINDS)},
        }
    )
    return tables, config


def anchored(path: Path, millions: int, rows: int = 60_000) -> pd.DataFrame:
    """Make every day-by-day event feature for rows that each have an `as_of` of their own."""
    rng = np.random.default_rng(7)
    asked = pd.DataFrame(
        {
            "account_id": [f"acc{n:06d}" for n in rng.integers(0, _accounts(millions), rows)],
            "as_of": pd.Timestamp("2024-07-01") + pd.to_timedelta(rng.integers(0, 430, rows), unit="D"),
        }
    )
    return engine(path, asked)


def measure(job: str, path: Path, millions: int) -> dict[str, float | str]:
    """Run one job in this process; a peer's result is compared with the engine's afterwards."""
    rows = spine(millions)
    began = time.perf_counter()
    if job == "bare scan":
        bare_scan(path)
    elif job == "anchored":
        anchored(path, millions)
    else:
        made = (engine if job == "engine" else PEERS[job])(path, rows)
    seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result: dict[str, float | str] = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }
    if job in PEERS:
        truth = engine(path, rows)
        np.testing.assert_allclose(made[NAMES].to_numpy(float), truth[NAMES].to_numpy(float), rtol=1e-9)
        result["equal"] = "yes"
    return result


def in_own_process(job: str, path: Path, millions: int) -> dict[str, float | str]:
    """Run one job in a fresh process, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--job", job, "--file", str(path), "--sizes", str(millions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def machine() -> dict[str, str | int]:
    """Return what it ran on."""
    packages = ("duckdb", "ibis-framework", "numpy", "pandas", "pyarrow")
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 0,
        "load_before": round(load, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def main() -> None:
    """Run what was asked for and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 20, 50])
    parser.add_argument("--peers", type=int, nargs="*", default=[2])
    parser.add_argument("--against", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--job")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="2 million events only")
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(measure(arguments.job, arguments.file, arguments.sizes[0])))
        return
    runs: list[dict[str, float | str]] = []
    report = {"machine": machine(), "features": len(NAMES), "snapshots": len(DATES), "runs": runs}
    with tempfile.TemporaryDirectory() as folder:
        for millions in [2] if arguments.quick else arguments.sizes:
            path = Path(folder) / f"events_{millions}m.parquet"
            generate(path, millions)
            jobs = ["bare scan", "engine"] + (["anchored", *arguments.against] if millions in arguments.peers else [])
            bare = float("nan")
            for job in jobs:
                run = in_own_process(job, path, millions)
                seconds = float(run.get("seconds", "nan"))
                bare = seconds if job == "bare scan" else bare
                run |= {"millions": millions, "job": job, "ratio": round(seconds / bare, 2)}
                runs.append(run)
                if not arguments.json:
                    print(_line(run), flush=True)
            path.unlink()
    print(json.dumps(report) if arguments.json else json.dumps(report["machine"]))


def _line(run: dict[str, float | str]) -> str:
    if "error" in run:
        return f"{run['millions']:>4} M  {run['job']:<18} {run['error']}"
    return (
        f"{run['millions']:>4} M  {run['job']:<18} {run['seconds']:>8} s  {run['cpu_seconds']:>8} cpu s  "
        f"{run['ratio']:>6} x bare scan  {run['peak_rss_mb']:>6} MB"
    )


if __name__ == "__main__":
    main()
