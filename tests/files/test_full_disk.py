"""A disk without room and a workspace that may not be written: a message, the old state, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.companies.command import typed

from churnml.cli.faults import foreseen
from churnml.files import all_beside, folder_beside, write_json, write_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
_LIMIT = 30_000


def cramped(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command where no file may become larger than a few kilobytes, as the kernel has it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT, _LIMIT))

    return subprocess.run(
        [sys.executable, "-c", "from churnml.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    lines = (
        f"a{n % 40},u{n * 7919 % 9973},login,2026-01-{n % 28 + 1:02d} 09:{n % 60:02d}:{n % 59:02d}" for n in range(9000)
    )
    (tmp_path / "raw" / "events.csv").write_text(
        "account_id,user_id,event_type,occurred_at\n" + "\n".join(lines) + "\n"
    )
    path = tmp_path / "t.yaml"
    tables = {"events": {"from": "events.csv"}}
    path.write_text(
        yaml.safe_dump(
            {
                "name": "t",
                "workspace": "ws",
                "source": {"folder": "raw"},
                "tables": tables,
                "label": {"churn": "silence"},
            }
        )
    )
    return path


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_check_that_finds_no_room_leaves_what_was_there(config: Path) -> None:
    assert typed("check", config).returncode == 0
    before = state(config.parent / "ws" / "tables")
    told = cramped("check", config)
    assert told.returncode == 1
    assert "The disk is full" in told.stderr
    assert {"where:", "do:"} <= set(told.stderr.split())
    assert not {"Traceback", "foresee:"} & set(told.stderr.split())
    assert state(config.parent / "ws" / "tables") == before
    assert not list((config.parent / "ws").rglob(".*"))


@pytest.mark.slow
def test_a_key_that_finds_no_room_in_the_store_says_so(config: Path) -> None:
    told = cramped("keys", "create", "crm", "--scope", "read", "--config", config)
    assert told.returncode == 1
    assert "do:" in told.stderr.split()
    assert not {"Traceback", "foresee:"} & set(told.stderr.split())
    assert typed("keys", "create", "crm", "--scope", "read", "--config", config).returncode == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_the_disk_refuses_late_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code), str(tmp_path / "a.json"))

    def folder() -> None:
        with folder_beside(tmp_path / "kept") as part:
            (part / "x").write_text("new")
            if call == "replace":
                refuse()

    def pair() -> None:
        with all_beside(tmp_path / "a.json", tmp_path / "b.json") as parts:
            for part in parts:
                part.write_text("new")

    writers: list[Callable[[], object]] = [lambda: write_json(tmp_path / "a.json", {"new": 1}), pair, folder]
    for name in ("a.json", "b.json"):
        write_text(tmp_path / name, "old")
    with folder_beside(tmp_path / "kept") as part:
        (part / "x").write_text("old")
    before = state(tmp_path)
    monkeypatch.setattr(os, call, refuse)
    for write in writers:
        with pytest.raises(OSError, match=r"a\.json") as caught:
            write()
        told = foreseen(caught.value)
        assert code == errno.EIO or (told is not None and told.where == str(tmp_path / "a.json") and told.remedy)
    monkeypatch.undo()
    assert state(tmp_path) == before


def test_a_file_system_that_cannot_flush_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    assert write_text(tmp_path / "a.txt", "whole").read_text() == "whole"
