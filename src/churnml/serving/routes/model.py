"""The model in force."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.api.service import FeatureAnswer, ModelAnswer
from churnml.language import render
from churnml.serving.mappers import view_provenance
from churnml.serving.routes.operation import Lang, ScopedRoute, as_json, documented, language, may, state_of

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
    state, chosen = state_of(request), language(request, lang)
    scorer = await state.scorer()
    model = scorer.model
    return as_json(
        ModelAnswer.model_construct(
            **{**view_provenance(state.settings, state.view), "model_version": scorer.version},
            name=state.settings.registered_model,
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
                    description=render(spec.description, chosen),
                    missing=render(spec.missing, chosen),
                    categorical=spec.categorical,
                    words=list(model.categories.get(spec.name, [])) if spec.categorical else None,
                )
                for spec in model.features
            ],
        )
    )
