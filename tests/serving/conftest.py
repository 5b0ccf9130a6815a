"""A small company with a real bundle and a published snapshot, and services on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from anyio.from_thread import BlockingPortal, start_blocking_portal
from tests.companies.curves import curves_of

from churnml.assessment import Champion
from churnml.config import Config, load_config
from churnml.explain import ExplainReference
from churnml.explain.stored import stored
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.health import HealthScale
from churnml.registry import Provenance, champion_bundle, load_bundle, save_bundle, set_champion
from churnml.retention.curve_columns import curve_columns
from churnml.serving.app import create_app
from churnml.serving.http.timeout import TimeoutMiddleware
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.store import Actor, Snapshot, Store
from churnml.training import fit

_KEYS = ["account_id", "as_of"]


def _spec(name: str, family: str, unit: str, window: int | None = None, **fields: Any) -> FeatureSpec:
    words = name.replace("_", " ")
    return FeatureSpec(name, family, unit, "not known", words, words, "events", window, **fields)


FEATURES = FeatureSet(
    [
        _spec("days_since_last_event", "engagement", "days", kind="age"),
        _spec("events_28d", "engagement", "events", 28, measure="events"),
        _spec("active_users_28d", "engagement", "users", 28, measure="active_users"),
        _spec("core_feature_share_28d", "adoption", "share", 28, measure="core_feature_share"),
        _spec("tickets_opened_28d", "support", "tickets", 28, measure="tickets_opened"),
        _spec("nps_last", "sentiment", "points"),
        _spec("days_to_renewal", "commercial", "days"),
        _spec("invoices_overdue", "commercial", "invoices"),
        _spec("plan", "commercial", "", categorical=True, kind="category"),
    ]
)


def _frame(accounts: int, months: int, seed: int) -> pd.DataFrame:
    """Return a frame in which worse health shows in every feature and churns more often."""
    rng = np.random.default_rng(seed)
    parts = []
    for month in pd.date_range("2024-01-01", periods=months, freq="MS"):
        latent = rng.normal(size=accounts)
        plan = np.where(rng.random(accounts) < 0.5, "basic", "pro")
        risk = -1.4 * latent + 0.6 * (plan == "basic") - 2.4
        parts.append(
            pd.DataFrame(
                {
                    "account_id": [f"acc-{number:04d}" for number in range(accounts)],
                    "as_of": month,
                    "churned": (rng.random(accounts) < 1 / (1 + np.exp(-risk))).astype(float),
                    "churn_on": pd.NaT,
                    "arr": np.round(np.exp(9 + rng.normal(size=accounts)), 2),
                    "days_since_last_event": np.round(np.exp(1 - 0.7 * latent + 0.4 * rng.normal(size=accounts))),
                    "events_28d": np.round(np.exp(4 + 0.7 * latent + 0.4 * rng.normal(size=accounts))),
                    "active_users_28d": np.round(np.exp(2 + 0.5 * latent + 0.3 * rng.normal(size=accounts))),
                    "core_feature_share_28d": 1 / (1 + np.exp(-latent - rng.normal(size=accounts))),
                    "tickets_opened_28d": rng.poisson(np.exp(-0.3 * latent)).astype(float),
                    "nps_last": np.where(rng.random(accounts) < 0.4, np.nan, np.clip(np.round(7 + 2 * latent), 0, 10)),
                    "days_to_renewal": rng.integers(0, 365, accounts).astype(float),
                    "invoices_overdue": rng.poisson(np.exp(-2 - latent)).astype(float),
                    "plan": pd.Categorical(plan, categories=["basic", "pro"]),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@dataclass
class Company:
    """A company on disk: its config file, its store, and a way to train and score it again."""

    folder: Path
    config: Config
    path: Path
    frame: pd.DataFrame

    @property
    def settings(self) -> Settings:
        return Settings.from_config(self.config).model_copy(update={"refresh_seconds": 0.05})

    @property
    def champion(self) -> str:
        """The version of the model in force."""
        return champion_bundle(self.config.bundles_dir, self.config.registered_model).name

    def train(self, seed: int = 7) -> str:
        """Train on all but the last month and make the bundle the champion; returns its version."""
        models = self.config.bundles_dir / self.config.registered_model
        key = (seed, hash(tuple(self.frame["account_id"])))
        if key not in _BUNDLES:
            _BUNDLES[key] = _files(self._trained(seed))
        name, kept = _BUNDLES[key]
        for path, content in kept.items():
            (models / name / path).parent.mkdir(parents=True, exist_ok=True)
            (models / name / path).write_bytes(content)
        set_champion(self.config.bundles_dir, self.config.registered_model, name)
        return name

    def _trained(self, seed: int) -> Path:
        rows = self.frame[self.frame["as_of"] < self.frame["as_of"].max()]
        config = self.config.model_copy(update={"seed": seed})
        model = fit(rows, FEATURES, config.learning).with_info(
            verdict="publishable", verdict_reason="It beats the rules."
        )
        chances = model.probability(model.matrix(rows))
        scale = HealthScale.fit(rows, config, FEATURES, scores=rows[_KEYS].assign(churn_probability=chances))
        return save_bundle(
            self.config.bundles_dir,
            name=self.config.registered_model,
            model=model,
            health=scale.as_dict(),
            explain=ExplainReference.fit(rows, FEATURES, chances).as_dict(),
            provenance=Provenance.of(config, created_at=datetime(2024, 9, 1, tzinfo=UTC)),
        )

    def publish(self, version: str, days_ago: int = 2) -> pd.DataFrame:
        """Score the last month with a bundle and publish it as of some days ago; returns the scores."""
        key = (version, days_ago, hash(tuple(self.frame["account_id"])))
        if key not in _SCORED:
            _SCORED[key] = self._scored(version, days_ago)
        snapshot = replace(_SCORED[key], config_hash=self.config.hash, scored_at=datetime.now(UTC))
        with Store(self.config.store_url) as store:
            store.publish(snapshot)
        table = snapshot.scores
        return table.assign(expected_loss=table["churn_probability"] * table["arr"])

    def _scored(self, version: str, days_ago: int) -> Snapshot:
        bundle = load_bundle(self.config.bundles_dir / self.config.registered_model / version)
        as_of = pd.Timestamp(datetime.now(UTC).date() - timedelta(days=days_ago))
        now = self.frame[self.frame["as_of"] == self.frame["as_of"].max()].reset_index(drop=True).assign(as_of=as_of)
        assessed = Champion.of(bundle, currency="EUR").assess(now)
        table = now[[*_KEYS, "arr", "days_to_renewal"]].merge(assessed.table(), on=_KEYS)
        table["name"] = "Company " + table["account_id"].str[-4:]
        table["owner"] = np.where(np.arange(len(table)) % 2 == 0, "ann", "bob")
        table["segment"] = "smb"
        ids, number = list(table["account_id"]), len(table)
        # One account in four has no end agreed.
        days = np.where(np.arange(number) % 4 == 0, np.nan, 20.0 + 5 * np.arange(number))
        curves = curves_of(
            ids, as_of.date(), days=days, risk=np.linspace(0.05, 0.6, number), arr=table["arr"], groups=table
        )
        table = table.merge(curve_columns(curves, as_of.date()), on="account_id")
        return Snapshot(
            config=self.config.name,
            as_of=as_of.date(),
            scored_at=datetime.now(UTC),
            model_version=version,
            config_hash=self.config.hash,
            scores=table,
            features=now[["account_id", *FEATURES.names]],
            explanations=[stored(item) for item in assessed.explanations],
            curves=curves,
            info={
                "horizon_days": bundle.model.horizon_days,
                "base_rate": bundle.model.base_rate,
                "verdict": "publishable",
                "currency": "EUR",
            },
        )

    def key(self, *scopes: str, valid_for: timedelta | None = None) -> str:
        """Make an API key."""
        with Store(self.config.store_url) as store:
            return store.keys.create("test", scopes, Actor("tester", datetime.now(UTC)), valid_for)[0]


def _files(folder: Path) -> tuple[str, dict[Path, bytes]]:
    """Return a folder's name and what is in it."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return folder.name, {path.relative_to(folder): path.read_bytes() for path in found}


_BUNDLES: dict[tuple[int, int], tuple[str, dict[Path, bytes]]] = {}
"""Bundles trained before, by seed and accounts."""
_SCORED: dict[tuple[str, int, int], Snapshot] = {}
"""Snapshots made before, by bundle, age and accounts: scoring and explaining takes longer than the tests of it."""


def make_company(folder: Path, accounts: int = 120, store_url: str | None = None) -> Company:
    """Write a config and make the company's data."""
    path = folder / "acme.yaml"
    data = {
        "name": "acme",
        "currency": "EUR",
        "workspace": str(folder / "workspace"),
        "source": {"folder": "raw"},
        "label": {"churn": "silence", "horizon_days": 90},
        "tables": {"events": {"from": "events.csv"}},
        "model": {"kind": "lightgbm", "seeds": 1, "min_churners": 5},
        "store": {"url": store_url},
    }
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return Company(folder, load_config(path), path, _frame(accounts, 7, seed=3))


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A trained and scored company; tests must not publish into it."""
    made = make_company(tmp_path_factory.mktemp("company"))
    made.publish(made.train())
    return made


@pytest.fixture
def own_company(company: Company, empty_store: Path, tmp_path: Path) -> Company:
    """A company of the test's own, trained but not scored."""
    return _trained(company, tmp_path, empty_store)


def _trained(company: Company, folder: Path, store: Path | str) -> Company:
    """Copy a company's models to another folder, with a store that is copied, or one at a URL."""
    made = make_company(folder, store_url=store if isinstance(store, str) else None)
    shutil.copytree(company.config.bundles_dir, made.config.bundles_dir)
    if isinstance(store, Path):
        shutil.copy(store, made.config.workspace_dir / "store.db")
    return made


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def scored_store(
    request: pytest.FixtureRequest, company: Company, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path | str]:
    """Make a store with the company's scores, on SQLite or on PostgreSQL: a copy of one that is never opened."""
    folder = tmp_path_factory.mktemp("scored")
    if request.param == "sqlite":
        made = _trained(company, folder, empty_store)
        made.publish(made.champion)
        return lambda: made.config.workspace_dir / "store.db"
    create: Callable[..., str] = request.getfixturevalue("new_postgres")
    template = create()
    made = _trained(company, folder, template)
    made.publish(made.champion)
    return partial(create, template)


@pytest.fixture
def either_company(company: Company, scored_store: Callable[[], Path | str], tmp_path: Path) -> Company:
    """A company of the test's own, trained and scored, whose store is on SQLite or on PostgreSQL."""
    return _trained(company, tmp_path, scored_store())


@pytest.fixture
def own(either_company: Company) -> Iterator[Api]:
    """An API on a company of the test's own, called with a key that may read, score and write."""
    with serving(either_company.settings) as client:
        client.headers["Authorization"] = f"Bearer {either_company.key('read', 'score', 'write')}"
        yield client


@pytest.fixture(scope="session")
def scores(company: Company) -> pd.DataFrame:
    """What the batch published, by account."""
    with Store(company.config.store_url) as store:
        info = store.latest("acme")
        assert info is not None
        rows = store.accounts(info.id, limit=1000).accounts
    return pd.DataFrame([vars(row) for row in rows]).set_index("account_id")


def _layers(app: Any) -> Iterator[Any]:
    """Yield an application's middleware, from the outermost to the innermost."""
    while app is not None:
        yield app
        app = getattr(app, "_app", None)


@dataclass(frozen=True)
class Wait:
    """An answer, and the longest time in seconds that the event loop stood still meanwhile."""

    answer: httpx.Response
    seconds: float


class Api:
    """The application in this process, called as over HTTP."""

    def __init__(self, portal: BlockingPortal, state: ServingState) -> None:
        self.state = state
        self.headers: dict[str, str] = {}
        self._portal = portal
        app = create_app(state)
        self.timeout = next(layer for layer in _layers(app) if isinstance(layer, TimeoutMiddleware))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **rest: Any) -> httpx.Response:
        call = partial(self._client.request, method, path, headers={**self.headers, **(headers or {})}, **rest)
        return self._portal.call(call)

    def longest_wait(self, call: Callable[[], httpx.Response]) -> Wait:
        """Call, and return the answer with the longest time that the event loop did not turn meanwhile."""
        done, longest = threading.Event(), 0.0

        async def turn() -> None:
            nonlocal longest
            while not done.is_set():
                before = time.perf_counter()
                await anyio.sleep(0.002)
                longest = max(longest, time.perf_counter() - before)

        turning = self._portal.start_task_soon(turn)
        try:
            answer = call()
        finally:
            done.set()
            turning.result()
        return Wait(answer, longest)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("POST", path, **rest)


@contextmanager
def serving(settings: Settings) -> Iterator[Api]:
    """Run the application in this process."""
    state = ServingState(settings)
    state.start()
    try:
        with start_blocking_portal() as portal:
            yield Api(portal, state)
    finally:
        state.stop()


@pytest.fixture
def serve() -> Callable[[Settings], Any]:
    return serving


@pytest.fixture(scope="session")
def _api(company: Company) -> Iterator[Api]:
    with serving(company.settings) as client:
        client.headers["Authorization"] = f"Bearer {company.key('read', 'score', 'write')}"
        yield client


@pytest.fixture
def api(_api: Api) -> Api:
    """The company's API, called with a key that may read, score and write."""
    return _api


@pytest.fixture
def account() -> str:
    return "acc-0007"


@pytest.fixture(scope="session")
def features(company: Company) -> dict[str, Any]:
    """Features of a request, as stored for an account."""
    with Store(company.config.store_url) as store:
        info = store.latest("acme")
        assert info is not None
        found = store.features(info.id, "acc-0007")
        assert found is not None
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A service in processes of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    cpu_seconds_to_ready: float


def _cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and its children so far: what starting costs, however busy the machine is."""
    root = psutil.Process(pid)
    return sum(sum(item.cpu_times()[:2]) for item in [root, *root.children(recursive=True)])


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Running]:
    """Start a service on a free port and stop it, and all that it started, at the end."""
    port = free_port()
    log = folder / f"serve-{port}.log"
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                if httpx.get(f"{url}/v1/readyz", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.monotonic() - began > 120:
                raise AssertionError(f"the service did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield Running(url, process, log, _cpu_seconds(process.pid))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def service(company: Company, *options: str, environment: dict[str, str] | None = None) -> Iterator[Running]:
    """Start ``churnml serve`` on a company."""
    code = "import sys; from churnml.cli import main; sys.argv[0] = 'churnml'; main()"
    command = [sys.executable, "-c", code, "serve", str(company.path), *options]
    own = {**os.environ, "BENTOML_HOME": str(company.folder / "bentoml"), **(environment or {})}
    with running(command, company.folder, own) as found:
        yield found


@pytest.fixture(scope="session")
def start_command() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    return service


@pytest.fixture
def in_threads() -> Callable[[Callable[[int], Any], int], list[Any]]:
    """Run a function on so many threads at once; returns what each returned."""

    def run(work: Callable[[int], Any], count: int) -> list[Any]:
        results: list[Any] = [None] * count
        barrier = threading.Barrier(count)

        def one(number: int) -> None:
            barrier.wait()
            results[number] = work(number)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run
