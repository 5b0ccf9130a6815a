"""Operations on the service itself: the model in force, liveness, readiness, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.serving import metrics
from churnml.serving.answers import AliveAnswer, FeatureAnswer, ModelAnswer, ReadyAnswer, Warn
from churnml.serving.live import Live
from churnml.serving.present import provenance
from churnml.serving.problems import Problem
from churnml.serving.scope import Lang, ScopedRoute, as_json, documented, language, live_of, may

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["service"], route_class=ScopedRoute)


@router.get(
    "/model",
    response_model=ModelAnswer,
    responses=documented("service.no_model", "request.invalid"),
    openapi_extra=may("read", "score"),
    summary="The model in force",
)
async def get_model(request: Request, lang: Lang = None) -> Response:
    """Return the model's version and verdict, and every feature it reads with unit and meaning."""
    live, chosen = live_of(request), language(request, lang)
    scorer = await live.scorer()
    model = scorer.model
    return as_json(
        ModelAnswer.model_construct(
            **{**_of_the_view(live), "model_version": scorer.version},
            name=live.settings.registered_model,
            verdict=scorer.verdict,
            scored_by="model" if model.rule is None else model.rule.name,
            horizon_days=model.horizon_days,
            base_rate=model.base_rate,
            created_at=scorer.bundle.manifest.created_at.isoformat(timespec="seconds"),
            features=[
                FeatureAnswer(
                    name=spec.name,
                    family=spec.family,
                    unit=spec.unit,
                    description=spec.description_ja if chosen == "ja" else spec.description_en,
                    missing=(spec.missing_ja if chosen == "ja" else "") or spec.missing,
                    categorical=spec.categorical,
                    words=list(model.categories.get(spec.name, [])) if spec.categorical else None,
                )
                for spec in model.features
            ],
        )
    )


@router.get("/healthz", response_model=AliveAnswer, summary="Liveness: the process runs")
async def get_alive(request: Request) -> Response:
    """Say that the process answers, and what it serves; needs no key."""
    return as_json(AliveAnswer.model_construct(**_of_the_view(live_of(request)), status="alive"))


@router.get(
    "/readyz",
    response_model=ReadyAnswer,
    responses=documented("service.no_snapshot"),
    summary="Readiness: the service can answer",
)
async def get_ready(request: Request) -> Response:
    """Say whether a model or a snapshot is loaded, and warn of a refused bundle; needs no key."""
    live = live_of(request)
    view = live.view
    if view.snapshot is None and view.scorer is None:
        raise Problem("service.no_snapshot", live.fault or "Nothing has been trained or scored yet")
    warnings = [Warn(code="bundle_refused", message=live.fault)] if live.fault else []
    fields = _of_the_view(live, warnings)
    return as_json(
        ReadyAnswer.model_construct(
            **fields, status="ready", snapshot=view.snapshot is not None, model=view.scorer is not None
        )
    )


def _of_the_view(live: Live, warnings: Sequence[Warn] = ()) -> dict[str, Any]:
    snapshot = live.view.snapshot
    return provenance(live.settings, live.view, snapshot.coverage if snapshot else None, warnings)


@router.get(
    "/metrics",
    response_class=Response,
    responses={**documented(), 200: {"content": {"text/plain": {}}, "description": "Prometheus's text format"}},
    openapi_extra=may("read"),
    summary="Metrics for Prometheus",
)
async def get_metrics(request: Request) -> Response:
    """Return requests and seconds by route, the snapshot's age, and whether a bundle is being refused."""
    return Response(metrics.exposition(live_of(request)), media_type=metrics.CONTENT_TYPE_LATEST)
