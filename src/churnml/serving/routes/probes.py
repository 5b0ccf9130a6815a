"""Liveness and readiness, which need no key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.api.answers import Warn
from churnml.api.service import AliveAnswer, ReadyAnswer
from churnml.serving.http.problems import Problem
from churnml.serving.mappers import view_provenance
from churnml.serving.routes.operation import ScopedRoute, as_json, documented, state_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["service"], route_class=ScopedRoute)


@router.get("/healthz", response_model=AliveAnswer, summary="Liveness: the process runs")
async def get_alive(request: Request) -> Response:
    """Say that the process answers, and what it serves; needs no key."""
    state = state_of(request)
    return as_json(AliveAnswer.model_construct(**view_provenance(state.settings, state.view), status="alive"))


@router.get(
    "/readyz",
    response_model=ReadyAnswer,
    responses=documented("service.no_snapshot"),
    summary="Readiness: the service can answer",
)
async def get_ready(request: Request) -> Response:
    """Say whether a model or a snapshot is loaded, and warn of what cannot be taken up; needs no key.

    The warnings name no path, host or account: those are in the log.
    """
    state = state_of(request)
    view = state.view
    warnings = [Warn(code=fault.code, message=fault.message) for fault in list(state.faults.values())]
    if view.snapshot is None and view.scorer is None:
        message = warnings[0].message if warnings else "Nothing has been trained or scored yet"
        raise Problem("service.no_snapshot", message, headers={"Retry-After": "5"})
    if not state.warmed.is_set():
        raise Problem("service.no_snapshot", "The service has just started", headers={"Retry-After": "1"})
    fields = view_provenance(state.settings, state.view, warnings)
    return as_json(
        ReadyAnswer.model_construct(
            **fields, status="ready", snapshot=view.snapshot is not None, model=view.scorer is not None
        )
    )
