"""Kills `deliver` at random moments, over and over, and counts what a recording server was told: once each, or not.

The server makes a new task for every POST, as a CRM does, answers late or not at all, and is asked by the next run
what it has. Run with ``python benchmarks/delivery_kills.py --kills 100``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_MARK = re.compile(r"[0-9a-f]{10}")


class Crm(BaseHTTPRequestHandler):
    """A recording CRM: every POST makes another task, and one answer in five is lost on the way back."""

    protocol_version = "HTTP/1.1"
    tasks: list[dict[str, Any]] = []  # noqa: RUF012
    lock = threading.Lock()
    chance = random.Random(11)

    def do_GET(self) -> None:  # noqa: D102
        parts = urlsplit(self.path)
        if parts.path == "/told":
            with self.lock:
                self._answer(Crm.tasks)
            return
        query = parse_qs(parts.query)["q"][0]
        with self.lock:
            if "FROM Task" in query:
                marks = set(_MARK.findall(query))
                found = [task for task in Crm.tasks if _mark(task) in marks]
                rows = [{"Id": task["Id"], "Subject": task["Subject"]} for task in found]
            else:
                rows = [{"Id": f"id-{name}", "Ext__c": name} for name in re.findall(r"'(acc-\d+)'", query)]
        self._answer({"totalSize": len(rows), "done": True, "records": rows})

    def do_POST(self) -> None:  # noqa: D102
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.lock:
            pause, is_lost = Crm.chance.uniform(0, 0.02), Crm.chance.random() < 0.2
        time.sleep(pause)
        with self.lock:
            results = []
            for record in body["records"]:
                Crm.tasks.append({**record, "Id": f"task-{len(Crm.tasks)}"})
                results.append({"id": Crm.tasks[-1]["Id"], "success": True, "errors": [], "created": True})
        time.sleep(pause)
        if is_lost:
            self.close_connection = True
            self.connection.close()
            return
        self._answer(results)

    def _answer(self, body: Any) -> None:
        data = json.dumps(body).encode()
        try:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _mark(task: dict[str, Any]) -> str:
    return task["Subject"].rpartition("[churnml ")[2].rstrip("]")


def fill(url: str, alerts: int, config: str) -> None:
    """Make a store with an alert on each of so many accounts; every second one has begun a playbook's step instead."""
    import pandas as pd

    from churnml.language import Quantity, Text, words
    from churnml.store import Alert, Snapshot, Store, Task
    from churnml.store.alerts import keep_alert
    from churnml.store.tasks import keep_task
    from churnml.store.writes import changing

    now = datetime.now(UTC)
    ids = [f"acc-{number}" for number in range(alerts)]
    scores = pd.DataFrame(
        {"account_id": ids, "churn_probability": 0.5, "health_score": 30.0, "band": "red", "coverage": 1.0}
    )
    text = Text.of("alert-silence", n=Quantity(value=30, unit="days"))
    with Store(url) as store:
        store.publish(Snapshot(config, date(2026, 3, 1), now, "1", "0", scores))
        made = [
            Alert(
                account_id=name, kind="silence", severity="high", owner="ann", opened_on=date(2026, 3, 1),
                updated_on=date(2026, 3, 1), due_at=now + timedelta(days=2), text=text,
                tasked_on=date(2026, 3, 1) if number % 2 else None,
            )
            for number, name in enumerate(ids)
        ]  # fmt: skip
        with changing(store._engine) as connection:
            for alert in made:
                number = keep_alert(connection, config, alert)
                if alert.tasked_on is not None:
                    step = Task(
                        alert_id=number, account_id=alert.account_id, alert=alert.kind, playbook="call", step="call",
                        title=words("Call them"), role="csm", owner="ann", opened_on=alert.opened_on,
                        due_on=alert.opened_on,
                    )  # fmt: skip
                    keep_task(connection, config, step)


def run(url: str, server: str, config: str) -> int:
    """Deliver once; returns how many deliveries are not accepted yet."""
    from churnml.config import DeliveriesConfig
    from churnml.deliveries import deliver
    from churnml.deliveries.targets.salesforce import Salesforce
    from churnml.store import Store

    # Small calls, so that a kill hits every stage; what the local server was sent is there within a moment.
    Salesforce.topics = {name: replace(Salesforce.topics[name], batch=5, found_after=0.1) for name in ("alert", "task")}
    section = {"url": server, "token": "none", "id_field": "Ext__c", "alerts": {}, "tasks": True, "max_attempts": 100}
    with Store(url) as store:
        deliver(store, config, DeliveriesConfig.model_validate({"salesforce": section}), wait=time.sleep)
        counts = store.deliveries(config).counts("salesforce")
    return sum(count for state, count in counts.items() if state != "accepted")


def kills(count: int, seed: int, longest: float) -> dict[str, Any]:
    """Kill so many runs, let the last one finish, and return what the server was told.

    Processes are forked from one that has everything loaded, so that a kill meets work and not the start of Python.
    """
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    chance = random.Random(seed)
    begun = time.monotonic()
    killed = ended = rounds = 0
    expected = 0
    folder = Path(tempfile.mkdtemp(prefix="churnml-kills-"))
    try:
        left = 0
        url = ""
        while killed < count:
            if left == 0:
                # Everything is there: begin again with a new store, in which other alerts have other marks.
                url = f"sqlite:///{folder / f'store{rounds}.db'}"
                fill(url, 60, f"acme{rounds}")
                rounds, expected = rounds + 1, expected + 60
            child = _fork(url, address, f"acme{rounds - 1}")
            time.sleep(chance.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            killed += os.WIFSIGNALED(status)
            ended += os.WIFEXITED(status)
            left = -1 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        while _wait(_fork(url, address, f"acme{rounds - 1}")) != 0:
            pass
        told = Counter(_mark(task) for task in _told(address))
    finally:
        server.kill()
        server.wait()
    return {
        "killed": killed,
        "ended_by_themselves": ended,
        "stores": rounds,
        "expected": expected,
        "told": len(told),
        "lost": expected - len(told),
        "twice": sum(count > 1 for count in told.values()),
        "seconds": round(time.monotonic() - begun, 1),
    }


def _fork(url: str, address: str, config: str) -> int:
    child = os.fork()
    if child == 0:
        try:
            os._exit(min(run(url, address, config), 99))
        except BaseException:
            os._exit(100)
    return child


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _told(address: str) -> list[dict[str, Any]]:
    import httpx

    return list(httpx.get(f"{address}/told").json())


def main() -> None:
    """Serve, or kill and print what came of it; exits with 1 when something is lost or there twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--longest", type=float, default=0.5, help="seconds until a kill, at most")
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    if given.serve:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Crm)
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
        return
    found = kills(given.kills, given.seed, given.longest)
    print(json.dumps(found))
    sys.exit(bool(found["lost"] or found["twice"]))


if __name__ == "__main__":
    main()
