"""A program that only calls the API does not pay for the server."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

_SERVER = ("bentoml", "fastapi", "starlette", "sqlalchemy", "pandas", "numpy", "lightgbm", "mlflow")


def _run(code: str, cache: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if cache is not None:
        environment["PYTHONPYCACHEPREFIX"] = str(cache)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("module", ["churnml.client", "churnml.api"])
def test_the_client_is_imported_without_the_server(module: str) -> None:
    said = _run(f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})")
    assert not set(said.split()) & set(_SERVER)


def _quickest(code: str, cache: Path) -> float:
    _run(code, cache)
    seconds = []
    for _ in range(5):
        before = _cpu_seconds()
        _run(code, cache)
        seconds.append(_cpu_seconds() - before)
    return min(seconds)


@pytest.mark.alone
@pytest.mark.parametrize("module", ["churnml.client", "churnml.api"])
def test_the_client_is_imported_quickly(module: str, tmp_path: Path) -> None:
    """In 0.3 s; where the two libraries that it stands on alone need as long, in little more than they need."""
    libraries = _quickest("import httpx, pydantic", tmp_path)
    assert _quickest(f"import {module}", tmp_path) < max(0.3, 1.5 * libraries)
