"""Deliveries as they are kept: what each target is to hold under a key, and one outcome for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.delivery import Change, Delivery, DeliveryOutcome, TargetState, Wanted
from churnml.store.queries import lots
from churnml.store.schema import DeliveryRow, DeliveryTargetRow, OutboxRow
from churnml.store.writes import Actor, changing, reading, record

__all__ = ["ERASURE", "Deliveries"]

ERASURE = "erasure:"
"""How the keys begin under which a target is asked to forget an account."""

_LEASE = timedelta(minutes=3)


_DELIVERY = tuple(getattr(DeliveryRow, name) for name in Delivery.__dataclass_fields__)
_STATE = tuple(getattr(DeliveryTargetRow, name) for name in TargetState.__dataclass_fields__)


class Deliveries:
    """The deliveries of one config."""

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine = engine
        self._config = config
        self._holder: str | None = None

    # -- who delivers ------------------------------------------------------------------------------------------------

    def holder(self) -> str | None:
        """Return who is delivering, or was when it died."""
        with reading(self._engine) as connection:
            return connection.execute(select(DeliveryTargetRow.holder).where(*self._target(""))).scalar_one_or_none()

    def take(self, holder: str, now: datetime, *, from_dead: str | None = None) -> bool:
        """Become the one process that delivers; False while another one is.

        Parameters
        ----------
        holder : str
            Names this process.
        now : datetime
        from_dead : str, optional
            A holder that is known to be dead, whose place need not run out.
        """
        with changing(self._engine) as connection:
            row = connection.execute(
                select(DeliveryTargetRow.holder, DeliveryTargetRow.until).where(*self._target("")).with_for_update()
            ).first()
            taken = row is not None and row.holder not in (None, holder, from_dead) and row.until > now
            if taken:
                return False
            self._put(connection, "", {"holder": holder, "until": now + _LEASE}, row is not None)
        self._holder = holder
        return True

    def release(self) -> None:
        """Give the place to whoever comes next."""
        with changing(self._engine) as connection:
            own = (*self._target(""), DeliveryTargetRow.holder == self._holder)
            connection.execute(update(DeliveryTargetRow).where(*own).values(holder=None, until=None))
        self._holder = None

    def _renew(self, connection: Connection, now: datetime) -> None:
        """Hold on to the place; a process that has slept through its lease must not write over its successor."""
        if self._holder is None:
            return
        own = (*self._target(""), DeliveryTargetRow.holder == self._holder)
        done = connection.execute(update(DeliveryTargetRow).where(*own).values(until=now + _LEASE))
        if done.rowcount != 1:
            raise StoreError(
                Text.of("error-taken_over"),
                where=self._config,
                code="deliver.taken_over",
            )

    # -- planning ----------------------------------------------------------------------------------------------------

    def changes(self, limit: int = 1000) -> list[Change]:
        """Return the changes that nobody has planned for, the oldest first."""
        query = select(OutboxRow.id, OutboxRow.topic, OutboxRow.subject, OutboxRow.at)
        query = query.where(OutboxRow.config == self._config).order_by(OutboxRow.id).limit(limit)
        with reading(self._engine) as connection:
            return [Change(*row) for row in connection.execute(query)]

    def under(self, target: str, keys: Sequence[str]) -> dict[str, Delivery]:
        """Return what there is under some keys of a target."""
        deliveries: dict[str, Delivery] = {}
        with reading(self._engine) as connection:
            for some in lots(keys):
                rows = connection.execute(self._query(target).where(DeliveryRow.key.in_(some)))
                deliveries |= {row.key: Delivery(*row) for row in rows}
        return deliveries

    def plan(self, target: str, wanted: Iterable[Wanted], now: datetime) -> int:
        """Note what a target is to hold from now on; returns how many."""
        count = 0
        with changing(self._engine) as connection:
            self._renew(connection, now)
            for some in lots(list(wanted)):
                keys = [one.key for one in some]
                rows = connection.execute(self._query(target).where(DeliveryRow.key.in_(keys)))
                before = {row.key: Delivery(*row) for row in rows}
                new = [_first(self._config, target, one, now) for one in some if one.key not in before]
                if new:
                    connection.execute(insert(DeliveryRow), new)
                for one in some:
                    if one.key in before:
                        self._want(connection, before[one.key], one, now)
                count += len(some)
        return count

    def planned(self, changes: Sequence[Change], now: datetime) -> None:
        """Take changes out of the outbox, once everything that follows from them is planned."""
        with changing(self._engine) as connection:
            self._renew(connection, now)
            for some in lots([change.id for change in changes]):
                connection.execute(delete(OutboxRow).where(OutboxRow.id.in_(some)))

    def drop(self, target: str, keys: Sequence[str]) -> None:
        """Forget what has not been tried yet and is not wanted any more."""
        with changing(self._engine) as connection:
            for some in lots(keys):
                untried = (DeliveryRow.tried_at.is_(None), DeliveryRow.state == "waiting")
                connection.execute(delete(DeliveryRow).where(*self._own(target), DeliveryRow.key.in_(some), *untried))

    def _want(self, connection: Connection, before: Delivery, one: Wanted, now: datetime) -> None:
        values: dict[str, Any] = {"wanted": dict(one.values), "version": before.version + 1, "attempts": 0}
        if before.state in ("sent", "accepted", "refused"):
            values |= {"state": "waiting", "due_at": now, "reason": None, "said": None}
        connection.execute(update(DeliveryRow).where(DeliveryRow.id == before.id).values(**values))

    # -- sending -----------------------------------------------------------------------------------------------------

    def due(
        self, target: str, topic: str, now: datetime, limit: int, *, states: Sequence[str] = ("waiting",)
    ) -> list[Delivery]:
        """Return what is due, those that have a remote id apart from those that have none."""
        query = self._query(target).where(
            DeliveryRow.topic == topic, DeliveryRow.state.in_(list(states)), DeliveryRow.due_at <= now
        )
        order = (DeliveryRow.remote_id.is_(None), DeliveryRow.due_at, DeliveryRow.id)
        with reading(self._engine) as connection:
            return [Delivery(*row) for row in connection.execute(query.order_by(*order).limit(limit))]

    def next_due(self, target: str) -> datetime | None:
        """Return when something of a target is due next."""
        query = select(func.min(DeliveryRow.due_at)).where(
            *self._own(target), DeliveryRow.state.in_(["waiting", "unknown", "sending", "sent"])
        )
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()

    def begin(self, deliveries: Sequence[Delivery], now: datetime) -> list[Delivery]:
        """Note that they are being sent, before the first byte leaves; returns them as they are now."""
        with changing(self._engine) as connection:
            self._renew(connection, now)
            for one in deliveries:
                values: dict[str, Any] = {"state": "sending", "tried_at": now, "tried_version": one.version}
                connection.execute(
                    update(DeliveryRow)
                    .where(DeliveryRow.id == one.id)
                    .values(**values, attempts=one.attempts + 1, reason=None, said=None)
                )
        return [
            replace(one, state="sending", attempts=one.attempts + 1, tried_at=now, tried_version=one.version)
            for one in deliveries
        ]

    def end(
        self, outcomes: Sequence[tuple[Delivery, DeliveryOutcome]], target: str, state: TargetState, now: datetime
    ) -> None:
        """Note what became of deliveries, and how it stands with their target.

        What was wanted anew while they were being sent is sent next.
        """
        with changing(self._engine) as connection:
            self._renew(connection, now)
            ids = [one.id for one, _ in outcomes]
            current: dict[int, int] = {}
            for some in lots(ids):
                rows = connection.execute(select(DeliveryRow.id, DeliveryRow.version).where(DeliveryRow.id.in_(some)))
                current |= {row.id: row.version for row in rows}
            for one, outcome in outcomes:
                values = _ended(one, outcome, current[one.id] == one.version, now)
                connection.execute(update(DeliveryRow).where(DeliveryRow.id == one.id).values(**values))
            self._save(connection, target, state)

    def finished_there(
        self, one: Delivery, finish: Callable[[Connection], bool], held: Mapping[str, Any], now: datetime
    ) -> bool:
        """Note that a person has finished in the target what it was given, with what follows here, or neither.

        Parameters
        ----------
        one : Delivery
        finish : callable
            Finishes it here on a connection; returns whether there was anything to finish.
        held : mapping
            What the target holds now, which need not be told it any more.
        now : datetime
        """
        with changing(self._engine) as connection:
            self._renew(connection, now)
            if not finish(connection):
                return False
            values = {"wanted": dict(held), "held": dict(held), "held_at": now, "state": "accepted", "due_at": now}
            own = (DeliveryRow.id == one.id, DeliveryRow.version == one.version)
            connection.execute(update(DeliveryRow).where(*own).values(**values, reason=None, said=None))
        return True

    def state(self, target: str) -> TargetState:
        """Return how it stands with a target."""
        with reading(self._engine) as connection:
            row = connection.execute(select(*_STATE).where(*self._target(target))).first()
        return TargetState() if row is None else TargetState(*row)

    def _save(self, connection: Connection, target: str, state: TargetState) -> None:
        known = connection.execute(select(DeliveryTargetRow.calls).where(*self._target(target))).first()
        self._put(connection, target, state.__dict__, known is not None)

    def _put(self, connection: Connection, target: str, values: Mapping[str, Any], known: bool) -> None:
        if known:
            connection.execute(update(DeliveryTargetRow).where(*self._target(target)).values(**values))
            return
        row = {"failures": 0, "calls": 0, **values}
        connection.execute(insert(DeliveryTargetRow).values(config=self._config, target=target, **row))

    # -- looking at them ---------------------------------------------------------------------------------------------

    def find(
        self, *, target: str | None = None, states: Sequence[str] = ("refused", "unknown"), limit: int = 100
    ) -> list[Delivery]:
        """Return deliveries in some states, the newest first; by default those that nothing more will happen to."""
        wanted = [DeliveryRow.config == self._config, DeliveryRow.state.in_(list(states))]
        if target is not None:
            wanted.append(DeliveryRow.target == target)
        with reading(self._engine) as connection:
            rows = connection.execute(select(*_DELIVERY).where(*wanted).order_by(DeliveryRow.id.desc()).limit(limit))
            return [Delivery(*row) for row in rows]

    def counts(self, target: str, topic: str | None = None) -> dict[str, int]:
        """Return how many deliveries of a target, or of one topic of it, are in each state."""
        query = select(DeliveryRow.state, func.count()).where(*self._own(target)).group_by(DeliveryRow.state)
        if topic is not None:
            query = query.where(DeliveryRow.topic == topic)
        with reading(self._engine) as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def resend(
        self, now: datetime, *, ids: Sequence[int] = (), target: str | None = None, actor: Actor | None = None
    ) -> int:
        """Let refused and unknown deliveries be tried again, by id or all of a target; returns how many.

        Who lets them is noted in the audit log, where it is a person.
        """
        own = [DeliveryRow.config == self._config, DeliveryRow.state.in_(["refused", "unknown"])]
        if target is not None:
            own.append(DeliveryRow.target == target)
        if ids:
            own.append(DeliveryRow.id.in_(list(ids)))
        again = {"state": "waiting", "attempts": 0, "due_at": now, "reason": None, "said": None}
        with changing(self._engine) as connection:
            done = connection.execute(update(DeliveryRow).where(*own).values(**again))
            if target is not None:
                paused = update(DeliveryTargetRow).where(*self._target(target))
                connection.execute(paused.values(until=None, why=None, failures=0))
            if actor is not None:
                detail = {"ids": list(ids), "target": target, "waiting": int(done.rowcount)}
                record(connection, actor, "deliveries.resend", target or ", ".join(map(str, ids)), detail)
        return int(done.rowcount)

    def forget_answered(self) -> int:
        """Remove requests to forget an account that were answered: they name it; returns how many."""
        done = DeliveryRow.state.in_(["accepted", "sent", "refused"])
        asked = (DeliveryRow.config == self._config, DeliveryRow.key.startswith(ERASURE, autoescape=True), done)
        with changing(self._engine) as connection:
            return int(connection.execute(delete(DeliveryRow).where(*asked)).rowcount)

    def _own(self, target: str) -> tuple[Any, ...]:
        return DeliveryRow.config == self._config, DeliveryRow.target == target

    def _target(self, target: str) -> tuple[Any, ...]:
        return DeliveryTargetRow.config == self._config, DeliveryTargetRow.target == target

    def _query(self, target: str) -> Any:
        return select(*_DELIVERY).where(*self._own(target))


def _first(config: str, target: str, one: Wanted, now: datetime) -> dict[str, Any]:
    own = {"config": config, "target": target, "key": one.key, "topic": one.topic, "account_id": one.account_id}
    return {**own, "state": "waiting", "version": 1, "wanted": dict(one.values), "attempts": 0, "due_at": now}


def _ended(one: Delivery, outcome: DeliveryOutcome, newest: bool, now: datetime) -> dict[str, Any]:
    """Return the columns that an outcome sets."""
    due_at = outcome.due_at or now
    values: dict[str, Any] = {"state": outcome.state, "reason": outcome.reason, "said": outcome.said, "due_at": due_at}
    if outcome.remote_id is not None:
        values["remote_id"] = outcome.remote_id
    if outcome.state in ("accepted", "sent"):
        values |= {"held": dict(one.wanted), "held_at": now}
        if not newest:
            values |= {"state": "waiting", "due_at": now}
    if not outcome.counts:
        values["attempts"] = max(one.attempts - 1, 0)
    return values
