"""A service on a copy of a config's store, for the benchmark and the fuzzer; nothing of the config's own is changed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from churnml.config import Config, load_config
from churnml.registry import champion_bundle
from churnml.store import Actor, Snapshot, Store

_LIMITS = {"max_batch": 1000, "max_body_bytes": 2_000_000, "requests_per_minute": 100_000_000}
_SERVE = """
import json, sys
from churnml.config import load_config
from churnml.serving import run
run(load_config(sys.argv[1], {"serving": json.loads(sys.argv[2])}), port=int(sys.argv[3]))
"""


@dataclass(frozen=True)
class Local:
    """A running service and what can be asked of it."""

    url: str
    key: str
    pid: int
    account_ids: list[str]
    features: dict[str, Any]
    bundle: Path
    seconds_to_ready: float


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def stopped_at_the_end(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and end it and all it started."""
    import psutil

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        try:
            family = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for child in family:
            if child.is_running():
                child.kill()


def until_answering(
    process: subprocess.Popen[bytes],
    url: str,
    seconds: float = 120,
    enough: Callable[[httpx.Response], bool] = lambda answer: True,
) -> None:
    """Wait until a GET of the URL gets a 200 that is enough."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = httpx.get(url, timeout=5)
            if answer.status_code == 200 and enough(answer):
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            tail = process.stderr.read().decode(errors="replace")[-2000:] if process.stderr else ""
            sys.exit(f"the server did not answer at {url}:\n{tail}")
        time.sleep(0.05)


def _copy_of_the_store(config: Config, url: str) -> tuple[str, list[str], dict[str, Any]]:
    """Publish the newest snapshot into a new store; returns a key, the account ids, and one account's features."""
    import pandas as pd

    with Store(config.store_url) as old, Store(url) as new:
        info = old.latest(config.name)
        if info is None:
            sys.exit(f"Nothing is scored yet; run `churnml run` on the config of {config.name!r} first.")
        rows = old.accounts(info.id, limit=100_000).accounts
        ids = [row.account_id for row in rows]
        scores = pd.DataFrame([{**vars(row), **row.details} for row in rows]).drop(columns=["details", "position"])
        held = [{"account_id": name, **(old.features(info.id, name) or {})} for name in ids]
        told = [body for name in ids if (body := old.explanation(info.id, name))]
        new.publish(
            Snapshot(
                config=info.config,
                as_of=info.as_of,
                scored_at=info.scored_at,
                model_version=info.model_version,
                config_hash=info.config_hash,
                scores=scores,
                features=pd.DataFrame(held),
                explanations=told,
                info=info.info,
            )
        )
        key, _ = new.keys.create("local", ["admin"], Actor("benchmark", datetime.now(UTC)))
        features = old.features(info.id, ids[0])
    if not features:
        sys.exit("The snapshot holds no features; score again.")
    return key, ids, features


@contextmanager
def local_service(config_path: Path) -> Iterator[Local]:
    """Start ``churnml serve`` on a copy of the config's store, with keys and without a rate limit."""
    config = load_config(config_path)
    with tempfile.TemporaryDirectory(prefix="churnml-serving-") as folder:
        store_url = f"sqlite:///{folder}/store.db"
        key, ids, features = _copy_of_the_store(config, store_url)
        port = free_port()
        environment = {**os.environ, "CHURNML_STORE_URL": store_url, "BENTOML_HOME": f"{folder}/bentoml"}
        serving = json.dumps({"limits": _LIMITS})
        command = [sys.executable, "-c", _SERVE, str(config_path), serving, str(port)]
        began = time.monotonic()
        with stopped_at_the_end(command, env=environment) as process:
            url = f"http://127.0.0.1:{port}"
            until_answering(process, f"{url}/v1/readyz")
            seconds = time.monotonic() - began
            # Stored scores are served before the model is loaded; what is measured or fuzzed needs both.
            until_answering(process, f"{url}/v1/readyz", enough=lambda answer: bool(answer.json()["model"]))
            bundle = champion_bundle(config.bundles_dir, config.registered_model)
            yield Local(url, key, process.pid, ids, features, bundle, seconds)
