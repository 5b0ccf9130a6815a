"""Feedback: what a user says of a score or an explanation."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.api.answers import FeedbackAnswer, FeedbackMade
from churnml.api.requests import FeedbackRequest
from churnml.serving.mappers import provenance
from churnml.serving.routes.operation import IdempotencyHeader, ScopedRoute, as_json, documented, may, state_of
from churnml.serving.routes.writes import WRITE, write

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["judgements"], route_class=ScopedRoute)


@router.post(
    "/feedback",
    status_code=201,
    response_model=FeedbackMade,
    responses=documented(*WRITE),
    openapi_extra=may("write"),
    summary="Say what a score or an explanation was worth",
)
async def create_feedback(
    request: Request, body: FeedbackRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Record feedback on an account's score, its explanation, or what became of it."""
    state = state_of(request)
    view, snapshot, account = await state.account(body.account_id)
    made, headers = await write(
        request,
        idempotency_key,
        lambda judgements, actor, idempotency: judgements.give_feedback(
            body.account_id,
            body.kind,
            body.comment,
            body.author,
            actor,
            snapshot_id=snapshot.id,
            idempotency=idempotency,
        ),
        body,
    )
    fields = provenance(state.settings, view, account.coverage)
    return as_json(FeedbackMade.model_construct(**fields, feedback=FeedbackAnswer.model_validate(made)), 201, headers)
