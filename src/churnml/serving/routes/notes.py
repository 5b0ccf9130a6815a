"""Notes: what somebody wrote down on an account, an alert or a task."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from churnml.api.work import NoteMade, NoteRequest, NotesAnswer
from churnml.serving.mappers import view_provenance
from churnml.serving.routes.cursor import place_cursor, read_place
from churnml.serving.routes.operation import IdempotencyHeader, ScopedRoute, as_json, documented, may, state_of
from churnml.serving.routes.work import Changed, Cursor, Limit, Word, note_answer, refused
from churnml.serving.routes.writes import WRITE, answered

__all__ = ["router"]

router = APIRouter(prefix="/v1/notes", tags=["work"], route_class=ScopedRoute)


@router.get(
    "",
    response_model=NotesAnswer,
    responses=documented("request.invalid", "request.cursor"),
    openapi_extra=may("read"),
    summary="Notes, as they were written",
)
async def list_notes(
    request: Request,
    account_id: Word = None,
    alert_id: Annotated[int | None, Query(ge=1, lt=2**31, description="Only those on this alert")] = None,
    task_id: Annotated[int | None, Query(ge=1, lt=2**31, description="Only those on this task")] = None,
    changed_since: Changed = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List notes page by page; those on an account hold those on its alerts and tasks."""
    state = state_of(request)
    where = (account_id, alert_id, task_id, changed_since)
    find = partial(
        state.store.notes(state.settings.name).find,
        account_id=account_id,
        alert_id=alert_id,
        task_id=task_id,
        changed_since=changed_since,
        after=None if cursor is None else read_place(cursor, where, datetime),
        limit=limit + 1,
    )
    notes = await to_thread.run_sync(find)
    last = notes[limit - 1] if len(notes) > limit else None
    return as_json(
        NotesAnswer.model_construct(
            **view_provenance(state.settings, state.view),
            notes=[note_answer(note) for note in notes[:limit]],
            next_cursor=None if last is None else place_cursor((last.at, last.id), where),
        )
    )


@router.post(
    "",
    status_code=201,
    response_model=NoteMade,
    responses=documented(*WRITE, "alert.unknown", "task.unknown"),
    openapi_extra=may("write"),
    summary="Write a note on an account, an alert or a task",
)
async def create_note(request: Request, body: NoteRequest, idempotency_key: IdempotencyHeader = None) -> Response:
    """Write a note; it is never changed."""
    state = state_of(request)
    if body.account_id is not None:
        await state.account(body.account_id)
    with refused():
        made, headers = await answered(
            request,
            idempotency_key,
            lambda deadline, actor, idempotency: state.store.notes(state.settings.name, deadline=deadline).add(
                body.text,
                body.author,
                actor,
                account_id=body.account_id,
                alert_id=body.alert_id,
                task_id=body.task_id,
                idempotency=idempotency,
            ),
            body,
        )
    fields = view_provenance(state.settings, state.view)
    return as_json(NoteMade.model_construct(**fields, note=note_answer(made)), 201, headers)
