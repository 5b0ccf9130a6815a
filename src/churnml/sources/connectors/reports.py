"""What a pull came to, and what one would ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from churnml.language import Text
from churnml.sources.connectors.access import Request

__all__ = ["ObjectPull", "PlannedPull", "SourcePull"]


@dataclass(frozen=True)
class ObjectPull:
    """Rows of one landed table: those that came in are accepted, rejected or there already.

    Parameters
    ----------
    object : str
    rows_in, accepted, rejected, duplicate : int
    preset : str
        What reads the table; empty where it is read beside another one.
    """

    object: str
    rows_in: int
    accepted: int
    rejected: int
    duplicate: int
    preset: str = ""


@dataclass(frozen=True)
class SourcePull:
    """What the pull of one source came to.

    Parameters
    ----------
    source, tool : str
    started_at, ended_at : datetime
    objects : sequence of ObjectPull
    calls : int
        Made by this pull.
    calls_today, calls_allowed : int
        Of this day, and how many the day may have.
    notes : sequence of Text
        What a person should know: changed columns, a place that had expired, objects that were left out.
    stopped : Text or None
        Why it ended before everything was fetched.
    next_at : datetime or None
        When the next try makes sense.
    failed : bool
        Whether a person has to mend something first.
    """

    source: str
    tool: str
    started_at: datetime
    ended_at: datetime
    objects: Sequence[ObjectPull]
    calls: int
    calls_today: int
    calls_allowed: int
    notes: Sequence[Text] = ()
    stopped: Text | None = None
    next_at: datetime | None = None
    failed: bool = False


@dataclass(frozen=True)
class PlannedPull:
    """What a pull of one source would begin with.

    Parameters
    ----------
    source, tool : str
    since : mapping of str to datetime or None
        Object → from when on; None means everything.
    request : Request or None
        The first request.
    calls_today, calls_allowed : int
    """

    source: str
    tool: str
    since: dict[str, datetime | None] = field(default_factory=dict)
    request: Request | None = None
    calls_today: int = 0
    calls_allowed: int = 0
