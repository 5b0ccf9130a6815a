"""Tasks as they are kept: the steps of a playbook that an alert has begun, and what happened to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, Engine, Row, and_, insert, or_, select, update

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.notes import add_note, unknown
from churnml.store.outbox import note as note_change
from churnml.store.plain import plain
from churnml.store.queries import lots
from churnml.store.schema import AlertRow, TaskEventRow, TaskRow
from churnml.store.task import Task, TaskEvent, TaskState
from churnml.store.turns import one_at_a_time
from churnml.store.writes import Actor, IdempotencyKey, reading, record, write

if TYPE_CHECKING:
    from churnml.store.alerts import Alert

__all__ = ["Calendar", "Tasks", "follow_alert", "keep_task", "record_task_event"]

Calendar = Callable[[date, int, str], date]
"""(day, working days, owner) → the day so many working days later."""
_LEFT: tuple[TaskState, ...] = ("waiting", "open")


class Tasks:
    """The tasks of one config.

    Parameters
    ----------
    engine : Engine
    config : str
        The config's name.
    calendar : callable
        Counts working days, for the steps that a finished one lets begin.
    deadline : float, optional
        On the clock of `time.monotonic`: a change that is not made by then is not made at all.
    """

    def __init__(self, engine: Engine, config: str, calendar: Calendar, deadline: float | None = None) -> None:
        self._engine = engine
        self._config = config
        self._calendar = calendar
        self._deadline = deadline

    def find(
        self,
        *,
        states: Sequence[TaskState] = ("open",),
        owner: str | None = None,
        account_id: str | None = None,
        account_ids: Sequence[str] | None = None,
        alert_id: int | None = None,
        playbook: str | None = None,
        due_until: date | None = None,
        changed_since: datetime | None = None,
        after: tuple[date | datetime, int] | None = None,
        limit: int = 100,
    ) -> list[tuple[Task, tuple[date | datetime, int]]]:
        """Return tasks with their places in the list, the first due first.

        Parameters
        ----------
        states : sequence of str
        owner, account_id, alert_id, playbook : optional
        account_ids : sequence of str, optional
            Only those on one of these accounts.
        due_until : date, optional
            Only those due on it or before.
        changed_since : datetime, optional
            Only those changed at or after it, in the order in which they changed.
        after : tuple, optional
            The place of the last one on the page before.
        limit : int
        """
        wanted = [TaskRow.config == self._config, TaskRow.state.in_(list(states))]
        given = (
            (TaskRow.owner, owner),
            (TaskRow.account_id, account_id),
            (TaskRow.alert_id, alert_id),
            (TaskRow.playbook, playbook),
        )
        wanted += [column == value for column, value in given if value is not None]
        if account_ids is not None:
            wanted.append(TaskRow.account_id.in_(list(account_ids)))
        if due_until is not None:
            wanted.append(TaskRow.due_on <= due_until)
        place: Any = TaskRow.due_on
        if changed_since is not None:
            wanted.append(TaskRow.changed_at >= changed_since)
            place = TaskRow.changed_at
        if after is not None:
            wanted.append(or_(place > after[0], and_(place == after[0], TaskRow.id > after[1])))
        query = select(TaskRow.id, TaskRow.alert_id, TaskRow.body, place.label("place")).where(*wanted)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(place, TaskRow.id).limit(limit))
            return [(task_of(row), (row.place, row.id)) for row in rows]

    def some(self, *, ids: Sequence[int] = (), alert_ids: Sequence[int] = ()) -> list[Task]:
        """Return the tasks of some ids or of some alerts, of whatever state; one that there is not is left out."""
        tasks: dict[int, Task] = {}
        with reading(self._engine) as connection:
            for column, numbers in ((TaskRow.id, ids), (TaskRow.alert_id, alert_ids)):
                for part in lots(list(numbers)):
                    rows = connection.execute(_TASK.where(TaskRow.config == self._config, column.in_(part)))
                    tasks |= {row.id: task_of(row) for row in rows}
        return [tasks[number] for number in sorted(tasks)]

    def get(self, task_id: int) -> tuple[Task, list[TaskEvent]]:
        """Return a task with everything that happened to it, the oldest first.

        Raises
        ------
        StoreError
            There is none of this id.
        """
        with reading(self._engine) as connection:
            task = self._one(connection, task_id)
            events = connection.execute(
                select(TaskEventRow).where(TaskEventRow.task_id == task_id).order_by(TaskEventRow.id)
            )
            return task, [
                TaskEvent(at=event.at, actor=event.actor, action=event.action, detail=event.detail) for event in events
            ]

    def change(
        self,
        task_id: int,
        actor: Actor,
        *,
        state: Literal["open", "done", "skipped"] | None = None,
        outcome: str | None = None,
        reason: str | None = None,
        owner: str | None = None,
        note: str | None = None,
        author: str | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Task, bool]:
        """Do, skip, reopen or reassign a task, or leave a note on it; the steps that waited for it begin.

        `author` is the person who answers, where `actor` is the key of a tool.

        Returns
        -------
        tuple of Task and bool
            The task as it stands, and whether this is the replay of an earlier answer.

        Raises
        ------
        StoreError
            There is none of this id; it waits for other steps or has ended; a skip without a reason.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            one_at_a_time(connection, self._config, "alerts")
            task = self._one(connection, task_id)
            today = actor.now.date()
            who = author or actor.name
            changes = self._allowed(connection, task, today, who, state, outcome, reason, owner)
            after = task.model_copy(update=changes)
            keep_task(connection, self._config, after)
            action = "reopened" if state == "open" else state or ("reassigned" if owner else "noted")
            said = {"outcome": outcome, "reason": reason, "owner": owner, "note": note, "by": author}
            detail = {name: value for name, value in said.items() if value is not None}
            record_task_event(connection, task_id, actor, action, detail)
            if note is not None:
                add_note(connection, self._config, actor.now, who, note, task.account_id, task.alert_id, task_id)
            if state in ("done", "skipped"):
                self._begin_next(connection, after, today, actor)
            return f"{task.account_id} {task.playbook} {task.step}", after.model_dump(mode="json")

        answer, replayed = write(self._engine, actor, "tasks.change", work, idempotency, self._deadline)
        return Task.model_validate(answer), replayed

    def finish_elsewhere(
        self, connection: Connection, task_id: int, actor: Actor, on: date, detail: dict[str, Any]
    ) -> bool:
        """Do a task that was finished in a tool, within a transaction; returns False for one that is not open.

        Parameters
        ----------
        connection : Connection
            In a transaction that writes.
        task_id : int
        actor : Actor
            The tool.
        on : date
            When it was finished there.
        detail : dict
            What goes on record.
        """
        one_at_a_time(connection, self._config, "alerts")
        task = self._one(connection, task_id)
        if task.state != "open":
            return False
        after = task.model_copy(update={"state": "done", "finished_on": on, "finished_by": actor.name})
        keep_task(connection, self._config, after)
        record_task_event(connection, task_id, actor, "done", detail)
        subject = f"{task.account_id} {task.playbook} {task.step}"
        record(connection, actor, "tasks.change", subject, after.model_dump(mode="json"))
        self._begin_next(connection, after, actor.now.date(), actor)
        return True

    def _one(self, connection: Connection, task_id: int) -> Task:
        row = connection.execute(_TASK.where(TaskRow.config == self._config, TaskRow.id == task_id)).first()
        if row is None:
            raise unknown("task", task_id)
        return task_of(row)

    def _allowed(
        self,
        connection: Connection,
        task: Task,
        today: date,
        who: str,
        state: Literal["open", "done", "skipped"] | None,
        outcome: str | None,
        reason: str | None,
        owner: str | None,
    ) -> dict[str, Any]:
        """Return the changes that a request makes, or refuse it."""
        changes: dict[str, Any] = {} if owner is None else {"owner": owner, "assigned_to": owner}
        if state == "open":
            if task.state not in ("done", "skipped"):
                raise _unfit(task, "ended")
            return {**changes, "state": "open", "opened_on": today, "finished_on": None, "finished_by": None,
                    "outcome": None, "reason": None,
                    "due_on": self._calendar(today, task.due_days, owner or task.owner)}  # fmt: skip
        if task.state not in _LEFT and (state is not None or owner is not None):
            raise _unfit(task, "open")
        if state == "skipped" and not reason:
            raise StoreError(Text.of("error-task_reason"), where="reason", code="task.reason")
        if state == "done" and task.state == "waiting":
            before = [
                other.step for other in of_alert(connection, task) if other.step in task.after and other.state in _LEFT
            ]
            raise _unfit(task, "before", ", ".join(before))
        if state is None:
            return changes
        said = {"outcome": outcome if state == "done" else None, "reason": reason if state == "skipped" else None}
        return {**changes, **said, "state": state, "finished_on": today, "finished_by": who}

    def _begin_next(self, connection: Connection, finished: Task, today: date, actor: Actor) -> None:
        """Open the steps that waited for one, now that it is done or skipped."""
        others = of_alert(connection, finished)
        state = {other.step: other.state for other in others}
        for other in others:
            if other.state != "waiting" or any(state.get(step) in _LEFT for step in other.after):
                continue
            due_on = self._calendar(today, other.due_days, other.owner)
            opened = other.model_copy(update={"state": "open", "opened_on": today, "due_on": due_on})
            assert other.id is not None
            keep_task(connection, self._config, opened)
            record_task_event(connection, other.id, actor, "opened", {"after": list(other.after)})


_TASK = select(TaskRow.id, TaskRow.alert_id, TaskRow.body)


def of_alert(connection: Connection, task: Task) -> list[Task]:
    """Return all tasks of a task's alert, in the playbook's order."""
    rows = connection.execute(_TASK.where(TaskRow.alert_id == task.alert_id).order_by(TaskRow.id))
    return sorted((task_of(row) for row in rows), key=lambda one: one.position)


def tasks_of_accounts_with_alerts(connection: Connection, config: str) -> list[Task]:
    """Return the tasks, of whatever state, of every account on which an alert is not closed."""
    accounts = select(AlertRow.account_id).where(AlertRow.config == config, AlertRow.state != "closed")
    query = _TASK.where(TaskRow.config == config, TaskRow.account_id.in_(accounts)).order_by(TaskRow.id)
    return [task_of(row) for row in connection.execute(query)]


def keep_task(connection: Connection, config: str, task: Task) -> int:
    """Write a task over its earlier state, or as a new row, and note it for deliveries; return its id."""
    now = datetime.now(UTC)
    values = {
        "owner": task.owner,
        "state": task.state,
        "due_on": task.due_on,
        "changed_at": now,
        "body": task.model_dump(mode="json", exclude={"id", "alert_id"}),
    }
    if task.id is not None:
        connection.execute(update(TaskRow).where(TaskRow.id == task.id).values(**values))
        note_change(connection, config, "task", task.id, now)
        return task.id
    row = {"alert_id": task.alert_id, "account_id": task.account_id, "playbook": task.playbook, "step": task.step}
    made = connection.execute(insert(TaskRow).returning(TaskRow.id), {"config": config, **row, **values})
    task_id = int(made.scalar_one())
    note_change(connection, config, "task", task_id, now)
    return task_id


def record_task_event(connection: Connection, task_id: int, actor: Actor, action: str, detail: dict[str, Any]) -> None:
    """Put on record what happened to a task."""
    row = {"task_id": task_id, "at": actor.now, "actor": actor.name, "action": action, "detail": plain(detail)}
    connection.execute(insert(TaskEventRow), row)


def follow_alert(connection: Connection, config: str, *, before: Alert | None, after: Alert, actor: Actor) -> None:
    """Let the tasks of an alert go along with what became of it.

    With a closed alert what is left of its playbook ends, unless another alert of the account works by the same; with
    one that is opened again it comes back; with a new owner the steps of the one before change hands.
    """
    if before is None or before.id is None:
        return
    own = TaskRow.alert_id == before.id
    if before.state != "closed" and after.state == "closed":
        other = select(AlertRow.body).where(
            AlertRow.config == config, AlertRow.account_id == after.account_id, AlertRow.state != "closed"
        )
        if any(body["playbook"] == after.playbook for body in connection.execute(other).scalars()):
            return
        run = (TaskRow.config == config, TaskRow.account_id == after.account_id, TaskRow.playbook == after.playbook)
        for task in _selected(connection, *run, TaskRow.state.in_(_LEFT)):
            _move(connection, config, task, actor, "cancelled", {"state": "cancelled"}, {"alert": after.outcome})
        return
    if before.state == "closed" and after.state != "closed":
        tasks = _selected(connection, own)
        done = {task.step for task in tasks if task.state in ("done", "skipped")}
        for task in tasks:
            if task.state == "cancelled":
                state: TaskState = "open" if set(task.after) <= done else "waiting"
                _move(connection, config, task, actor, "reopened", {"state": state}, {})
    if before.owner != after.owner:
        for task in _selected(connection, own, TaskRow.owner == before.owner, TaskRow.state.in_(_LEFT)):
            if task.role == "csm" and task.assigned_to is None:
                given = {"owner": after.owner}
                _move(connection, config, task, actor, "reassigned", given, given)


def _move(
    connection: Connection,
    config: str,
    task: Task,
    actor: Actor,
    action: str,
    changes: dict[str, Any],
    detail: dict[str, Any],
) -> None:
    assert task.id is not None
    keep_task(connection, config, task.model_copy(update=changes))
    record_task_event(connection, task.id, actor, action, detail)


def _selected(connection: Connection, *wanted: Any) -> list[Task]:
    return [task_of(row) for row in connection.execute(_TASK.where(*wanted).order_by(TaskRow.id))]


def task_of(row: Row[Any]) -> Task:
    """Return a task as its row holds it."""
    return Task.model_validate({**row.body, "id": row.id, "alert_id": row.alert_id})


def _unfit(task: Task, expected: str, steps: str = "") -> StoreError:
    return StoreError(
        Text.of("problem-task-state"),
        where=Text.of("error-the.task", id=str(task.id)),
        got=task.state,
        expected=Text.of(f"error-task_state.{expected}", steps=steps),
        code="task.state",
    )
