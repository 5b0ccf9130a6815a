"""What monitoring keeps and others read: outcomes, alarms as episodes, realised performance, loads, retrainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, delete, insert, select, update

from churnml.language import Argument, Text
from churnml.monitoring.alarms import Alarm
from churnml.monitoring.loads import LoadRecord
from churnml.monitoring.performance import Realised
from churnml.monitoring.report import MonitoringReport
from churnml.store.schema import MaturedRow, MonitorAlarmRow, MonitoringRow, RetrainingRow, TableProfileRow
from churnml.store.writes import Actor, reading, write

__all__ = ["AlarmEpisode", "Monitoring", "Retraining"]

_REPORT = TypeAdapter(MonitoringReport)
_ALARM = TypeAdapter(Alarm)
_REALISED = TypeAdapter(Realised)
_LOAD = TypeAdapter(LoadRecord)


@dataclass(frozen=True)
class AlarmEpisode:
    """An alarm from the day that it was first raised to the first day that it was not.

    Parameters
    ----------
    alarm : Alarm
        As it was last seen.
    opened_on, seen_on : date
        The first and the last `as_of` at which it was in force.
    closed_on : date or None
        None while it is in force.
    """

    alarm: Alarm
    opened_on: date
    seen_on: date
    closed_on: date | None


@dataclass(frozen=True)
class Retraining:
    """A model that was trained anew, or moved to a new churn rate, and what became of it.

    Parameters
    ----------
    at : datetime
    kind : str
        ``retrained`` or ``recalibrated``.
    before, version : str or None
        The champion before, and the challenger; no version where the training failed.
    promoted : bool
        Whether the challenger took its place.
    because : tuple of Text
        Why it was due.
    decision : Text or str
        What the gate said, or why the training failed.
    run_id : str
        Of the training in MLflow; empty where there is none.
    """

    at: datetime
    kind: str
    before: str | None
    version: str | None
    promoted: bool
    because: tuple[Text, ...]
    decision: Argument
    run_id: str = ""


_RETRAINING = TypeAdapter(Retraining)


class Monitoring:
    """What monitoring keeps of one config; by `Store.monitoring`.

    Examples
    --------
    >>> from churnml.store import Store
    >>> with Store("sqlite://") as store:
    ...     kept = store.monitoring("acme")
    ...     kept.newest(), kept.alarms(), kept.matured()
    (None, [], [])
    """

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine, self._config = engine, config

    def keep(self, report: MonitoringReport, loads: Sequence[LoadRecord], actor: Actor) -> None:
        """Keep an outcome, the loads it rests on, and the alarms' episodes, in one transaction.

        An outcome of the same `as_of` is replaced. One of an older `as_of` than the newest opens and closes no episode.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            mine = (MonitoringRow.config == self._config, MonitoringRow.as_of == report.as_of)
            connection.execute(delete(MonitoringRow).where(*mine))
            connection.execute(
                insert(MonitoringRow),
                {
                    "config": self._config,
                    "as_of": report.as_of,
                    "checked_at": report.checked_at,
                    "model_version": report.model_version,
                    "alarms": len(report.alarms),
                    "held": report.held,
                    "report": _REPORT.dump_python(report, mode="json"),
                },
            )
            for load in loads:
                own = (
                    TableProfileRow.config == self._config,
                    TableProfileRow.as_of == load.as_of,
                    TableProfileRow.table == load.table,
                )
                connection.execute(delete(TableProfileRow).where(*own))
                body = _LOAD.dump_python(load, mode="json")
                row = {"config": self._config, "as_of": load.as_of, "table": load.table, "loaded_at": load.loaded_at}
                row |= {"rows": load.rows, "fingerprint": load.fingerprint, "body": body}
                connection.execute(insert(TableProfileRow), row)
            self._keep_episodes(connection, report)
            return self._config, {"as_of": report.as_of, "alarms": [alarm.key for alarm in report.alarms]}

        write(self._engine, actor, "monitoring.keep", work)

    def _keep_episodes(self, connection: Connection, report: MonitoringReport) -> None:
        mine = MonitorAlarmRow.config == self._config
        newest = connection.execute(
            select(MonitorAlarmRow.seen_on).where(mine).order_by(MonitorAlarmRow.seen_on.desc()).limit(1)
        ).scalar()
        if newest is not None and newest > report.as_of:
            return
        open_ = {
            row.key: row.id
            for row in connection.execute(
                select(MonitorAlarmRow.id, MonitorAlarmRow.key).where(mine, MonitorAlarmRow.closed_on.is_(None))
            )
        }
        for alarm in report.alarms:
            body = _ALARM.dump_python(alarm, mode="json")
            number = open_.pop(alarm.key, None)
            if number is None:
                row = {"config": self._config, "key": alarm.key, "code": alarm.code, "opened_on": report.as_of}
                row |= {"seen_on": report.as_of, "closed_on": None, "severe": alarm.severe, "body": body}
                connection.execute(insert(MonitorAlarmRow), row)
                continue
            values = {"seen_on": report.as_of, "severe": alarm.severe, "body": body}
            connection.execute(update(MonitorAlarmRow).where(MonitorAlarmRow.id == number).values(values))
        for number in open_.values():
            closed = update(MonitorAlarmRow).where(MonitorAlarmRow.id == number).values(closed_on=report.as_of)
            connection.execute(closed)

    def newest(self) -> MonitoringReport | None:
        """Return the outcome of the newest `as_of`; None before the first."""
        query = select(MonitoringRow.report).where(MonitoringRow.config == self._config)
        with reading(self._engine) as connection:
            body = connection.execute(query.order_by(MonitoringRow.as_of.desc()).limit(1)).scalar()
        return None if body is None else _REPORT.validate_python(body, strict=False)

    def outcomes(self, limit: int = 90) -> list[MonitoringReport]:
        """Return the newest outcomes, newest first."""
        query = select(MonitoringRow.report).where(MonitoringRow.config == self._config)
        with reading(self._engine) as connection:
            bodies = connection.execute(query.order_by(MonitoringRow.as_of.desc()).limit(limit)).scalars().all()
        return [_REPORT.validate_python(one, strict=False) for one in bodies]

    def alarms(self, *, open_only: bool = False, limit: int = 500) -> list[AlarmEpisode]:
        """Return episodes of alarms, the newest first."""
        query = select(
            MonitorAlarmRow.body, MonitorAlarmRow.opened_on, MonitorAlarmRow.seen_on, MonitorAlarmRow.closed_on
        ).where(MonitorAlarmRow.config == self._config)
        if open_only:
            query = query.where(MonitorAlarmRow.closed_on.is_(None))
        query = query.order_by(MonitorAlarmRow.opened_on.desc(), MonitorAlarmRow.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [
                AlarmEpisode(_ALARM.validate_python(row.body, strict=False), row.opened_on, row.seen_on, row.closed_on)
                for row in connection.execute(query)
            ]

    def loads(self, before: date, limit: int = 60) -> dict[str, list[LoadRecord]]:
        """Return what the loads of earlier dates found, by table, oldest first."""
        dates = (
            select(TableProfileRow.as_of)
            .where(TableProfileRow.config == self._config, TableProfileRow.as_of < before)
            .distinct()
            .order_by(TableProfileRow.as_of.desc())
            .limit(limit)
        )
        query = (
            select(TableProfileRow.body)
            .where(TableProfileRow.config == self._config, TableProfileRow.as_of.in_(dates))
            .order_by(TableProfileRow.as_of)
        )
        loads: dict[str, list[LoadRecord]] = {}
        with reading(self._engine) as connection:
            for body in connection.execute(query).scalars():
                load = _LOAD.validate_python(body, strict=False)
                loads.setdefault(load.table, []).append(load)
        return loads

    def restate(self, gone: Mapping[str, int], actor: Actor) -> None:
        """Take rows that were erased out of the records of the newest two loads, against which the next one is judged.

        Parameters
        ----------
        gone : mapping of str to int
            Table → rows.
        actor : Actor
        """
        mine = TableProfileRow.config == self._config
        newest = select(TableProfileRow.as_of).where(mine).distinct().order_by(TableProfileRow.as_of.desc()).limit(2)

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            query = select(TableProfileRow.body).where(
                mine, TableProfileRow.as_of.in_(newest), TableProfileRow.table.in_(list(gone))
            )
            for body in connection.execute(query).scalars().all():
                load = _LOAD.validate_python(body, strict=False)
                own = (mine, TableProfileRow.as_of == load.as_of, TableProfileRow.table == load.table)
                rows = gone[load.table]
                known = {day: max(before - rows, 0) for day, before in load.known_rows.items()}
                load = replace(load, rows=max(load.rows - rows, 0), known_rows=known)
                values = {"rows": load.rows, "body": _LOAD.dump_python(load, mode="json")}
                connection.execute(update(TableProfileRow).where(*own).values(values))
            return self._config, {"tables": len(gone)}

        write(self._engine, actor, "monitoring.restate", work)

    def keep_matured(self, outcomes: Sequence[Realised], actor: Actor) -> None:
        """Keep how snapshots turned out; what was kept of the same snapshot and version is replaced."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            for one in outcomes:
                own = (
                    MaturedRow.config == self._config,
                    MaturedRow.as_of == one.as_of,
                    MaturedRow.model_version == one.model_version,
                )
                connection.execute(delete(MaturedRow).where(*own))
                row = {"config": self._config, "as_of": one.as_of, "model_version": one.model_version}
                row |= {"matured_on": one.matured_on, "body": _REALISED.dump_python(one, mode="json")}
                connection.execute(insert(MaturedRow), row)
            return self._config, {"snapshots": len(outcomes)}

        if outcomes:
            write(self._engine, actor, "monitoring.matured", work)

    def matured(self, *, version: str | None = None) -> list[Realised]:
        """Return how snapshots turned out, oldest first; with `version` only those that it scored."""
        query = select(MaturedRow.body).where(MaturedRow.config == self._config)
        if version is not None:
            query = query.where(MaturedRow.model_version == version)
        with reading(self._engine) as connection:
            bodies = connection.execute(query.order_by(MaturedRow.as_of, MaturedRow.model_version)).scalars().all()
        return [_REALISED.validate_python(body, strict=False) for body in bodies]

    def keep_retraining(self, retraining: Retraining, actor: Actor) -> None:
        """Keep that a model was trained anew or moved, why, and what became of it."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            row = {"config": self._config, "at": retraining.at, "kind": retraining.kind, "before": retraining.before}
            row |= {"version": retraining.version, "promoted": retraining.promoted}
            row |= {"body": _RETRAINING.dump_python(retraining, mode="json")}
            connection.execute(insert(RetrainingRow), row)
            return self._config, {
                "kind": retraining.kind,
                "version": retraining.version,
                "promoted": retraining.promoted,
            }

        write(self._engine, actor, "monitoring.retraining", work)

    def retrainings(self, limit: int = 50) -> list[Retraining]:
        """Return models trained anew or moved, newest first."""
        query = select(RetrainingRow.body).where(RetrainingRow.config == self._config)
        with reading(self._engine) as connection:
            bodies = connection.execute(query.order_by(RetrainingRow.id.desc()).limit(limit)).scalars().all()
        return [_RETRAINING.validate_python(body, strict=False) for body in bodies]
