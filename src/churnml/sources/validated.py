"""What validating a table came to: its counts, its checks, and why rows are set aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from churnml.language import Text
from churnml.sources.personal import masked
from churnml.tables import CHECKS, CheckResult

if TYPE_CHECKING:
    from churnml.sources.file_counts import FileCounts

__all__ = ["Reason", "ValidatedTable"]


@dataclass(frozen=True)
class Reason:
    """Why some rows of a table are set aside.

    Parameters
    ----------
    code : str
        Code of the check.
    column : str
        The column at fault.
    rows : int
        How many rows.
    example : str
        A raw value at fault.
    remedy : Text
        What to do about it.
    """

    code: str
    column: str
    rows: int
    example: str
    remedy: Text

    def __post_init__(self) -> None:
        # An example is printed and logged, and may be somebody's address.
        object.__setattr__(self, "example", masked(self.example))

    @property
    def said(self) -> Text:
        """Code, name, place and rows, with the example."""
        return self._counting("data-reason")

    @property
    def said_of_values(self) -> Text:
        """The same where values are lost, and their rows stay."""
        return self._counting("data-reason.values")

    def _counting(self, message: str) -> Text:
        example = Text.of("data-reason.example", example=repr(self.example)) if self.example else ""
        place = Text.of("data-reason.place", column=self.column) if self.column else ""
        name = CHECKS[self.code].name
        return Text.of(message, code=self.code, name=name, place=place, rows=self.rows, example=example)


@dataclass
class ValidatedTable:
    """What validating one table came to.

    Parameters
    ----------
    rows : int
        Raw rows that `where` lets through, malformed lines included.
    valid_rows : int
        Rows in the canonical file.
    reasons : list of Reason
        Why the others are not.
    results : list of CheckResult
        Every check that was made.
    notes : list of Text
        What was changed in rows that are kept.
    supplied : frozenset of str
        Canonical columns with at least one value from the source.
    days : Series
        Kept rows per day of the fact; empty where the table has no such day.
    content : tuple of int
        Hash of the raw values, whatever the rows' order.
    lost_values : list of Reason
        Optional values that are absent now, by reason.
    counts : FileCounts or None
        What is kept for the next time, where the table is read from large files as they lie.
    """

    rows: int = 0
    valid_rows: int = 0
    reasons: list[Reason] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    supplied: frozenset[str] = frozenset()
    days: pd.Series = field(default_factory=lambda: pd.Series(dtype="int64"))
    content: tuple[int, ...] = ()
    lost_values: list[Reason] = field(default_factory=list)
    counts: FileCounts | None = None
