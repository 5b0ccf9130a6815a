"""What the operations that write share: who writes, the idempotency key, and the answer to a repetition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import Request
from pydantic import BaseModel

from churnml.serving.routes.operation import actor_of, idempotency_of, state_of
from churnml.store import Actor, IdempotencyKey, Judgements

__all__ = ["WRITE", "write"]

T = TypeVar("T")

WRITE = (
    "request.json",
    "request.too_large",
    "request.media_type",
    "request.invalid",
    "account.unknown",
    "idempotency.mismatch",
    "service.no_snapshot",
)
"""The problems of an operation that writes on an account of the snapshot."""


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
    """
    state = state_of(request)
    judgements = state.store.judgements(state.settings.name)
    actor, idempotency = actor_of(request), idempotency_of(request, key, body)
    made, replayed = await to_thread.run_sync(lambda: change(judgements, actor, idempotency))
    return made, {"Idempotency-Replayed": "true"} if replayed else {}
