"""Operations that write: overrides and feedback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from churnml.serving.accounts import AccountPath
from churnml.serving.answers import (
    FeedbackAnswer,
    FeedbackMade,
    OverrideAnswer,
    OverrideMade,
    OverridesAnswer,
)
from churnml.serving.present import override_of, provenance
from churnml.serving.requests import FeedbackRequest, OverrideRequest
from churnml.serving.scope import IdempotencyKey, ScopedRoute, actor_of, as_json, documented, live_of, may, once_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["judgements"], route_class=ScopedRoute)

_BODY = ("request.json", "request.too_large", "request.media_type", "request.invalid")
_REPLAYED = {"Idempotency-Replayed": "true"}


@router.post(
    "/overrides",
    status_code=201,
    response_model=OverrideMade,
    responses=documented(*_BODY, "account.unknown", "idempotency.mismatch", "service.no_snapshot"),
    openapi_extra=may("write"),
    summary="Set a CSM's judgement of an account",
)
async def create_override(request: Request, body: OverrideRequest, idempotency_key: IdempotencyKey = None) -> Response:
    """Set an override; one in force for the account ends. The system's score stays visible beside it."""
    live = live_of(request)
    view, _, account = await live.account(body.account_id)
    judged, actor = live.store.judgements(live.settings.name), actor_of(request)
    once = once_of(request, idempotency_key, body)
    made, replayed = await to_thread.run_sync(
        lambda: judged.override(
            body.account_id,
            body.band,
            body.reason,
            body.author,
            actor,
            valid_for=timedelta(days=body.valid_days),
            system_band=account.band,
            system_score=account.health_score,
            once=once,
        )
    )
    fields = provenance(live.settings, view, account.coverage)
    answer = OverrideMade.model_construct(**fields, override=OverrideAnswer.model_validate(made))
    return as_json(answer, 201, _REPLAYED if replayed else None)


@router.get(
    "/overrides",
    response_model=OverridesAnswer,
    responses=documented("request.invalid"),
    openapi_extra=may("read"),
    summary="Overrides in force, or all of one account",
)
async def list_overrides(
    request: Request,
    account_id: Annotated[
        str | None, Query(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$", description="Account")
    ] = None,
) -> Response:
    """Return the overrides in force; with `account_id` all that the account ever had, newest first."""
    live = live_of(request)
    judged = live.store.judgements(live.settings.name)
    if account_id is None:
        found = list((await to_thread.run_sync(judged.overrides, datetime.now(UTC))).values())
    else:
        found = await to_thread.run_sync(judged.override_history, account_id)
    snapshot = live.view.snapshot
    fields = provenance(live.settings, live.view, snapshot.coverage if snapshot else None)
    return as_json(OverridesAnswer.model_construct(**fields, overrides=[override_of(item) for item in found]))


@router.delete(
    "/overrides/{account_id:path}",
    response_model=OverrideMade,
    responses=documented("override.unknown", "request.invalid", "idempotency.mismatch"),
    openapi_extra=may("write"),
    summary="End the override in force",
)
async def end_override(
    request: Request,
    account_id: AccountPath,
    author: Annotated[
        str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$", description="Who ends it", examples=["ann"])
    ],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """End the override in force of an account; it stays in the account's history."""
    live = live_of(request)
    judged, actor = live.store.judgements(live.settings.name), actor_of(request)
    once = once_of(request, idempotency_key)
    ended, replayed = await to_thread.run_sync(lambda: judged.end_override(account_id, author, actor, once=once))
    snapshot = live.view.snapshot
    fields = provenance(live.settings, live.view, snapshot.coverage if snapshot else None)
    answer = OverrideMade.model_construct(**fields, override=override_of(ended))
    return as_json(answer, headers=_REPLAYED if replayed else None)


@router.post(
    "/feedback",
    status_code=201,
    response_model=FeedbackMade,
    responses=documented(*_BODY, "account.unknown", "idempotency.mismatch", "service.no_snapshot"),
    openapi_extra=may("write"),
    summary="Say what a score or an explanation was worth",
)
async def create_feedback(request: Request, body: FeedbackRequest, idempotency_key: IdempotencyKey = None) -> Response:
    """Record feedback on an account's score, its explanation, or what became of it."""
    live = live_of(request)
    view, snapshot, account = await live.account(body.account_id)
    judged, actor = live.store.judgements(live.settings.name), actor_of(request)
    once = once_of(request, idempotency_key, body)
    made, replayed = await to_thread.run_sync(
        lambda: judged.give_feedback(
            body.account_id, body.kind, body.comment, body.author, actor, snapshot_id=snapshot.id, once=once
        )
    )
    fields = provenance(live.settings, view, account.coverage)
    answer = FeedbackMade.model_construct(**fields, feedback=FeedbackAnswer.model_validate(made))
    return as_json(answer, 201, _REPLAYED if replayed else None)
