"""Rows and cells of an export, as tools write them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["day_before", "is_absent", "rows_of", "seconds_of", "write_csv"]


def rows_of(frame: pd.DataFrame) -> Iterable[Any]:
    """Return the rows of a frame, each with its columns as attributes."""
    return frame.itertuples(index=False)


def day_before(day: Any) -> Any:
    """Return the day before another one; None where there is none."""
    return None if pd.isna(day) else (pd.Timestamp(day) - pd.Timedelta(days=1)).date()


def seconds_of(day: Any) -> int | None:
    """Return a day as Unix seconds; None where there is none."""
    return None if pd.isna(day) else int(pd.Timestamp(day).timestamp())


def write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the same columns, absent values as nothing."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: "" if is_absent(value) else value for name, value in row.items()})


def is_absent(value: Any) -> bool:
    """Tell whether a cell is empty."""
    return value is None or (not isinstance(value, str) and bool(pd.isna(value)))
