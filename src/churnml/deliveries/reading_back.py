"""Tasks that people finish in a CRM, finished here too: read back in the CRM's own time, within its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from churnml.config.deliveries import TargetConfig, TasksWanted
from churnml.deliveries.adapter import Adapter, Record, RemoteRecord, deleted_there, ended, mark
from churnml.deliveries.faults import Interruption, Pause
from churnml.store import Actor, Deliveries, Delivery, DeliveryOutcome, Tasks

__all__ = ["ReadBack", "read_back", "to_read_back"]

_AT_ONCE = 100
"""Tasks that every CRM tells of in one call."""
_MOST_CALLS = 20
"""In one run; who waits longest is read first, so that all get their turn."""
_BUDGET_SHARE = 0.5
"""Of the day's calls; the rest is for what is to be written."""
_PAUSE, _PATIENCE = 20.0, 30.0


@dataclass(frozen=True)
class ReadBack:
    """What reading back came to at one target.

    Parameters
    ----------
    finished : int
        Tasks that were finished there, and are here now too.
    deleted : int
        Tasks that were deleted there.
    calls : int
        Requests.
    """

    finished: int = 0
    deleted: int = 0
    calls: int = 0


def read_back(
    deliveries: Deliveries,
    tasks: Tasks,
    adapter: Adapter,
    target: TargetConfig,
    *,
    config: str,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
) -> ReadBack:
    """Finish tasks here that were finished in a target.

    What was deleted there is noted as refused. The task, its history, the audit log and what the target holds change
    in one transaction, so a run that is cut short leaves nothing half done, and the next one finds nothing twice.

    Parameters
    ----------
    deliveries : Deliveries
    tasks : Tasks
    adapter : Adapter
    target : TargetConfig
    config : str
        The config's name.
    clock, wait : callable
        The time, UTC; and a pause of so many seconds.
    """
    due = to_read_back(deliveries, tasks, adapter, target, clock())
    state = adapter.gateway.state
    if not due or (state.until is not None and state.until > clock()):
        return ReadBack()
    result = ReadBack()
    for start in range(0, len(due), _AT_ONCE):
        if adapter.gateway.state.calls + 1 > _BUDGET_SHARE * adapter.gateway.most:
            break
        some = due[start : start + _AT_ONCE]
        records = [Record(one, mark(config, adapter.name, one.key), one.remote_id) for one in some]
        try:
            records_there = adapter.find("task", records)
        except Interruption as stop:
            _leave(deliveries, adapter, stop, clock(), wait)
            break
        result = _noted(result, deliveries, tasks, adapter, target, some, records_there, clock())
    return replace(result, calls=adapter.gateway.state.calls - state.calls)


def to_read_back(
    deliveries: Deliveries, tasks: Tasks, adapter: Adapter, target: TargetConfig, now: datetime
) -> list[Delivery]:
    """Return what a target is to be asked for: its tasks that are open on both sides as far as is known.

    Parameters
    ----------
    deliveries, tasks, adapter, target
        As in `read_back`.
    now : datetime
    """
    asked: TasksWanted | None = getattr(target, "tasks", None)
    manner = adapter.topics.get("task")
    if asked is None or asked.read_back_minutes is None or manner is None or not manner.looks_first:
        return []
    keys = [f"task:{task.id}" for task, _ in tasks.find(states=("open",), limit=100_000)]
    known = [one for one in deliveries.under(adapter.name, keys).values() if _open_there(one) and one.due_at <= now]
    return sorted(known, key=lambda one: (one.due_at, one.id))[: _AT_ONCE * _MOST_CALLS]


def _open_there(one: Delivery) -> bool:
    """Tell whether a target has a task open, or had when it was last told of it."""
    is_held = one.state == "accepted" or (one.state == "refused" and one.reason == "closed_there")
    return is_held and one.remote_id is not None and not ended(one.held)


def _noted(
    result: ReadBack,
    deliveries: Deliveries,
    tasks: Tasks,
    adapter: Adapter,
    target: TargetConfig,
    some: Sequence[Delivery],
    there: Mapping[int, RemoteRecord],
    now: datetime,
) -> ReadBack:
    asked: TasksWanted = target.tasks  # type: ignore[attr-defined]
    later = now + timedelta(minutes=asked.read_back_minutes or 0)
    outcomes = []
    for one in some:
        at = there.get(one.id, RemoteRecord("missing"))
        if at.state == "closed":
            done = _finished(deliveries, tasks, adapter.name, one, at, now)
            result = replace(result, finished=result.finished + done)
        elif at.state == "deleted":
            outcomes.append((one, deleted_there()))
            result = replace(result, deleted=result.deleted + 1)
        elif one.state == "accepted":
            outcomes.append((one, DeliveryOutcome("accepted", due_at=later)))
    deliveries.end(outcomes, adapter.name, adapter.gateway.state, now)
    return result


def _finished(deliveries: Deliveries, tasks: Tasks, name: str, one: Delivery, at: RemoteRecord, now: datetime) -> bool:
    number = int(one.key.partition(":")[2])
    day: date = min(at.changed_at or now, now).date()
    detail = {"there": name, "remote_id": at.remote_id, "changed_there": at.changed_at}
    finish = partial(tasks.finish_elsewhere, task_id=number, actor=Actor(name, now), on=day, detail=detail)
    held = {**one.wanted, "state": "done", "outcome": None, "reason": None}
    return deliveries.finished_there(one, finish, held, now)


def _leave(
    deliveries: Deliveries, adapter: Adapter, stop: Interruption, now: datetime, wait: Callable[[float], None]
) -> None:
    """Give a target the pause that it asks for; anything else is met again, and counted, by what is sent next."""
    if isinstance(stop, Pause):
        seconds = _PAUSE if stop.seconds is None else stop.seconds
        if seconds <= _PATIENCE:
            wait(seconds)
        else:
            until, why = now + timedelta(seconds=seconds), f"{stop.reason}: {stop.said}"
            adapter.gateway.state = replace(adapter.gateway.state, until=until, why=why)
    deliveries.end([], adapter.name, adapter.gateway.state, now)
