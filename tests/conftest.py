"""Rules for the whole suite, and a real PostgreSQL where its binaries are."""

from __future__ import annotations

import fcntl
import gc
import itertools
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_NEEDS_A_PROGRAM = {"postgres", "browser", "spark"}
_NAMES = itertools.count()
_ROOT = Path(__file__).parent.parent
_LONGEST = ("serving", "sources", "pipeline", "pages", "evaluation", "people", "store", "deliveries", "daily")
"""Folders that take a worker longest, the longest first."""


def _handed_out_with(nodeid: str) -> str:
    file = Path(nodeid.split("::")[0])
    return str(file.parent) if (_ROOT / file.parent / "conftest.py").exists() else str(file)


class ByFolder(LoadScopeScheduling):
    """Hand out tests so that what a folder's `conftest.py` makes at some cost is made on one worker only.

    A folder without one is handed out file by file. (xdist's own groups do nothing with pytest 9.2, where a node's id
    can no longer be changed.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return _handed_out_with(nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it in the end; then the most tests first."""
    tests = Counter(_handed_out_with(item.nodeid) for item in items)
    longest = {f"tests/{name}": -place for place, name in enumerate(reversed(_LONGEST), start=1)}

    def place(item: pytest.Item) -> tuple[int, int, str]:
        scope = _handed_out_with(item.nodeid)
        return longest.get(scope, 0), -tests[scope], scope

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make only, and less often: thousands of imported modules are none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure() -> None:
    """Let go of what was frozen: extension modules complain of what outlives them."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Use the order above, whatever `--dist` says."""
    config.option.loadscopereorder = False
    return ByFolder(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Where CI must have installed a program, a test that skips for want of it fails."""
    report = yield
    needs = _NEEDS_A_PROGRAM & {mark.name for mark in item.iter_markers()}
    if report.skipped and needs and os.environ.get("CHURNML_CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing that it needs may be missing: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def mlflow_tables_made_once() -> Iterator[None]:
    """Let MLflow go through its seventy migrations once, not for each workspace that a test trains in."""
    from churnml.registry import mlflow_session

    open_experiment = mlflow_session._open_experiment

    def opened(mlflow: Any, config: Any) -> None:
        from mlflow.store.db import utils

        if utils._initialize_tables is not _TABLES.made:
            _TABLES.make, utils._initialize_tables = utils._initialize_tables, _TABLES.made
        open_experiment(mlflow, config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_session, "_open_experiment", opened)
        yield


class _MlflowTables:
    """MLflow's empty tables in SQLite, as its migrations leave them."""

    def __init__(self) -> None:
        self.make: Any = None
        self._empty: sqlite3.Connection | None = None
        self.made = self._made

    def _made(self, engine: Any) -> None:
        if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
            self.make(engine)
            return
        if self._empty is None:
            self.make(engine)
            empty = sqlite3.connect(":memory:")
            with closing(sqlite3.connect(engine.url.database)) as fresh:
                fresh.backup(empty)
            self._empty = empty
            return
        with closing(sqlite3.connect(engine.url.database)) as fresh:
            self._empty.backup(fresh)


_TABLES = _MlflowTables()


def _postgres_bin() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a PostgreSQL of our own on a Unix socket; yields its URL without a database name's suffix."""
    binaries = _postgres_bin()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries on this machine")
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="churnml-pg-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    account = {"user": user, "cwd": folder} if os.geteuid() == 0 else {"cwd": folder}
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "churnml", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
        **account,
        **quiet,
    )
    # Nothing has to outlive a crash of the machine, and nobody but the tests may write to these many databases.
    loose = "fsync=off full_page_writes=off synchronous_commit=off wal_level=minimal max_wal_senders=0 autovacuum=off"
    settings = " ".join(f"-c {one}" for one in loose.split())
    options = f"-c listen_addresses='' {settings} -k {folder}"
    control = [binaries / "pg_ctl", "-D", data, "-w"]
    try:
        subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **account, **quiet)
        yield f"postgresql://churnml@/{{name}}?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **account, **(quiet | {"check": False}))
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_postgres(postgres: str) -> Callable[..., str]:
    """Make a PostgreSQL database and return its URL: an empty one, or a copy of that behind another URL."""
    import psycopg
    from sqlalchemy.engine import make_url

    def create(template: str | None = None) -> str:
        name = f"test{next(_NAMES)}"
        like = "" if template is None else f" TEMPLATE {make_url(template).database}"
        with psycopg.connect(postgres.format(name="postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{like}")
        return postgres.format(name=name)

    return create


@pytest.fixture
def postgres_database(new_postgres: Callable[..., str]) -> str:
    """URL of a new, empty PostgreSQL database."""
    return new_postgres()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Return a folder that whichever worker asks first fills, and that all copy from."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def made(name: str, fill: Callable[[Path], None]) -> Path:
        folder, part = shared / f"once-{name}", shared / f"part-{name}"
        with (shared / f"lock-{name}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                fill(part)
                part.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def empty_store(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Return the file of a SQLite store without rows, to copy: making its schema takes longer than most tests."""
    from churnml.store import Store

    return made_once("store", lambda folder: Store(f"sqlite:///{folder / 'store.db'}").close()) / "store.db"
