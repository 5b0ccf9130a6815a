"""Throughput and latency of the API beside ``mlflow models serve`` on the same model and a bare BentoML echo.

Usage: ``python benchmarks/serving.py [CONFIG] [--seconds 8] [--json]``, after ``churnml run CONFIG``. With
``--soak 600`` it runs our service alone for so many seconds at half its peak rate, and watches errors and memory.
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
    """One operation to call: its server and the requests to send in turn."""

    name: str
    url: str
    pid: int
    path: str
    bodies: list[bytes]
    headers: dict[str, str]

    def requests(self) -> list[bytes]:
        """Return whole HTTP requests."""
        host, found = self.url.removeprefix("http://"), []
        given = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        for body in self.bodies:
            head = (
                f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                f"{given}Content-Length: {len(body)}\r\n\r\n"
            )
            found.append(head.encode() + body)
        return found


async def _one(target: Target, requests: list[bytes], start: int, until: float, times: list[float]) -> int:
    """Send requests on one connection until a time; returns how many were not answered with 200."""
    host, port = target.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    number, failed = start, 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(requests[number % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        await reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))
        times.append(time.perf_counter() - began)
        failed += not head.startswith(b"HTTP/1.1 200")
        number += 1
    writer.close()
    return failed


async def _load(target: Target, connections: int, seconds: float) -> dict[str, Any]:
    requests = target.requests()
    warm: list[float] = []
    await _one(target, requests, 0, time.perf_counter() + min(2.0, seconds / 2), warm)
    times: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    share = max(1, len(requests) // connections)
    failed = await asyncio.gather(
        *(_one(target, requests, share * number, until, times) for number in range(connections))
    )
    taken = np.array(times) * 1000
    family = [psutil.Process(target.pid), *psutil.Process(target.pid).children(recursive=True)]
    return {
        "target": target.name,
        "connections": connections,
        "requests": len(times),
        "failed": sum(failed),
        "per_second": round(len(times) / (time.perf_counter() - began), 1),
        "p50_ms": round(float(np.quantile(taken, 0.5)), 2),
        "p99_ms": round(float(np.quantile(taken, 0.99)), 2),
        "rss_mb": round(sum(process.memory_info().rss for process in family) / 1e6),
    }


@contextmanager
def _ours(config: Path) -> Iterator[tuple[list[Target], dict[str, Any]]]:
    with local_service(config) as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        ids = [json.dumps({"account_id": name}).encode() for name in service.account_ids[:500]]
        features = [json.dumps({"features": service.features}).encode()]
        targets = [
            Target(name, service.url, service.pid, path, bodies, headers)
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
        yield [Target("mlflow models serve", url, process.pid, "/invocations", [body], {})]


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
            yield [Target("bare BentoML echo", url, process.pid, "/echo", [body], {})]


async def _paced(targets: list[Target], per_second: float, seconds: float) -> tuple[int, int]:
    """Send requests to all targets in turn at a steady rate; returns how many were sent and how many failed."""
    connections, sent, failed = 8, 0, 0
    requests = [target.requests() for target in targets]
    until = time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal sent, failed
        host, port = targets[0].url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        due = time.perf_counter() + number / per_second
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            of_target = requests[sent % len(requests)]
            writer.write(of_target[sent % len(of_target)])
            sent += 1
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.index(b"content-length:") + 15
            await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
            failed += not head.startswith(b"http/1.1 200")
            due += connections / per_second
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return sent, failed


def soak(config: Path, seconds: float) -> dict[str, Any]:
    """Run our service at half its peak rate; memory is flat when the last fifth is not above the second."""
    with _ours(config) as (targets, _):
        peak = min(asyncio.run(_load(target, 8, 3.0))["per_second"] for target in targets)
        family = [psutil.Process(targets[0].pid), *psutil.Process(targets[0].pid).children(recursive=True)]
        rate, memory, sent, failed = peak / 2, [], 0, 0
        for _ in range(5):
            part = asyncio.run(_paced(targets, rate, seconds / 5))
            sent, failed = sent + part[0], failed + part[1]
            memory.append(round(sum(process.memory_info().rss for process in family) / 1e6, 1))
            print({"sent": sent, "failed": failed, "rss_mb": memory[-1]}, file=sys.stderr)
    return {"seconds": seconds, "per_second": round(rate, 1), "sent": sent, "failed": failed, "rss_mb": memory}


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
