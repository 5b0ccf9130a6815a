"""The KPIs of customer success, as they were published last."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from churnml.api.key_figures import KpiMonth, KpisAnswer
from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.mappers import view_provenance
from churnml.serving.routes.operation import ScopedRoute, as_json, documented, may, state_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=ScopedRoute)


@router.get(
    "/kpis",
    response_model=KpisAnswer,
    responses=documented("service.no_kpis", "request.invalid"),
    openapi_extra=may("read"),
    summary="Churn, retention, renewals and lifetime value month by month",
)
async def get_kpis(
    request: Request,
    by: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=255,
            pattern=r"^[^\x00]*$",
            description="`segment`, `plan`, `parent` or what else was published; default all accounts",
            examples=["plan"],
        ),
    ] = None,
    months: Annotated[int, Query(ge=1, le=240, description="The newest so many months")] = 24,
) -> Response:
    """Return the KPIs that the newest scoring, or `churnml kpis CONFIG --publish`, kept last."""
    state = state_of(request)
    figures = await to_thread.run_sync(state.store.key_figures(state.settings.name).newest)
    if figures is None:
        raise Problem("service.no_kpis", Text.of("detail-no_kpis"))
    rows = figures.report["rows"]
    groupings = list(dict.fromkeys(row["group_by"] for row in rows if row["group_by"] is not None))
    if by is not None and by not in groupings:
        known = ", ".join(groupings) or Text.of("detail-whole")
        raise Problem(
            "request.invalid", Text.of("detail-by", known=known), errors=[("by", Text.of("detail-one_of", known=known))]
        )
    newest = set(sorted({row["month_on"] for row in rows})[-months:])
    answer = {name: figures.report[name] for name in ("currency", "grace_days", "gross_margin", "yearly_discount")}
    return as_json(
        KpisAnswer(
            **view_provenance(state.settings, state.view),
            kpis_as_of=figures.as_of,
            published_at=figures.published_at,
            **answer,
            by=by,
            known_groupings=groupings,
            group_names=figures.report.get("group_names") or {},
            **{name: figures.report.get(name) or [] for name in ("cohorts", "phases", "rfm", "growth")},
            lifetime_values=[one for one in figures.report.get("lifetime_values") or [] if one["group_by"] == by],
            forecast=(figures.report.get("company") or {}).get("forecast") or [],
            forecast_records=(figures.report.get("company") or {}).get("records") or [],
            past_forecasts=(figures.report.get("company") or {}).get("past") or [],
            months=[
                KpiMonth.model_validate(row) for row in rows if row["group_by"] == by and row["month_on"] in newest
            ],
        )
    )
