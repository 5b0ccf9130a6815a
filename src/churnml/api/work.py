"""What the operations on alerts, tasks and notes take and answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from churnml.api.answers import Answer, Part
from churnml.api.requests import AccountId, Body

__all__ = [
    "AcknowledgeRequest",
    "AlertAnswer",
    "AlertMade",
    "AlertOutcome",
    "AlertState",
    "AlertTold",
    "AlertsAnswer",
    "CloseRequest",
    "DoneRequest",
    "EventAnswer",
    "NoteAnswer",
    "NoteMade",
    "NoteRequest",
    "NotesAnswer",
    "ReassignRequest",
    "ReopenRequest",
    "Severity",
    "SkipRequest",
    "SnoozeRequest",
    "TaskAnswer",
    "TaskMade",
    "TaskState",
    "TaskTold",
    "TasksAnswer",
]

AlertState = Literal["open", "acknowledged", "snoozed", "closed"]
AlertOutcome = Literal["saved", "lost", "false_alarm", "not_a_risk"]
Severity = Literal["low", "medium", "high", "critical"]
TaskState = Literal["waiting", "open", "done", "skipped", "cancelled"]

_Text = StringConstraints(pattern=r"^[^\x00]*$", strict=True)
_Author = Annotated[
    str, _Text, Field(min_length=1, max_length=200, description="Who answers; it goes on record", examples=["ann"])
]
_Note = Annotated[
    Annotated[str, _Text] | None,
    Field(
        min_length=1, max_length=2000, description="A few words for whoever reads it next", examples=["Calling today."]
    ),
]
_Owner = Annotated[str, _Text, Field(min_length=1, max_length=255, description="The new owner", examples=["bob"])]


class AcknowledgeRequest(Body):
    """Somebody has it."""

    author: _Author
    note: _Note = None


class SnoozeRequest(Body):
    """It comes back on a day."""

    author: _Author
    until: date = Field(description="The day on which it comes back", examples=["2026-12-15"])
    note: _Note = None


class CloseRequest(Body):
    """It has ended, and what came of it."""

    author: _Author
    outcome: AlertOutcome = Field(description="What came of it")
    note: _Note = None


class ReopenRequest(Body):
    """It goes on after all."""

    author: _Author
    note: _Note = None


class ReassignRequest(Body):
    """Somebody else has it from now on."""

    author: _Author
    owner: _Owner
    note: _Note = None


class DoneRequest(Body):
    """The task is done."""

    author: _Author
    outcome: Annotated[str, _Text] | None = Field(
        None, min_length=1, max_length=2000, description="What came of it", examples=["They will try the new workflow."]
    )
    note: _Note = None


class SkipRequest(Body):
    """The task is left out."""

    author: _Author
    reason: Annotated[str, _Text] = Field(
        min_length=3, max_length=2000, description="Why it is not done", examples=["No ticket is open."]
    )
    note: _Note = None


_NULL: JsonValue = {"type": "null"}
_SUBJECTS = {"account_id": "string", "alert_id": "integer", "task_id": "integer"}
_ONE_SUBJECT: list[JsonValue] = [
    {
        "title": f"By {name}",
        "required": [name],
        "properties": {other: {"type": kind} if other == name else _NULL for other, kind in _SUBJECTS.items()},
    }
    for name in _SUBJECTS
]

_NOTE: JsonValue = {"account_id": "acc-0042", "author": "ann", "text": "The new sponsor is Ms Ito."}


class NoteRequest(Body):
    """A note on an account, an alert or a task. Exactly one of the three."""

    account_id: AccountId | None = Field(None, description="Account", examples=["acc-0042"])
    alert_id: Annotated[int, Field(ge=1)] | None = Field(None, description="Alert")
    task_id: Annotated[int, Field(ge=1)] | None = Field(None, description="Task")
    author: _Author
    text: Annotated[str, _Text] = Field(
        min_length=1, max_length=5000, description="What to write down", examples=["The new sponsor is Ms Ito."]
    )

    model_config = ConfigDict(json_schema_extra={"oneOf": _ONE_SUBJECT, "examples": [_NOTE]})

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.account_id, self.alert_id, self.task_id)) != 1:
            raise PydanticCustomError("one_subject", "send exactly one of account_id, alert_id and task_id")
        return self


class AlertAnswer(Part):
    """One episode of one alert rule on one account."""

    id: int = Field(description="Number of the alert", examples=[12])
    account_id: str = Field(description="The account", examples=["acc-0042"])
    kind: str = Field(description="The rule", examples=["silence"])
    episode: int = Field(ge=1, description="How often the rule has opened on the account", examples=[1])
    state: AlertState = Field(description="Where it stands", examples=["open"])
    severity: Severity = Field(description="How urgent", examples=["high"])
    owner: str = Field(description="Who has it: a person or a queue", examples=["ann"])
    sentence: str = Field(description="What the rule has found, in words", examples=["No use for 30 days"])
    opened_on: date = Field(description="`as_of` of the first snapshot in which the rule held")
    updated_on: date = Field(description="`as_of` of the newest snapshot in which the rule held")
    shown_on: date | None = Field(description="`as_of` from which somebody had it on the desk")
    due_at: datetime = Field(description="When it has to have been answered (UTC)")
    avoidable_loss: float | None = Field(
        description="Churn probability × ARR × the save rate that is assumed. Unit: currency of the config",
        examples=[1240.5],
    )
    held_back: bool = Field(description="The owner's weekly budget is used up by alerts that rank higher")
    not_contacted: bool = Field(description="An experiment keeps it from everybody: nobody is to contact the account")
    value: float | None = Field(description="The rule's number", examples=[30.0])
    reference: float | None = Field(description="What the number is held against")
    playbook: str | None = Field(description="The playbook to work by", examples=["silence"])
    snoozed_until: date | None = Field(description="The day on which it comes back")
    closed_on: date | None = Field(description="The day on which it ended")
    outcome: str | None = Field(
        description="`saved`, `lost`, `false_alarm`, `not_a_risk`, or `cleared`: its cause was gone", examples=["saved"]
    )


class EventAnswer(Part):
    """One thing that happened to an alert or a task."""

    at: datetime = Field(description="When (UTC)")
    actor: str = Field(description="Whose key or command did it", examples=["score"])
    action: str = Field(description="What happened", examples=["opened"])
    detail: dict[str, Any] = Field(description="With what: outcome, reason, owner, note, `by`")


class NoteAnswer(Part):
    """What somebody wrote down."""

    id: int = Field(description="Number of the note", examples=[3])
    account_id: str = Field(description="The account", examples=["acc-0042"])
    alert_id: int | None = Field(description="The alert that it is about", examples=[12])
    task_id: int | None = Field(description="The task that it is about", examples=[31])
    author: str = Field(description="Who wrote it", examples=["ann"])
    text: str = Field(description="What it says", examples=["The new sponsor is Ms Ito."])
    at: datetime = Field(description="When (UTC)")


class TaskAnswer(Part):
    """One step of a playbook on one account."""

    id: int = Field(description="Number of the task", examples=[31])
    alert_id: int = Field(description="The alert that began it", examples=[12])
    account_id: str = Field(description="The account", examples=["acc-0042"])
    alert: str = Field(description="The alert's rule", examples=["silence"])
    playbook: str = Field(description="The playbook", examples=["silence"])
    step: str = Field(description="The step's key in it", examples=["call"])
    title: str = Field(description="What to do", examples=["Call the main contact and ask what changed"])
    role: str = Field(description="Who does such a thing", examples=["csm"])
    owner: str = Field(description="Who has it: a person, a queue, or an automation", examples=["ann"])
    state: TaskState = Field(description="Where it stands; `waiting` for other steps", examples=["open"])
    position: int = Field(ge=0, description="Place in the playbook", examples=[0])
    after: list[str] = Field(description="Steps that must be done or skipped before", examples=[["call"]])
    opened_on: date = Field(description="From when it can be done")
    due_on: date = Field(description="By when it is to be done")
    finished_on: date | None = Field(description="When it was done or skipped")
    finished_by: str | None = Field(description="Who did or skipped it", examples=["ann"])
    outcome: str | None = Field(description="What came of it")
    reason: str | None = Field(description="Why it was skipped")


_CURSOR = "Send as `cursor` for the next page; null on the last one"


class AlertsAnswer(Answer):
    """A page of alerts."""

    alerts: list[AlertAnswer] = Field(description="Largest avoidable loss first; with `changed_since` as they changed")
    next_cursor: str | None = Field(description=_CURSOR)


class AlertTold(Answer):
    """An alert with everything that happened to it."""

    alert: AlertAnswer = Field(description="The alert")
    events: list[EventAnswer] = Field(description="What happened to it, the oldest first")
    tasks: list[TaskAnswer] = Field(description="The tasks that it began")
    notes: list[NoteAnswer] = Field(description="The notes on it")


class AlertMade(Answer):
    """The alert as it stands after the answer."""

    alert: AlertAnswer = Field(description="The alert")


class TasksAnswer(Answer):
    """A page of tasks."""

    tasks: list[TaskAnswer] = Field(description="First due first; with `changed_since` as they changed")
    next_cursor: str | None = Field(description=_CURSOR)


class TaskTold(Answer):
    """A task with everything that happened to it."""

    task: TaskAnswer = Field(description="The task")
    events: list[EventAnswer] = Field(description="What happened to it, the oldest first")
    notes: list[NoteAnswer] = Field(description="The notes on it")


class TaskMade(Answer):
    """The task as it stands after the answer."""

    task: TaskAnswer = Field(description="The task")


class NotesAnswer(Answer):
    """A page of notes."""

    notes: list[NoteAnswer] = Field(description="In the order in which they were written")
    next_cursor: str | None = Field(description=_CURSOR)


class NoteMade(Answer):
    """The note that was written."""

    note: NoteAnswer = Field(description="The note")
