"""Metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.serving import metrics
from churnml.serving.routes.operation import ScopedRoute, documented, may, state_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["service"], route_class=ScopedRoute)


@router.get(
    "/metrics",
    response_class=Response,
    responses={**documented(), 200: {"content": {"text/plain": {}}, "description": "Prometheus's text format"}},
    openapi_extra=may("read"),
    summary="Metrics for Prometheus",
)
async def get_metrics(request: Request) -> Response:
    """Return requests and seconds by route, the snapshot's age, and whether a bundle is being refused."""
    return Response(metrics.exposition(state_of(request)), media_type=metrics.CONTENT_TYPE_LATEST)
