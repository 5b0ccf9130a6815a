"""Alerts as they are kept: the newest state of every episode, and what happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, Row, and_, bindparam, func, insert, or_, select, update

from churnml.config.alerts import Severity
from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.notes import add_note
from churnml.store.outbox import note as note_change
from churnml.store.plain import plain
from churnml.store.queries import lots
from churnml.store.schema import AlertEventRow, AlertRow
from churnml.store.tasks import follow_alert
from churnml.store.turns import one_at_a_time
from churnml.store.writes import Actor, IdempotencyKey, reading, write

__all__ = [
    "Alert",
    "AlertEvent",
    "Alerts",
    "Arm",
    "Outcome",
    "State",
    "alert_of",
    "keep_alert",
    "newest_alerts",
    "record_alert_event",
]

State = Literal["open", "acknowledged", "snoozed", "closed"]
Arm = Literal["contacted", "held_out"]
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
    shown_on : date or None
        `as_of` from which somebody had it on the desk; None while the budget or an experiment keeps it back.
    assigned_to : str or None
        Who was chosen by hand to have it, in place of the account's own.
    arm : {"contacted", "held_out"} or None
        Where an experiment's chance has sent the account; None outside of experiments.
    held_out : bool
        An experiment keeps the alert from everybody: nobody is to contact the account because of it.
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
    tasked_on : date or None
        When its playbook was begun, or found to be under way already.
    snoozed_until, closed_on : date or None
    outcome : str or None
        See `Outcome`.
    closed_by_itself : bool
        Its cause or its account was gone; nobody has closed it.
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
    shown_on: date | None = None
    assigned_to: str | None = None
    arm: Arm | None = None
    held_out: bool = False
    due_at: datetime
    avoidable_loss: float | None = None
    held_back: bool = False
    value: float | None = None
    reference: float | None = None
    text: Text
    playbook: str | None = None
    tasked_on: date | None = None
    snoozed_until: date | None = None
    closed_on: date | None = None
    outcome: Outcome | None = None
    closed_by_itself: bool = False

    @property
    def waits_for_somebody(self) -> bool:
        """Somebody has it on the desk: it is not closed, and neither a budget nor an experiment keeps it back."""
        return self.state != "closed" and not self.held_back and not self.held_out

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

    def __init__(self, engine: Engine, config: str, deadline: float | None = None) -> None:
        self._engine = engine
        self._config = config
        self._deadline = deadline

    def known(self) -> list[Alert]:
        """Return the newest episode of every account and rule."""
        with reading(self._engine) as connection:
            return newest_alerts(connection, self._config)

    def find(
        self,
        *,
        states: Sequence[State] = ("open", "acknowledged"),
        owner: str | None = None,
        account_id: str | None = None,
        kind: str | None = None,
        held_back: bool | None = None,
        held_out: bool | None = False,
        changed_since: datetime | None = None,
        after: tuple[float | datetime, int] | None = None,
        limit: int = 100,
    ) -> list[tuple[Alert, tuple[float | datetime, int]]]:
        """Return alerts with their places in the list, the largest avoidable loss first.

        Parameters
        ----------
        states : sequence of str
        owner, account_id, kind : str, optional
        held_back : bool, optional
            Only those that the budget holds back, or only those it does not.
        held_out : bool, optional
            Only those that an experiment keeps from everybody, or only the others; None for both.
        changed_since : datetime, optional
            Only those changed at or after it, in the order in which they changed.
        after : tuple, optional
            The place of the last one on the page before.
        limit : int
        """
        wanted = [AlertRow.config == self._config, AlertRow.state.in_(list(states))]
        given = ((AlertRow.owner, owner), (AlertRow.account_id, account_id), (AlertRow.kind, kind))
        flags = ((AlertRow.held_back, held_back), (AlertRow.held_out, held_out))
        wanted += [column == value for column, value in (*given, *flags) if value is not None]
        if changed_since is not None:
            wanted.append(AlertRow.changed_at >= changed_since)
            place: Any = AlertRow.changed_at
            order = place.asc()
        else:
            place = func.coalesce(AlertRow.avoidable_loss, -1.0)
            order = place.desc()
        if after is not None:
            beyond = place < after[0] if changed_since is None else place > after[0]
            wanted.append(or_(beyond, and_(place == after[0], AlertRow.id > after[1])))
        query = select(AlertRow.id, AlertRow.body, place.label("place")).where(*wanted)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(order, AlertRow.id).limit(limit))
            return [(alert_of(row), (row.place, row.id)) for row in rows]

    def some(self, ids: Sequence[int]) -> list[Alert]:
        """Return the alerts of some ids; one that there is not is left out."""
        alerts: dict[int, Alert] = {}
        with reading(self._engine) as connection:
            for part in lots(sorted(set(ids))):
                query = select(AlertRow.id, AlertRow.body).where(AlertRow.config == self._config, AlertRow.id.in_(part))
                alerts |= {row.id: alert_of(row) for row in connection.execute(query)}
        return [alerts[number] for number in sorted(alerts)]

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
            return alert_of(row), [
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
        author: str | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Alert, bool]:
        """Acknowledge, snooze, close, reopen or reassign an alert, or leave a note on it.

        What is left of its tasks goes along: they end with the alert, come back with it, and change hands with it.
        `author` is the person who answers, where `actor` is the key of a tool.

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
            one_at_a_time(connection, self._config, "alerts")
            row = connection.execute(self._one(alert_id)).first()
            if row is None:
                raise _unknown(alert_id)
            alert = alert_of(row)
            changes = _allowed(alert, actor.now.date(), state, outcome, snoozed_until, owner)
            after = alert.model_copy(update=changes)
            keep_alert(connection, self._config, after)
            action = "reopened" if state == "open" else state or ("reassigned" if owner else "noted")
            said = {**changes, "note": note, "by": author}
            detail = {name: value for name, value in said.items() if value is not None}
            record_alert_event(connection, alert_id, actor, action, detail)
            if note is not None:
                add_note(connection, self._config, actor.now, author or actor.name, note, after.account_id, alert_id)
            follow_alert(connection, self._config, before=alert, after=after, actor=actor)
            return f"{alert.account_id} {alert.kind}", after.model_dump(mode="json")

        answer, replayed = write(self._engine, actor, "alerts.change", work, idempotency, self._deadline)
        return Alert.model_validate(answer), replayed

    def _one(self, alert_id: int) -> Any:
        return select(AlertRow).where(AlertRow.config == self._config, AlertRow.id == alert_id)


def newest_alerts(connection: Connection, config: str) -> list[Alert]:
    """Return the newest episode of every account and rule."""
    rows = connection.execute(
        select(AlertRow.id, AlertRow.account_id, AlertRow.kind, AlertRow.body)
        .where(AlertRow.config == config)
        .order_by(AlertRow.episode)
    )
    return list({(row.account_id, row.kind): alert_of(row) for row in rows}.values())


def keep_alert(connection: Connection, config: str, alert: Alert) -> int:
    """Write an alert over its earlier state, or as a new row; return its id."""
    values = {
        "state": alert.state,
        "owner": alert.owner,
        "opened_on": alert.opened_on,
        "held_back": alert.held_back,
        "held_out": alert.held_out,
        "avoidable_loss": alert.avoidable_loss,
        "body": alert.model_dump(mode="json", exclude={"id"}),
    }
    row = {"config": config, "account_id": alert.account_id, "kind": alert.kind, "episode": alert.episode}
    before = connection.execute(_EPISODE, row).first()
    if before is not None:
        if before.body != values["body"]:
            connection.execute(update(AlertRow).where(AlertRow.id == before.id).values(**values, changed_at=_now()))
            note_change(connection, config, "alert", before.id, _now())
        return int(before.id)
    made = connection.execute(_NEW_EPISODE, {**row, **values, "changed_at": _now()})
    alert_id = int(made.scalar_one())
    note_change(connection, config, "alert", alert_id, _now())
    return alert_id


_EPISODE = select(AlertRow.id, AlertRow.body).where(
    *(getattr(AlertRow, name) == bindparam(name) for name in ("config", "account_id", "kind", "episode"))
)
_NEW_EPISODE = insert(AlertRow).returning(AlertRow.id)
"""Statements made once: an evaluation runs them for every alert."""


def _now() -> datetime:
    return datetime.now(UTC)


def alert_of(row: Row[Any]) -> Alert:
    """Return an alert as its row holds it."""
    return Alert.model_validate({**row.body, "id": row.id})


def record_alert_event(
    connection: Connection, alert_id: int, actor: Actor, action: str, detail: dict[str, Any]
) -> None:
    """Put on record what happened to an alert."""
    row = {"alert_id": alert_id, "at": actor.now, "actor": actor.name, "action": action, "detail": plain(detail)}
    connection.execute(insert(AlertEventRow), row)


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
            Text.of("error-alert_closed"),
            where=Text.of("error-the.alert", id=str(alert.id)),
            got=state,
            code="alert.closed",
        )
    if state == "closed" and outcome is None:
        raise StoreError(
            Text.of("error-alert_outcome"),
            where="outcome",
            code="alert.outcome",
        )
    if state == "snoozed" and (snoozed_until is None or snoozed_until <= today):
        raise StoreError(
            Text.of("error-alert_snooze", today=today.isoformat()),
            where="snoozed_until",
            got=None if snoozed_until is None else snoozed_until.isoformat(),
            code="alert.snooze",
        )
    changes: dict[str, Any] = {} if owner is None else {"owner": owner, "assigned_to": owner}
    if state is None:
        return changes
    return {
        **changes,
        "state": state,
        "outcome": outcome if state == "closed" else None,
        "closed_on": today if state == "closed" else None,
        "snoozed_until": snoozed_until if state == "snoozed" else None,
        "held_back": False,
        "shown_on": alert.shown_on or today,
    }


def _unknown(alert_id: int) -> StoreError:
    return StoreError(
        Text.of("error-no.alert"),
        where=Text.of("error-the.alert", id=str(alert_id)),
        remedy=Text.of("error-ids", what="alerts"),
        code="alert.unknown",
    )
