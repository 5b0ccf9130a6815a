"""The forms of the cards and tasks: called, done, snoozed, no risk, reassigned, and all of it taken back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from churnml.language import Text, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages.acting import UNKNOWN_CHOICE, act, back_to, numbers, text_of
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.visibility import line_seen
from churnml.serving.people import CheckedForm, needs
from churnml.serving.routes.operation import ScopedRoute
from churnml.serving.routes.work import tasks_of
from churnml.store import Actor, Alert, Task

__all__ = ["router"]

router = APIRouter(prefix="/actions", route_class=ScopedRoute, include_in_schema=False)


@router.post("/alerts", dependencies=[needs("work")])
async def post_alerts(request: Request, form: CheckedForm) -> Response:
    """Answer the alerts of one account, and its next task."""
    frame, ids = frame_of(request), numbers(form, "alert")
    do = str(form.get("do"))
    if do == "called":
        note = text_of(form, "note") or phrases(frame.language)("work-called")
        await _each(frame, ids, state="acknowledged", note=note)
        return back_to(form, done="called", alert=ids)
    if do == "done":
        return await _done(frame, form, ids)
    if do == "snooze":
        await _each(frame, ids, state="snoozed", snoozed_until=_day(form, "until", frame), note=text_of(form, "note"))
        return back_to(form, done="snoozed", alert=ids)
    if do == "not_a_risk":
        why = text_of(form, "why", required=True)
        await _each(frame, ids, state="closed", outcome="not_a_risk", note=why)
        return back_to(form, done="not_a_risk", alert=ids)
    if do == "reassign":
        before = await _reassign(frame, form, ids)
        return back_to(form, done="reassigned", alert=ids, was=before)
    raise Problem("request.invalid", "do: called, done, snooze, not_a_risk or reassign", said=UNKNOWN_CHOICE)


async def _done(frame: Frame, form: FormData, ids: list[int]) -> Response:
    """Finish the next task; without one the alerts are answered, with what came of it."""
    tasks, note = numbers(form, "task"), text_of(form, "note")
    if tasks:
        await _task(frame, tasks[0], state="done", outcome=note)
        return back_to(form, done="done", alert=ids, task=tasks[0])
    outcome = str(form.get("outcome") or "saved")
    if outcome not in ("saved", "lost", "false_alarm"):
        raise Problem("request.invalid", "outcome: saved, lost or false_alarm", said=UNKNOWN_CHOICE)
    await _each(frame, ids, state="closed", outcome=outcome, note=note)
    return back_to(form, done="done", alert=ids)


async def _reassign(frame: Frame, form: FormData, ids: list[int]) -> str | None:
    owner = text_of(form, "owner", most=255, required=True)
    return (await _each(frame, ids, owner=owner, note=text_of(form, "note")))[0].owner if ids else None


@router.post("/undo", dependencies=[needs("work")])
async def post_undo(request: Request, form: CheckedForm) -> Response:
    """Take back what the last form did."""
    frame, ids, tasks = frame_of(request), numbers(form, "alert"), numbers(form, "task")
    done = str(form.get("done"))
    if done == "reassigned":
        await _each(frame, ids, owner=text_of(form, "was", most=255, required=True))
    elif tasks:
        await _task(frame, tasks[0], state="open")
    else:
        await _each(frame, ids, state="open")
    return back_to(form, done="undone", alert=ids)


@router.post("/tasks", dependencies=[needs("work")])
async def post_task(request: Request, form: CheckedForm) -> Response:
    """Tick a task off, leave it out, open it again, or give it to somebody else."""
    frame, (task, *_) = frame_of(request), numbers(form, "task") or [0]
    do, note = str(form.get("do")), text_of(form, "note")
    account = str(form.get("account") or "")
    if do == "done":
        await _task(frame, task, state="done", outcome=note)
        return back_to(form, done="done", task=task, account=account)
    if do == "skip":
        await _task(frame, task, state="skipped", reason=text_of(form, "note", required=True))
        return back_to(form, done="skipped", task=task, account=account)
    if do == "reopen":
        await _task(frame, task, state="open")
        return back_to(form, done="reopened", account=account)
    raise Problem("request.invalid", "do: done, skip or reopen", said=UNKNOWN_CHOICE)


async def _each(frame: Frame, ids: list[int], **asked: Any) -> list[Alert]:
    """Answer alerts; returns them as they were."""
    if not ids:
        raise Problem("request.invalid", "alert: none was named", said=Text.of("form-no_alert"))
    state, viewer = frame.state, frame.viewer

    def change(actor: Actor, deadline: float) -> list[Alert]:
        alerts = state.store.alerts(state.settings.name, deadline=deadline)
        before = [alerts.get(one)[0] for one in ids]
        for alert in before:
            _refuse_of_others(frame, alert.account_id, alert.owner)
        for alert in before:
            assert alert.id is not None
            alerts.change(alert.id, actor, author=viewer.name, **asked)
        return before

    return await act(frame, "assign" if "owner" in asked else "work", change)


async def _task(frame: Frame, task_id: int, **asked: Any) -> Task:
    state, viewer = frame.state, frame.viewer

    def change(actor: Actor, deadline: float) -> Task:
        tasks = tasks_of(state, deadline)
        before = tasks.get(task_id)[0]
        _refuse_of_others(frame, before.account_id, before.owner)
        return tasks.change(task_id, actor, author=viewer.name, **asked)[0]

    return await act(frame, "work", change)


def _refuse_of_others(frame: Frame, account_id: str, owner: str) -> None:
    """Refuse work on an account that who looks may not see, unless it is theirs by itself."""
    if not frame.viewer.sees(owner):
        line_seen(frame, frame.state.view.snapshot, account_id)


def _day(form: FormData, name: str, frame: Frame) -> date:
    """Return the day that a field names; next Monday where it is left empty."""
    given = str(form.get(name) or "")
    if not given:
        return frame.today + timedelta(days=7 - frame.today.weekday())
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise Problem("request.invalid", f"{name}: a day such as 2026-12-31", said=Text.of("form-day")) from None
