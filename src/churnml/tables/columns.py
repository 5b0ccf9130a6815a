"""What a column and a table of the canonical schema are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Column", "DType", "Table"]

DType = Literal["string", "int64", "float64", "boolean", "date", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Parameters
    ----------
    name : str
        Canonical name; the unit is in the name or in `unit`.
    dtype : {"string", "int64", "float64", "boolean", "date", "timestamp"}
        Type after mapping.
    description : str
        What the column means, in one line.
    unit : str
        Unit of a number, empty for names and times.
    required : bool
        A row without it is set aside.
    minimum, maximum : float, optional
        A row outside is set aside.
    values : tuple of str
        The allowed words of an enumeration, empty for free text. Another word counts as absent where the column is
        optional, and its row is set aside where it is required.
    default : str, int, float or bool, optional
        What an absent value means.
    mutable : bool
        The value may change over an account's life: a feature only where the table carries history.
    """

    name: str
    dtype: DType
    description: str
    unit: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    default: str | int | float | bool | None = None
    mutable: bool = False


@dataclass(frozen=True)
class Table:
    """One canonical table.

    Parameters
    ----------
    name : str
        Canonical name.
    grain : str
        Ends "one row per …".
    key : tuple of str
        Columns that are unique together; empty where rows need no identity.
    occurred_at : str or None
        The column that says when the fact happened; `known_at` defaults to it.
    columns : tuple of Column
        In order. Every table but `accounts` has ``account_id`` and ``known_at``.
    revealed : dict of str to tuple of str
        ``column → time columns``: the value is hidden until an ``as_of`` after the first of these times
        (a ticket solved after ``as_of`` is open at ``as_of``); where none of them is given, for good.
    may_lie_ahead : bool
        A fact may lie ahead and be known before: a contract that is signed, a plan.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    occurred_at: str | None
    columns: tuple[Column, ...]
    revealed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    may_lie_ahead: bool = False

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name!r} has no column {name!r}")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns without which a row means nothing."""
        return tuple(column.name for column in self.columns if column.required)
