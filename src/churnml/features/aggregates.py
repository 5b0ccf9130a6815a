"""What is summed over an account's rows of a table, and what is made of the sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnml.features.inputs import Columns, Inputs, filled, numbers, ratio
from churnml.features.keys import Floats

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Aggregate", "Source", "combined", "count", "counted", "gathered", "number", "share", "word"]


@dataclass(frozen=True)
class Source:
    """Rows that several features sum over; they are read in one query.

    Parameters
    ----------
    name : str
        Unique.
    rows : callable
        Inputs → Ibis table with ``key_code`` and ``as_of``, holding what was known before each `as_of`.
    """

    name: str
    rows: Callable[[Inputs], ir.Table]


@dataclass(frozen=True)
class Aggregate:
    """Sums over rows, and how a feature is made of them.

    Parameters
    ----------
    parts : tuple of Ibis values
        Aggregates over the rows of one `Source`.
    finish : callable
        ``(inputs, window, *parts as columns aligned with the keys) → one value per key``.
    """

    parts: tuple[ir.Value, ...]
    finish: Callable[..., np.ndarray]


def number(value: ir.Value) -> Aggregate:
    """Return the aggregate itself; missing where it is null or the account has no row."""
    return Aggregate((value,), lambda inputs, window, column: numbers(column))


def count(value: ir.Value) -> Aggregate:
    """Return a number that is 0 for an account without rows."""
    return Aggregate((value,), lambda inputs, window, column: filled(column))


def counted(value: ir.Value) -> Aggregate:
    """Return a count over a window: 0 without rows, missing where no day of the window could be observed."""
    return Aggregate((value,), lambda inputs, window, column: inputs.counted(filled(column), window))


def share(part: ir.Value, whole: ir.Value) -> Aggregate:
    """Return one count ÷ another, missing where the latter is 0."""
    return Aggregate((part, whole), lambda inputs, window, *columns: ratio(filled(columns[0]), filled(columns[1])))


def word(value: ir.Value) -> Aggregate:
    """Return words."""
    return Aggregate((value,), lambda inputs, window, column: column.to_numpy(dtype=object))


def combined(make: Callable[..., Floats], *aggregates: Aggregate) -> Aggregate:
    """Return what a function makes of the numbers of several aggregates."""

    def finish(inputs: Inputs, window: int | None, *columns: pd.Series) -> Floats:
        made, rest = [], columns
        for aggregate in aggregates:
            own, rest = rest[: len(aggregate.parts)], rest[len(aggregate.parts) :]
            made.append(aggregate.finish(inputs, window, *own))
        return make(*made)

    return Aggregate(tuple(part for aggregate in aggregates for part in aggregate.parts), finish)


def gathered(
    inputs: Inputs, source: Source, wanted: dict[str, tuple[int | None, Callable[[ir.Table], Aggregate]]]
) -> Columns:
    """Make features from the rows of one source with a single query; equal sums are asked for once.

    Parameters
    ----------
    inputs : Inputs
        The rows asked about and the tables.
    source : Source
        What is summed over.
    wanted : dict
        Feature → its window, and what makes its aggregate from the source's rows.
    """
    rows = inputs.rows(source.name, source.rows)
    aggregates = {name: make(rows) for name, (_, make) in wanted.items()}
    slots: dict[object, str] = {}
    parts: dict[str, ir.Value] = {}
    for aggregate in aggregates.values():
        for part in aggregate.parts:
            if part.op() not in slots:
                slots[part.op()] = f"sum_{len(slots)}"
                parts[slots[part.op()]] = part
    sums = inputs.gather(rows, parts)
    return {
        name: aggregate.finish(inputs, wanted[name][0], *(sums[slots[part.op()]] for part in aggregate.parts))
        for name, aggregate in aggregates.items()
    }
