"""One evaluation of the alert rules, kept whole or not at all: alerts, their tasks, and what an experiment drew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from churnml.store.alerts import Alert, Arm, keep_alert, newest_alerts, record_alert_event
from churnml.store.plain import plain
from churnml.store.schema import AlertEventRow, AssignmentRow, EvaluationRow, TaskEventRow
from churnml.store.task import Task
from churnml.store.tasks import follow_alert, keep_task, record_task_event, tasks_of_accounts_with_alerts
from churnml.store.turns import one_at_a_time
from churnml.store.writes import Actor, reading, write

__all__ = ["Assignment", "Decided", "Evaluations", "Known"]

_TRIES = 3
"""How often an evaluation is decided without keeping others from writing; after that they wait for it."""


class Assignment(BaseModel):
    """To which arm of an experiment chance has sent an account.

    Parameters
    ----------
    id : int or None
    experiment, account_id : str
    episode : int
        1, 2, …: how often the account has taken part.
    arm : {"contacted", "held_out"}
    stratum : str
        The accounts among which the shares of the arms are kept.
    assigned_on : date
    ended_on : date or None
        When the account's part in it ended, and whoever was held out could be contacted again.
    kind : str
        The alert that brought it in.
    churn_probability, arr : float or None
        As they were then.
    segment, band, owner : str or None
        As they were then.
    share : float or None
        With what chance the account was held out.
    covariates : mapping
        `experiments.covariates` as they were then; one that was not known is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int | None = None
    experiment: str
    account_id: str
    episode: int
    arm: Arm
    stratum: str
    assigned_on: date
    ended_on: date | None = None
    kind: str
    churn_probability: float | None = None
    arr: float | None = None
    segment: str | None = None
    band: str | None = None
    owner: str | None = None
    share: float | None = None
    covariates: Mapping[str, float] = {}


@dataclass(frozen=True)
class Known:
    """What an evaluation goes on from.

    Parameters
    ----------
    alerts : tuple of Alert
        The newest episode of every account and rule.
    tasks : tuple of Task
        Of every account on which an alert is not closed.
    assignments : tuple of Assignment
    evaluated_on : date or None
        The newest `as_of` that was evaluated.
    """

    alerts: tuple[Alert, ...] = ()
    tasks: tuple[Task, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    evaluated_on: date | None = None


@dataclass(frozen=True)
class Decided:
    """What an evaluation comes to.

    Parameters
    ----------
    alerts : sequence of Alert
        In their new state.
    actions : mapping
        (account, kind) → what happened: ``opened``, ``reopened``, ``closed``.
    tasks : sequence of Task
        New ones; `Task.alert` and `account_id` name the alert that begins them.
    assignments : sequence of Assignment
        New ones, and those that have ended.
    summary : mapping
        What is kept of it: counts, and rules that were off.
    """

    alerts: Sequence[Alert] = ()
    actions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tasks: Sequence[Task] = ()
    assignments: Sequence[Assignment] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)


class Evaluations:
    """The evaluations of the alert rules of one config."""

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine = engine
        self._config = config

    def known(self) -> Known:
        """Return what an evaluation would go on from."""
        with reading(self._engine) as connection:
            return self._known(connection)

    def assignments(self) -> list[Assignment]:
        """Return everything that experiments have drawn, the oldest first."""
        with reading(self._engine) as connection:
            return self._assignments(connection)

    def evaluate(self, as_of: date, decide: Callable[[Known], Decided | None], actor: Actor) -> Decided | None:
        """Decide on a snapshot and keep what comes of it in one transaction.

        Deciding takes longer than writing, so others may write meanwhile; if somebody answered an alert or a task in
        that time, it is decided anew.

        Parameters
        ----------
        as_of : date
            The snapshot's date.
        decide : callable
            Takes what is known; returns None where nothing is to be done.
        actor : Actor
        """
        for tried in range(_TRIES + 1):
            with reading(self._engine) as connection:
                mark, known = self._mark(connection), self._known(connection)
            decided = decide(known)
            if decided is None:
                return None
            decisions: list[Decided] = []

            def work(
                connection: Connection,
                mark: tuple[int, int] = mark,
                known: Known = known,
                decided: Decided = decided,
                last: bool = tried == _TRIES,
                decisions: list[Decided] = decisions,
            ) -> tuple[str, dict[str, Any]]:
                one_at_a_time(connection, self._config, "alerts")
                if self._mark(connection) != mark:
                    if not last:
                        raise _OvertakenError
                    known = self._known(connection)
                    again = decide(known)
                    if again is None:
                        return self._config, {"changed": 0}
                    decided = again
                decisions.append(decided)
                return self._config, {"as_of": as_of, **self._keep(connection, as_of, known, decided, actor)}

            try:
                write(self._engine, actor, "alerts.evaluate", work)
            except _OvertakenError:
                continue
            return decisions[0] if decisions else None
        raise AssertionError("the last try ends the loop")

    def _keep(
        self, connection: Connection, as_of: date, known: Known, decided: Decided, actor: Actor
    ) -> dict[str, Any]:
        before = {alert.key: alert for alert in known.alerts}
        numbers: dict[tuple[str, str], int] = {}
        for alert in decided.alerts:
            earlier = before.get(alert.key)
            earlier = earlier if earlier is not None and earlier.episode == alert.episode else None
            number = numbers[alert.key] = keep_alert(connection, self._config, alert)
            action = decided.actions.get(alert.key)
            if action is not None:
                record_alert_event(
                    connection, number, actor, action, {"outcome": alert.outcome} if alert.outcome else {}
                )
            follow_alert(connection, self._config, before=earlier, after=alert, actor=actor)
        for task in decided.tasks:
            owned = task.model_copy(update={"alert_id": numbers[task.account_id, task.alert]})
            made = keep_task(connection, self._config, owned)
            record_task_event(connection, made, actor, "opened" if task.state == "open" else "planned", {})
        for assignment in decided.assignments:
            self._keep_assignment(connection, assignment)
        own = (EvaluationRow.config == self._config, EvaluationRow.as_of == as_of)
        connection.execute(delete(EvaluationRow).where(*own))
        summary = plain(dict(decided.summary))
        row = {"config": self._config, "as_of": as_of, "at": actor.now, "body": summary}
        connection.execute(insert(EvaluationRow).values(**row))
        return {"changed": len(decided.actions), "tasks": len(decided.tasks)}

    def _keep_assignment(self, connection: Connection, assignment: Assignment) -> None:
        if assignment.id is not None:
            ended = update(AssignmentRow).where(AssignmentRow.id == assignment.id)
            body = assignment.model_dump(mode="json", exclude={"id"})
            connection.execute(ended.values(ended_on=assignment.ended_on, body=body))
            return
        row = assignment.model_dump(include={"experiment", "account_id", "episode", "arm", "assigned_on", "ended_on"})
        body = assignment.model_dump(mode="json", exclude={"id"})
        connection.execute(insert(AssignmentRow).values(config=self._config, **row, body=body))

    def _known(self, connection: Connection) -> Known:
        newest = select(func.max(EvaluationRow.as_of)).where(EvaluationRow.config == self._config)
        return Known(
            alerts=tuple(newest_alerts(connection, self._config)),
            tasks=tuple(tasks_of_accounts_with_alerts(connection, self._config)),
            assignments=tuple(self._assignments(connection)),
            evaluated_on=connection.execute(newest).scalar(),
        )

    def _assignments(self, connection: Connection) -> list[Assignment]:
        rows: Iterable[Any] = connection.execute(
            select(AssignmentRow.id, AssignmentRow.body)
            .where(AssignmentRow.config == self._config)
            .order_by(AssignmentRow.id)
        )
        return [Assignment.model_validate({**row.body, "id": row.id}) for row in rows]

    @staticmethod
    def _mark(connection: Connection) -> tuple[int, int]:
        """Return what changes with every answer that anybody gives."""
        alerts = connection.execute(select(func.coalesce(func.max(AlertEventRow.id), 0))).scalar_one()
        tasks = connection.execute(select(func.coalesce(func.max(TaskEventRow.id), 0))).scalar_one()
        return int(alerts), int(tasks)


class _OvertakenError(Exception):
    """Somebody has answered an alert or a task while the evaluation was being decided."""
