"""The command line, run inside the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from churnml.cli.app import app


def churnml(*arguments: str | Path | float) -> Any:
    """Run a command; returns the runner's result with stdout and stderr apart."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
