"""Rules for the whole suite, and a real PostgreSQL where its binaries are."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
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
