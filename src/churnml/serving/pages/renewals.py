"""Renewals: what is expected to renew by month, what CSMs call, and past forecasts against what came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from churnml.language import Text, day, month, number, percent, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages import figures
from churnml.serving.pages.acting import act
from churnml.serving.pages.company import as_csv, begun, written
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.newest_figures import Figures, newest_figures, part_of
from churnml.serving.pages.visibility import line_seen, mask_seen
from churnml.serving.people import CheckedForm, needs
from churnml.serving.routes.operation import ScopedRoute
from churnml.store import Actor, RenewalCall

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
_RENEWALS = "renewals"
_PAGE = 50


@router.get("/company/renewals", dependencies=[needs("read")])
async def get_renewals(request: Request) -> Response:
    """Return the forecast of the months to come, and those of past months with what came."""
    return await to_thread.run_sync(begun(request, "renewals", _renewals))


def _renewals(frame: Frame, figures: Figures) -> Response:
    say, language, company = phrases(frame.language), frame.language, figures.company
    forecast, past = company.get("forecast") or [], company.get("past") or []
    called = _called_by_month(frame, figures)
    if frame.request.query_params.get("format") == "csv":
        columns = ["month_on", "made_on", "accounts", "arr", "expected", "low", "high", "scored", "came"]
        lines = ([one.get(name) for name in columns] for one in [*past, *forecast])
        return as_csv(frame, columns, lines)
    rows = []
    for one in forecast:
        calls = called.get(one["month_on"][:7], {})
        rows.append(
            {
                "month": month(one["month_on"], language),
                "href": f"/company/renewals/{one['month_on'][:7]}",
                "accounts": number(one["accounts"], language),
                "arr": written(frame, one["arr"], "money"),
                "expected": written(frame, one["expected"], "money"),
                "span": f"{written(frame, one['low'], 'money')} – {written(frame, one['high'], 'money')}",
                "share": percent(one["expected"] / one["arr"], language, 0) if one["arr"] else "–",
                "scored": one["scored"] == one["accounts"],
                "called": written(frame, calls.get("called"), "money"),
                "same": written(frame, calls.get("expected"), "money"),
                "count": number(calls.get("accounts", 0), language),
            }
        )
    before = [
        {
            "month": month(one["month_on"], language),
            "href": f"/company/list?of=past&month_on={one['month_on']}",
            "made": day(one["made_on"], language),
            "arr": written(frame, one["arr"], "money"),
            "expected": written(frame, one["expected"], "money"),
            "span": f"{written(frame, one['low'], 'money')} – {written(frame, one['high'], 'money')}",
            "came": written(frame, one["came"], "money"),
            "inside": one["low"] <= one["came"] <= one["high"],
            "off": percent((one["came"] - one["expected"]) / one["arr"], language, 1) if one["arr"] else "–",
        }
        for one in past
    ]
    rate = company.get("later_rate")
    return frame.answer(
        "company_renewals.html.j2",
        here="company",
        title=say("co-renewals"),
        section="renewals",
        rows=rows,
        past=before,
        inside=sum(one["inside"] for one in before),
        records=[_record(frame, one) for one in company.get("records") or []],
        by_curves=any(one["months_by_curves"] for one in company.get("records") or []),
        quarters=_quarters(frame, past),
        rate=None if rate is None else percent(rate, language, 1),
        until=day(company["looks_until"], language) if "looks_until" in company else "",
        picture=_picture(
            frame, forecast, say("co-forecast"), [called.get(one["month_on"][:7], {}) for one in forecast]
        ),
        past_picture=_picture(frame, past, say("co-past"), [{"whole": one["came"]} for one in past]),
        csv=frame.with_query(format="csv"),
    )


def _record(frame: Frame, one: Mapping[str, Any]) -> dict[str, Any]:
    """Return how forecasts of the past held, in words and by quarter."""
    say = phrases(frame.language)
    return {
        "source": one["source"],
        "words": say(
            f"co-record-{one['source']}",
            months=len(one["months"]),
            inside=one["months_inside"],
            quarters=len(one["quarters"]),
            whole=one["quarters_inside"],
            curves=one["months_by_curves"],
            own=one["months_by_curves_inside"],
        ),
        "quarters": [_quarter(frame, quarter) for quarter in one["quarters"]],
    }


def _quarter(frame: Frame, one: Mapping[str, Any]) -> dict[str, Any]:
    on, came = date.fromisoformat(one["month_on"]), one["came"]
    return {
        "quarter": f"{on.year} Q{(on.month + 2) // 3}",
        "made": day(one["made_on"], frame.language) if one["made_on"] else "–",
        "span": f"{written(frame, one['low'], 'money')} – {written(frame, one['high'], 'money')}",
        "inside": came is not None and one["low"] - 0.5 <= came <= one["high"] + 0.5,
        **{name: written(frame, one[name], "money") for name in ("arr", "expected", "came")},
    }


def _quarters(frame: Frame, past: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    sums_of: dict[str, dict[str, float]] = {}
    for one in past:
        on = date.fromisoformat(one["month_on"])
        quarter = sums_of.setdefault(f"{on.year} Q{(on.month + 2) // 3}", {"arr": 0.0, "expected": 0.0, "came": 0.0})
        for name in quarter:
            quarter[name] += one[name]
    return [
        {"quarter": name, **{key: written(frame, value, "money") for key, value in sums.items()}}
        for name, sums in sums_of.items()
    ]


def _picture(frame: Frame, months: list[Mapping[str, Any]], label: str, marks: list[Mapping[str, Any]]) -> Any:
    if not months:
        return ""
    wholes = [one["arr"] for one in months]
    return figures.expected_bars(
        [one["expected"] for one in months],
        [(one["low"], one["high"]) for one in months],
        wholes,
        [month(one["month_on"], frame.language) for one in months],
        label,
        marks=[one.get("whole") for one in marks],
        top=written(frame, max(wholes), "money"),
    )


def _due(frame: Frame, figures: Figures) -> list[dict[str, Any]]:
    """Return the accounts that come due, with the call that is in force for this renewal."""
    rows = part_of(frame, figures, _RENEWALS)
    if rows is None:
        return []
    calls = {call.account_id: call for call in frame.state.store.renewal_calls(frame.state.settings.name).all()}
    names = ("account_id", "arr", "churn_probability", "renewal_on")
    columns = [rows[name].tolist() for name in names]
    return [
        {**dict(zip(names, values, strict=True)), "call": _in_force(calls.get(values[0]), values[3])}
        for values in zip(*columns, strict=True)
    ]


def _in_force(call: RenewalCall | None, renewal_on: str) -> RenewalCall | None:
    return call if call is not None and call.renewal_on.isoformat() == renewal_on else None


def _called_by_month(frame: Frame, figures: Figures) -> dict[str, dict[str, Any]]:
    """Return by month what CSMs call, and what the score expects of the same accounts."""
    months: dict[str, dict[str, Any]] = {}
    for one in _due(frame, figures):
        if one["call"] is None:
            continue
        sums = months.setdefault(one["renewal_on"][:7], {"accounts": 0, "called": 0.0, "expected": 0.0})
        sums["accounts"] += 1
        sums["called"] += one["call"].arr
        sums["expected"] += (one["arr"] if one["arr"] == one["arr"] else 0.0) * (1 - one["churn_probability"])
    return months


@router.get("/company/renewals/{year_month}", dependencies=[needs("read")])
async def get_month(request: Request, year_month: str) -> Response:
    """Return the accounts that come due in a month, with what is expected of each; as CSV too."""
    return await to_thread.run_sync(
        begun(request, "renewals", lambda frame, figures: _month(frame, figures, year_month))
    )


def _month(frame: Frame, figures: Figures, year_month: str) -> Response:
    say, language, viewer = phrases(frame.language), frame.language, frame.viewer
    if len(year_month) != 7 or not all(letter.isdigit() or letter == "-" for letter in year_month):
        raise Problem("path.unknown", "There is no such month")
    due = [one for one in _due(frame, figures) if one["renewal_on"].startswith(year_month)]
    due.sort(key=lambda one: (-(0.0 if math.isnan(one["arr"]) else one["arr"]), one["account_id"]))
    snapshot = frame.state.view.snapshot
    seen = mask_seen(frame, np.array([one["account_id"] for one in due], dtype=object))
    due = [one for one, shown in zip(due, seen, strict=True) if shown]
    known = (
        frame.state.store.account_scores(snapshot.id, [one["account_id"] for one in due])
        if snapshot is not None
        else {}
    )
    if frame.request.query_params.get("format") == "csv":
        columns = ["account_id", "arr", "renewal_on", "churn_probability", "called_arr", "called_by"]
        lines = (
            [
                *(one[name] for name in columns[:4]),
                one["call"].arr if one["call"] else None,
                one["call"].author if one["call"] else None,
            ]
            for one in due
        )
        return as_csv(frame, columns, lines)
    page = frame.page
    until = figures.company.get("looks_until", "")
    rows = [
        {
            "id": one["account_id"],
            "name": (known[one["account_id"]].name if one["account_id"] in known else None) or one["account_id"],
            "here": one["account_id"] in known,
            "arr": written(frame, one["arr"], "money"),
            "on": day(one["renewal_on"], language),
            "renewal_on": one["renewal_on"],
            "risk": percent(one["churn_probability"], language, 1) if one["renewal_on"] < until else "–",
            "call": one["call"],
            "called": written(frame, one["call"].arr, "money") if one["call"] else "–",
            "value": f"{one['call'].arr:.0f}" if one["call"] else "",
        }
        for one in due[(page - 1) * _PAGE : page * _PAGE]
    ]
    return frame.answer(
        "company_due.html.j2",
        here="company",
        title=say("co-due", month=month(f"{year_month}-01", language)),
        section="renewals",
        rows=rows,
        total=len(due),
        page=page,
        may_call=viewer.may("work"),
        csv=frame.with_query(format="csv", page=None),
        earlier=frame.with_query(page=page - 1) if page > 1 else "",
        later=frame.with_query(page=page + 1) if page * _PAGE < len(due) else "",
        here_now=str(frame.url),
        year_month=year_month,
    )


@router.post("/company/renewals/{year_month}", dependencies=[needs("work")])
async def post_call(request: Request, year_month: str, form: CheckedForm) -> Response:
    """Keep what a CSM expects of a renewal: an amount of ARR that goes on; empty takes the call back."""
    frame = frame_of(request)
    account, amount = str(form.get("account_id", ""))[:255], str(form.get("arr", ""))[:30]
    await act(frame, "work", lambda actor, deadline: _call(frame, account, amount, actor, deadline))
    page = str(form.get("page", "1"))
    return RedirectResponse(f"/company/renewals/{year_month}?page={page if page.isdigit() else 1}", 303)


def _call(frame: Frame, account: str, amount: str, actor: Actor, deadline: float) -> None:
    figures, viewer = newest_figures(frame), frame.viewer
    due = {one["account_id"]: one for one in _due(frame, figures)} if figures is not None else {}
    line_seen(frame, frame.state.view.snapshot, account)
    if account not in due:
        raise Problem("account.unknown", "No renewal of such an account is forecast")
    try:
        arr = float(amount.replace(",", "").replace("\u202f", "").strip()) if amount.strip() else None
    except ValueError:
        arr = math.nan
    if arr is not None and not (math.isfinite(arr) and 0 <= arr < 1e15):
        raise Problem("request.invalid", "arr: an amount, 0 or more", said=Text.of("co-call-invalid"))
    calls = frame.state.store.renewal_calls(frame.state.settings.name, deadline=deadline)
    calls.call(account, date.fromisoformat(due[account]["renewal_on"]), arr, actor, author=viewer.name)
