"""Operations that score: predict, explain, batch, what-if."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from churnml.serving import metrics
from churnml.serving.answers import BatchAnswer, BatchItem, ExplainAnswer, PredictAnswer, WhatIfAnswer
from churnml.serving.live import Live
from churnml.serving.present import computed, explained, provenance, stored
from churnml.serving.problems import Problem, faults_of
from churnml.serving.requests import BatchRequest, ExplainRequest, PredictRequest, WhatIfRequest
from churnml.serving.scope import ScopedRoute, as_json, documented, language, live_of, may, require
from churnml.serving.scorer import Row, Scorer, features_of
from churnml.store import plain

__all__ = ["aliases", "router"]

router = APIRouter(prefix="/v1", tags=["predictions"], route_class=ScopedRoute)
aliases = APIRouter(tags=["aliases"], route_class=ScopedRoute)

_BODY = ("request.json", "request.too_large", "request.media_type", "request.invalid")
_PREDICT = documented(*_BODY, "account.unknown", "service.no_snapshot")


def row_of(scorer: Scorer, request: PredictRequest) -> Row:
    """Return the row that a request with features describes, after checking it."""
    features = request.features or {}
    scorer.check(features)
    return Row(features, request.as_of or datetime.now(UTC).date(), arr=request.arr)


async def _score(live: Live, rows: list[Row], lang: Any) -> list[dict[str, Any]]:
    scorer = await live.scorer()
    found = await live.together.score(scorer, rows)
    metrics.scored(len(rows))
    now = datetime.now(UTC)
    return [computed(live.settings, scorer, row, item, lang, now) for row, item in zip(rows, found, strict=True)]


async def _predict(request: Request, body: PredictRequest) -> Mapping[str, Any]:
    live, lang = live_of(request), language(request, None)
    if body.account_id is not None:
        view, _, account = await live.account(body.account_id)
        return stored(live.settings, view, account, lang)
    require(request, "score")
    return (await _score(live, [row_of(await live.scorer(), body)], lang))[0]


@router.post(
    "/predict",
    response_model=PredictAnswer,
    responses=_PREDICT,
    openapi_extra=may("read", "score"),
    summary="Churn probability and health of one account",
)
@aliases.post(
    "/predict",
    response_model=PredictAnswer,
    responses=_PREDICT,
    openapi_extra=may("read", "score"),
    summary="Alias of POST /v1/predict",
)
async def predict(request: Request, body: PredictRequest) -> Response:
    """Answer from the scored snapshot when `account_id` is sent, or score the `features` sent.

    By id the key needs the scope `read` or `score`; with features `score`.
    """
    return as_json(PredictAnswer.model_construct(**await _predict(request, body)))


@router.post(
    "/explain",
    response_model=ExplainAnswer,
    responses=documented(*_BODY, "account.unknown", "service.no_snapshot"),
    openapi_extra=may("read", "score"),
    summary="Churn probability and health of one account, and why",
)
@aliases.post(
    "/explain",
    response_model=ExplainAnswer,
    responses=documented(*_BODY, "account.unknown", "service.no_snapshot"),
    openapi_extra=may("read", "score"),
    summary="Alias of POST /v1/explain",
)
async def explain(request: Request, body: ExplainRequest) -> Response:
    """Explain an account of the scored snapshot, or the `features` sent.

    A value before is told for stored accounts and where the features hold a trend.
    """
    live, lang = live_of(request), language(request, body.lang)
    if body.account_id is not None:
        view, snapshot, account = await live.account(body.account_id)
        told = await live.explanation(view, snapshot, body.account_id)
        return as_json(explained(stored(live.settings, view, account, lang), told, lang))
    require(request, "score")
    scorer = await live.scorer()
    row = row_of(scorer, body)
    scored, told = await to_thread.run_sync(scorer.explain, row, live.settings.currency)
    metrics.scored(1)
    fields = computed(live.settings, scorer, row, scored, lang, datetime.now(UTC))
    return as_json(explained(fields, told, lang))


@router.post(
    "/predict/batch",
    response_model=BatchAnswer,
    responses=documented(*_BODY),
    openapi_extra=may("read", "score"),
    summary="Churn probability and health of many accounts",
)
async def predict_batch(request: Request, body: BatchRequest) -> Response:
    """Answer each item on its own: a wrong one gets its problem, the others their result.

    The HTTP status is 200 when the batch itself could be read, whatever its items got.
    """
    live, lang = live_of(request), language(request, None)
    most = live.settings.limits.max_batch
    if len(body.items) > most:
        raise Problem("batch.too_large", f"A batch may have {most} items, this one has {len(body.items)}")
    rows: dict[int, Row] = {}
    results: dict[int, BatchItem] = {}
    for index, sent in enumerate(body.items):
        try:
            item = _item(sent)
            if item.account_id is None:
                require(request, "score")
                rows[index] = row_of(await live.scorer(), item)
            else:
                results[index] = _result(index, await _predict(request, item))
        except Problem as problem:
            results[index] = BatchItem(index=index, status=problem.status, problem=problem.body())
    if rows:
        for index, fields in zip(rows, await _score(live, list(rows.values()), lang), strict=True):
            results[index] = _result(index, fields)
    ordered = [results[index] for index in range(len(body.items))]
    succeeded = sum(item.status == 200 for item in ordered)
    known = [item.result.coverage for item in ordered if item.result and item.result.coverage is not None]
    return as_json(
        BatchAnswer.model_construct(
            **provenance(live.settings, live.view, sum(known) / len(known) if known else None),
            succeeded=succeeded,
            failed=len(ordered) - succeeded,
            results=ordered,
        )
    )


def _item(sent: Any) -> PredictRequest:
    try:
        return PredictRequest.model_validate_json(json.dumps(sent))
    except ValidationError as error:
        faults = faults_of([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()])
        raise Problem("request.invalid", f"{faults[0][0]}: {faults[0][1]}", errors=faults) from None


def _result(index: int, fields: Mapping[str, Any]) -> BatchItem:
    return BatchItem.model_construct(
        index=index, status=200, result=PredictAnswer.model_construct(**fields), problem=None
    )


@router.post(
    "/what-if",
    response_model=WhatIfAnswer,
    responses=documented(*_BODY, "account.unknown", "service.no_model"),
    openapi_extra=may("score"),
    summary="An account with some features changed",
)
async def what_if(request: Request, body: WhatIfRequest) -> Response:
    """Score an account's stored features with and without the changes.

    The difference is what the model associates with the change in accounts it has seen, not what a change would cause.
    """
    live, lang = live_of(request), language(request, None)
    scorer = await live.scorer()
    scorer.check(body.changes, base="/changes")
    view, snapshot, account = await live.account(body.account_id)
    held = await to_thread.run_sync(live.store.features, snapshot.id, body.account_id)
    if held is None:
        raise Problem("features.unknown_account", f"The features of {body.account_id!r} are not stored (any more)")
    features = {name: value for name, value in features_of(held).items() if name in scorer.names}
    rows = [
        Row(features, snapshot.as_of, arr=account.arr),
        Row({**features, **body.changes}, snapshot.as_of, arr=account.arr),
    ]
    before, after = (
        PredictAnswer.model_construct(**{**fields, "account_id": body.account_id})
        for fields in await _score(live, rows, lang)
    )
    moved = None
    if before.health_score is not None and after.health_score is not None:
        moved = after.health_score - before.health_score
    return as_json(
        WhatIfAnswer.model_construct(
            **provenance(live.settings, view, account.coverage),
            account_id=body.account_id,
            before=before,
            after=after,
            probability_change=after.churn_probability - before.churn_probability,
            health_change=plain(moved),
        )
    )
