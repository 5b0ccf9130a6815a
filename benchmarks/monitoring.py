"""How often monitoring cries wolf on clean data, and how soon it finds planted faults.

Simulated companies live day by day. On the clean year every alarm that opens is a false one; each fault is planted at a
random day of the last half-year, in the tables as they would be loaded from then on, and the days until its alarm are
counted. No threshold was chosen on these companies: all follow from the budget of one false alarm a month.

    $ python benchmarks/monitoring.py --seeds 3 --accounts 200
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from churnml.monitoring import Budget, DataMonitor, profile
from churnml.simulate import simulate
from churnml.tables import TABLES, Tables

CLEAN_DAYS = 365
WATCHED_DAYS = 28

Frames = dict[str, pd.DataFrame]
Fault = Callable[[pd.DataFrame, pd.Series, np.random.Generator], pd.DataFrame]


def _day(frame: pd.DataFrame, table: str) -> pd.Series:
    column = TABLES[table].occurred_at
    known = pd.to_datetime(frame["known_at"]) if "known_at" in frame else pd.Series(pd.NaT, index=frame.index)
    happened = pd.to_datetime(frame[column])
    return known.fillna(happened).where(known.fillna(happened) > happened, happened)


def _kept(share: float) -> Fault:
    return lambda frame, after, rng: frame[~(after & (rng.random(len(frame)) >= share))]


def _renamed(column: str) -> Fault:
    def plant(frame: pd.DataFrame, after: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
        words = frame[column].value_counts()
        word = words.index[min(1, len(words) - 1)]
        return frame.assign(**{column: frame[column].mask(after & (frame[column] == word), f"{word}_v2")})

    return plant


def _emptied(column: str) -> Fault:
    return lambda frame, after, rng: frame.assign(**{column: frame[column].astype("object").mask(after, None)})


def _twice(frame: pd.DataFrame, after: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    return pd.concat([frame, frame[after]], ignore_index=True)


def _foreign(frame: pd.DataFrame, after: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    """Ids in a new format meet no account: the load sets such rows aside, and the table holds none from then on."""
    return frame[~after]


def _dearer(column: str) -> Fault:
    return lambda frame, after, rng: frame.assign(**{column: frame[column].where(~after, frame[column] * 1.1)})


FAULTS: Mapping[str, tuple[str, Fault]] = {
    "feed stopped (events)": ("events", _kept(0.0)),
    "feed stopped (tickets)": ("tickets", _kept(0.0)),
    "feed stopped (invoices)": ("invoices", _kept(0.0)),
    "volume halved (events)": ("events", _kept(0.5)),
    "event renamed": ("events", _renamed("event_type")),
    "column empty (events.user_id)": ("events", _emptied("user_id")),
    "column empty (tickets.category)": ("tickets", _emptied("category")),
    "load duplicated (events)": ("events", _twice),
    "id format changed (touchpoints)": ("touchpoints", _foreign),
    "prices +10 % (invoices.amount)": ("invoices", _dearer("amount")),
}


def _monitor(tables: Tables) -> DataMonitor:
    found = profile(tables, tables.observed_until)
    return DataMonitor(found, tables.observed_from, tables.observed_until, Budget())


def _clean(monitor: DataMonitor, until: date) -> Counter[str]:
    """Count the episodes of a year: alarms that were not there the day before."""
    opened: Counter[str] = Counter()
    open_: set[str] = set()
    for back in range(CLEAN_DAYS, 0, -1):
        now = {alarm.key for alarm in monitor.judge(until - timedelta(days=back)).alarms}
        opened.update(key.split(":")[0] for key in now - open_)
        open_ = now
    return opened


def _days_to_detection(
    frames: Frames, whole: Tables, table: str, fault: Fault, rng: np.random.Generator
) -> tuple[int | None, str]:
    """Return days until the first alarm on the table after a fault began (1: the first day), and its code."""
    start = whole.observed_until - timedelta(days=int(rng.integers(WATCHED_DAYS + 1, 180)))
    frame = frames[table].reset_index(drop=True)
    planted = fault(frame, _day(frame, table) >= pd.Timestamp(start), rng)
    tables = Tables.from_pandas(
        {table: planted}, observed_from=whole.observed_from, observed_until=whole.observed_until
    )
    monitor = _monitor(tables)
    before = {alarm.key for alarm in monitor.judge(start - timedelta(days=1)).alarms}
    for after in range(WATCHED_DAYS):
        new = [alarm for alarm in monitor.judge(start + timedelta(days=after)).alarms if alarm.key not in before]
        if new:
            return after + 1, new[0].code
    return None, ""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--months", type=int, default=30)
    parser.add_argument("--only", choices=("clean", "faults"))
    arguments = parser.parse_args()
    found: dict[str, list[tuple[int | None, str]]] = {}
    clean = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        begun = time.perf_counter()
        frames = simulate(accounts=arguments.accounts, months=arguments.months, seed=seed).tables
        whole = Tables.from_pandas(frames)
        if arguments.only != "faults":
            opened = _clean(_monitor(whole), whole.observed_until)
            clean.append(sum(opened.values()))
            print(f"seed {seed}: {sum(opened.values())} false alarms in a clean year {dict(opened)}", flush=True)
        rng = np.random.default_rng(seed)
        for name, (table, fault) in FAULTS.items() if arguments.only != "clean" else ():
            found.setdefault(name, []).append(_days_to_detection(dict(frames), whole, table, fault, rng))
        print(f"seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)
    if clean:
        print(f"\nfalse alarms a month, clean years: {np.mean(clean) / 12:.2f} (worst company {max(clean) / 12:.2f})")
    for name, days in found.items():
        told = ", ".join("not in 28" if day is None else f"{day} ({code})" for day, code in days)
        print(f"{name:36s} days to detection: {told}")


if __name__ == "__main__":
    main()
