"""Tasks in runs: listed, shown, done, skipped, handed over, and noted on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Literal

from churnml.config import Config
from churnml.errors import UsageError
from churnml.language import Text
from churnml.store import Actor, Note, Store, Task, TaskEvent, Tasks, TaskState

__all__ = ["answer_task", "done_tasks", "due_day", "list_tasks", "show_task"]


def list_tasks(
    config: Config,
    *,
    owner: str | None = None,
    account_id: str | None = None,
    states: Sequence[TaskState] = ("open",),
    due_until: date | None = None,
    limit: int = 100,
) -> list[Task]:
    """Return the tasks that wait for somebody, the first due first."""
    with Store(config.store_url) as store:
        listed = _tasks(config, store).find(
            states=states, owner=owner, account_id=account_id, due_until=due_until, limit=limit
        )
        return [task for task, _ in listed]


def show_task(config: Config, task_id: int) -> tuple[Task, list[TaskEvent], list[Note]]:
    """Return one task, its history, and the notes on it."""
    with Store(config.store_url) as store:
        task, events = _tasks(config, store).get(task_id)
        return task, events, store.notes(config.name).find(task_id=task_id)


def answer_task(
    config: Config,
    task_id: int,
    author: str,
    *,
    state: Literal["open", "done", "skipped"] | None = None,
    outcome: str | None = None,
    reason: str | None = None,
    owner: str | None = None,
    note: str | None = None,
) -> Task:
    """Do, skip, reopen or reassign a task, or leave a note on it.

    Raises
    ------
    UsageError
        Nothing is asked for.
    StoreError
        There is no such task, or the request does not fit its state.
    """
    if state is None and owner is None and note is None:
        raise UsageError(Text.of("fault-task_nothing"))
    with Store(config.store_url) as store:
        task, _ = _tasks(config, store).change(
            task_id,
            Actor(author, datetime.now(UTC)),
            state=state,
            outcome=outcome,
            reason=reason,
            owner=owner,
            note=note,
        )
    return task


def done_tasks(config: Config, store: Store) -> list[Task]:
    """Return every task that has been done."""
    return [task for task, _ in _tasks(config, store).find(states=("done",), limit=1_000_000)]


def _tasks(config: Config, store: Store) -> Tasks:
    return store.tasks(config.name, partial(due_day, config))


def due_day(config: Config, day: date, workdays: int, owner: str) -> date:
    """Return the day so many working days of an owner later, as the config's section `alerts` counts them."""
    from churnml.actions import due_on  # the rules of alerts come with it, and reading a list needs none

    return due_on(day, workdays, config.alerts, owner)
