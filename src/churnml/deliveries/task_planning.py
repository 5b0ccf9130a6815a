"""Steps of playbooks as tasks of a target: which of them it gets, and whether somebody has to hear of one again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from churnml.config.deliveries import AlertsWanted, CrmTarget, TargetConfig, TasksWanted
from churnml.deliveries.adapter import ended
from churnml.deliveries.values import page_for
from churnml.deliveries.words import task_values
from churnml.store import Alert, Deliveries, Delivery, Store, Task, Wanted

__all__ = ["TaskPlan", "led_by_tasks", "open_task_ids", "plan_tasks"]

_MOVING = ("state", "owner", "owner_id", "due_on", "step_title", "outcome", "reason")
_STAYS = ("deleted", "closed_there")


@dataclass(frozen=True)
class TaskPlan:
    """What a target is to hold, and the keys of what it need never hear of."""

    wanted: tuple[Wanted, ...]
    unsaid: tuple[str, ...]


def plan_tasks(
    store: Store,
    config: str,
    name: str,
    target: TargetConfig,
    numbers: Sequence[int],
    *,
    language: str,
    currency: str,
    page_url: str | None,
    now: datetime,
) -> TaskPlan:
    """Return what a target is to hold of some tasks.

    A step is delivered when it can be begun, and followed from then on. What waits for other steps, ended unsaid, or
    belongs to an alert that the budget or an experiment keeps back is not told. One that a person closed or deleted
    in the target is left alone while it is open here.

    Parameters
    ----------
    store : Store
    config, name : str
        The config's name and the target's.
    target : TargetConfig
    numbers : sequence of int
        Ids of the tasks that changed.
    language, currency : str
    page_url : str or None
    now : datetime
    """
    asked: TasksWanted | None = getattr(target, "tasks", None)
    if asked is None or not numbers:
        return TaskPlan((), ())
    tasks = _tasks(store, config, ids=numbers)
    alerts = {one.id: one for one in store.alerts(config).some([task.alert_id for task in tasks if task.alert_id])}
    before = store.deliveries(config).under(name, [f"task:{task.id}" for task in tasks])
    snapshot = store.latest(config)
    ids = [task.account_id for task in tasks]
    accounts = store.account_scores(snapshot.id, ids) if snapshot is not None else {}
    owners, default = _owners(target, asked)
    wanted, unsaid = [], []
    for task in tasks:
        key, alert = f"task:{task.id}", alerts.get(task.alert_id)
        earlier = before.get(key)
        heard = earlier is not None and (earlier.held is not None or earlier.tried_at is not None)
        if alert is None or not _asked_for(task, alert, asked) or (not heard and task.state != "open"):
            if not heard:
                unsaid.append(key)
            continue
        values = task_values(
            task, alert, accounts.get(task.account_id), language=language, currency=currency,
            page=page_for(page_url, task.account_id),
        )  # fmt: skip
        values["owner_id"] = owners.get(task.owner) or default
        if not _moved(earlier, values):
            continue
        values["at"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted.append(Wanted(key, "task", values, task.account_id))
    return TaskPlan(tuple(wanted), tuple(unsaid))


def open_task_ids(store: Store, config: str, deliveries: Deliveries, name: str, target: TargetConfig) -> list[int]:
    """Return the open tasks, where the target is to get tasks and has never had one: it begins with them."""
    if getattr(target, "tasks", None) is None or deliveries.counts(name, "task"):
        return []
    open_tasks = store.tasks(config, _no_calendar).find(states=("open",), limit=100_000)
    return [task.id for task, _ in open_tasks if task.id is not None]


def led_by_tasks(store: Store, config: str, target: TargetConfig, alerts: Sequence[Alert]) -> set[int]:
    """Return the alerts that are no tasks of their own in a tool, because it gets the steps of their playbook."""
    asked: TasksWanted | None = getattr(target, "tasks", None)
    if asked is None or not isinstance(target, CrmTarget):
        return set()
    begun = [alert.id for alert in alerts if alert.id is not None and alert.tasked_on is not None]
    by_id = {alert.id: alert for alert in alerts}
    return {
        task.alert_id
        for task in _tasks(store, config, alert_ids=begun)
        if task.alert_id is not None and _asked_for(task, by_id[task.alert_id], asked)
    }


def _tasks(store: Store, config: str, **asked: Sequence[int]) -> list[Task]:
    return store.tasks(config, _no_calendar).some(**asked)


def _no_calendar(*_: Any) -> Any:
    raise AssertionError("tasks are only read here, so no working days are counted")


def _owners(target: TargetConfig, asked: TasksWanted) -> tuple[Mapping[str, str], str | None]:
    """Return who has which id in the target; whoever stands under alerts need not be named again."""
    alerts: AlertsWanted | None = getattr(target, "alerts", None)
    named = {} if alerts is None else alerts.owners
    return {**named, **asked.owners}, asked.default_owner or (None if alerts is None else alerts.default_owner)


def _asked_for(task: Task, alert: Alert, asked: TasksWanted) -> bool:
    if alert.held_back or alert.held_out:
        return False
    return task.role in asked.roles and (not asked.playbooks or task.playbook in asked.playbooks)


def _moved(before: Delivery | None, values: Mapping[str, Any]) -> bool:
    """Tell whether a target has to hear of a task again."""
    if before is None:
        return True
    if before.state == "refused" and before.reason in _STAYS and not (
        before.reason == "closed_there" and ended(values)
    ):  # fmt: skip
        return False
    return any(before.wanted.get(name) != values.get(name) for name in _MOVING)
