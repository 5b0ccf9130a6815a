"""Where rows land: every version once, with the time of its arrival; and how far each object has been fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from churnml.sources.connectors.rows import Row
from churnml.sources.connectors.tool import Kind

__all__ = ["Batch", "Landing", "Nowhere", "Position"]


@dataclass(frozen=True)
class Position:
    """How far an object has been fetched.

    Parameters
    ----------
    until : datetime or None
        What happened before it has been fetched; None before the first window is finished.
    mark : mapping
        The tool's own place where the last finished window ended.
    window : tuple of (datetime or None, datetime), optional
        Since and until of a window that is not finished.
    resume : mapping
        Where that window has come to.
    """

    until: datetime | None = None
    mark: Mapping[str, Any] = field(default_factory=dict)
    window: tuple[datetime | None, datetime] | None = None
    resume: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Rows that land together.

    Parameters
    ----------
    rows : mapping of str to sequence of Row
        Table → versions, each key once.
    arrived_at : datetime
        When they arrived, UTC.
    covered : mapping of str to datetime
        Table → until when an earlier pull had fetched it: what was created before came late. Absent in the first.
    """

    rows: Mapping[str, Sequence[Row]]
    arrived_at: datetime
    covered: Mapping[str, datetime] = field(default_factory=dict)


class Landing(Protocol):
    """A place where rows land; positions move with them, so that neither is ever ahead of the other."""

    def positions(self) -> dict[str, Position]:
        """Return how far each object has been fetched; what an interrupted pull left half landed is landed first."""

    def columns(self, table: str) -> Mapping[str, str]:
        """Return the columns that a table has already: casefolded name → as it is spelt."""

    def land(self, batch: Batch, positions: Mapping[str, Position]) -> dict[str, int]:
        """Land rows and positions together; returns how many rows of each table were not there yet."""

    def lay_views(self, kinds: Sequence[Kind]) -> None:
        """Lay out what presets read: the newest version of every record, and the history of those that have one."""

    def close(self) -> None:
        """Close what is open."""


class Nowhere:
    """A landing before anything has landed, and where nothing ever does: for looking ahead."""

    def positions(self) -> dict[str, Position]:
        """Return nothing."""
        return {}

    def columns(self, table: str) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def land(self, batch: Batch, positions: Mapping[str, Position]) -> dict[str, int]:
        """Land nothing."""
        return {}

    def lay_views(self, kinds: Sequence[Kind]) -> None:
        """Lay out nothing."""

    def close(self) -> None:
        """Close nothing."""
