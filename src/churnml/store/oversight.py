"""What whoever looks after a service asks of its store: who owns accounts, what alert rules did, who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, func, select

from churnml.store.records import AuditEntry
from churnml.store.schema import AlertRow, AuditRow, EvaluationRow, ScoreRow, TaskRow
from churnml.store.writes import reading

__all__ = ["AuditPage", "Opened", "Oversight", "changes"]


@dataclass(frozen=True)
class Opened:
    """What one alert rule did at one scoring: alerts and tasks by owner, and the alerts that were held back."""

    alerts: Mapping[str, int]
    tasks: Mapping[str, int]
    held_back: int


@dataclass(frozen=True)
class AuditPage:
    """Some changes, newest first, and whether there are older ones."""

    entries: tuple[AuditEntry, ...]
    more: bool


class Oversight:
    """What is going on in one config.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from churnml.store import Actor, Store
    >>> with Store("sqlite://") as store:
    ...     ann = store.users.add("ann@example.com", Actor("cli", datetime(2026, 1, 5, tzinfo=UTC)))
    ...     [entry.action for entry in store.oversight("acme").audit().entries]
    ['users.add']
    """

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine = engine
        self._config = config

    def owners(self, snapshot_id: int) -> dict[str, int]:
        """Return the owners in a snapshot with how many accounts each has."""
        query = select(ScoreRow.owner, func.count()).where(ScoreRow.snapshot_id == snapshot_id)
        query = query.where(ScoreRow.owner.is_not(None)).group_by(ScoreRow.owner).order_by(ScoreRow.owner)
        with reading(self._engine) as connection:
            return {str(owner): int(count) for owner, count in connection.execute(query)}

    def evaluated(self) -> date | None:
        """Return the last scoring that the alert rules went over, by its `as_of`."""
        query = select(func.max(EvaluationRow.as_of)).where(EvaluationRow.config == self._config)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def opened(self, as_of: date) -> dict[str, Opened]:
        """Return what each alert rule opened at a scoring, with the tasks that its playbooks began."""
        mine = (AlertRow.config == self._config, AlertRow.opened_on == as_of)
        alerts = select(AlertRow.kind, AlertRow.owner, AlertRow.held_back, func.count()).where(*mine)
        tasks = select(AlertRow.kind, TaskRow.owner, func.count()).join(TaskRow, TaskRow.alert_id == AlertRow.id)
        by_kind: dict[str, tuple[dict[str, int], dict[str, int], int]] = {}
        with reading(self._engine) as connection:
            by_alert = alerts.group_by(AlertRow.kind, AlertRow.owner, AlertRow.held_back).order_by(AlertRow.owner)
            for kind, owner, held_back, count in connection.execute(by_alert):
                owners, begun, held = by_kind.setdefault(kind, ({}, {}, 0))
                if held_back:
                    by_kind[kind] = (owners, begun, held + count)
                else:
                    owners[owner] = owners.get(owner, 0) + count
            by_task = tasks.where(*mine).group_by(AlertRow.kind, TaskRow.owner).order_by(TaskRow.owner)
            for kind, owner, count in connection.execute(by_task):
                by_kind.setdefault(kind, ({}, {}, 0))[1][owner] = count
        return {kind: Opened(*parts) for kind, parts in by_kind.items()}

    def audit(self, limit: int = 100, *, after: int = 0, action: str = "", actor: str = "") -> AuditPage:
        """Return changes, newest first.

        Parameters
        ----------
        limit : int
        after : int
            So many newer ones are left out.
        action : str
            Only actions that begin so, e.g. ``users``.
        actor : str
            Only those of one actor.
        """
        rows = changes(self._engine, limit + 1, after=after, action=action, actor=actor)
        return AuditPage(tuple(rows[:limit]), len(rows) > limit)


_ENTRY = tuple(getattr(AuditRow, name) for name in AuditEntry.__dataclass_fields__)


def changes(engine: Engine, limit: int, *, after: int = 0, action: str = "", actor: str = "") -> list[AuditEntry]:
    """Return changes of every config, newest first; see `Oversight.audit`."""
    query = select(*_ENTRY).order_by(AuditRow.id.desc()).offset(after).limit(limit)
    if action:
        query = query.where(AuditRow.action.startswith(action, autoescape=True))
    if actor:
        query = query.where(AuditRow.actor == actor)
    with reading(engine) as connection:
        return [AuditEntry(*row) for row in connection.execute(query)]
