"""What a delivery is as it is kept: what a target is to hold, what came of it, and how the target stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

__all__ = ["Change", "Delivery", "DeliveryOutcome", "DeliveryState", "TargetState", "Wanted"]

DeliveryState = Literal["waiting", "sending", "sent", "accepted", "refused", "unknown"]
"""`waiting`: to be sent; `sending`: a process is at it, or died at it; `sent`: taken, but that proves nothing;
`accepted`: the target holds it; `refused`: it never will, see the reason; `unknown`: the answer was lost."""


@dataclass(frozen=True)
class Change:
    """A change that deliveries have not looked at yet; see `OutboxRow`."""

    id: int
    topic: str
    subject: int
    at: datetime


@dataclass(frozen=True)
class Wanted:
    """What a target is to hold under a key from now on."""

    key: str
    topic: str
    values: Mapping[str, Any]
    account_id: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What a target is to hold under a key, and what became of it.

    Parameters
    ----------
    id : int
    target, key, topic : str
        Of the target one key is one thing: ``score:acc-1`` its fields on an account, ``alert:7`` a task or a message,
        ``task:31`` a task.
    account_id : str or None
    state : str
        See `DeliveryState`.
    version : int
        Counts how often what is wanted has changed.
    wanted, held : mapping
        What the target is to hold, and what it has accepted.
    remote_id : str or None
        The target's own id of it.
    attempts : int
        Of this version.
    due_at : datetime
        Not to be tried before; of what the target holds, not to be read back before.
    tried_at, tried_version : datetime, int
        The last attempt.
    held_at : datetime or None
        When the target accepted it.
    reason, said : str or None
        A stable code, and the target's own words.
    """

    id: int
    target: str
    key: str
    topic: str
    account_id: str | None
    state: str
    version: int
    wanted: Mapping[str, Any]
    held: Mapping[str, Any] | None
    remote_id: str | None
    attempts: int
    due_at: datetime
    tried_at: datetime | None
    tried_version: int | None
    held_at: datetime | None
    reason: str | None
    said: str | None


@dataclass(frozen=True)
class DeliveryOutcome:
    """What became of one delivery: its new state, and when it is due again where it waits."""

    state: DeliveryState
    reason: str | None = None
    said: str | None = None
    remote_id: str | None = None
    due_at: datetime | None = None
    counts: bool = True
    """Whether it was an attempt; a pause that the target asks for is none."""


@dataclass(frozen=True)
class TargetState:
    """How it stands with a target.

    Parameters
    ----------
    until : datetime or None
        Nothing is sent before; `why` says for what reason.
    failures : int
        In a row.
    day, calls, allowed : date, int, int
        Calls of a day, UTC, and how many the target's shared allowance lets us make.
    """

    until: datetime | None = None
    failures: int = 0
    why: str | None = None
    day: date | None = None
    calls: int = 0
    allowed: int | None = None
