"""Scoring the features of a request: what predict, explain and what-if share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from churnml.api.requests import PredictRequest
from churnml.serving import metrics
from churnml.serving.mappers import Lang, computed
from churnml.serving.scorer import Row, Scorer
from churnml.serving.state import ServingState

__all__ = ["BODY", "row_of", "score"]

BODY = ("request.json", "request.too_large", "request.media_type", "request.invalid")
"""The problems of an operation that takes a body."""


def row_of(scorer: Scorer, request: PredictRequest) -> Row:
    """Return the row that a request with features describes, after checking it."""
    features = request.features or {}
    scorer.check(features)
    return Row(features, request.as_of or datetime.now(UTC).date(), arr=request.arr)


async def score(state: ServingState, rows: list[Row], lang: Lang) -> list[dict[str, Any]]:
    """Score rows; returns the fields of each one's `PredictAnswer`."""
    scorer = await state.scorer()
    scores = await state.scoring.score(scorer, rows)
    metrics.scored(len(rows))
    now = datetime.now(UTC)
    return [computed(state.settings, scorer, row, item, lang, now) for row, item in zip(rows, scores, strict=True)]
