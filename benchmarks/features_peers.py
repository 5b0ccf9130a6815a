"""The same features as others make them: snapshot by snapshot, or with one join; each checked against the engine's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features_jobs import COUNTS, DATES, KINDS, NAMES, WINDOWS, Data, connect

TOLERANCE = 1e-9
_KEY = ["account_id", "as_of"]


def pandas_loop(data: Data, rows: pd.DataFrame) -> pd.DataFrame:
    """Snapshot by snapshot and window by window with pandas; ids as categories."""
    accounts = pd.Index(rows["account_id"].unique())
    events = pd.read_parquet(data.path)
    events["day"] = events["occurred_at"].dt.normalize()
    for name in ("account_id", "user_id", "event_type"):
        events[name] = events[name].astype("category")
    parts = []
    for as_of in DATES:
        seen = events[events["occurred_at"] < as_of]
        last = seen.groupby("account_id", observed=True)["day"].max()
        part = pd.DataFrame({"days_since_last_event": (as_of - last).dt.days}, index=accounts)
        for w in WINDOWS:
            inside = seen[seen["occurred_at"] >= as_of - pd.Timedelta(days=w)]
            groups = inside.groupby("account_id", observed=True)
            found = {
                f"events_{w}d": groups.size(),
                f"active_days_{w}d": groups["day"].nunique(),
                f"active_users_{w}d": groups["user_id"].nunique(),
            }
            kinds = inside.groupby(["account_id", "event_type"], observed=True).size().unstack(fill_value=0)
            found |= {f"events_of_{kind}_{w}d": kinds[kind] for kind in KINDS}
            known = pd.DataFrame(found).reindex(accounts, fill_value=0)
            users = known[f"active_users_{w}d"]
            known[f"events_per_user_{w}d"] = known[f"events_{w}d"] / users.where(users > 0)
            part = part.join(known)
        parts.append(part.rename_axis("account_id").reset_index().assign(as_of=as_of))
    return pd.concat(parts)


def polars_loop(data: Data, rows: pd.DataFrame) -> Any:
    """Snapshot by snapshot and window by window with Polars.

    Read once, lazily, with days instead of moments and categories instead of strings, then grouped in memory: of what
    was tried (strings, enums, one lazy query per snapshot or for all, the streaming engine, one group-by with filters
    for all windows) nothing was clearly faster, and strings were three times slower.
    """
    import polars as pl  # type: ignore[import-not-found, unused-ignore]

    events = (
        pl.scan_parquet(data.path)
        .select(
            pl.col("account_id").cast(pl.Categorical),
            pl.col("user_id").cast(pl.Categorical),
            pl.col("event_type").cast(pl.Enum(KINDS)),
            pl.col("occurred_at").dt.date().alias("day"),
        )
        .collect()
    )
    accounts = pl.DataFrame({"account_id": rows["account_id"].unique().tolist()}).cast(pl.Categorical)
    parts = []
    for as_of in DATES.date:
        seen = events.filter(pl.col("day") < as_of)
        last = seen.group_by("account_id").agg(pl.col("day").max())
        part = accounts.join(last, on="account_id", how="left").select(
            "account_id",
            pl.lit(as_of).alias("as_of"),
            (pl.lit(as_of) - pl.col("day")).dt.total_days().alias("days_since_last_event"),
        )
        for w in WINDOWS:
            inside = seen.filter(pl.col("day") >= as_of - timedelta(days=w))
            found = inside.group_by("account_id").agg(
                pl.len().alias(f"events_{w}d"),
                pl.col("day").n_unique().alias(f"active_days_{w}d"),
                pl.col("user_id").n_unique().alias(f"active_users_{w}d"),
                *((pl.col("event_type") == kind).sum().alias(f"events_of_{kind}_{w}d") for kind in KINDS),
                (pl.len() / pl.col("user_id").n_unique()).alias(f"events_per_user_{w}d"),
            )
            part = part.join(found, on="account_id", how="left")
        parts.append(part)
    return pl.concat(parts).with_columns(pl.col(COUNTS).fill_null(0), pl.col("account_id").cast(pl.String))


def duckdb_loop(data: Data, rows: pd.DataFrame) -> Any:
    """One DuckDB query per snapshot and window, on a table in memory with days instead of moments."""
    connection = connect()
    connection.register("asked", rows)
    connection.execute(
        f"create table e as select account_id, user_id, event_type, occurred_at::date as day from '{data.path}'"
    )
    for name, sums, first in [("last", ["max(e.day) as last_day"], "date '2000-01-01'")] + [
        (f"w{w}", _sums(w), f"$as_of - interval {w} day") for w in WINDOWS
    ]:
        query = (
            f"select account_id, $as_of::timestamp as as_of, {', '.join(sums)} from e "
            f"where e.day < $as_of and e.day >= {first} group by account_id"
        )
        for number, as_of in enumerate(DATES.date):
            connection.execute(
                f"{f'insert into {name}' if number else f'create table {name} as'} {query}", {"as_of": as_of}
            )
    joins = " ".join(f"left join {name} using (account_id, as_of)" for name in ("last", *(f"w{w}" for w in WINDOWS)))
    return connection.sql(f"select account_id, as_of, {', '.join(_finished())} from asked {joins}").to_arrow_table()


def range_join(data: Data, rows: pd.DataFrame) -> Any:
    """One inequality join in DuckDB, every window a filter; any rows can be asked for."""
    connection = connect()
    connection.register("asked", rows)
    sums = ["max(e.day) as last_day"]
    for w in WINDOWS:
        sums += _sums(w, f" filter (e.day >= a.as_of - interval {w} day")
    return connection.sql(
        f"""with e as (select account_id, user_id, event_type, occurred_at::date as day from '{data.path}'),
            found as (
                select a.account_id, a.as_of, {", ".join(sums)}
                from asked a join e on e.account_id = a.account_id and e.day < a.as_of
                group by a.account_id, a.as_of
            )
            select account_id, as_of, {", ".join(_finished())} from asked left join found using (account_id, as_of)"""
    ).to_arrow_table()


def _sums(w: int, inside: str = "") -> list[str]:
    """Return the aggregates of one window; `inside` begins a filter where the query has not filtered already."""
    closed = f"{inside})" if inside else ""
    one = f"{inside} and " if inside else " filter ("
    return [
        f"count(*){closed} as events_{w}d",
        f"count(distinct e.day){closed} as active_days_{w}d",
        f"count(distinct e.user_id){closed} as active_users_{w}d",
        *(f"count(*){one}e.event_type = '{k}') as events_of_{k}_{w}d" for k in KINDS),
    ]


def _finished() -> list[str]:
    """Return what the aggregates become: no events are 0, no users no rate."""
    return [
        "date_diff('day', last_day, as_of::date) as days_since_last_event",
        *(f"coalesce({name}, 0) as {name}" for name in COUNTS),
        *(f"events_{w}d / nullif(active_users_{w}d, 0) as events_per_user_{w}d" for w in WINDOWS),
    ]


PEERS: dict[str, Callable[[Data, pd.DataFrame], Any]] = {
    "pandas loop": pandas_loop,
    "polars loop": polars_loop,
    "duckdb loop": duckdb_loop,
    "duckdb range join": range_join,
}
FEATURETOOLS = {"featuretools": 1 / len(DATES), "featuretools anchored": 1 / 2000}
"""Jobs of featuretools, and which part of the rows it is given: one whole snapshot, or 30 of the 60,000 rows."""


def install_featuretools(folder: Path) -> str | None:
    """Make featuretools an environment of its own, since it needs an older pandas; return why that failed."""
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [
            str(folder / "bin" / "python"),
            "-I",
            "-m",
            "pip",
            "install",
            "--quiet",
            "featuretools",
            "pandas<3",
            "pyarrow",
        ],
    ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no message"])[-1]
    return None


def featuretools(data: Data, rows: pd.DataFrame, python: Path) -> tuple[pd.DataFrame, dict[str, float]]:
    """Run `features_featuretools.py` on some rows; return them and what it measured of itself."""
    asked, made = data.result("asked"), data.result("made")
    rows.to_parquet(asked)
    script = Path(__file__).with_name("features_featuretools.py")
    done = subprocess.run(
        [str(python), "-I", str(script), str(data.path), str(asked), str(made)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return pd.read_parquet(made), json.loads(done.stdout.splitlines()[-1])


def largest_difference(found: Any, truth: pd.DataFrame) -> float:
    """Return the largest relative difference of any feature in any of the found rows; infinite where one lacks it."""
    frame = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    mine = frame.astype({"account_id": object, "as_of": "datetime64[us]"}).set_index(_KEY)[NAMES]
    expected = truth.astype({"account_id": object, "as_of": "datetime64[us]"}).set_index(_KEY)[NAMES]
    expected = expected.reindex(mine.index)
    left, right = mine.to_numpy(dtype=float), expected.to_numpy(dtype=float)
    both = np.isnan(left) & np.isnan(right)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.where(both | (left == right), 0.0, np.abs(left - right) / np.maximum(np.abs(right), 1e-300))
    return float(np.max(np.nan_to_num(difference, nan=np.inf)))
