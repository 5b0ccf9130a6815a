"""Tasks: the steps of a playbook, for the people and automations that do them, when an alert begins it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from churnml.actions.calendar import due_on, responsible
from churnml.actions.playbooks import Situation, playbook_for, steps_for
from churnml.config.alerts import AlertsConfig, Role, TaskRole
from churnml.explain.plays import Playbook, Step
from churnml.store.alerts import Alert
from churnml.store.task import Task, TaskState

__all__ = ["Begun", "begin_tasks"]


@dataclass(frozen=True)
class Begun:
    """The alerts, with the playbook that each works by, and the tasks that begin with them."""

    alerts: tuple[Alert, ...]
    tasks: tuple[Task, ...]


def begin_tasks(
    alerts: Iterable[Alert],
    known: Iterable[Task],
    situations: Mapping[str, Situation],
    playbooks: Sequence[Playbook],
    section: AlertsConfig,
    as_of: date,
) -> Begun:
    """Return the tasks that begin with alerts which somebody has on the desk for the first time.

    An alert begins its playbook once. Where the account has the playbook under way already, or has been through it
    within the cooldown, nothing is begun again: two alerts of one cause make one list of work.

    Parameters
    ----------
    alerts : iterable of Alert
        In their new state.
    known : iterable of Task
        Tasks of the accounts, of whatever state.
    situations : mapping
        Account → its situation; an account without one begins nothing.
    playbooks : sequence of Playbook
    section : AlertsConfig
    as_of : date
    """
    recent = as_of - timedelta(days=section.cooldown_days)
    running = {
        (task.account_id, task.playbook)
        for task in known
        if task.state in ("open", "waiting")
        or (task.state in ("done", "skipped") and task.finished_on is not None and task.finished_on >= recent)
    }
    out: list[Alert] = []
    tasks: list[Task] = []
    for alert in alerts:
        situation = situations.get(alert.account_id)
        if not alert.waits_for_somebody or alert.tasked_on is not None or situation is None:
            out.append(alert)
            continue
        playbook = playbook_for(alert, situation, playbooks)
        if playbook is None:
            out.append(alert)
            continue
        out.append(alert.model_copy(update={"playbook": playbook.name, "tasked_on": as_of}))
        if (alert.account_id, playbook.name) not in running:
            running.add((alert.account_id, playbook.name))
            tasks += _tasks(alert, playbook, situation, section, as_of)
    return Begun(tuple(out), tuple(tasks))


def _tasks(
    alert: Alert, playbook: Playbook, situation: Situation, section: AlertsConfig, as_of: date
) -> Iterable[Task]:
    """Yield a playbook's tasks; in tech touch those alone that an automation does."""
    ends: dict[str, date] = {}
    gone: dict[str, tuple[str, ...]] = {}
    for position, (key, step, given) in enumerate(steps_for(playbook, situation)):
        after = tuple(dict.fromkeys(name for other in given for name in gone.get(other, (other,))))
        automated = step.automation in section.automations
        if situation.touch == "tech" and not automated:
            gone[key] = after
            continue
        role: TaskRole = "automation" if automated else _role(step, playbook)
        owner = _owner(step, role, alert, situation, section, as_of)
        begins = max((ends[name] for name in after), default=as_of)
        days = playbook.due_days if step.due_days is None else step.due_days
        ends[key] = due_on(begins, days, section, owner)
        state: TaskState = "waiting" if after else "open"
        yield Task(
            account_id=alert.account_id,
            alert=alert.kind,
            playbook=playbook.name,
            step=key,
            title=step.words,
            role=role,
            owner=owner,
            state=state,
            position=position,
            after=after,
            due_days=days,
            opened_on=begins,
            due_on=ends[key],
        )


def _role(step: Step, playbook: Playbook) -> Role:
    role = step.owner or playbook.owner
    # The team's, and what a system would do where none is set up, is for whoever has the account.
    return "csm" if role == "team" or role == "system" else role


def _owner(step: Step, role: TaskRole, alert: Alert, situation: Situation, section: AlertsConfig, as_of: date) -> str:
    if role == "automation":
        return step.automation
    own = alert.assigned_to if role == "csm" and alert.assigned_to is not None else situation.owner
    return responsible(own, role, as_of, section)
