"""Tasks: what is to be done, by whom and until when, and the answers to it."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from churnml.api.work import (
    DoneRequest,
    ReassignRequest,
    ReopenRequest,
    SkipRequest,
    TaskMade,
    TasksAnswer,
    TaskState,
    TaskTold,
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
    DueUntil,
    Limit,
    Number,
    Word,
    event_answer,
    note_answer,
    refused,
    task_answer,
    tasks_of,
)
from churnml.serving.routes.writes import WRITE, answered

__all__ = ["router"]

router = APIRouter(prefix="/v1/tasks", tags=["work"], route_class=ScopedRoute)

_WRITE = documented(*(code for code in WRITE if code != "account.unknown"), "task.unknown", "task.state")
_ACTION: dict[str, Any] = {"response_model": TaskMade, "responses": _WRITE, "openapi_extra": may("write")}


@router.get(
    "",
    response_model=TasksAnswer,
    responses=documented("request.invalid", "request.cursor"),
    openapi_extra=may("read"),
    summary="Tasks, first due first",
)
async def list_tasks(
    request: Request,
    states: Annotated[
        list[TaskState], Query(alias="state", description="Where they stand; may be given several times")
    ] = ["open"],  # noqa: B006 - FastAPI copies it
    owner: Word = None,
    account_id: Word = None,
    alert_id: Annotated[int | None, Query(ge=1, lt=2**31, description="Only those that this alert began")] = None,
    playbook: Word = None,
    due_until: DueUntil = None,
    changed_since: Changed = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    lang: Lang = None,
) -> Response:
    """List tasks page by page."""
    state, chosen = state_of(request), language(request, lang)
    where = (tuple(states), owner, account_id, alert_id, playbook, due_until, changed_since)
    after: Any = None
    if cursor is not None:
        after = read_place(cursor, where, datetime) if changed_since else read_place(cursor, where, date)
    find = partial(
        tasks_of(state).find,
        states=states,
        owner=owner,
        account_id=account_id,
        alert_id=alert_id,
        playbook=playbook,
        due_until=due_until,
        changed_since=changed_since,
        after=after,
        limit=limit + 1,
    )
    tasks = await to_thread.run_sync(find)
    return as_json(
        TasksAnswer.model_construct(
            **view_provenance(state.settings, state.view),
            tasks=[task_answer(task, chosen) for task, _ in tasks[:limit]],
            next_cursor=place_cursor(tasks[limit - 1][1], where) if len(tasks) > limit else None,
        )
    )


@router.get(
    "/{task_id}",
    response_model=TaskTold,
    responses=documented("request.invalid", "task.unknown"),
    openapi_extra=may("read"),
    summary="A task and everything that happened to it",
)
async def get_task(request: Request, task_id: Number, lang: Lang = None) -> Response:
    """Return a task with its history and its notes."""
    state, chosen = state_of(request), language(request, lang)

    def read() -> tuple[Any, ...]:
        return *tasks_of(state).get(task_id), state.store.notes(state.settings.name).find(task_id=task_id, limit=500)

    with refused():
        task, events, notes = await to_thread.run_sync(read)
    return as_json(
        TaskTold.model_construct(
            **view_provenance(state.settings, state.view),
            task=task_answer(task, chosen),
            events=[event_answer(event) for event in events],
            notes=[note_answer(note) for note in notes],
        )
    )


@router.post("/{task_id}/done", summary="Say that a task is done", **_ACTION)
async def finish_task(
    request: Request, task_id: Number, body: DoneRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Say that a task is done, and what came of it; the steps that waited for it begin."""
    return await _answer(request, task_id, idempotency_key, body, state="done", outcome=body.outcome)


@router.post("/{task_id}/skip", summary="Leave a task out, with a reason", **_ACTION)
async def skip_task(
    request: Request, task_id: Number, body: SkipRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Leave a task out; the steps that waited for it begin."""
    return await _answer(request, task_id, idempotency_key, body, state="skipped", reason=body.reason)


@router.post("/{task_id}/reopen", summary="Open a task again", **_ACTION)
async def reopen_task(
    request: Request, task_id: Number, body: ReopenRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Open a task again that was done or skipped."""
    return await _answer(request, task_id, idempotency_key, body, state="open")


@router.post("/{task_id}/reassign", summary="Give a task to somebody else", **_ACTION)
async def reassign_task(
    request: Request, task_id: Number, body: ReassignRequest, idempotency_key: IdempotencyHeader = None
) -> Response:
    """Give a task to somebody else."""
    return await _answer(request, task_id, idempotency_key, body, owner=body.owner)


async def _answer(request: Request, task_id: int, key: str | None, body: BaseModel, **asked: Any) -> Response:
    state = state_of(request)
    said: Any = body
    with refused():
        made, headers = await answered(
            request,
            key,
            lambda deadline, actor, idempotency: tasks_of(state, deadline).change(
                task_id, actor, note=said.note, author=said.author, idempotency=idempotency, **asked
            ),
            body,
        )
    fields = view_provenance(state.settings, state.view)
    return as_json(TaskMade.model_construct(**fields, task=task_answer(made, language(request, None))), headers=headers)
