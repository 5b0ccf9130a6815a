"""Alerts: what waits for somebody, and the answers to it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from churnml.api.work import (
    AcknowledgeRequest,
    AlertMade,
    AlertsAnswer,
    AlertState,
    AlertTold,
    CloseRequest,
    ReassignRequest,
    ReopenRequest,
    SnoozeRequest,
)
from churnml.serving.mappers import view_provenance
from churnml.serving.routes.cursor import place_cursor, read_place
from churnml.serving.routes.operation import (
    IdempotencyHeader,
    Lang,
    ScopedRoute,
    as_json,
    documented,
    language,
    may,
    state_of,
)
from churnml.serving.routes.work import (
    Changed,
    Cursor,
    Limit,
    Number,
    Word,
    alert_answer,
    event_answer,
    note_answer,
    refused,
    task_answer,
    tasks_of,
)
from churnml.serving.routes.writes import WRITE, answered

__all__ = ["router"]

router = APIRouter(prefix="/v1/alerts", tags=["work"], route_class=ScopedRoute)

_WRITE = documented(*(code for code in WRITE if code != "account.unknown"), "alert.unknown", "alert.state")
_ACTION: dict[str, Any] = {"response_model": AlertMade, "responses": _WRITE, "openapi_extra": may("write")}


@router.get(
    "",
    response_model=AlertsAnswer,
    responses=documented("request.invalid", "request.cursor"),
    openapi_extra=may("read"),
    summary="Alerts, largest avoidable loss first",
)
async def list_alerts(
    request: Request,
    states: Annotated[
        list[AlertState], Query(alias="state", description="Where they stand; may be given several times")
    ] = ["open", "acknowledged"],  # noqa: B006 - FastAPI copies it
    owner: Word = None,
    account_id: Word = None,
    kind: Word = None,
    held_back: Annotated[bool | None, Query(description="Only those that the weekly budget holds back, or not")] = None,
    not_contacted: Annotated[
        bool, Query(description="Only those that an experiment keeps from everybody, in place of all others")
    ] = False,
    changed_since: Changed = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    lang: Lang = None,
) -> Response:
    """List alerts page by page; what an experiment keeps from everybody is left out unless it is asked for."""
    state, chosen = state_of(request), language(request, lang)
    where = (tuple(states), owner, account_id, kind, held_back, not_contacted, changed_since)
    after: Any = None
    if cursor is not None:
        after = read_place(cursor, where, datetime) if changed_since else read_place(cursor, where, float)
    find = partial(
        state.store.alerts(state.settings.name).find,
        states=states,
        owner=owner,
        account_id=account_id,
        kind=kind,
        held_back=held_back,
        held_out=not_contacted,
        changed_since=changed_since,
        after=after,
        limit=limit + 1,
    )
    alerts = await to_thread.run_sync(find)
    return as_json(
        AlertsAnswer.model_construct(
            **view_provenance(state.settings, state.view),
            alerts=[alert_answer(alert, chosen) for alert, _ in alerts[:limit]],
            next_cursor=place_cursor(alerts[limit - 1][1], where) if len(alerts) > limit else None,
        )
    )


@router.get(
    "/{alert_id}",
    response_model=AlertTold,
    responses=documented("request.invalid", "alert.unknown"),
    openapi_extra=may("read"),
    summary="An alert and everything that happened to it",
)
async def get_alert(request: Request, alert_id: Number, lang: Lang = None) -> Response:
    """Return an alert with its history, its tasks and its notes."""
    state, chosen = state_of(request), language(request, lang)
    name = state.settings.name

    def read() -> tuple[Any, ...]:
        every = ("open", "waiting", "done", "skipped", "cancelled")
        alert, events = state.store.alerts(name).get(alert_id)
        tasks = tasks_of(state).find(states=every, alert_id=alert_id, limit=500)  # type: ignore[arg-type]
        return alert, events, tasks, state.store.notes(name).find(alert_id=alert_id, limit=500)

    with refused():
        alert, events, tasks, notes = await to_thread.run_sync(read)
    return as_json(
        AlertTold.model_construct(
            **view_provenance(state.settings, state.view),
            alert=alert_answer(alert, chosen),
            events=[event_answer(event) for event in events],
            tasks=[task_answer(task, chosen) for task, _ in tasks],
            notes=[note_answer(note) for note in notes],
        )
    )


@router.post("/{alert_id}/acknowledge", summary="Say that somebody has an alert", **_ACTION)
async def acknowledge_alert(
    request: Request, alert_id: Number, body: AcknowledgeRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Acknowledge an alert: somebody has it."""
    return await _answer(request, alert_id, idempotency_key, body, state="acknowledged")


@router.post("/{alert_id}/snooze", summary="Put an alert off until a day", **_ACTION)
async def snooze_alert(
    request: Request, alert_id: Number, body: SnoozeRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Put an alert off; with the first scoring on or after the day it is open again."""
    return await _answer(request, alert_id, idempotency_key, body, state="snoozed", snoozed_until=body.until)


@router.post("/{alert_id}/close", summary="Close an alert with what came of it", **_ACTION)
async def close_alert(
    request: Request, alert_id: Number, body: CloseRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Close an alert; what is left of its tasks ends with it."""
    return await _answer(request, alert_id, idempotency_key, body, state="closed", outcome=body.outcome)


@router.post("/{alert_id}/reopen", summary="Open an alert again", **_ACTION)
async def reopen_alert(
    request: Request, alert_id: Number, body: ReopenRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Open a closed, snoozed or acknowledged alert again, with its history and its tasks."""
    return await _answer(request, alert_id, idempotency_key, body, state="open")


@router.post("/{alert_id}/reassign", summary="Give an alert to somebody else", **_ACTION)
async def reassign_alert(
    request: Request, alert_id: Number, body: ReassignRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Give an alert, and the CSM's tasks of it, to somebody else, who keeps it while the cause goes on."""
    return await _answer(request, alert_id, idempotency_key, body, owner=body.owner)


async def _answer(request: Request, alert_id: int, key: str | None, body: BaseModel, **asked: Any) -> Response:
    state = state_of(request)
    said: Any = body
    with refused():
        made, headers = await answered(
            request,
            key,
            lambda deadline, actor, idempotency: state.store.alerts(state.settings.name, deadline=deadline).change(
                alert_id, actor, note=said.note, author=said.author, idempotency=idempotency, **asked
            ),
            body,
        )
    fields = view_provenance(state.settings, state.view)
    return as_json(
        AlertMade.model_construct(**fields, alert=alert_answer(made, language(request, None))), headers=headers
    )
