"""Publishing while others read and write: ``python benchmarks/publish.py [--accounts N] [--url URL] [--json]``.

A snapshot of so many accounts with features and explanations of a usual size is published into a new store. Meanwhile
one process reads accounts and explanations, and another sets overrides, as a service does. Told are the publisher's
seconds (by the clock and of CPU), its peak memory, the store's size, and how long readers and writers waited.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pandas as pd

from churnml.errors import StoreError
from churnml.store import Actor, Snapshot, Store

_FEATURES = 336
_NOW = datetime(2026, 11, 2, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Waits:
    """How long calls took, in milliseconds."""

    calls: int
    refused: int
    median: float
    p99: float
    longest: float


def _explanations(accounts: int) -> Iterator[dict[str, Any]]:
    """Yield explanations of about 6 kB, as of a real model: eight drivers with sentences in two languages."""
    rng = np.random.default_rng(5)
    for number in range(accounts):
        drivers = [
            {
                "family": "engagement",
                "group": f"active_users_{place}d",
                "feature": f"active_users_trend_{place}d",
                "label_en": "active users",
                "label_ja": "アクティブユーザー",
                "unit": "users",
                "value": float(value),
                "previous": float(value) * 1.7,
                "percentile": float(value) % 1,
                "typical": 12.0,
                "effect_log_odds": float(value) / 100,
                "effect_points": float(value) / 10,
                "features": [f"active_users_{place}d", f"active_users_trend_{place}d"],
                "sentence_en": f"Active users fell from {value * 1.7:.0f} to {value:.0f} in {place} days (−41 %).",
                "sentence_ja": f"アクティブユーザーは{place}日間で{value * 1.7:.0f}から{value:.0f}に減りました。",
            }
            for place, value in enumerate(rng.gamma(2, 20, 8), 7)
        ]
        yield {
            "account_id": f"acc-{number:07d}",
            "summary_en": "31 % churn probability within 90 days, 6.7 × the average.",
            "summary_ja": "90日以内の解約確率は31 %で、平均の6.7倍です。",
            "raising": drivers[:5],
            "lowering": drivers[5:],
            "families": {"engagement": 0.84, "support": -0.1},
        }


def _snapshot(accounts: int) -> Snapshot:
    rng = np.random.default_rng(3)
    ids = [f"acc-{number:07d}" for number in range(accounts)]
    values = np.round(rng.gamma(1, 30, (accounts, _FEATURES)), 3)
    values[rng.random(values.shape) < 0.3] = 0.0
    features = pd.DataFrame(values, columns=[f"events_of_some_kind_{number}_28d" for number in range(_FEATURES)])
    scores = pd.DataFrame(
        {
            "account_id": ids,
            "name": [f"Company {number}" for number in range(accounts)],
            "churn_probability": rng.random(accounts),
            "health_score": rng.random(accounts) * 100,
            "band": rng.choice(["red", "yellow", "green"], accounts),
            "coverage": 0.9,
            "arr": np.round(rng.gamma(2, 8000, accounts), 2),
            "owner": rng.choice(["ann", "bob"], accounts),
            "segment": "smb",
            "reasons_en": "Two measures had no data.",
            "reasons_ja": "2つの指標にデータがありません。",
            "rules_score": rng.random(accounts) * 100,
            "model_score": rng.random(accounts) * 100,
            "change_7d": rng.random(accounts),
        }
    )
    features.insert(0, "account_id", ids)
    return Snapshot("bench", date(2026, 11, 2), _NOW, "v2", "h", scores, features, _explanations(accounts))


def _waiting(url: str, kind: str, stop: Event, out: Queue[Waits]) -> None:
    """Read or write until told to stop, a few times a second, and say how long each call took."""
    waits, refused = [], 0
    rng = np.random.default_rng(7)
    with Store(url, patience_seconds=2.0) as store:
        while not stop.is_set():
            info = store.latest("bench")
            account = f"acc-{rng.integers(0, 1000):07d}"
            began = time.perf_counter()
            try:
                if kind == "write":
                    actor = Actor("bench", datetime.now(UTC))
                    store.judgements("bench").override(account, "red", "As I see it.", "ann", actor)
                elif info is not None:
                    store.account(info.id, account)
                    store.explanation(info.id, account)
                    store.accounts(info.id, limit=50)
            except StoreError:
                refused += 1
            waits.append(1000 * (time.perf_counter() - began))
            time.sleep(0.05)
    middle, late = np.percentile(waits, [50, 99])
    out.put(Waits(len(waits), refused, round(middle, 2), round(late, 2), round(max(waits), 2)))


def _publish(url: str, accounts: int, out: Queue[dict[str, float]]) -> None:
    snapshot = _snapshot(accounts)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    with Store(url) as store:
        store.publish(snapshot)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    out.put(
        {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
            "mb_before": round(before.ru_maxrss / 1024),
            "mb_peak": round(after.ru_maxrss / 1024),
        }
    )


def measure(accounts: int, url: str, folder: Path) -> dict[str, Any]:
    """Publish a small snapshot to serve, then the large one while others read and write."""
    with Store(url) as store:
        store.publish(_snapshot(1000))
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    queues: dict[str, Any] = {kind: spawn.Queue() for kind in ("read", "write", "publish")}
    others = [spawn.Process(target=_waiting, args=(url, kind, stop, queues[kind])) for kind in ("read", "write")]
    publisher = spawn.Process(target=_publish, args=(url, accounts, queues["publish"]))
    for process in (*others, publisher):
        process.start()
    published = queues["publish"].get()
    publisher.join()
    stop.set()
    waits = {f"{kind}_ms": asdict(queues[kind].get()) for kind in ("read", "write")}
    for process in others:
        process.join()
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    return {"accounts": accounts, "features": _FEATURES, **published, "store_mb": round(size), **waits}


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--url", help="an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for accounts in options.accounts:
        with tempfile.TemporaryDirectory(prefix="churnml-publish-") as folder:
            results.append(measure(accounts, options.url or f"sqlite:///{folder}/store.db", Path(folder)))
        if not options.json:
            print(json.dumps(results[-1], indent=1))
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
