"""Overrides: a CSM's judgement of an account beside the system's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from churnml.api.answers import OverrideAnswer, OverrideMade, OverridesAnswer
from churnml.api.requests import OverrideRequest
from churnml.serving.mappers import override_of, provenance, view_provenance
from churnml.serving.routes.accounts import AccountPath
from churnml.serving.routes.operation import IdempotencyHeader, ScopedRoute, as_json, documented, may, state_of
from churnml.serving.routes.writes import WRITE, write

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["judgements"], route_class=ScopedRoute)


@router.post(
    "/overrides",
    status_code=201,
    response_model=OverrideMade,
    responses=documented(*WRITE),
    openapi_extra=may("write"),
    summary="Set a CSM's judgement of an account",
)
async def create_override(
    request: Request, body: OverrideRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Set an override; one in force for the account ends. The system's score stays visible beside it."""
    state = state_of(request)
    view, _, account = await state.account(body.account_id)
    made, headers = await write(
        request,
        idempotency_key,
        lambda judgements, actor, idempotency: judgements.override(
            body.account_id,
            body.band,
            body.reason,
            body.author,
            actor,
            valid_for=timedelta(days=body.valid_days),
            system_band=account.band,
            system_score=account.health_score,
            idempotency=idempotency,
        ),
        body,
    )
    fields = provenance(state.settings, view, account.coverage)
    return as_json(OverrideMade.model_construct(**fields, override=OverrideAnswer.model_validate(made)), 201, headers)


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
    state = state_of(request)
    judgements = state.store.judgements(state.settings.name)
    if account_id is None:
        overrides = list((await to_thread.run_sync(judgements.overrides, datetime.now(UTC))).values())
    else:
        overrides = await to_thread.run_sync(judgements.override_history, account_id)
    fields = view_provenance(state.settings, state.view)
    return as_json(OverridesAnswer.model_construct(**fields, overrides=[override_of(item) for item in overrides]))


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
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """End the override in force of an account; it stays in the account's history."""
    state = state_of(request)
    ended, headers = await write(
        request,
        idempotency_key,
        lambda judgements, actor, idempotency: judgements.end_override(
            account_id, author, actor, idempotency=idempotency
        ),
    )
    fields = view_provenance(state.settings, state.view)
    return as_json(OverrideMade.model_construct(**fields, override=override_of(ended)), headers=headers)
