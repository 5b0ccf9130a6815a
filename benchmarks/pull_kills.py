"""Kills pulls with SIGKILL at random moments and counts what is lost or landed twice: neither may ever be.

``python benchmarks/pull_kills.py [KILLS]`` pulls a desk of 600 tickets, ten pages of it a batch, from a server on this
machine; each pull is killed after a random time, until one comes to its end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_PAGE = 20
_PULL = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from churnml.config.pulls import PullConfig
from churnml.sources.connectors import pull_source
from churnml.sources.connectors.dlt_landing import DltLanding
from churnml.sources.connectors.pulling import Surroundings
folder, url = Path(sys.argv[1]), sys.argv[2]
login = {"url": url, "user": "a@b.c", "api_token": "secret", "objects": ["tickets"], "daily_calls": 100000}
landing = DltLanding("desk", file=folder / "desk.duckdb", destination=None, folder=folder / "under_way")
around = Surroundings(lambda: datetime.now(UTC), time.sleep, folder, batch_rows=200)
done = pull_source("desk", PullConfig.model_validate({"zendesk": login}), landing, around)
print(done.objects[0].accepted if done.objects else 0, done.stopped)
"""


class _Desk(BaseHTTPRequestHandler):
    """Answers the incremental export of tickets."""

    tickets = 600
    pages = 0
    kills: tuple[int, ...] = ()
    child: subprocess.Popen[bytes] | None = None

    def do_GET(self) -> None:
        """Answer one page; a page that kills is the last thing that its pull sees."""
        kind = type(self)
        kind.pages += 1
        if kind.pages in kind.kills and kind.child is not None:
            os.kill(kind.child.pid, signal.SIGKILL)
            return
        query = parse_qs(urlsplit(self.path).query)
        start = int(query.get("cursor", ["0"])[0])
        end = min(start + _PAGE, kind.tickets)
        common = {"created_at": "2025-01-01T00:00:00Z", "status": "open", "organization_id": 1, "requester_id": 2}
        tickets = [
            {"id": n, "generated_timestamp": 1_700_000_000 + n, "priority": "high", **common} for n in range(start, end)
        ]
        page = {"tickets": tickets, "after_cursor": str(end), "end_of_stream": end == kind.tickets}
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def desk(*, tickets: int = 600, kills: tuple[int, ...] = ()) -> Iterator[tuple[type[_Desk], str]]:
    """Serve a desk on this machine; the pull whose page is one of `kills` is killed by it."""
    kind = type("Desk", (_Desk,), {"tickets": tickets, "kills": kills, "pages": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kind, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def begin(folder: Path, url: str, kind: type[_Desk]) -> subprocess.Popen[bytes]:
    """Begin a pull in a process of its own."""
    kind.child = subprocess.Popen(
        [sys.executable, "-c", _PULL, str(folder), url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    return kind.child


def landed(folder: Path) -> tuple[int, int]:
    """Return rows and distinct records in the landing."""
    import duckdb

    if not (folder / "desk.duckdb").is_file():
        return 0, 0
    with duckdb.connect(str(folder / "desk.duckdb")) as db:
        known = db.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'tickets_versions'")
        if known.fetchall()[0][0] == 0:
            return 0, 0
        return db.execute("SELECT count(*), count(DISTINCT id) FROM landed.tickets_versions").fetchall()[0]


def main() -> None:
    """Kill pulls until enough were killed, and say what became of their rows."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(7)
    killed = finished = wrong = 0
    while killed < wanted:
        with tempfile.TemporaryDirectory() as temporary, desk() as (kind, url):
            folder = Path(temporary)
            while True:
                child = begin(folder, url, kind)
                try:
                    child.communicate(timeout=chance.uniform(1.5, 12.0) if killed < wanted else None)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.communicate()
                    killed += 1
                    continue
                if child.returncode != 0:
                    wrong += 1
                break
            rows, records = landed(folder)
            finished += 1
            wrong += (rows, records) != (600, 600)
            print(f"{time.strftime('%H:%M:%S')} killed {killed}, finished {finished}, rows {rows}, records {records}")
    print(f"{killed} kills, {finished} pulls finished, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
