"""Rules for the whole suite, and a real PostgreSQL where its binaries are."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_NEEDS_A_PROGRAM = {"postgres", "browser", "spark"}
_NAMES = itertools.count()
_ROOT = Path(__file__).parent.parent


class ByFolder(LoadScopeScheduling):
    """Hand out tests so that what a folder's `conftest.py` makes at some cost is made on one worker only.

    A folder without one is handed out file by file. (xdist's own groups do nothing with pytest 9.2, where a node's id
    can no longer be changed.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.split("::")[0])
        return str(file.parent) if (_ROOT / file.parent / "conftest.py").exists() else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Use the order above, whatever `--dist` says."""
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
    options = f"-c listen_addresses='' -c fsync=off -c full_page_writes=off -k {folder}"
    control = [binaries / "pg_ctl", "-D", data, "-w"]
    try:
        subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **account, **quiet)
        yield f"postgresql://churnml@/{{name}}?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **account, **(quiet | {"check": False}))
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres: str) -> str:
    """URL of a new, empty PostgreSQL database."""
    import psycopg

    name = f"test{next(_NAMES)}"
    with psycopg.connect(postgres.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.format(name=name)
