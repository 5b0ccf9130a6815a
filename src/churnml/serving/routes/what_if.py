"""What-if: an account of the snapshot with some features changed."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.api.answers import PredictAnswer, WhatIfAnswer
from churnml.api.requests import WhatIfRequest
from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.mappers import provenance
from churnml.serving.routes.operation import ScopedRoute, as_json, documented, language, may, state_of
from churnml.serving.routes.scoring import BODY, check, score
from churnml.serving.scorer import Row, features_of
from churnml.store import plain

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["predictions"], route_class=ScopedRoute)


@router.post(
    "/what-if",
    response_model=WhatIfAnswer,
    responses=documented(*BODY, "account.unknown", "service.no_model"),
    openapi_extra=may("score"),
    summary="An account with some features changed",
)
async def what_if(request: Request, body: WhatIfRequest) -> Response:
    """Score an account's stored features with and without the changes.

    The difference is what the model associates with the change in accounts it has seen, not what a change would cause.
    """
    state, lang = state_of(request), language(request, None)
    scorer = await state.scorer()
    await check(scorer, body.changes, "/changes")
    view, snapshot, account = await state.account(body.account_id)
    stored = await to_thread.run_sync(state.store.features, snapshot.id, body.account_id)
    if stored is None:
        raise Problem("features.unknown_account", Text.of("detail-features", account=repr(body.account_id)))
    features = {name: value for name, value in features_of(stored).items() if name in scorer.names}
    rows = [
        Row(features, snapshot.as_of, arr=account.arr),
        Row({**features, **body.changes}, snapshot.as_of, arr=account.arr),
    ]
    before, after = (
        PredictAnswer.model_construct(**{**fields, "account_id": body.account_id})
        for fields in await score(state, rows, lang)
    )
    moved = None
    if before.health_score is not None and after.health_score is not None:
        moved = after.health_score - before.health_score
    return as_json(
        WhatIfAnswer.model_construct(
            **provenance(state.settings, view, account.coverage, lang=lang),
            account_id=body.account_id,
            before=before,
            after=after,
            probability_change=after.churn_probability - before.churn_probability,
            health_change=plain(moved),
        )
    )
