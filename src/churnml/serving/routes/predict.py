"""Predict: the risk and health of one account or of many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from anyio.lowlevel import checkpoint
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from churnml.api.answers import BatchAnswer, BatchItem, PredictAnswer
from churnml.api.requests import BatchRequest, PredictRequest
from churnml.language import Text
from churnml.serving.http.problems import Problem, faults_of
from churnml.serving.mappers import Lang as LangCode
from churnml.serving.mappers import provenance, stored
from churnml.serving.routes.operation import ScopedRoute, as_json, documented, language, may, require, state_of
from churnml.serving.routes.scoring import BODY, row_of, score
from churnml.serving.scorer import Row
from churnml.serving.state import ServingState

__all__ = ["aliases", "router"]

router = APIRouter(prefix="/v1", tags=["predictions"], route_class=ScopedRoute)
aliases = APIRouter(tags=["aliases"], route_class=ScopedRoute)

_TURN = 50
"""After so many items of a batch other requests get their turn."""
_HINTS = 3
"""Items of a batch whose unknown name gets a near one suggested: looking for it takes milliseconds."""
_PREDICT = documented(*BODY, "account.unknown", "service.no_snapshot")


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


async def _predict(request: Request, body: PredictRequest) -> Mapping[str, Any]:
    state, lang = state_of(request), language(request, None)
    if body.account_id is not None:
        return await _stored(state, body.account_id, lang)
    require(request, "score")
    return (await score(state, [await row_of(await state.scorer(), body)], lang))[0]


async def _stored(state: ServingState, account_id: str, lang: LangCode, *, hint: bool = True) -> Mapping[str, Any]:
    view, _, account = await state.account(account_id, hint=hint)
    return stored(state.settings, view, account, lang)


@router.post(
    "/predict/batch",
    response_model=BatchAnswer,
    responses=documented(*BODY),
    openapi_extra=may("read", "score"),
    summary="Churn probability and health of many accounts",
)
async def predict_batch(request: Request, body: BatchRequest) -> Response:
    """Answer each item on its own: a wrong one gets its problem, the others their result.

    The HTTP status is 200 when the batch itself could be read, whatever its items got.
    """
    state, lang = state_of(request), language(request, None)
    most = state.settings.limits.max_batch
    if len(body.items) > most:
        raise Problem("batch.too_large", Text.of("detail-batch", most=str(most), n=str(len(body.items))))
    results: dict[int, BatchItem] = {}
    items: dict[int, PredictRequest] = {}
    rows: dict[int, Row] = {}
    for index, sent in enumerate(body.items):
        if index % _TURN == 0:
            await checkpoint()
        try:
            items[index] = _item(sent)
        except Problem as problem:
            results[index] = BatchItem(index=index, status=problem.status, problem=problem.body(language=lang))
    await state.remember([item.account_id for item in items.values() if item.account_id is not None])
    hints = _HINTS
    for index, item in items.items():
        if index % _TURN == 0:
            await checkpoint()
        try:
            if item.account_id is None:
                require(request, "score")
                rows[index] = await row_of(await state.scorer(), item, hint=hints > 0)
            else:
                results[index] = _result(index, await _stored(state, item.account_id, lang, hint=hints > 0))
        except Problem as problem:
            hints -= 1
            results[index] = BatchItem(index=index, status=problem.status, problem=problem.body(language=lang))
    if rows:
        for index, fields in zip(rows, await score(state, list(rows.values()), lang), strict=True):
            results[index] = _result(index, fields)
    ordered = [results[index] for index in range(len(body.items))]
    succeeded = sum(item.status == 200 for item in ordered)
    known = [item.result.coverage for item in ordered if item.result and item.result.coverage is not None]
    return as_json(
        BatchAnswer.model_construct(
            **provenance(state.settings, state.view, sum(known) / len(known) if known else None),
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
        where, what = faults[0]
        raise Problem("request.invalid", Text.of("detail-at", where=where, what=what), errors=faults) from None


def _result(index: int, fields: Mapping[str, Any]) -> BatchItem:
    return BatchItem.model_construct(
        index=index, status=200, result=PredictAnswer.model_construct(**fields), problem=None
    )
