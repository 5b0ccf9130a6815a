"""A folder of configs: side by side, within a memory limit, each for itself."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from churnml.errors import UsageError
from churnml.pipeline.daily import run_units

_UNIT = """
import json, os, signal, sys, time
path = sys.argv[1]
what = open(path).read().strip()
began = time.monotonic()
if what == "large":
    held = bytearray(120 << 20)
    for place in range(0, len(held), 4096):
        held[place] = 1
if what == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(0.1 if what == "quick" else 0.8)
print(json.dumps({"unit": path}))
sys.exit(1 if what == "fails" else 0)
"""
COMMAND = (sys.executable, "-c", _UNIT)


def folder(tmp_path: Path, *units: str) -> Path:
    for number, what in enumerate(units):
        (tmp_path / f"{number}-{what}.yaml").write_text(what)
    return tmp_path


def test_what_happens_to_one_is_not_anothers(tmp_path: Path) -> None:
    units = run_units(folder(tmp_path, "fails", "dies", "quick"), jobs=2, command=COMMAND)
    assert [unit.outcome for unit in units] == ["failed", "killed", "done"]
    assert units[2].report == {"unit": str(tmp_path / "2-quick.yaml")}


def test_they_run_side_by_side(tmp_path: Path) -> None:
    began = time.monotonic()
    units = run_units(folder(tmp_path, *["slow"] * 4), jobs=4, command=COMMAND)
    assert {unit.outcome for unit in units} == {"done"}
    assert time.monotonic() - began < sum(unit.seconds for unit in units)


def test_memory_is_a_limit_for_all_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("churnml.pipeline.daily.units._GUESS_MB", 50.0)
    # The guess lets two begin, and together they are too large: one makes room and begins again.
    units = run_units(folder(tmp_path, "large", "large"), jobs=2, memory_mb=200, command=COMMAND)
    assert [unit.outcome for unit in units] == ["done", "done"]
    assert sorted(unit.starts for unit in units) == [1, 2]
    alone = run_units(tmp_path, jobs=2, memory_mb=60, command=COMMAND)
    assert [unit.outcome for unit in alone] == ["memory", "memory"]


def test_a_folder_without_configs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no config"):
        run_units(tmp_path)
