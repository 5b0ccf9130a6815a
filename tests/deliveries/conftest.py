"""A store with scored accounts and an alert, and a world in which time passes when it is told to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from churnml.config import DeliveriesConfig
from churnml.deliveries import Delivered, check_targets, deliver, preview
from churnml.language import Quantity, Text, Words
from churnml.store import Actor, Alert, Delivery, Snapshot, Store, Task
from churnml.store.alerts import keep_alert
from churnml.store.tasks import Tasks, keep_task
from churnml.store.writes import changing

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
CONFIG = "acme"


def scored(
    as_of: date = date(2026, 3, 1), health: dict[str, float] | None = None, names: dict[str, str] | None = None
) -> Snapshot:
    """Return a snapshot of three accounts, or of those given."""
    health = health or {"acc-1": 35.0, "acc-2": 62.0, "acc-3": 90.0}
    bands = ["red" if score < 40 else "yellow" if score < 70 else "green" for score in health.values()]
    scores = pd.DataFrame(
        {
            "account_id": list(health),
            "name": [(names or {}).get(name, f"Company {name[-1]}") for name in health],
            "churn_probability": [round(1 - score / 100, 3) for score in health.values()],
            "health_score": list(health.values()),
            "band": bands,
            "coverage": 1.0,
            "arr": 12_000.0,
            "owner": "ann",
            "segment": "SMB",
            "days_to_renewal": 40.0,
        }
    )
    told = [
        {
            "account_id": name,
            "summary_en": f"Health {score:g}",
            "reasons_en": ["Active users fell from 14 to 5", "No use for 30 days"],
            "trend": {"change_7d": -1.0, "change_30d": -12.5},
        }
        for name, score in health.items()
    ]
    return Snapshot(CONFIG, as_of, NOW, "3", "0123456789ab", scores, explanations=told, info={"horizon_days": 90})


def silent(account: str = "acc-1", **changes: Any) -> Alert:
    """Return an alert of silence."""
    values = {
        "account_id": account, "kind": "silence", "severity": "high", "owner": "ann", "opened_on": date(2026, 3, 1),
        "updated_on": date(2026, 3, 1), "due_at": NOW + timedelta(days=2), "avoidable_loss": 2340.0, "value": 30.0,
        "text": Text.of("alert-silence", n=Quantity(value=30, unit="days")),
    }  # fmt: skip
    return Alert.model_validate({**values, **changes})


def every_day(day: date, days: int, owner: str) -> date:
    """Return a day so many days later: every day is a working day."""
    return day + timedelta(days=days)


@dataclass
class World:
    """A store, a section, and a clock that only waiting and `later` move."""

    store: Store
    section: DeliveriesConfig = field(default_factory=DeliveriesConfig)
    now: datetime = NOW
    waited: list[float] = field(default_factory=list)
    base: Path | None = None

    def with_target(self, **targets: Any) -> World:
        """Configure targets."""
        common = {"page_url": "https://churnml.example/accounts/{account_id}"}
        self.section = DeliveriesConfig.model_validate({**common, **targets})
        return self

    def publish(self, snapshot: Snapshot | None = None) -> int:
        """Publish a scoring."""
        return self.store.publish(snapshot or scored())

    def alert(self, alert: Alert | None = None) -> Alert:
        """Keep an alert, as an evaluation does."""
        alert = alert or silent()
        with changing(self.store._engine) as connection:
            keep_alert(connection, CONFIG, alert)
        return next(one for one in self.store.alerts(CONFIG).known() if one.key == alert.key)

    def task(self, step: str = "call", alert: Alert | None = None, **changes: Any) -> int:
        """Keep an alert with a step of its playbook, as an evaluation does; returns the task's id."""
        begun = self.alert(alert or silent(playbook="utilisation", tasked_on=date(2026, 3, 1)))
        values = {
            "alert_id": begun.id, "account_id": begun.account_id, "alert": begun.kind, "playbook": "utilisation",
            "step": step, "title": Words(by_language={"en": f"Make the {step}", "ja": "電話する"}), "role": "csm",
            "owner": "ann", "opened_on": date(2026, 3, 2), "due_on": date(2026, 3, 4), "due_days": 2,
        }  # fmt: skip
        with changing(self.store._engine) as connection:
            return keep_task(connection, CONFIG, Task.model_validate({**values, **changes}))

    def answer(self, task_id: int, **changes: Any) -> None:
        """Do, skip, reopen or reassign a task."""
        self.tasks.change(task_id, Actor("ann", self.now), **changes)

    @property
    def tasks(self) -> Tasks:
        """The tasks of the store; a working day is a day."""
        return self.store.tasks(CONFIG, every_day)

    def deliver(self, target: str, transport: httpx.BaseTransport | None) -> Delivered:
        """Run once."""
        transports = {} if transport is None else {target: transport}
        return deliver(
            self.store, CONFIG, self.section, base=self.base, clock=lambda: self.now, wait=self._wait,
            transports=transports, calendar=every_day,
        )  # fmt: skip

    def preview(self) -> Any:
        """Return what a dry run shows."""
        return preview(self.store, CONFIG, self.section, base=self.base, clock=lambda: self.now)

    def check(self, target: str, transport: httpx.BaseTransport | None) -> Any:
        """Check the set-up."""
        transports = {} if transport is None else {target: transport}
        return check_targets(
            self.store, CONFIG, self.section, base=self.base, clock=lambda: self.now, transports=transports
        )

    def rows(self, target: str) -> dict[str, Delivery]:
        """Return every delivery of a target, by its key."""
        states = ("waiting", "sending", "sent", "accepted", "refused", "unknown")
        return {one.key: one for one in self.store.deliveries(CONFIG).find(target=target, states=states)}

    def states(self, target: str) -> dict[str, str]:
        """Return key → state."""
        return {key: one.state for key, one in self.rows(target).items()}

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)

    def _wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def world(tmp_path: Path, empty_store: Path) -> Iterator[World]:
    shutil.copy(empty_store, tmp_path / "store.db")
    with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield World(store, base=tmp_path)


@pytest.fixture
def salesforce(world: World) -> Callable[..., World]:
    """A world that writes to Salesforce."""

    def made(**changes: Any) -> World:
        section = {
            "url": "https://example.my.salesforce.com",
            "token": "s3cret-session",
            "id_field": "Churnml_Account_Id__c",
            "fields": {"Churnml_Health__c": "health_score", "Churnml_Band__c": "band", "Churnml_As_Of__c": "as_of"},
        }
        return world.with_target(salesforce={**section, **changes})

    return made
