"""What a task is as it is kept, and what happened to it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from churnml.config.alerts import TaskRole
from churnml.language import Words

__all__ = ["Task", "TaskEvent", "TaskState"]

TaskState = Literal["waiting", "open", "done", "skipped", "cancelled"]
"""`waiting`: for other steps; `cancelled`: its alert ended before anybody did it."""


class Task(BaseModel):
    """One step of a playbook on one account.

    Parameters
    ----------
    id, alert_id : int or None
        In the store; None before it is kept.
    account_id, alert, playbook, step : str
        `alert` is the kind of the alert that began it, `step` the step's name in the playbook.
    title : Words
        What to do, by language.
    role : str
        Who does such a thing: csm, manager, sales, support, finance, or automation.
    owner : str
        Who has it: a person, a role's queue, or the name of the automation.
    assigned_to : str or None
        Who was chosen by hand.
    state : {"waiting", "open", "done", "skipped", "cancelled"}
    position : int
        Place in the playbook, from 0.
    after : tuple of str
        Steps that must be done or skipped before.
    due_days : int
        Working days to do it in, once it can be begun.
    opened_on, due_on : date
        Of a task that waits, when it can be begun and is due if the steps before it are done on their last day.
    finished_on : date or None
    finished_by, outcome, reason : str or None
        Who did or skipped it, what came of it, why it was skipped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int | None = None
    alert_id: int | None = None
    account_id: str
    alert: str
    playbook: str
    step: str
    title: Words
    role: TaskRole
    owner: str
    assigned_to: str | None = None
    state: TaskState = "open"
    position: int = 0
    after: tuple[str, ...] = ()
    due_days: int = 0
    opened_on: date
    due_on: date
    finished_on: date | None = None
    finished_by: str | None = None
    outcome: str | None = None
    reason: str | None = None


class TaskEvent(BaseModel):
    """One thing that happened to a task: opened, done, skipped, reassigned, noted, cancelled, reopened."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    actor: str
    action: str
    detail: dict[str, Any]
