"""Two years of daily scoring in one store: how large it is, and whether it answers as on the first day.

Snapshots with features and explanations of a usual size are published day by day into a new SQLite store, and thinned
by the rules of a config, as the daily run does. ``python benchmarks/keeping.py --accounts 2000 --days 730``. Told are
the store's size and the milliseconds of questions that pages and the API ask, on the first days and at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import RetentionConfig
from churnml.store import Departed, Snapshot, Store

_FEATURES = 336
_FIRST = date(2024, 11, 1)


def _explanations(ids: list[str], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield explanations of about 6 kB before packing: codes and numbers, as they are stored."""
    for account in ids:
        values = rng.normal(size=24)
        yield {
            "account_id": account,
            "raising": [_driver(place, value) for place, value in enumerate(values[:12])],
            "lowering": [_driver(place, value) for place, value in enumerate(values[12:])],
            "families": {f"family_{place}": float(value) for place, value in enumerate(values[:9])},
        }


def _driver(place: int, value: float) -> dict[str, Any]:
    return {
        "family": "engagement",
        "group": f"active_users_{place}d",
        "feature": f"active_users_trend_{place}d",
        "value": float(value),
        "previous": float(value) * 1.7,
        "percentile": float(value) % 1,
        "text": {"code": "reason-active_users", "now": float(value), "before": float(value) * 1.7, "days": place},
    }


def _snapshot(day: date, ids: list[str], gone: dict[str, Departed], rng: np.random.Generator) -> Snapshot:
    count = len(ids)
    scores = pd.DataFrame(
        {
            "account_id": ids,
            "name": [f"Company {one}" for one in ids],
            "churn_probability": rng.beta(1, 12, count),
            "health_score": rng.uniform(0, 100, count).round(2),
            "band": rng.choice(["red", "yellow", "green"], count),
            "coverage": 1.0,
            "arr": rng.lognormal(9, 1, count).round(2),
            "owner": rng.choice(["ann", "bob", "cleo"], count),
            "segment": rng.choice(["smb", "mid", "enterprise"], count),
            "days_to_renewal": rng.integers(0, 365, count).astype(float),
            "change_7d": rng.normal(size=count),
            "change_30d": rng.normal(size=count),
        }
    )
    features = pd.DataFrame(rng.normal(size=(count, _FEATURES)), columns=[f"feature_{n}" for n in range(_FEATURES)])
    features.insert(0, "account_id", ids)
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=4)
    return Snapshot(
        "acme", day, moment, "1", "0f0f", scores, features=features, explanations=_explanations(ids, rng),
        departures=gone, info={"currency": "USD"},
    )  # fmt: skip


def _milliseconds(ask: Callable[[], object]) -> float:
    ask()
    took = []
    for _ in range(15):
        began = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took), 2)


def answers(store: Store, ids: list[str]) -> dict[str, float]:
    """Return the milliseconds of what pages and the API ask."""
    newest = store.latest("acme")
    assert newest is not None
    one = ids[len(ids) // 2]
    return {
        "newest": _milliseconds(lambda: store.latest("acme")),
        "account": _milliseconds(lambda: store.account(newest.id, one)),
        "explanation": _milliseconds(lambda: store.explanation(newest.id, one)),
        "history": _milliseconds(lambda: store.history("acme", one)),
        "page_of_50": _milliseconds(lambda: store.accounts(newest.id)),
        "departure": _milliseconds(lambda: store.departure("acme", "gone-1")),
        "readings_for_trends": _milliseconds(lambda: store.readings("acme", before=newest.as_of)),
    }


def live(accounts: int, days: int, folder: Path) -> dict[str, Any]:
    """Live so many days; returns sizes and times."""
    rng = np.random.default_rng(7)
    rules = RetentionConfig()
    url = f"sqlite:///{folder / 'store.db'}"
    ids = [f"acc-{number:06d}" for number in range(accounts)]
    gone: dict[str, Departed] = {}
    sizes: dict[int, float] = {}
    publishing = []
    early: dict[str, float] = {}
    with Store(url) as store:
        for number in range(days):
            day = _FIRST + timedelta(days=number)
            # One in a thousand leaves each day, and another one comes.
            for _ in range(rng.poisson(accounts / 1000)):
                left = ids.pop(int(rng.integers(len(ids))))
                gone[left] = Departed(day, "ended", day)
                ids.append(f"new-{number}-{len(gone)}")
            began = time.perf_counter()
            store.publish(_snapshot(day, ids, gone, rng), retention=rules)
            publishing.append(time.perf_counter() - began)
            if number == min(100, days // 3):
                # A trend looks back 120 days, which must be there for a fair comparison.
                early = answers(store, ids)
            if number % 73 == 72 or number == days - 1:
                sizes[number + 1] = round((folder / "store.db").stat().st_size / 2**20, 1)
        late = answers(store, ids)
        departed = len(store.departures("acme"))
    return {
        "accounts": accounts,
        "days": days,
        "store_mb_by_day": sizes,
        "mb_per_1000_accounts": round(1000 * sizes[days] / accounts, 1),
        "departed": departed,
        "publish_seconds_first_and_last_tenth": [
            round(statistics.median(publishing[: days // 10 or 1]), 2),
            round(statistics.median(publishing[-(days // 10 or 1) :]), 2),
        ],
        "milliseconds_early": early,
        "milliseconds_at_the_end": late,
    }


def main() -> None:
    """Print what was measured as JSON; exits with 1 when 20,000 accounts would need more than 3 GB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--days", type=int, default=730)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="churnml-keeping-") as folder:
        found = live(given.accounts, given.days, Path(folder))
    found["gb_at_20000_accounts"] = round(found["mb_per_1000_accounts"] * 20 / 1024, 2)
    print(json.dumps(found))
    raise SystemExit(found["gb_at_20000_accounts"] > 3)


if __name__ == "__main__":
    main()
