"""Alerts in runs: listed, shown and answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from churnml.config import Config
from churnml.errors import UsageError
from churnml.language import Text
from churnml.store import Actor, Alert, AlertEvent, Outcome, State, Store

__all__ = ["answer_alert", "list_alerts", "show_alert"]


def list_alerts(
    config: Config,
    *,
    owner: str | None = None,
    states: Sequence[State] = ("open", "acknowledged"),
    held_back: bool | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Return the alerts that wait for somebody, the largest avoidable loss first."""
    with Store(config.store_url) as store:
        listed = store.alerts(config.name).find(states=states, owner=owner, held_back=held_back, limit=limit)
        return [alert for alert, _ in listed]


def show_alert(config: Config, alert_id: int) -> tuple[Alert, list[AlertEvent]]:
    """Return one alert and its history."""
    with Store(config.store_url) as store:
        return store.alerts(config.name).get(alert_id)


def answer_alert(
    config: Config,
    alert_id: int,
    author: str,
    *,
    state: State | None = None,
    outcome: Outcome | None = None,
    snoozed_until: date | None = None,
    owner: str | None = None,
    note: str | None = None,
) -> Alert:
    """Acknowledge, snooze, close, reopen or reassign an alert.

    Raises
    ------
    UsageError
        Nothing is asked for.
    StoreError
        There is no such alert, or the request does not fit its state.
    """
    if state is None and owner is None and note is None:
        raise UsageError(Text.of("fault-alert_nothing"))
    with Store(config.store_url) as store:
        alert, _ = store.alerts(config.name).change(
            alert_id,
            Actor(author, datetime.now(UTC)),
            state=state,
            outcome=outcome,
            snoozed_until=snoozed_until,
            owner=owner,
            note=note,
        )
    return alert
