"""Alerts as they are kept: the newest state of every episode, and what happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, Row, insert, select, update

from churnml.config.alerts import Severity
from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.outbox import note
from churnml.store.schema import AlertEventRow, AlertRow
from churnml.store.writes import Actor, IdempotencyKey, reading, write

__all__ = ["Alert", "AlertEvent", "Alerts", "Outcome", "State"]

State = Literal["open", "acknowledged", "snoozed", "closed"]
Outcome = Literal["saved", "lost", "false_alarm", "not_a_risk", "cleared"]
"""How an alert ended; `cleared`: its cause was gone, and nobody had to close it."""


class Alert(BaseModel):
    """One episode of one rule on one account.

    Parameters
    ----------
    id : int or None
        In the store; None before it is kept.
    account_id, kind : str
        At most one alert of a kind is open on an account.
    episode : int
        1, 2, …: how often the rule has opened on the account.
    state : {"open", "acknowledged", "snoozed", "closed"}
    severity : {"low", "medium", "high", "critical"}
    owner : str
        Who has it; a person, the queue, or a role's queue.
    opened_on, updated_on : date
        `as_of` of the first and the newest snapshot in which the rule held.
    due_at : datetime
        When it has to have been answered.
    avoidable_loss : float or None
        Churn probability × ARR × the save rate that is assumed, currency; None where the ARR is unknown.
    held_back : bool
        The owner's weekly budget is used up by alerts that rank higher.
    value, reference : float or None
        The rule's number, and what it is held against.
    text : Text
        What the rule has found.
    playbook : str or None
    snoozed_until, closed_on : date or None
    outcome : str or None
        See `Outcome`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int | None = None
    account_id: str
    kind: str
    episode: int = 1
    state: State = "open"
    severity: Severity
    owner: str
    opened_on: date
    updated_on: date
    due_at: datetime
    avoidable_loss: float | None = None
    held_back: bool = False
    value: float | None = None
    reference: float | None = None
    text: Text
    playbook: str | None = None
    snoozed_until: date | None = None
    closed_on: date | None = None
    outcome: Outcome | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Account and rule."""
        return self.account_id, self.kind


class AlertEvent(BaseModel):
    """One thing that happened to an alert: opened, updated, acknowledged, snoozed, closed, reopened, reassigned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    actor: str
    action: str
    detail: dict[str, Any]


class Alerts:
    """The alerts of one config."""

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine = engine
        self._config = config

    def known(self) -> list[Alert]:
        """Return what `churnml.actions.advance` goes on from: the newest episode of every account and rule."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(AlertRow).where(AlertRow.config == self._config).order_by(AlertRow.episode)
            )
            newest = {(row.account_id, row.kind): _alert(row) for row in rows}
        return list(newest.values())

    def keep(self, alerts: Iterable[Alert], actions: Iterable[tuple[str, tuple[str, str]]], actor: Actor) -> None:
        """Keep the state that a snapshot has left the alerts in, and what it did, in one transaction.

        Parameters
        ----------
        alerts : iterable of Alert
        actions : iterable of (action, (account_id, kind))
            What happened: ``opened``, ``reopened``, ``closed``.
        actor : Actor
        """
        done = {key: action for action, key in actions}

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            count = 0
            for alert in alerts:
                kept = self._keep(connection, alert)
                if alert.key in done:
                    count += 1
                    _record(
                        connection, kept, actor, done[alert.key], {"outcome": alert.outcome} if alert.outcome else {}
                    )
            return self._config, {"changed": count}

        write(self._engine, actor, "alerts.evaluate", work)

    def find(
        self,
        *,
        states: Sequence[State] = ("open", "acknowledged"),
        owner: str | None = None,
        account_id: str | None = None,
        held_back: bool | None = None,
        changed_since: datetime | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Alert]:
        """Return alerts, the largest avoidable loss first.

        Parameters
        ----------
        states : sequence of str
        owner, account_id : str, optional
        held_back : bool, optional
            Only those that the budget holds back, or only those it does not.
        changed_since : datetime, optional
            Only those changed at or after it.
        limit, offset : int
        """
        wanted = [AlertRow.config == self._config, AlertRow.state.in_(list(states))]
        for column, value in ((AlertRow.owner, owner), (AlertRow.account_id, account_id)):
            if value is not None:
                wanted.append(column == value)
        if held_back is not None:
            wanted.append(AlertRow.held_back == held_back)
        if changed_since is not None:
            wanted.append(AlertRow.changed_at >= changed_since)
        order = (AlertRow.avoidable_loss.desc().nulls_last(), AlertRow.opened_on, AlertRow.account_id, AlertRow.kind)
        with reading(self._engine) as connection:
            rows = connection.execute(select(AlertRow).where(*wanted).order_by(*order).limit(limit).offset(offset))
            return [_alert(row) for row in rows]

    def get(self, alert_id: int) -> tuple[Alert, list[AlertEvent]]:
        """Return an alert with everything that happened to it, the oldest first.

        Raises
        ------
        StoreError
            There is none of this id.
        """
        with reading(self._engine) as connection:
            row = connection.execute(self._one(alert_id)).first()
            if row is None:
                raise _unknown(alert_id)
            events = connection.execute(
                select(AlertEventRow).where(AlertEventRow.alert_id == alert_id).order_by(AlertEventRow.id)
            )
            return _alert(row), [
                AlertEvent(at=event.at, actor=event.actor, action=event.action, detail=event.detail) for event in events
            ]

    def change(
        self,
        alert_id: int,
        actor: Actor,
        *,
        state: State | None = None,
        outcome: Outcome | None = None,
        snoozed_until: date | None = None,
        owner: str | None = None,
        note: str | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Alert, bool]:
        """Acknowledge, snooze, close, reopen or reassign an alert, or leave a note on it.

        Returns
        -------
        tuple of Alert and bool
            The alert as it stands, and whether this is the replay of an earlier answer.

        Raises
        ------
        StoreError
            There is none of this id, a closed alert is asked for anything but a note or to be opened again, a closing
            without an outcome or a snooze without its end.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            row = connection.execute(self._one(alert_id)).first()
            if row is None:
                raise _unknown(alert_id)
            alert = _alert(row)
            changes = _allowed(alert, actor.now.date(), state, outcome, snoozed_until, owner)
            after = alert.model_copy(update=changes)
            self._keep(connection, after)
            action = state or ("reassigned" if owner else "noted")
            detail = {name: value for name, value in {**changes, "note": note}.items() if value is not None}
            _record(connection, alert_id, actor, "reopened" if state == "open" else action, detail)
            return f"{alert.account_id} {alert.kind}", after.model_dump(mode="json")

        answer, replayed = write(self._engine, actor, "alerts.change", work, idempotency)
        return Alert.model_validate(answer), replayed

    def _one(self, alert_id: int) -> Any:
        return select(AlertRow).where(AlertRow.config == self._config, AlertRow.id == alert_id)

    def _keep(self, connection: Connection, alert: Alert) -> int:
        """Write an alert over its earlier state, or as a new row; return its id."""
        values = {
            "state": alert.state,
            "owner": alert.owner,
            "opened_on": alert.opened_on,
            "held_back": alert.held_back,
            "avoidable_loss": alert.avoidable_loss,
            "body": alert.model_dump(mode="json", exclude={"id"}),
        }
        own = (
            AlertRow.config == self._config,
            AlertRow.account_id == alert.account_id,
            AlertRow.kind == alert.kind,
            AlertRow.episode == alert.episode,
        )
        before = connection.execute(select(AlertRow.id, AlertRow.body).where(*own)).first()
        if before is not None:
            if before.body != values["body"]:
                connection.execute(update(AlertRow).where(AlertRow.id == before.id).values(**values, changed_at=_now()))
                note(connection, self._config, "alert", before.id, _now())
            return int(before.id)
        row = {"config": self._config, "account_id": alert.account_id, "kind": alert.kind, "episode": alert.episode}
        made = connection.execute(insert(AlertRow).values(**row, **values, changed_at=_now()).returning(AlertRow.id))
        alert_id = int(made.scalar_one())
        note(connection, self._config, "alert", alert_id, _now())
        return alert_id


def _now() -> datetime:
    return datetime.now(UTC)


def _alert(row: Row[Any]) -> Alert:
    return Alert.model_validate({**row.body, "id": row.id})


def _record(connection: Connection, alert_id: int, actor: Actor, action: str, detail: dict[str, Any]) -> None:
    row = {"alert_id": alert_id, "at": actor.now, "actor": actor.name, "action": action}
    plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in detail.items()}
    connection.execute(insert(AlertEventRow).values(**row, detail=plain))


def _allowed(
    alert: Alert,
    today: date,
    state: State | None,
    outcome: Outcome | None,
    snoozed_until: date | None,
    owner: str | None,
) -> dict[str, Any]:
    """Return the changes that a request makes, or refuse it."""
    if alert.state == "closed" and state not in (None, "open"):
        raise StoreError(
            "This alert is closed",
            where=f"alert {alert.id}",
            got=state,
            expected="state open, which opens it again",
            code="alert.closed",
        )
    if state == "closed" and outcome is None:
        raise StoreError(
            "An alert is closed with what came of it",
            where="outcome",
            expected="saved, lost, false_alarm or not_a_risk",
            code="alert.outcome",
        )
    if state == "snoozed" and (snoozed_until is None or snoozed_until <= today):
        raise StoreError(
            "A snoozed alert needs the day on which it comes back",
            where="snoozed_until",
            got=None if snoozed_until is None else snoozed_until.isoformat(),
            expected=f"a day after {today.isoformat()}",
            code="alert.snooze",
        )
    changes: dict[str, Any] = {} if owner is None else {"owner": owner}
    if state is None:
        return changes
    return {
        **changes,
        "state": state,
        "outcome": outcome if state == "closed" else None,
        "closed_on": today if state == "closed" else None,
        "snoozed_until": snoozed_until if state == "snoozed" else None,
        "held_back": False,
    }


def _unknown(alert_id: int) -> StoreError:
    return StoreError(
        "There is no such alert",
        where=f"alert {alert_id}",
        remedy="`churnml alerts list CONFIG` prints the ids.",
        code="alert.unknown",
    )
