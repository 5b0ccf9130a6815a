"""Company: the KPIs month by month and by group, the bridge of MRR, and the accounts behind every number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.language import amount, month, number, percent, phrases
from churnml.language.numbers import money
from churnml.reports import charts
from churnml.retention.groups import ALONE, PARENT
from churnml.serving.http.problems import Problem
from churnml.serving.pages import figures
from churnml.serving.pages.csv_answers import csv_answer, csv_bytes
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.kpi_columns import KPIS, MOVEMENT, Kpi, kpi_of
from churnml.serving.pages.lifetime_values import value_card, value_rows
from churnml.serving.pages.newest_figures import Figures, newest_figures, part_of
from churnml.serving.pages.visibility import groups_seen, mask_seen
from churnml.serving.people import needs
from churnml.serving.routes.operation import ScopedRoute

__all__ = ["SECTIONS", "as_csv", "begun", "listed", "router", "written"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
SECTIONS = ("company", "renewals", "cohorts", "journey", "growth")
"""The parts of the place *Company*; the path of each but the first is under ``/company/``."""
_SHOWN = (
    "logo_churn_rate", "grr", "nrr", "renewal_rate", "renewal_rate_value", "expansion_rate",
    "logo_churn_rate_ttm", "grr_ttm", "nrr_ttm", "nps", "active_rate", "onboarding_completion", "ltv",
)  # fmt: skip
"""KPIs that the tables by month and by group show."""
_PAGE = 100
_FLAGS = frozenset({"churned", "grown", "renewed", "active", "onboarding_done", "stalled", "year_churned"})
_BOUNDS = frozenset({"residual_low", "residual_high"})
"""The bounds of a sum are not the sums of bounds."""
_COUNTS = frozenset({"answers", "promoters", "detractors", "tickets", "solved", "escalated"})


def written(frame: Frame, value: float | None, unit: str) -> str:
    """Return a number in its unit; a dash where there is none."""
    if value is None or value != value:
        return "–"
    language = frame.language
    if unit == "share":
        return percent(value, language, 1)
    if unit == "money":
        return money(round(value), frame.state.settings.currency, language)
    if unit == "hours":
        return amount(round(value, 1), "hours", language)
    return number(value, language, 0)


def begun(request: Request, section: str, work: Callable[[Frame, Figures], Response]) -> Callable[[], Response]:
    """Return what answers a request for a part of the place, or says that nothing was kept yet."""
    frame = frame_of(request)

    def answered() -> Response:
        figures = newest_figures(frame)
        if figures is None:
            say = phrases(frame.language)
            return frame.answer("company_nothing.html.j2", here="company", title=say(f"co-{section}"), section=section)
        return work(frame, figures)

    return answered


@router.get("/company", dependencies=[needs("read")])
async def get_company(request: Request) -> Response:
    """Return the KPIs of all accounts, or of a group, with the other groups beside it."""
    return await to_thread.run_sync(begun(request, "company", _company))


def _company(frame: Frame, figures: Figures) -> Response:
    query, say = frame.request.query_params, phrases(frame.language)
    by = query.get("by") if query.get("by") in figures.groupings else None
    groups = groups_seen(frame, by, figures.of(by)) if by else []
    names = sorted({row["group"] for row in groups}, key=_spoken(frame, figures, by))
    group = query.get("group") if query.get("group") in names else None
    rows = figures.of(by, group) if group else figures.of()
    if query.get("format") == "csv":
        columns = list(rows[0]) if rows else []
        return as_csv(frame, columns, ([row[name] for name in columns] for row in (groups if by else figures.of())))
    if not rows:
        return frame.answer("company_nothing.html.j2", here="company", title=say("co-company"), section="company")
    months = figures.months
    chosen = query.get("month", "")[:10]
    chosen = chosen if chosen in months else months[-1]
    at = {row["month_on"]: row for row in rows}
    now, place = at.get(chosen), months.index(chosen)
    before = at.get(months[place - 1]) if place else None
    cards = [_card(frame, kpi, rows, now, before, by if group else None, group) for kpi in KPIS]
    worth = value_card(frame, figures, written, by if group else None, group) if chosen == months[-1] else None
    if worth is not None:
        cards = [{**one, **_of_worth(worth)} if one["kpi"] == "ltv" else one for one in cards]
    shown = [kpi for name in _SHOWN if (kpi := kpi_of(name)) is not None]
    display = _spoken(frame, figures, by)
    worths = value_rows(frame, figures, written, by, display)
    return frame.answer(
        "company.html.j2",
        here="company",
        title=say("co-company"),
        section="company",
        figures=figures,
        by=by,
        group=group,
        group_names=[(name, display(name)) for name in names],
        chosen=chosen,
        months=[(one, month(one, frame.language)) for one in reversed(months)],
        cards=cards,
        shown=[say(f"kpi-{kpi.name}") for kpi in shown],
        by_month=[
            _line(frame, month(row["month_on"], frame.language), row, shown, by, group) for row in reversed(rows)
        ],
        by_group=[
            _line(frame, display(row["group"]), row, shown, by, row["group"])
            for row in sorted(groups, key=lambda row: -row["mrr"] if by == PARENT else 0.0)
            if row["month_on"] == chosen
        ],
        movement=_movement(frame, rows, by if group else None, group),
        worths=worths,
        worth_how=list(dict.fromkeys(one["how"] for one in worths)),
        definitions=[(kpi.name, say(f"kpi-{kpi.name}"), say(f"kpi-{kpi.name}.how")) for kpi in (*KPIS, *MOVEMENT)],
        csv=frame.with_query(format="csv"),
    )


def _spoken(frame: Frame, figures: Figures, by: str | None) -> Callable[[str], str]:
    if by == PARENT:
        alone, names = phrases(frame.language)("group-alone"), figures.report.get("group_names") or {}
        return lambda name: alone if name == ALONE else str(names.get(name, name))
    named = {"plan": "plans", "owner": "owners", "segment": "segments"}.get(by or "")
    display = frame.state.settings.display
    return lambda name: display.spoken(named, name, frame.language) if named else name  # type: ignore[arg-type]


def _address(kpi: Kpi, row: Mapping[str, Any], by: str | None, group: str | None) -> str:
    asked = {"month": row["month_on"], "kpi": kpi.name}
    if by and group:
        asked |= {"by": by, "group": group}
    return "/company/accounts?" + urlencode(asked)


def _card(
    frame: Frame,
    kpi: Kpi,
    rows: Sequence[Mapping[str, Any]],
    now: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None,
    by: str | None,
    group: str | None,
) -> dict[str, Any]:
    say = phrases(frame.language)
    value = None if now is None else now[kpi.name]
    earlier = None if before is None else before[kpi.name]
    known = [row[kpi.name] for row in rows if row[kpi.name] is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    name = say(f"kpi-{kpi.name}")
    return {
        "kpi": kpi.name,
        "name": name,
        "value": written(frame, value, kpi.unit),
        "note": "",
        "before": written(frame, earlier, kpi.unit) if earlier is not None else "",
        "href": _address(kpi, now, by, group) if now is not None and value is not None else "",
        "how": say(f"kpi-{kpi.name}.how"),
        "line": charts.sparkline(
            [row[kpi.name] for row in rows], name, low=low, high=high if high > low else low + 1, width=120, height=28
        ),
    }


def _of_worth(worth: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the card of lifetime value says otherwise than the other cards: by curves, whose past is not kept."""
    note = " · ".join(part for part in (worth["span"], worth["source"]) if part)
    if not worth["curves"]:
        return {"note": note}
    card = {name: worth[name] for name in ("value", "href", "how")}
    return {**card, "note": note, "line": "", "before": ""}


def _line(
    frame: Frame, title: str, row: Mapping[str, Any], shown: Sequence[Kpi], by: str | None, group: str | None
) -> dict[str, Any]:
    cells = [
        (written(frame, row[kpi.name], kpi.unit), _address(kpi, row, by, group) if row[kpi.name] is not None else "")
        for kpi in shown
    ]
    return {"title": title, "cells": cells}


def _movement(frame: Frame, rows: Sequence[Mapping[str, Any]], by: str | None, group: str | None) -> dict[str, Any]:
    say = phrases(frame.language)
    series = {kpi.name: [float(row.get(kpi.name) or 0.0) * 12 for row in rows] for kpi in MOVEMENT}
    rise = max((a + b for a, b in zip(series["mrr_new"], series["mrr_expansion"], strict=True)), default=0.0)
    table = []
    for row in reversed(rows):
        cells = [(written(frame, 12 * row["mrr"], "money"), "")]
        cells += [
            (written(frame, 12 * (row.get(kpi.name) or 0.0), "money"), _address(kpi, row, by, group))
            for kpi in MOVEMENT
        ]
        end = row["mrr"] + sum(
            sign * (row.get(kpi.name) or 0.0) for kpi, sign in zip(MOVEMENT, (1, 1, -1, -1), strict=True)
        )
        cells.append((written(frame, 12 * end, "money"), ""))
        table.append({"title": month(row["month_on"], frame.language), "cells": cells})
    return {
        "picture": figures.bridge(
            (series["mrr_expansion"], series["mrr_new"]),
            (series["mrr_contraction"], series["mrr_churned"]),
            [month(row["month_on"], frame.language) for row in rows],
            say("co-movement"),
            written(frame, rise, "money"),
        ),
        "columns": [say("co-arr_start"), *(say(f"co-{kpi.name}") for kpi in MOVEMENT), say("co-arr_end")],
        "rows": table,
    }


@router.get("/company/accounts", dependencies=[needs("read")])
async def get_accounts_behind(request: Request) -> Response:
    """Return the accounts behind a KPI of a month, those that count most first; as CSV too."""
    return await to_thread.run_sync(begun(request, "company", _behind))


def _behind(frame: Frame, figures: Figures) -> Response:
    query, say = frame.request.query_params, phrases(frame.language)
    on, kpi = query.get("month", "")[:10], kpi_of(query.get("kpi", ""))
    by = query.get("by") if query.get("by") in figures.groupings else None
    group = query.get("group") if by else None
    rows = part_of(frame, figures, on) if on in figures.months else None
    if kpi is None or on not in figures.months:
        raise Problem("path.unknown", "There is no such KPI, or no such month")
    if rows is None or kpi.counted not in rows:
        rows, mask = {"account_id": np.array([], dtype=object)}, np.array([], dtype=bool)
    else:
        mask = rows[kpi.counted] != 0
        if group is not None:
            mask &= rows[f"{'year_' if kpi.yearly else ''}by_{by}"] == group
    title = f"{say(f'kpi-{kpi.name}')} · {month(on, frame.language)}"
    title += f" · {_spoken(frame, figures, by)(group)}" if group is not None else ""
    columns = [name for name in kpi.columns if name in rows]
    return listed(
        frame,
        rows,
        mask,
        columns,
        title=title,
        how=say(f"kpi-{kpi.name}.how"),
        owners=rows.get("by_owner"),
        back="/company",
    )


def listed(
    frame: Frame,
    rows: Mapping[str, np.ndarray],
    mask: np.ndarray,
    columns: Sequence[str],
    *,
    title: str,
    how: str,
    back: str,
    owners: np.ndarray | None = None,
    section: str = "company",
) -> Response:
    """Return accounts behind a number as a page, or as CSV; who does not see all accounts sees the own ones.

    Parameters
    ----------
    frame : Frame
    rows : mapping
        ``account_id`` and the columns to show; those for which the last one is largest come first.
    mask : ndarray of bool
        Which of them.
    columns : sequence of str
        ``col-<name>`` in words.
    title, how : str
        What it is, and how it is counted.
    back : str
        Where the number stands.
    owners : ndarray, optional
        The owner of each account then, see `mask_seen`.
    section : str
    """
    say, places = phrases(frame.language), np.flatnonzero(mask)
    places = places[mask_seen(frame, rows["account_id"][places], None if owners is None else owners[places])]
    account = rows["account_id"][places].astype(str)
    keys = [account, *(-rows[name][places].astype(float) for name in columns if rows[name].dtype != object)]
    order = places[np.lexsort(keys)]
    if frame.request.query_params.get("format") == "csv":
        cells = ([rows["account_id"][place], *(rows[name][place] for name in columns)] for place in order)
        return as_csv(frame, ["account_id", *columns], cells)
    page = frame.page
    shown = order[(page - 1) * _PAGE : page * _PAGE]
    ids = [str(one) for one in rows["account_id"][shown]]
    snapshot = frame.state.view.snapshot
    known = frame.state.store.account_scores(snapshot.id, ids) if snapshot is not None else {}
    sums = [
        _cell(frame, name, float(rows[name][order].sum()), total=True)
        if rows[name].dtype != object and name not in _BOUNDS
        else ""
        for name in columns
    ]
    lines = [
        {
            "id": one,
            "name": known[one].name or one if one in known else one,
            "here": one in known,
            "cells": [_cell(frame, name, rows[name][place]) for name in columns],
        }
        for one, place in zip(ids, shown, strict=True)
    ]
    return frame.answer(
        "company_accounts.html.j2",
        here="company",
        title=title,
        section=section,
        how=how,
        back=back,
        total=len(order),
        columns=[say(f"col-{name}") for name in columns],
        sums=sums,
        lines=lines,
        csv=frame.with_query(format="csv", page=None),
        earlier=frame.with_query(page=page - 1) if page > 1 else "",
        later=frame.with_query(page=page + 1) if page * _PAGE < len(order) else "",
    )


def _cell(frame: Frame, name: str, value: Any, *, total: bool = False) -> str:
    say = phrases(frame.language)
    if isinstance(value, str):
        words = f"phase-{value}"
        return say(words) if name == "phase" and words in say else value or "–"
    if value != value:
        return "–"
    if name in _FLAGS:
        return number(float(value), frame.language) if total else say("co-yes") if value else say("co-no")
    if name in _COUNTS or name in ("recency", "frequency", "monetary", "days_in_phase"):
        return "" if total and name not in _COUNTS else number(float(value), frame.language)
    if name == "churn_probability":
        return "" if total else percent(float(value), frame.language, 1)
    return written(frame, float(value), "money")


def as_csv(frame: Frame, columns: Sequence[str], rows: Any) -> Response:
    """Return rows as CSV, called like the page."""
    name = frame.request.url.path.strip("/").replace("/", "-")
    data = csv_bytes([columns, *([_plain(cell) for cell in row] for row in rows)], marked=False)
    return csv_answer(frame.request, data, name)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, bool) else "" if value is None or value != value else value
