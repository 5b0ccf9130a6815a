"""Company, further: cohorts, the journey, growth, and the accounts behind them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.language import month, number, percent, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages.company import as_csv, begun, listed, written
from churnml.serving.pages.frame import Frame
from churnml.serving.pages.newest_figures import Figures, part_of
from churnml.serving.people import needs
from churnml.serving.routes.operation import ScopedRoute

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)


@router.get("/company/cohorts", dependencies=[needs("read")])
async def get_cohorts(request: Request) -> Response:
    """Return the retention triangle, by accounts or by MRR."""
    return await to_thread.run_sync(begun(request, "cohorts", _cohorts))


def _cohorts(frame: Frame, figures: Figures) -> Response:
    say, cohorts = phrases(frame.language), figures.report.get("cohorts") or []
    by = "mrr" if frame.request.query_params.get("by") == "mrr" else "accounts"
    name = "mrr_kept" if by == "mrr" else "kept"
    quarters = max((len(one["kept"]) for one in cohorts), default=0)
    if frame.request.query_params.get("format") == "csv":
        lines = (
            [one["quarter"], one["accounts"], one["mrr"], *one[name], *[""] * (quarters - len(one[name]))]
            for one in cohorts
        )
        return as_csv(frame, ["quarter", "accounts", "mrr", *(f"after_{place}" for place in range(quarters))], lines)
    rows = [
        {
            "quarter": one["quarter"].replace("Q", " Q"),
            "accounts": number(one["accounts"], frame.language),
            "mrr": written(frame, one["mrr"], "money"),
            "href": _list("cohort", quarter=one["quarter"]),
            "cells": [
                ("–", 0, "")
                if share is None
                else (
                    percent(share, frame.language, 0),
                    min(9, max(0, int(share * 9.999))),
                    _list("cohort", quarter=one["quarter"], after=place) if share else "",
                )
                for place, share in enumerate(one[name])
            ],
        }
        for one in cohorts
    ]
    return frame.answer(
        "company_cohorts.html.j2",
        here="company",
        title=say("co-cohorts"),
        section="cohorts",
        by=by,
        rows=rows,
        quarters=quarters,
        csv=frame.with_query(format="csv"),
    )


@router.get("/company/journey", dependencies=[needs("read")])
async def get_journey(request: Request) -> Response:
    """Return the phases of the lifecycle: who is in each, for how long, and where accounts stall."""
    return await to_thread.run_sync(begun(request, "journey", _journey))


def _journey(frame: Frame, figures: Figures) -> Response:
    say, language = phrases(frame.language), frame.language
    phases = figures.report.get("phases") or []
    if frame.request.query_params.get("format") == "csv":
        columns = ["phase", "accounts", "mrr", "median_days", "limit_days", "stalled", "stalled_mrr", "illegal"]
        return as_csv(frame, columns, ([one[name] for name in columns] for one in phases))
    rows = [
        {
            "phase": say(f"phase-{one['phase']}"),
            "accounts": number(one["accounts"], language),
            "accounts_href": _list("journey", phase=one["phase"]) if one["accounts"] else "",
            "arr": written(frame, 12 * one["mrr"], "money"),
            "median": written(frame, one["median_days"], "count"),
            "limit": written(frame, one["limit_days"], "count"),
            "stalled": number(one["stalled"], language) if one["limit_days"] is not None else "–",
            "stalled_href": _list("stalled", phase=one["phase"]) if one["stalled"] else "",
            "stalled_arr": written(frame, 12 * one["stalled_mrr"], "money"),
            "moves": [
                (say(f"phase-{after}"), number(count, language), _list("moves", before=one["phase"], after=after))
                for after, count in one["moves"].items()
            ],
            "illegal": one["illegal"],
        }
        for one in phases
    ]
    return frame.answer(
        "company_journey.html.j2",
        here="company",
        title=say("co-journey"),
        section="journey",
        rows=rows,
        csv=frame.with_query(format="csv"),
    )


@router.get("/company/growth", dependencies=[needs("read")])
async def get_growth(request: Request) -> Response:
    """Return recency and frequency of use, and where there is room to grow."""
    return await to_thread.run_sync(begun(request, "growth", _growth))


def _growth(frame: Frame, figures: Figures) -> Response:
    say, language = phrases(frame.language), frame.language
    cells = {(one["recency"], one["frequency"]): one for one in figures.report.get("rfm") or []}
    growth = figures.report.get("growth") or []
    if frame.request.query_params.get("format") == "csv":
        columns = ["recency", "frequency", "accounts", "mrr"]
        return as_csv(frame, columns, ([one[name] for name in columns] for one in cells.values()))
    most = max((one["accounts"] for one in cells.values()), default=1)
    grid = [
        {
            "recency": recency,
            "cells": [
                {
                    "accounts": number(one["accounts"], language),
                    "arr": written(frame, 12 * one["mrr"], "money"),
                    "href": _list("rfm", recency=recency, frequency=frequency),
                    "heat": min(9, int(9.999 * one["accounts"] / most)),
                }
                if (one := cells.get((recency, frequency))) is not None
                else None
                for frequency in range(1, 6)
            ],
        }
        for recency in range(5, 0, -1)
    ]
    display = frame.state.settings.display
    rows = [
        {
            "segment": display.spoken("segments", one["segment"], language) if one["segment"] else say("co-all"),
            "accounts": number(one["accounts"], language),
            "arr": written(frame, one["arr"], "money"),
            "room": written(frame, one["room_arr"], "money"),
            "href": _list("room", segment=one["segment"] or ""),
        }
        for one in growth
    ]
    return frame.answer(
        "company_growth.html.j2",
        here="company",
        title=say("co-growth"),
        section="growth",
        grid=grid if cells else [],
        rows=rows,
        csv=frame.with_query(format="csv"),
    )


def _list(part: str, **where: object) -> str:
    return "/company/list?" + urlencode({"of": part, **where})


@router.get("/company/list", dependencies=[needs("read")])
async def get_list(request: Request) -> Response:
    """Return the accounts behind a number of cohorts, the journey, growth or past forecasts; as CSV too."""
    return await to_thread.run_sync(begun(request, "company", _listed))


@dataclass(frozen=True)
class _Asked:
    """A list behind a number: the part of the figures, by what it is asked for, and what it shows of each account."""

    part: str
    section: str
    filters: tuple[str, ...]
    columns: tuple[str, ...]


_LISTS = {
    "journey": _Asked("accounts", "journey", ("phase",), ("phase", "mrr", "days_in_phase")),
    "stalled": _Asked("accounts", "journey", ("phase",), ("phase", "mrr", "days_in_phase")),
    "moves": _Asked("moves", "journey", ("before", "after"), ("moved_at", "days_in_phase")),
    "rfm": _Asked("accounts", "growth", ("recency", "frequency"), ("recency", "frequency", "monetary", "mrr")),
    "room": _Asked("accounts", "growth", ("segment",), ("recency", "frequency", "mrr", "room_arr")),
    "cohort": _Asked("cohorts", "cohorts", ("quarter",), ("mrr_begun", "mrr_then")),
    "worth": _Asked("worth", "company", (), ("mrr", "residual_low", "residual_high", "residual_value")),
    "past": _Asked("past", "renewals", ("month_on",), ("churn_probability", "came", "arr")),
}


def _listed(frame: Frame, figures: Figures) -> Response:
    query, say = frame.request.query_params, phrases(frame.language)
    part = query.get("of", "")
    asked = _LISTS.get(part)
    columns = part_of(frame, figures, asked.part) if asked is not None else None
    if columns is None or asked is None or not set(asked.filters) <= set(columns):
        raise Problem("path.unknown", "There is no such list")
    rows = dict(columns)
    mask = np.ones(len(rows["account_id"]), dtype=bool)
    for name in asked.filters:
        given = query.get(name, "")
        if rows[name].dtype == object:
            mask &= rows[name] == given
        else:
            mask &= rows[name] == (int(given) if given.isascii() and given.isdigit() and len(given) < 4 else -1)
    if part == "past" and not mask.any():
        raise Problem("path.unknown", "There is no such month")
    by = f"by_{query.get('by', '')}"
    if part == "worth" and by in rows:
        mask &= rows[by] == query.get("group", "")
    if part == "stalled":
        mask &= rows["stalled"].astype(bool)
    if part == "room":
        mask &= rows["room_arr"] > 0
    if part == "cohort" and f"after_{query.get('after', '')}" in rows:
        rows["mrr_then"] = rows[f"after_{query['after']}"]
        mask &= ~np.isnan(rows["mrr_then"])
    return listed(
        frame,
        rows,
        mask,
        [name for name in asked.columns if name in rows],
        title=say(f"co-list-{part}", **_named(frame, part)),
        how=say(f"co-list-{part}.how"),
        owners=rows.get("owner"),
        back="/company" if asked.section == "company" else f"/company/{asked.section}",
        section=asked.section,
    )


def _named(frame: Frame, part: str) -> dict[str, str]:
    """Return what the title of a list says of the number that it is behind."""
    query, say = frame.request.query_params, phrases(frame.language)
    if part == "cohort":
        return {"quarter": query.get("quarter", "").replace("Q", " Q")}
    if part == "moves":
        return {name: say.or_plain(f"phase-{query.get(name)}", query.get(name, "")) for name in ("before", "after")}
    if part == "past":
        return {"month": month(query.get("month_on", ""), frame.language)}
    return {}
