"""Explain: the risk and health of one account, and why."""

from __future__ import annotations

from datetime import UTC, datetime

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.api.answers import ExplainAnswer
from churnml.api.requests import ExplainRequest
from churnml.serving import metrics
from churnml.serving.mappers import computed, explained, stored
from churnml.serving.routes.operation import ScopedRoute, as_json, documented, language, may, require, state_of
from churnml.serving.routes.scoring import BODY, row_of

__all__ = ["aliases", "router"]

router = APIRouter(prefix="/v1", tags=["predictions"], route_class=ScopedRoute)
aliases = APIRouter(tags=["aliases"], route_class=ScopedRoute)


@router.post(
    "/explain",
    response_model=ExplainAnswer,
    responses=documented(*BODY, "account.unknown", "service.no_snapshot"),
    openapi_extra=may("read", "score"),
    summary="Churn probability and health of one account, and why",
)
@aliases.post(
    "/explain",
    response_model=ExplainAnswer,
    responses=documented(*BODY, "account.unknown", "service.no_snapshot"),
    openapi_extra=may("read", "score"),
    summary="Alias of POST /v1/explain",
)
async def explain(request: Request, body: ExplainRequest) -> Response:
    """Explain an account of the scored snapshot, or the `features` sent.

    A value before is reasoning for stored accounts and where the features hold a trend.
    """
    state, lang = state_of(request), language(request, body.lang)
    if body.account_id is not None:
        view, snapshot, account = await state.account(body.account_id)
        reasoning = await state.explanation(view, snapshot, body.account_id)
        return as_json(explained(stored(state.settings, view, account, lang), reasoning, lang))
    require(request, "score")
    scorer = await state.scorer()
    row = await row_of(scorer, body)
    scored, reasoning = await to_thread.run_sync(scorer.explain, row, state.settings.currency)
    metrics.scored(1)
    fields = computed(state.settings, scorer, row, scored, lang, datetime.now(UTC))
    return as_json(explained(fields, reasoning, lang))
