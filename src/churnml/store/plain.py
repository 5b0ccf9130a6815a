"""Values as JSON and every database can hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from churnml.errors import DataError
from churnml.language import Text

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy to Python, times to ISO text, not-a-number to None.

    Of a text what no database holds goes: NUL, and halves of characters.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> plain({"a": np.float64("nan"), "b": [np.int64(3)], "c": pd.Timestamp("2024-01-02"), "d": pd.NaT})
    {'a': None, 'b': [3], 'c': '2024-01-02T00:00:00', 'd': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if str(value) in ("NaT", "<NA>"):
        return None
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise DataError(Text.of("fault-not_json", type=type(value).__name__), got=repr(value)[:80], code="store.value")


def _text(value: str) -> str:
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "").encode("utf-8", "replace").decode()
