"""Arrays to canonical frames: columns in the schema's order, with the schema's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.tables.schema import TABLES

__all__ = ["canonical", "days_to_datetime", "labels"]

SECONDS_PER_DAY = 86_400


def days_to_datetime(days: NDArray[Any]) -> NDArray[np.datetime64]:
    """Return days since 1970 (fractions allowed, NaN = null) as datetime64[us], rounded to the second.

    Examples
    --------
    >>> days_to_datetime(np.array([0.5, np.nan]))
    array(['1970-01-01T12:00:00.000000',                        'NaT'],
          dtype='datetime64[us]')
    """
    values = np.asarray(days, dtype="float64")
    missing = np.isnan(values)
    seconds = np.round(np.where(missing, 0.0, values) * SECONDS_PER_DAY).astype("int64")
    out = seconds.astype("datetime64[s]").astype("datetime64[us]")
    out[missing] = np.datetime64("NaT")
    return out


def labels(prefix: str, count: int, width: int = 6) -> NDArray[np.object_]:
    """Return identities ``prefix000001 …``.

    Examples
    --------
    >>> list(labels("t", 2, 3))
    ['t001', 't002']
    """
    return np.array([f"{prefix}{number:0{width}d}" for number in range(1, count + 1)], dtype=object)


def canonical(name: str, columns: Mapping[str, Any], order: tuple[str, ...] = ()) -> pd.DataFrame:
    """Make one canonical table.

    Parameters
    ----------
    name : str
        Canonical table.
    columns : mapping of str to array
        Times and dates are days since 1970 (float, NaN = null); absent columns become null.
    order : tuple of str, optional
        Columns to sort the rows by.

    Returns
    -------
    DataFrame
        Every canonical column in order. Text is ``str``, dates and times are ``datetime64[us]``, whole numbers
        ``int64`` (``Int64`` where some are null).
    """
    table = TABLES[name]
    unknown = set(columns) - set(table.column_names)
    if unknown:
        raise KeyError(f"table {name!r} has no column {', '.join(sorted(unknown))}")
    size = len(next(iter(columns.values())))
    out: dict[str, Any] = {}
    for column in table.columns:
        values = columns.get(column.name)
        if column.dtype in ("date", "timestamp"):
            out[column.name] = days_to_datetime(np.full(size, np.nan) if values is None else values)
        elif column.dtype == "string":
            texts = np.full(size, None, dtype=object) if values is None else np.asarray(values, dtype=object)
            out[column.name] = pd.array(texts, dtype="str")
        elif column.dtype == "float64":
            out[column.name] = np.full(size, np.nan) if values is None else np.asarray(values, dtype="float64")
        elif column.dtype == "boolean":
            out[column.name] = np.zeros(size, dtype=bool) if values is None else np.asarray(values, dtype=bool)
        else:
            out[column.name] = _whole(values, size)
    frame = pd.DataFrame(out)
    return frame.sort_values(list(order), kind="stable", ignore_index=True) if order else frame


def _whole(values: Any, size: int) -> Any:
    if values is None:
        return pd.array([pd.NA] * size, dtype="Int64")
    numbers = np.asarray(values)
    if numbers.dtype.kind == "f" and np.isnan(numbers).any():
        return pd.array(numbers, dtype="Int64")
    return numbers.astype("int64")
