"""Whether what was read back is what was written, in whatever type a tool gives it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["holds"]


def holds(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether a target holds every value that it is to hold.

    Examples
    --------
    >>> holds({"h": "63.00", "b": "red", "x": None}, {"h": 63.0, "b": "red", "x": None}), holds({"h": 62}, {"h": 63.0})
    (True, False)
    """
    return all(_same(there.get(name), value) for name, value in wanted.items())


def _same(there: Any, value: Any) -> bool:
    if value is None:
        return there in (None, "")
    if isinstance(value, int | float):
        try:
            return abs(float(there) - value) < 1e-6
        except (TypeError, ValueError):
            return False
    return str(there)[: len(str(value))] == str(value)
