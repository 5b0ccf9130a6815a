"""Rows of requests that wait at the same time are scored together."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from churnml.serving.scorer import Row, Scored, Scorer

__all__ = ["ScoringQueue"]

_MOST_ROWS = 1000


@dataclass
class _Waiting:
    scorer: Scorer
    rows: list[Row]
    answer: asyncio.Future[list[Scored]]


class ScoringQueue:
    """Scores rows in a thread, those of all requests that came in meanwhile at once.

    A row's score does not depend on the rows beside it, and scoring sixteen rows takes little longer than one.
    Nobody waits for company: what has come in is scored as soon as the thread is free.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        # A thread of its own: the others may all be waiting for the store.
        self._thread = CapacityLimiter(1)

    async def score(self, scorer: Scorer, rows: list[Row]) -> list[Scored]:
        """Return the scores of rows, in their order."""
        one = _Waiting(scorer, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await one.answer

    async def _work(self) -> None:
        while self._waiting:
            taken = self._take()
            try:
                await self._answer(taken)
            except Exception as error:
                if len(taken) == 1:
                    _fail(taken[0], error)
                    continue
                # One request's fault must not be another's.
                for one in taken:
                    try:
                        await self._answer([one])
                    except Exception as own:
                        _fail(one, own)

    def _take(self) -> list[_Waiting]:
        """Take what waits for the same model, in order, up to so many rows."""
        taken = [self._waiting.popleft()]
        count = len(taken[0].rows)
        while self._waiting and self._waiting[0].scorer is taken[0].scorer:
            count += len(self._waiting[0].rows)
            if count > _MOST_ROWS:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _answer(self, taken: list[_Waiting]) -> None:
        rows = [row for one in taken for row in one.rows]
        scores = iter(await to_thread.run_sync(taken[0].scorer.score, rows, limiter=self._thread))
        for one in taken:
            answers = [next(scores) for _ in one.rows]
            if not one.answer.done():
                one.answer.set_result(answers)


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
