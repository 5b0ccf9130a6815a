"""The command line, run inside the test's own process."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from churnml.cli.app import app, main


def churnml(*arguments: str | Path | float) -> Any:
    """Run a command; returns the runner's result with stdout and stderr apart."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def typed(*arguments: str | Path | float) -> subprocess.CompletedProcess[str]:
    """Run the program itself as if it had been typed, usage errors and exit code included."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", ["churnml", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    code = ended.value.code
    return subprocess.CompletedProcess(arguments, code if isinstance(code, int) else int(code is not None), *said)


@contextmanager
def without_plots() -> Iterator[None]:
    """Train without drawing: plots have tests of their own and take as long as all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        for plots in ("backtest_plots", "contribution_plots"):
            patch.setattr(f"churnml.reports.evidence.{plots}", lambda *_: {})
        yield
