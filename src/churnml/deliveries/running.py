"""One run over all targets: one process at a time, planning first, then each target for itself."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from churnml.config.deliveries import DeliveriesConfig, TargetConfig
from churnml.deliveries.adapter import Adapter, Finding, Record, mark
from churnml.deliveries.faults import Interruption, Shown
from churnml.deliveries.gateway import Request
from churnml.deliveries.planning import plan
from churnml.deliveries.reading_back import ReadBack, read_back, to_read_back
from churnml.deliveries.sending import send
from churnml.deliveries.sent import Sending
from churnml.deliveries.targets import adapter_for
from churnml.errors import UsageError, near_name
from churnml.language import Text, one_of
from churnml.store import Calendar, Deliveries, Delivery, Store

__all__ = ["Delivered", "Planned", "check_targets", "deliver", "preview"]


@dataclass(frozen=True)
class Delivered:
    """What a run came to.

    Parameters
    ----------
    planned : int
        Deliveries that are wanted anew.
    targets : tuple of Sending
    busy : str or None
        Another process that is delivering; then nothing was done.
    """

    planned: int
    targets: tuple[Sending, ...]
    busy: str | None = None


@dataclass(frozen=True)
class Planned:
    """What a dry run would send to a target: how many records, and its first requests as they would leave."""

    target: str
    records: int
    requests: tuple[Request, ...]


def deliver(
    store: Store,
    config: str,
    section: DeliveriesConfig,
    *,
    language: str = "en",
    currency: str = "USD",
    base: Path | None = None,
    only: str | None = None,
    calendar: Calendar | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], None] = time.sleep,
    transports: Mapping[str, httpx.BaseTransport] | None = None,
) -> Delivered:
    """Finish the tasks that people have finished in a CRM, plan what has changed, and send what is due.

    Parameters
    ----------
    store : Store
    config : str
        The config's name.
    section : DeliveriesConfig
    language, currency : str
        Of sentences and amounts.
    base : Path, optional
        Folder that relative paths start at.
    only : str, optional
        Send to this target alone.
    calendar : callable, optional
        Counts working days, for the steps that a finished one lets begin; without it nothing is read back.
    clock, wait : callable
        The time, UTC; and a pause of so many seconds.
    transports : mapping, optional
        Target → another way to send, for tests.

    Raises
    ------
    UsageError
        There is no such target.
    ConfigError
        A secret is missing in the environment.
    """
    targets = _chosen(section, only)
    deliveries = store.deliveries(config)
    if not targets:
        return Delivered(0, ())
    if not _took(deliveries, clock()):
        return Delivered(0, (), busy=deliveries.holder())
    try:
        with ExitStack() as gateways:
            adapters = {}
            for name, target in targets.items():
                adapters[name] = adapter_for(
                    store, config, name, target, clock=clock, state=deliveries.state(name),
                    language=language, currency=currency, base=base, transport=(transports or {}).get(name),
                )  # fmt: skip
                gateways.enter_context(closing(adapters[name].gateway))
            # Before planning: what a finished step lets begin is told in the same run, of the finished one nothing.
            known = {name: ReadBack() for name in targets}
            if calendar is not None:
                tasks = store.tasks(config, calendar)
                known = {
                    name: read_back(deliveries, tasks, adapters[name], one, config=config, clock=clock, wait=wait)
                    for name, one in targets.items()
                }
            planned = plan(store, config, section, language=language, currency=currency, now=clock())
            done = []
            for name, target in targets.items():
                sending = send(deliveries, adapters[name], target, config=config, clock=clock, wait=wait)
                done.append(_with(sending, known[name]))
        deliveries.forget_answered()
        return Delivered(planned, tuple(done))
    finally:
        deliveries.release()


def _with(sending: Sending, known: ReadBack) -> Sending:
    return replace(
        sending, finished=known.finished, refused=sending.refused + known.deleted, calls=sending.calls + known.calls
    )


def preview(
    store: Store,
    config: str,
    section: DeliveriesConfig,
    *,
    language: str = "en",
    currency: str = "USD",
    base: Path | None = None,
    only: str | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    requests: int = 3,
) -> list[Planned]:
    """Plan, and return what would be sent, request by request, without sending anything.

    What a target would first have to be asked, such as its id of an account, stands as ``<id of …>``.

    Parameters
    ----------
    store, config, section, language, currency, base, only, clock
        As in `deliver`.
    requests : int
        Most calls shown of a target and topic.
    """
    targets = _chosen(section, only)
    deliveries = store.deliveries(config)
    if _took(deliveries, clock()):
        try:
            plan(store, config, section, language=language, currency=currency, now=clock())
        finally:
            deliveries.release()
    planned = []
    for name, target in targets.items():
        shown: list[Request] = []
        adapter = adapter_for(
            store, config, name, target, clock=clock, state=deliveries.state(name),
            language=language, currency=currency, base=base, shown=shown,
        )  # fmt: skip
        count = 0
        with closing(adapter.gateway):
            open_there = to_read_back(deliveries, store.tasks(config, _no_calendar), adapter, target, clock())
            if open_there:
                records = [Record(one, mark(config, name, one.key), one.remote_id) for one in open_there[:100]]
                with _shown():
                    adapter.find("task", records)
            for topic in adapter.topics:
                due = deliveries.due(name, topic, clock(), 1_000_000)
                count += len(due)
                _show(adapter, config, topic, due, requests)
        planned.append(Planned(name, count, tuple(shown)))
    return planned


def _show(adapter: Adapter, config: str, topic: str, due: list[Delivery], calls: int) -> None:
    manner = adapter.topics[topic]
    for _ in range(calls):
        batch = [one for one in due[: manner.batch] if (one.remote_id is None) == (due[0].remote_id is None)]
        if not batch:
            return
        due = due[len(batch) :]
        records = [Record(one, mark(config, adapter.name, one.key), one.remote_id) for one in batch]
        asked_first = (manner.must_exist and batch[0].remote_id is None) or manner.needs_account
        if asked_first:
            with _shown():
                adapter.find("score", records)
        if manner.looks_first and batch[0].remote_id is not None:
            with _shown():
                adapter.find(topic, records)
        if manner.must_exist:
            records = [replace(one, remote_id=one.remote_id or f"<id of {one.account_id}>") for one in records]
        if manner.needs_account:
            records = [replace(one, account=f"<id of {one.account_id}>") for one in records]
        with _shown():
            adapter.write(topic, records)


def _no_calendar(*_: Any) -> Any:
    raise AssertionError("tasks are only read here, so no working days are counted")


class _shown:  # noqa: N801
    """Ends where a dry run has shown a request."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, Shown)


def check_targets(
    store: Store,
    config: str,
    section: DeliveriesConfig,
    *,
    only: str | None = None,
    base: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    transports: Mapping[str, httpx.BaseTransport] | None = None,
) -> list[Finding]:
    """Ask each target whether what the config wants of it is there, may be written, and is long enough.

    Parameters
    ----------
    store, config, section, only, base, clock, transports
        As in `deliver`.
    """
    deliveries = store.deliveries(config)
    findings: list[Finding] = []
    for name, target in _chosen(section, only).items():
        adapter = adapter_for(
            store, config, name, target, clock=clock, state=deliveries.state(name), base=base,
            transport=(transports or {}).get(name),
        )  # fmt: skip
        with closing(adapter.gateway):
            try:
                findings.extend(adapter.check())
            except Interruption as stop:
                findings.append(Finding(name, False, f"{stop.reason}: {stop.said}"))
    return findings


def _chosen(section: DeliveriesConfig, only: str | None) -> dict[str, TargetConfig]:
    targets = section.targets()
    if only is None:
        return targets
    if only not in targets:
        near = near_name(only, targets)
        raise UsageError(
            Text.of("fault-no_target"),
            where="--target",
            got=only,
            expected=one_of(targets, near) or Text.of("fault-no_target.none"),
            code="deliver.unknown_target",
        )
    return {only: targets[only]}


def _took(deliveries: Deliveries, now: datetime) -> bool:
    """Become the process that delivers; the place of one that has died is free at once."""
    other = deliveries.holder()
    return deliveries.take(_name(), now, from_dead=other if other is not None and _is_dead(other) else None)


def _name() -> str:
    """Return what names this process on this machine, as no later process is named."""
    import psutil  # type: ignore[import-untyped]

    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def _is_dead(holder: str) -> bool:
    """Tell whether a process of this machine has ended; of another machine nothing is known."""
    import psutil

    host, _, rest = holder.partition(":")
    pid, _, born = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" != born or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
