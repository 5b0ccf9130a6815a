"""The benchmark's features as featuretools makes them. Run by `features.py` with an interpreter that has featuretools.

Usage: ``python features_featuretools.py EVENTS ROWS OUT``; prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from importlib.metadata import version

import featuretools as ft
import numpy as np
import pandas as pd
from featuretools.primitives import Count, Max, NumUnique

WINDOWS = (7, 28, 91, 182)
KINDS = tuple(f"kind_{n}" for n in range(1, 9))


def main(events_path: str, rows_path: str, out_path: str) -> None:
    """Make the features for rows with an `as_of` of their own, window by window, from all events."""
    events, rows = pd.read_parquet(events_path), pd.read_parquet(rows_path)
    cutoffs = rows.rename(columns={"as_of": "time"})[["account_id", "time"]]
    cutoffs["time"] = cutoffs["time"].astype("datetime64[ns]")
    began = time.perf_counter()
    events = events.assign(event_id=np.arange(len(events)), occurred_at=events["occurred_at"].astype("datetime64[ns]"))
    events["day"] = (events["occurred_at"] - pd.Timestamp(0)).dt.days
    events["active_day"] = events["day"].astype("category")
    accounts = pd.DataFrame({"account_id": np.sort(events["account_id"].unique())})
    entities = ft.EntitySet("company")
    entities.add_dataframe(
        dataframe_name="events",
        dataframe=events,
        index="event_id",
        time_index="occurred_at",
        logical_types=dict.fromkeys(("account_id", "user_id", "event_type", "active_day"), "Categorical"),
    )
    entities.add_dataframe(
        dataframe_name="accounts", dataframe=accounts, index="account_id", logical_types={"account_id": "Categorical"}
    )
    entities.add_relationship("accounts", "account_id", "events", "account_id")
    built = time.perf_counter()
    day, kind = cutoffs["time"].to_numpy().astype("datetime64[D]").astype(float), _base(entities, "event_type")
    last = _calculated([_of("accounts", _base(entities, "day"), Max)], entities, cutoffs, None)
    out = {"account_id": rows["account_id"].to_numpy(), "as_of": rows["as_of"].to_numpy()}
    out["days_since_last_event"] = day - last[:, 0]
    wanted = [
        _of("accounts", _base(entities, "event_id"), Count),
        _of("accounts", _base(entities, "active_day"), NumUnique),
        _of("accounts", _base(entities, "user_id"), NumUnique),
        *(_of("accounts", _base(entities, "event_id"), Count, where=kind == name) for name in KINDS),
    ]
    names = ["events", "active_days", "active_users", *(f"events_of_{name}" for name in KINDS)]
    for window in WINDOWS:
        found = np.nan_to_num(_calculated(wanted, entities, cutoffs, f"{window} days"))
        out |= {f"{name}_{window}d": found[:, column] for column, name in enumerate(names)}
        users = np.where(found[:, 2] > 0, found[:, 2], np.nan)
        out[f"events_per_user_{window}d"] = found[:, 0] / users
    ended = time.perf_counter()
    pd.DataFrame(out).to_parquet(out_path)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    measured = {"build_seconds": built - began, "seconds": ended - built, "peak_rss_mb": usage.ru_maxrss * 1.024 / 1000}
    print(json.dumps(measured | {"featuretools": version("featuretools"), "pandas": version("pandas")}))


def _base(entities: ft.EntitySet, column: str) -> ft.Feature:
    return ft.Feature(entities["events"].ww[column])


def _of(parent: str, base: ft.Feature, primitive: type, where: ft.Feature | None = None) -> ft.Feature:
    return ft.Feature(base, parent_dataframe_name=parent, primitive=primitive, where=where)


def _calculated(
    wanted: list[ft.Feature], entities: ft.EntitySet, cutoffs: pd.DataFrame, window: str | None
) -> np.ndarray:
    """Return one row per cutoff, in the cutoffs' order, of events before it and within the window."""
    matrix = ft.calculate_feature_matrix(
        wanted,
        entities,
        cutoff_time=cutoffs,
        cutoff_time_in_index=True,
        training_window=window,
        include_cutoff_time=False,
    )
    names = [feature.get_name() for feature in wanted]
    index = pd.MultiIndex.from_frame(cutoffs)
    return matrix[names].reindex(index).to_numpy(dtype=float)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:4])
