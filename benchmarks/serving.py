"""Throughput and latency of the API beside ``mlflow models serve`` on the same model and a bare BentoML echo.

Usage: ``python benchmarks/serving.py [CONFIG] [--seconds 8] [--json]``, after ``churnml run CONFIG``. With
``--soak 600`` it runs our service alone for so many seconds at half its peak rate (by id, explained and with features
in turn) instead, and watches errors and memory.
Each server runs alone, one process each, on 127.0.0.1; the load comes from one more process of this program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from churnml.config import load_config
from local_service import free_port, local_service, stopped_at_the_end, until_answering

_ECHO = """
import bentoml

@bentoml.service(name="echo", workers=1)
class Echo:
    @bentoml.api
    def echo(self, body: dict) -> dict:
        return body
"""


@dataclass(frozen=True)
class Target:
    """One operation to call: its server and whole HTTP requests to send in turn."""

    name: str
    url: str
    pid: int
    requests: list[bytes]

    @classmethod
    def post(cls, name: str, server: Server, path: str, bodies: list[bytes]) -> Target:
        """Return the target that posts bodies to a path."""
        host = server.url.removeprefix("http://")
        given = "".join(f"{header}: {value}\r\n" for header, value in server.headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{given}"
        requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        return cls(name, server.url, server.pid, requests)


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int
    headers: dict[str, str]


def _mix(targets: list[Target]) -> Target:
    """Return a target that sends the requests of several in turn."""
    longest = max(len(target.requests) for target in targets)
    requests = [target.requests[number % len(target.requests)] for number in range(longest) for target in targets]
    return Target("all in turn", targets[0].url, targets[0].pid, requests)


def _memory(pid: int) -> float:
    """Return the resident memory of a process and all it started. Unit: MB."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return round(sum(process.memory_info().rss for process in family) / 1e6, 1)


async def _answer(reader: asyncio.StreamReader) -> bool:
    """Read one answer; returns whether it was a 200."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.index(b"content-length:") + 15
    await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
    return head.startswith(b"http/1.1 200")


async def _one(target: Target, start: int, until: float, times: list[float]) -> int:
    """Send requests on one connection until a time; returns how many were not answered with 200."""
    host, port = target.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    number, failed = start, 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(target.requests[number % len(target.requests)])
        failed += not await _answer(reader)
        times.append(time.perf_counter() - began)
        number += 1
    writer.close()
    return failed


async def _load(target: Target, connections: int, seconds: float) -> dict[str, Any]:
    warm: list[float] = []
    await _one(target, 0, time.perf_counter() + min(2.0, seconds / 2), warm)
    times: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    share = max(1, len(target.requests) // connections)
    failed = await asyncio.gather(*(_one(target, share * number, until, times) for number in range(connections)))
    taken = np.array(times) * 1000
    return {
        "target": target.name,
        "connections": connections,
        "requests": len(times),
        "failed": sum(failed),
        "per_second": round(len(times) / (time.perf_counter() - began), 1),
        "p50_ms": round(float(np.quantile(taken, 0.5)), 2),
        "p99_ms": round(float(np.quantile(taken, 0.99)), 2),
        "rss_mb": round(_memory(target.pid)),
    }


@contextmanager
def _ours(config: Path) -> Iterator[tuple[list[Target], dict[str, Any]]]:
    with local_service(config) as service:
        server = Server(service.url, service.pid, {"Authorization": f"Bearer {service.key}"})
        ids = [json.dumps({"account_id": name}).encode() for name in service.account_ids[:500]]
        features = [json.dumps({"features": service.features}).encode()]
        targets = [
            Target.post(name, server, path, bodies)
            for name, path, bodies in (
                ("predict by id", "/v1/predict", ids),
                ("explain by id", "/v1/explain", ids),
                ("predict with features", "/v1/predict", features),
            )
        ]
        yield targets, {"features": service.features, "seconds_to_ready": round(service.seconds_to_ready, 2)}


@contextmanager
def _mlflow(config_path: Path, features: dict[str, Any]) -> Iterator[list[Target]]:
    config = load_config(config_path)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{config.registered_model}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": config.tracking_uri}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    body = json.dumps({"dataframe_records": [features]}).encode()
    with stopped_at_the_end(command, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        until_answering(process, f"{url}/ping")
        yield [Target.post("mlflow models serve", Server(url, process.pid, {}), "/invocations", [body])]


@contextmanager
def _echo(features: dict[str, Any]) -> Iterator[list[Target]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="churnml-echo-") as folder:
        Path(folder, "service.py").write_text(_ECHO, encoding="utf-8")
        environment = {**os.environ, "BENTOML_HOME": f"{folder}/bentoml", "BENTOML_DO_NOT_TRACK": "True"}
        command = [sys.executable, "-m", "bentoml", "serve", "service:Echo", "--host", "127.0.0.1", "--port", str(port)]
        body = json.dumps({"body": {"features": features}}).encode()
        with stopped_at_the_end(command, env=environment, cwd=folder) as process:
            url = f"http://127.0.0.1:{port}"
            until_answering(process, f"{url}/readyz")
            yield [Target.post("bare BentoML echo", Server(url, process.pid, {}), "/echo", [body])]


@dataclass
class Soaked:
    """What a soak has seen so far."""

    sent: int = 0
    failed: int = 0
    slowest_ms: float = 0.0


async def _paced(target: Target, per_second: float, seconds: float, seen: Soaked) -> None:
    """Send requests in turn at a steady rate on 8 connections; a lost connection is a failure and is opened anew."""
    connections = 8
    host, port = target.url.removeprefix("http://").split(":")
    until = time.perf_counter() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        due = time.perf_counter() + number / per_second
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            writer.write(target.requests[seen.sent % len(target.requests)])
            seen.sent += 1
            try:
                seen.failed += not await _answer(reader)
            except (OSError, asyncio.IncompleteReadError):
                seen.failed += 1
                reader, writer = await asyncio.open_connection(host, int(port))
            seen.slowest_ms = max(seen.slowest_ms, (time.perf_counter() - began) * 1000)
            due += connections / per_second
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))


def soak(config: Path, seconds: float) -> dict[str, Any]:
    """Run our service at half its peak rate, all operations in turn, and watch errors and memory."""
    with _ours(config) as (targets, _):
        target = _mix(targets)
        peak = asyncio.run(_load(target, 16, min(5.0, seconds)))["per_second"]
        seen, memory = Soaked(), [_memory(target.pid)]
        for part in range(10):
            asyncio.run(_paced(target, peak / 2, seconds / 10, seen))
            memory.append(_memory(target.pid))
            print({"seconds": seconds / 10 * (part + 1), "rss_mb": memory[-1], **vars(seen)}, file=sys.stderr)
    return {
        "seconds": seconds,
        "peak_per_second": peak,
        "per_second": round(peak / 2, 1),
        "sent": seen.sent,
        "failed": seen.failed,
        "slowest_ms": round(seen.slowest_ms, 1),
        "rss_mb_start": memory[0],
        "rss_mb_end": memory[-1],
        "rss_mb": memory,
    }


def measure(config: Path, seconds: float) -> dict[str, Any]:
    """Measure every target on 1 and 16 connections and judge the goals."""
    rows: list[dict[str, Any]] = []

    def load(targets: list[Target]) -> None:
        for target in targets:
            for connections in (1, 16):
                rows.append(asyncio.run(_load(target, connections, seconds)))
                print(rows[-1], file=sys.stderr)

    with _ours(config) as (targets, about):
        load(targets)
    with _mlflow(config, about["features"]) as targets:
        load(targets)
    with _echo(about["features"]) as targets:
        load(targets)
    by = {(row["target"], row["connections"]): row for row in rows}
    theirs, echo = by["mlflow models serve", 16], by["bare BentoML echo", 16]
    goals = {
        f"{name}: throughput ÷ mlflow's at 16 (≥ 3)": round(by[name, 16]["per_second"] / theirs["per_second"], 2)
        for name in ("predict by id", "predict with features")
    }
    for name in ("predict by id", "predict with features"):
        goals[f"{name}: p99 ÷ echo's at 16 (≤ 3)"] = round(by[name, 16]["p99_ms"] / echo["p99_ms"], 2)
    goals["explain by id: p50 ÷ predict by id's (about 1)"] = round(
        by["explain by id", 1]["p50_ms"] / by["predict by id", 1]["p50_ms"], 2
    )
    goals["seconds to ready (≤ 5)"] = about["seconds_to_ready"]
    return {"cores": os.cpu_count(), "load_average": os.getloadavg()[0], "rows": rows, "goals": goals}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/demo.yaml"))
    parser.add_argument("--seconds", type=float, default=8.0, help="per target and number of connections")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="run our service alone at half its peak rate")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.soak:
        print(json.dumps(soak(options.config, options.soak), indent=1))
        return
    found = measure(options.config, options.seconds)
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    print("| target | connections | requests/s | p50 ms | p99 ms | failed | RSS MB |\n|---|---|---|---|---|---|---|")
    for row in found["rows"]:
        print("| " + " | ".join(str(row[key]) for key in _SHOWN) + " |")
    for goal, value in found["goals"].items():
        print(f"- {goal}: **{value}**")


_SHOWN = ("target", "connections", "per_second", "p50_ms", "p99_ms", "failed", "rss_mb")

if __name__ == "__main__":
    main()
