"""What the operations that write share: who writes, the idempotency key, and the answer to a repetition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import Request
from pydantic import BaseModel

from churnml.serving.http.problems import busy
from churnml.serving.http.timeout import DEADLINE
from churnml.serving.routes.operation import actor_of, idempotency_of, state_of
from churnml.store import Actor, IdempotencyKey, Judgements

__all__ = ["WRITE", "answered", "in_turn", "write"]

T = TypeVar("T")
R = TypeVar("R")

WRITE = (
    "request.json",
    "request.too_large",
    "request.media_type",
    "request.invalid",
    "account.unknown",
    "idempotency.mismatch",
    "service.no_snapshot",
    "service.busy",
)
"""The problems of an operation that writes on an account of the snapshot."""


_MOST_WAITING = 16
"""Writes that may wait for their turn; each has it within the store's patience of two seconds."""


async def write(
    request: Request,
    key: str | None,
    change: Callable[[Judgements, Actor, IdempotencyKey | None], tuple[T, bool]],
    body: BaseModel | None = None,
) -> tuple[T, dict[str, str]]:
    """Make a change in the store.

    Parameters
    ----------
    request : Request
    key : str, optional
        The idempotency key that was sent.
    change : callable
        Makes the change; says also whether its answer is the replay of an earlier one.
    body : BaseModel, optional
        What was sent; with the path it tells requests apart that carry the same key.

    Returns
    -------
    tuple
        What the change returned, and the headers that tell a replay.

    Raises
    ------
    Problem
        ``service.busy`` when too many writes wait already.
    """
    state = state_of(request)

    def work(deadline: float, actor: Actor, idempotency: IdempotencyKey | None) -> tuple[T, bool]:
        return change(state.store.judgements(state.settings.name, deadline=deadline), actor, idempotency)

    return await answered(request, key, work, body)


async def answered(
    request: Request,
    key: str | None,
    change: Callable[[float, Actor, IdempotencyKey | None], tuple[T, bool]],
    body: BaseModel | None = None,
) -> tuple[T, dict[str, str]]:
    """Make a change of any kind in the store, see `write`.

    Parameters
    ----------
    change : callable
        Takes the time after which nothing may be kept, on the clock of `time.monotonic`, and who writes.
    """
    actor, idempotency = actor_of(request), idempotency_of(request, key, body)
    made, replayed = await in_turn(request, lambda deadline: change(deadline, actor, idempotency))
    return made, {"Idempotency-Replayed": "true"} if replayed else {}


async def in_turn(request: Request, change: Callable[[float], R]) -> R:
    """Make a change in the store when its turn has come.

    Parameters
    ----------
    request : Request
    change : callable
        Takes the time after which nothing may be kept, on the clock of `time.monotonic`.

    Raises
    ------
    Problem
        ``service.busy`` when too many writes wait already.
    """
    writers = state_of(request).writers
    if writers.statistics().tasks_waiting >= _MOST_WAITING:
        raise busy()
    # A change that is not made by then is not made: the caller has got a time-out by that time.
    deadline: float = request.scope[DEADLINE]
    return await to_thread.run_sync(change, deadline, limiter=writers)
