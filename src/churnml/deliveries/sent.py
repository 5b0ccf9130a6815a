"""What sending to one target came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Sending"]


@dataclass(frozen=True)
class Sending:
    """What a run came to at one target.

    Parameters
    ----------
    target : str
    accepted, sent, refused, retried, unknown : int
        Outcomes of this run; `retried` wait for another attempt.
    finished : int
        Tasks that were finished there, and are here now too.
    calls : int
        Requests.
    stopped : str or None
        Why the run stopped before everything was sent.
    next_at : datetime or None
        When something is due next.
    """

    target: str
    accepted: int = 0
    sent: int = 0
    refused: int = 0
    retried: int = 0
    unknown: int = 0
    finished: int = 0
    calls: int = 0
    stopped: str | None = None
    next_at: datetime | None = None
