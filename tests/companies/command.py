"""The command line, run inside the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from churnml.cli.app import app


def churnml(*arguments: str | Path | float) -> Any:
    """Run a command; returns the runner's result with stdout and stderr apart."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@contextmanager
def without_plots() -> Iterator[None]:
    """Train without drawing: plots have tests of their own and take as long as all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        for plots in ("backtest_plots", "contribution_plots"):
            patch.setattr(f"churnml.reports.evidence.{plots}", lambda *_: {})
        yield
