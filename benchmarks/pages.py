"""Weight and latency of the pages: ``python benchmarks/pages.py [--accounts N] [--keep FOLDER] [--json]``.

A store is filled with so many accounts and weeks of scores, and each page is asked for again and again from a
service in this process, as a browser asks that takes gzip. Told are the bytes as sent and unpacked, the median and the
slowest of the times until the answer was there, and the CPU time that it took, which other load does not change; the
first answer after the start is apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from churnml.serving.app import create_app
from churnml.serving.warming import warm_up
from made_up_company import fill_store, keep_figures, serving

_LIMIT_MS, _LIMIT_BYTES = 200.0, 100_000


@dataclass(frozen=True)
class Measured:
    """One page: bytes as sent and unpacked; milliseconds of the first answer, the median, the slowest, and of CPU."""

    page: str
    path: str
    sent: int
    unpacked: int
    first: float
    median: float
    slowest: float
    cpu: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--weeks", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder in which the filled store stays, and is used again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = asked.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        url, filled = f"sqlite:///{kept}/store.db", kept / f"{asked.accounts}-{asked.weeks}"
        if not filled.exists():
            fill_store(url, asked.accounts, weeks=asked.weeks)
            keep_figures(url, kept / "company")
            filled.touch()
        found = list(_measure(url, Path(folder), asked.times))
    if asked.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
        return
    print(
        f"{asked.accounts:,} accounts, {asked.times} answers each; limits: {_LIMIT_MS:.0f} ms, {_LIMIT_BYTES:,} bytes"
    )
    print(f"{'page':<26}{'sent':>9}{'unpacked':>10}{'first ms':>10}{'median ms':>11}{'slowest ms':>12}{'CPU ms':>8}")
    for one in found:
        over = " over" if one.median > _LIMIT_MS or one.sent > _LIMIT_BYTES else ""
        size = f"{one.sent:>9,}{one.unpacked:>10,}"
        print(f"{one.page:<26}{size}{one.first:>10.0f}{one.median:>11.0f}{one.slowest:>12.0f}{one.cpu:>8.0f}{over}")


def _measure(url: str, folder: Path, times: int) -> Iterator[Measured]:
    with serving(url, folder) as (state, account), start_blocking_portal() as portal:
        transport = httpx.ASGITransport(create_app(state))
        client = httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers={"Accept": "text/html"}, timeout=60
        )
        warm_up(state)  # as the service does while it starts
        for name, path in (
            ("Today, one CSM", "/?owner=ann"),
            ("Today, everybody", "/?owner=*"),
            ("Accounts", "/accounts"),
            ("Accounts, last page", "/accounts?page=400"),
            ("Accounts, search", "/accounts?q=ﾊﾔﾌﾞｻ"),
            ("Accounts, by change", "/accounts?sort=change"),
            ("Accounts, three filters", "/accounts?band=red&owner=ann&ends=90"),
            ("Account", f"/accounts/{account}"),
            ("Account, brief", f"/accounts/{account}?view=brief"),
            ("Account, in Japanese", f"/accounts/{account}?lang=ja"),
            ("Team", "/team"),
            ("Company", "/company"),
            ("Company, by owner", "/company?by=owner"),
            ("Company, renewals", "/company/renewals"),
            ("Company, cohorts", "/company/cohorts"),
            ("Company, journey", "/company/journey"),
            ("Company, growth", "/company/growth"),
            ("Proof", "/proof"),
            ("Settings, people", "/settings/people"),
            ("Settings, rules", "/settings/rules"),
            ("Settings, deliveries", "/settings/deliveries"),
            ("Settings, audit log", "/settings/audit"),
            ("style sheet", "/static/pages.css"),
            ("script", "/static/pages.js"),
        ):
            yield _asked(portal, client, name, path, times)


def _asked(portal: BlockingPortal, client: httpx.AsyncClient, name: str, path: str, times: int) -> Measured:
    took, worked, sent, unpacked = [], [], 0, 0
    for _ in range(times + 1):
        began, used = time.perf_counter(), time.process_time()
        answer = portal.call(partial(client.get, path))
        took.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - used) * 1000)
        answer.raise_for_status()
        sent, unpacked = int(answer.headers["content-length"]), len(answer.content)
    return Measured(
        name, path, sent, unpacked, took[0], statistics.median(took[1:]), max(took[1:]), statistics.median(worked[1:])
    )


if __name__ == "__main__":
    main()
