"""The console, and how numbers and paths are written on it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Console

__all__ = ["money", "near", "number", "out"]


def out() -> Console:
    """Return the console that results go to."""
    console = Console(highlight=False)
    # A pipe has no width of its own; reasons need room.
    return console if console.is_terminal else Console(highlight=False, width=160)


def near(path: Path) -> str:
    """Return a path relative to here where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many decimals, a dash where there is none."""
    if value is None or not math.isfinite(float(value)):
        return "–"
    return f"{float(value):.{digits}f}"


def money(value: Any) -> str:
    """Return an amount without decimals, a dash where there is none."""
    return "–" if value is None or not math.isfinite(float(value)) else f"{float(value):,.0f}"
