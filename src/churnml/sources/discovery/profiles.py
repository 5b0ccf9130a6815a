"""What is known of a raw file and of each of its columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from churnml.language import Text
    from churnml.sources.discovery.known_exports import KnownExport

__all__ = ["ColumnProfile", "FileProfile", "Kind"]

Kind = Literal["date", "time", "number", "word", "text", "flag", "empty"]


@dataclass(frozen=True)
class ColumnProfile:
    """One raw column.

    Parameters
    ----------
    name : str
    kind : {"date", "time", "number", "word", "text", "flag", "empty"}
        ``word``: text of few different values.
    filled : float
        Share of rows with a value, 0–1.
    distinct : int
        Different values in the sample.
    unique : bool
        No value stands twice.
    examples : tuple of str
        Some values, in the file's order.
    format : str
        strptime format of a date that is not ISO, else empty.
    expr : str
        SQL that reads an epoch or a day number, with ``<column>`` for its name, else empty.
    first, last : str
        Of dates that need no format: the earliest and the latest of the whole file, ISO.
    low, high : float or None
        Of numbers.
    """

    name: str
    kind: Kind
    filled: float
    distinct: int
    unique: bool
    examples: tuple[str, ...]
    format: str = ""
    expr: str = ""
    first: str = ""
    last: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def dated(self) -> bool:
        """Whether it can be read as a date or a time."""
        return self.kind in ("date", "time")


@dataclass(frozen=True)
class FileProfile:
    """One raw file, or several that are parts of one table.

    Parameters
    ----------
    path : str
        Relative to the folder; a glob where several files have the same columns.
    rows : int
    columns : tuple of ColumnProfile
    fault : Text or None
        Why it cannot be read, else None.
    known : KnownExport, optional
        What the export of a known tool was recognised as.
    options : dict of str to str or bool
        How it has to be read, as in the config: ``encoding``, ``ends_at_blank_line``.
    """

    path: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    fault: Text | None = None
    known: KnownExport | None = None
    options: dict[str, str | bool] = field(default_factory=dict)

    def column(self, name: str) -> ColumnProfile:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)
