"""Scoring the features of a request: what predict, explain and what-if share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from anyio import to_thread

from churnml.api.requests import Features, PredictRequest
from churnml.serving import metrics
from churnml.serving.mappers import Lang, computed
from churnml.serving.scorer import Row, Scorer
from churnml.serving.state import ServingState

__all__ = ["BODY", "check", "row_of", "score"]

BODY = ("request.json", "request.too_large", "request.media_type", "request.invalid")
"""The problems of an operation that takes a body."""


async def row_of(scorer: Scorer, request: PredictRequest, *, hint: bool = True) -> Row:
    """Return the row that a request with features describes, after checking it."""
    features = request.features or {}
    await check(scorer, features, hint=hint)
    return Row(features, request.as_of or datetime.now(UTC).date(), arr=request.arr)


async def check(scorer: Scorer, features: Features, base: str = "/features", *, hint: bool = True) -> None:
    """Refuse unknown features; looking for near names must not keep other requests waiting."""
    if hint and not scorer.knows(features):
        await to_thread.run_sync(lambda: scorer.check(features, base))
    scorer.check(features, base, hint=False)


async def score(state: ServingState, rows: list[Row], lang: Lang) -> list[dict[str, Any]]:
    """Score rows; returns the fields of each one's `PredictAnswer`."""
    scorer = await state.scorer()
    scores = await state.scoring.score(scorer, rows)
    metrics.scored(len(rows))
    now = datetime.now(UTC)
    return [computed(state.settings, scorer, row, item, lang, now) for row, item in zip(rows, scores, strict=True)]
