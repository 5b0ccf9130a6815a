"""What the operations on alerts, tasks and notes share: places, states, and the stored records as answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from churnml.actions import due_on
from churnml.api.work import AlertAnswer, EventAnswer, NoteAnswer, TaskAnswer
from churnml.config.alerts import AlertsConfig
from churnml.errors import StoreError
from churnml.language import Language, Text, render
from churnml.serving.http.problems import Problem
from churnml.serving.state import ServingState
from churnml.store import Alert, AlertEvent, Note, Task, TaskEvent, Tasks

__all__ = [
    "Changed",
    "Cursor",
    "DueUntil",
    "Limit",
    "Number",
    "Word",
    "alert_answer",
    "event_answer",
    "note_answer",
    "refused",
    "task_answer",
    "tasks_of",
]


def _written_out(value: object) -> object:
    """Refuse numbers: pydantic would take them for seconds since 1970, and 20260301 is no day of that year."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}", value):
        raise PydanticCustomError("iso_date", "write the day as YYYY-MM-DD, with a time as in 2026-11-01T04:00:00Z")
    return value


Word = Annotated[str | None, Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page")]
Cursor = Annotated[str | None, Query(max_length=300, description="`next_cursor` of the page before")]
Changed = Annotated[
    AwareDatetime | None,
    Query(
        description="Only what changed at this time or later, in the order in which it changed. Ask again from a "
        "minute before the last answer: what comes twice does no harm, and what was being written then is not missed",
        examples=["2026-11-01T04:00:00Z"],
    ),
    BeforeValidator(_written_out),
]
DueUntil = Annotated[
    date | None, Query(description="Only those due on this day or before"), BeforeValidator(_written_out)
]
Number = Annotated[int, Path(ge=1, lt=2**31, description="As the list shows it", examples=[12])]

_PROBLEMS = {
    "alert.unknown": "alert.unknown",
    "alert.closed": "alert.state",
    "alert.outcome": "alert.state",
    "alert.snooze": "alert.state",
    "task.unknown": "task.unknown",
    "task.state": "task.state",
    "task.reason": "task.state",
}


@contextmanager
def refused() -> Iterator[None]:
    """Turn what the store refuses into a problem of the API."""
    try:
        yield
    except StoreError as error:
        code = _PROBLEMS.get(error.code)
        if code is None:
            raise
        form = "detail-refused.expected" if "expected" in error.said else "detail-refused"
        raise Problem(code, Text.of(form, **error.said)) from error


def tasks_of(state: ServingState, deadline: float | None = None) -> Tasks:
    """Return the tasks of the config that is served."""
    calendar = partial(_due, state.settings.alerts)
    return state.store.tasks(state.settings.name, calendar, deadline=deadline)


def _due(section: AlertsConfig, day: date, workdays: int, owner: str) -> date:
    return due_on(day, workdays, section, owner)


def alert_answer(alert: Alert, lang: Language) -> AlertAnswer:
    """Return an alert as the API shows it."""
    fields = {name: getattr(alert, name) for name in AlertAnswer.model_fields if hasattr(alert, name)}
    return AlertAnswer.model_validate({**fields, "not_contacted": alert.held_out, "sentence": render(alert.text, lang)})


def task_answer(task: Task, lang: Language) -> TaskAnswer:
    """Return a task as the API shows it."""
    fields: dict[str, Any] = {name: getattr(task, name) for name in TaskAnswer.model_fields if name != "title"}
    return TaskAnswer.model_validate({**fields, "after": list(task.after), "title": task.title.spoken(lang)})


def event_answer(event: AlertEvent | TaskEvent) -> EventAnswer:
    """Return an event as the API shows it."""
    return EventAnswer.model_validate(event.model_dump())


def note_answer(note: Note) -> NoteAnswer:
    """Return a note as the API shows it."""
    return NoteAnswer.model_validate(note.model_dump())
