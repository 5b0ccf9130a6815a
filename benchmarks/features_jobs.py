"""What `features.py` measures of churnml: the events, the bare scan, and the engine's jobs on them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import ibis
import numpy as np
import pandas as pd

from churnml import features
from churnml.config import Config
from churnml.features import FeatureSet
from churnml.features.event_cache import cached_events, keep_events
from churnml.tables import Tables

WINDOWS = (7, 28, 91, 182)
KINDS = tuple(f"kind_{n}" for n in range(1, 9))
DATES = pd.date_range("2024-07-01", periods=15, freq="MS")
DAY = date(2025, 9, 1)
"""The `as_of` that is scored anew; the day before it is the news."""
COUNTS = [
    f"{measure}_{w}d"
    for w in WINDOWS
    for measure in ("events", "active_days", "active_users", *(f"events_of_{k}" for k in KINDS))
]
NAMES = [*COUNTS, *(f"events_per_user_{w}d" for w in WINDOWS), "days_since_last_event"]
ACCOUNTS = {0: 200, 2: 5_000, 20: 20_000, 50: 50_000}
ANCHORED_ROWS = 60_000
_USERS_PER_ACCOUNT = 20
_SPAN = 620 * 86_400
"""Seconds from the first event to the last."""
_TINY = 20_000
"""Events of size 0, which warms a process up."""


@dataclass(frozen=True)
class Data:
    """Events of one size in one file; with late facts there is a column ``known_at``."""

    folder: Path
    millions: int
    late: bool = False

    @property
    def path(self) -> Path:
        """The events."""
        return self.folder / f"events_{self.millions}m{'_late' if self.late else ''}.parquet"

    @property
    def kept(self) -> Path:
        """Where planes are kept."""
        return self.path.with_suffix(".kept")

    @property
    def model_features(self) -> Path:
        """The features of the model that scores, as its bundle has them."""
        return self.path.with_suffix(".features.json")

    def result(self, job: str) -> Path:
        """Where a job's result is left for others to compare theirs with."""
        return self.path.with_suffix(f".{job.replace(' ', '_')}")

    @property
    def accounts(self) -> list[str]:
        """All account ids, ascending."""
        return [f"acc{n:06d}" for n in range(ACCOUNTS.get(self.millions, self.millions * 1000))]

    def generate(self, order: str) -> None:
        """Write events of random accounts, users and kinds, by a hash of their number: the same file every time.

        In order of time they are as an append-only log has them; in random order every part of the file holds every
        day. One late fact in ten becomes known up to 20 days after it occurred.
        """
        number = self.millions * 1_000_000 or _TINY
        second = f"i * {_SPAN} // {number}" if order == "time" else f"hash(i * 17 + 7) % {_SPAN}"
        lag = "case when hash(i * 19 + 1) % 10 = 0 then hash(i * 23 + 5) % (20 * 86400) else 0 end"
        known_at = f", timestamp '2024-01-01' + to_seconds(s + ({lag})::bigint) as known_at" if self.late else ""
        connect(in_order=True).execute(
            f"""copy (
                select 'acc' || lpad(a::varchar, 6, '0') as account_id,
                       'u' || lpad((a * {_USERS_PER_ACCOUNT} + u)::varchar, 8, '0') as user_id,
                       'kind_' || k::varchar as event_type,
                       timestamp '2024-01-01' + to_seconds(s) as occurred_at{known_at}
                from (select i, (hash(i * 7 + 1) % {len(self.accounts)})::bigint as a,
                             (hash(i * 11 + 3) % {_USERS_PER_ACCOUNT})::bigint as u,
                             (hash(i * 13 + 5) % {len(KINDS)})::bigint + 1 as k,
                             ({second})::bigint as s
                      from range({number}) t(i))
            ) to '{self.path}' (format parquet)"""
        )


def spine(data: Data) -> pd.DataFrame:
    """Return every account at every date."""
    accounts = np.array(data.accounts, dtype=object)
    return pd.DataFrame(
        {"account_id": np.repeat(accounts, len(DATES)), "as_of": np.tile(DATES.to_numpy(), len(accounts))}
    )


def anchors(data: Data) -> pd.DataFrame:
    """Return rows that each have an account and an `as_of` of their own, no two alike."""
    rng = np.random.default_rng(7)
    possible = len(data.accounts) * 430
    chosen = rng.choice(possible, min(ANCHORED_ROWS, possible), replace=False)
    days = pd.to_timedelta(chosen % 430, unit="D")
    return pd.DataFrame({"account_id": np.array(data.accounts, dtype=object)[chosen // 430], "as_of": DATES[0] + days})


def one_day(data: Data) -> pd.DataFrame:
    """Return every account at the `as_of` that is scored anew."""
    return pd.DataFrame({"account_id": data.accounts, "as_of": pd.Timestamp(DAY)})


def bare_scan(data: Data, rows: pd.DataFrame) -> None:
    """Count events per account and day."""
    del rows
    connect().sql(
        f"select account_id, cast(occurred_at as date) as day, count(*) as n from '{data.path}' group by all"
    ).to_arrow_table()


def engine(data: Data, rows: pd.DataFrame) -> pd.DataFrame:
    """Make the features with churnml."""
    tables, config = _company(data)
    return features.compute(tables, rows, _chosen(tables, config), config.features)


def keep(data: Data, rows: pd.DataFrame) -> None:
    """Lay out all events known until the day before the one that is scored, and keep them on disk."""
    del rows
    tables, config = _company(data)
    chosen = _chosen(tables, config)
    planes = keep_events(data.kept, tables, chosen, config, DAY - timedelta(days=1))
    assert planes is not None, "the events were not laid out"
    data.model_features.write_text(json.dumps(chosen.as_dicts()))


def incremental(data: Data, rows: pd.DataFrame) -> pd.DataFrame:
    """Make the features from what was kept the day before, and from the news; which ones, a model's bundle says."""
    tables, config = _company(data)
    chosen = FeatureSet.from_dicts(json.loads(data.model_features.read_text()))
    planes = cached_events(data.kept, config, DAY)
    assert planes is not None, "nothing was kept"
    return features.compute(tables, rows, chosen, config.features, planes=planes)


Job = Callable[[Data, pd.DataFrame], object]
OWN_JOBS: dict[str, tuple[Job, Callable[[Data], pd.DataFrame]]] = {
    "bare scan": (bare_scan, one_day),
    "engine": (engine, spine),
    "keep": (keep, one_day),
    "full rebuild": (engine, one_day),
    "incremental": (incremental, one_day),
    "anchored": (engine, anchors),
}
"""What is run, and the rows that it is asked for."""


def connect(*, in_order: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB of its own that may use all cores and as much memory as it likes."""
    connection = duckdb.connect()
    connection.execute(f"set threads={os.cpu_count()}; set preserve_insertion_order={in_order}")
    connection.execute(f"set temp_directory='{tempfile.gettempdir()}'")
    return connection


def _chosen(tables: Tables, config: Config) -> FeatureSet:
    chosen = FeatureSet([spec for spec in features.catalogue(tables, config.features) if spec.name in set(NAMES)])
    assert len(chosen) == len(NAMES)
    return chosen


def _company(data: Data) -> tuple[Tables, Config]:
    """Return the events as churnml's tables, with the package's own limit of memory."""
    connection = connect()
    connection.execute("set memory_limit='2GB'")
    backend = ibis.duckdb.from_connection(connection)
    events = backend.read_parquet(data.path)
    columns = {"account_id", "user_id", "event_type", "occurred_at"} | ({"known_at"} if data.late else set())
    known_at = events.known_at if data.late else events.occurred_at
    events = events.mutate(event_count=ibis.literal(1, "int64"), value=ibis.null("float64"), known_at=known_at)
    tables = Tables({"events": events}, backend, date(2024, 1, 1), date(2025, 9, 12), {"events": frozenset(columns)})
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
