"""One account: how it stands, what changed, why, what to do, and everything that happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.explain.lifetime import Lifetime
from churnml.explain.movement import change_of
from churnml.language import Language, month, number, phrases
from churnml.reports import charts
from churnml.reports.changes import change_facts, change_moved
from churnml.reports.curve import ShownCurve, curve_numbers, shown_curve
from churnml.serving.http.problems import Problem
from churnml.serving.mappers import last_score
from churnml.serving.pages.csv_answers import csv_answer, csv_bytes
from churnml.serving.pages.family import family_of
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.notices import notice
from churnml.serving.pages.readings import History, Reading, reading_rows, readings_of, scorecard
from churnml.serving.pages.reasons import reasons
from churnml.serving.pages.timeline import KINDS, timeline
from churnml.serving.pages.visibility import account_seen
from churnml.serving.pages.what_if import Trial, trial
from churnml.serving.people import needs
from churnml.serving.routes.accounts import AccountPath
from churnml.serving.routes.operation import ScopedRoute
from churnml.serving.routes.work import tasks_of
from churnml.store import BANDS, AccountLine, AccountScore, Alert, SnapshotInfo, State, Task, TaskState

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
_RED_BELOW, _GREEN_FROM = 40.0, 70.0
_READINGS, _ENTRIES, _EVENTS = 60, 40, 10
_EVERY_STATE: tuple[TaskState, ...] = ("open", "waiting", "done", "skipped", "cancelled")
_EVERY_ALERT: tuple[State, ...] = ("open", "acknowledged", "snoozed", "closed")


@router.get("/accounts/{account_id:path}", dependencies=[needs("read")])
async def get_account(request: Request, account_id: AccountPath) -> Response:
    """Return the page of an account; ``?view=brief`` what one takes into a call, ``?csv=`` a chart's numbers."""
    frame = frame_of(request)
    state = frame.state
    view, snapshot, account, line = await account_seen(frame, account_id, left=True)
    try:
        explanation = dict(await state.explanation(view, snapshot, account_id))
    except Problem as problem:
        if problem.code != "explanation.unknown":
            raise
        explanation = None
    departure = await state.departure(snapshot, account_id)
    left = last_score(state.view, snapshot, departure, frame.language)
    tried = await trial(frame, snapshot, account) if left is None else None
    curve = await state.curve(view, snapshot, account_id) if left is None else None
    page = _AccountPage(frame, snapshot, account, line, explanation, left.text if left else None, tried, curve)
    return await to_thread.run_sync(_account, page)


@dataclass(frozen=True)
class _AccountPage:
    """What was read before the page is made; `frozen` says that the account has left, `curve` is of one that stays."""

    frame: Frame
    snapshot: SnapshotInfo
    account: AccountScore
    line: AccountLine
    explanation: dict[str, Any] | None
    frozen: str | None
    trial: Trial | None
    curve: Lifetime | None


def _account(page: _AccountPage) -> Response:
    frame, snapshot, account, explanation = page.frame, page.snapshot, page.account, page.explanation
    line = page.line
    state, language = frame.state, frame.language
    name, account_id, say = state.settings.name, account.account_id, phrases(language)
    history = state.store.history(name, account_id, _READINGS)
    readings = readings_of(history, state.store.compositions(account_id, [one for one, _ in history]), language)
    query = frame.request.query_params
    if query.get("csv"):
        return _csv(page, readings, query["csv"])
    judgements = state.store.judgements(name)
    alerts = state.store.alerts(name)
    own = [one for one, _ in alerts.find(states=_EVERY_ALERT, account_id=account_id, limit=50)]
    tasks = [one for one, _ in tasks_of(state).find(states=_EVERY_STATE, account_id=account_id, limit=200)]
    notes = state.store.notes(name).find(account_id=account_id, limit=200)
    overrides = judgements.override_history(account_id)
    entries = timeline(
        language,
        happenings=(explanation or {}).get("happenings") or (),
        history=history,
        alerts=[(one, alerts.get(one.id)[1] if place < _EVENTS and one.id else ()) for place, one in enumerate(own)],
        tasks=tasks,
        notes=notes,
        overrides=overrides,
    )
    kind = query.get("kind") if query.get("kind") in KINDS else None
    shown = [entry for entry in entries if kind is None or entry.kind == kind]
    open_alerts = [one for one in own if one.waits_for_somebody]
    steps = _steps(tasks, own)
    display = state.settings.display
    brief = query.get("view") == "brief"
    moved = change_of(explanation)
    return frame.answer(
        "account_brief.html.j2" if brief else "account.html.j2",
        here="accounts",
        title=account.name or account_id,
        line=line,
        account=line.account,
        system_band=account.band,
        explanation=explanation,
        frozen=page.frozen,
        facts=[one[f"text_{language}"] for one in (explanation or {}).get("indicators", ())],
        change={"facts": change_facts(moved, language), "moved": change_moved(moved, language)},
        limits=list((explanation or {}).get(f"reasons_{language}", ())),
        raising=reasons(explanation, explanation["raising"], language) if explanation else [],
        lowering=reasons(explanation, explanation["lowering"], language) if explanation else [],
        scorecard=scorecard(readings, snapshot, explanation, language),
        override=judgements.override_of(account_id, frame.now),
        alerts=open_alerts,
        steps=steps,
        next_task=next((task for _, own_steps in steps for task in own_steps if task.state == "open"), None),
        plays=(explanation or {}).get("plays") or [],
        entries=shown if query.get("all") else shown[:_ENTRIES],
        more=len(shown) - _ENTRIES if not query.get("all") else 0,
        kind=kind,
        kinds=[one for one in KINDS if any(entry.kind == one for entry in entries)],
        notes=notes[::-1][:5],
        curve=_curve(page),
        history=_history(frame, history),
        readings=readings,
        horizon=snapshot.info.get("horizon_days"),
        lift=_lift(account, snapshot, language),
        trial=page.trial,
        bands=[band for band in BANDS if band != "unknown"],
        month_on=frame.today + timedelta(days=30),
        tomorrow=frame.today + timedelta(days=1),
        last_day=frame.today + timedelta(days=365),
        spoken=lambda what, raw: display.spoken(what, raw, language),
        phase=lambda raw: say.or_plain(f"phase-{raw}", raw) if raw else "–",
        last_contact=line.account.details.get("last_contact_on"),
        family=family_of(frame, snapshot, line),
        notice=notice(frame),
    )


def _curve(page: _AccountPage) -> ShownCurve | None:
    if page.curve is None:
        return None
    currency = str(page.snapshot.info.get("currency") or page.frame.state.settings.currency)
    return shown_curve(page.curve, page.snapshot.as_of, page.frame.language, currency)


def _lift(account: AccountScore, snapshot: SnapshotInfo, language: Language) -> str:
    base = snapshot.info.get("base_rate")
    return number(account.churn_probability / base, language, 1) if base else ""


def _steps(tasks: Sequence[Task], alerts: Sequence[Alert]) -> list[tuple[Alert, list[Task]]]:
    """Return the tasks by the alert that began them: those that go on first, then the newest."""
    of: dict[int, list[Task]] = {}
    for task in tasks:
        of.setdefault(task.alert_id or 0, []).append(task)
    listed = [(alert, sorted(of[alert.id], key=lambda task: task.position)) for alert in alerts if alert.id in of]
    return sorted(listed, key=lambda one: (one[0].state == "closed", -one[0].opened_on.toordinal()))[:4]


def _history(frame: Frame, history: History) -> Any:
    """Return the health of the past as a chart, marked where another model took over; None below two readings."""
    known = [(one, account) for one, account in history[::-1] if account.health_score is not None]
    if len(known) < 2:
        return None
    language, say = frame.language, phrases(frame.language)
    marks = [
        place
        for place, ((one, _), (before, _)) in enumerate(zip(known[1:], known, strict=False), 1)
        if one.model_version != before.model_version
    ]
    ticks = ["" for _ in known]
    for place in {0, len(known) // 2, len(known) - 1}:
        ticks[place] = month(known[place][0].as_of.isoformat(), language)
    first, last = known[0][1].health_score, known[-1][1].health_score
    assert first is not None
    assert last is not None
    label = say("account-history_label", first=number(first, language), last=number(last, language))
    levels = [(value, number(value, language)) for value in (0.0, _RED_BELOW, _GREEN_FROM, 100.0)]
    values = [account.health_score for _, account in known]
    return charts.line(values, ticks, label, high=100.0, levels=levels, marks=marks, width=420, height=160)


def _csv(page: _AccountPage, readings: Sequence[Reading], what: str) -> Response:
    """Return the numbers of one of the page's charts."""
    rows: list[list[Any]]
    if what == "history":
        rows = reading_rows(readings)
    elif what == "survival" and page.curve is not None:
        rows = [["month", "on", "survival", "low", "high", "peers"]]
        rows += [list(row) for row in curve_numbers(page.curve, page.snapshot.as_of)]
    else:
        values = ((page.explanation or {}).get("weekly") or {}).get(what)
        if values is None:
            raise Problem("path.unknown", "There are no such numbers")
        ends: list[date] = [
            page.snapshot.as_of - timedelta(days=1 + 7 * (len(values) - 1 - at)) for at in range(len(values))
        ]
        rows = [["week_ending", what], *([end, value] for end, value in zip(ends, values, strict=True))]
    return csv_answer(page.frame.request, csv_bytes(rows), what)
