"""What the store holds of one account or person: collected for them, or removed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Engine,
    String,
    Table,
    cast,
    delete,
    false,
    insert,
    or_,
    select,
    update,
)

from churnml.store.compositions import unpacked_composition
from churnml.store.key_figures import rows_of_account, without_account
from churnml.store.packing import named, unpack_document, unpack_numbers
from churnml.store.plain import plain
from churnml.store.schema import (
    AlertEventRow,
    AlertRow,
    AuditRow,
    Base,
    ExplanationRow,
    OutboxRow,
    RunRow,
    RunStageRow,
    ScoreRow,
    SnapshotRow,
    TaskEventRow,
    TaskRow,
)
from churnml.store.writes import changing, reading

__all__ = ["ERASED", "Erasure", "Traces", "pattern_of"]

_SHORT = 4

ERASED = "[erased]"
"""Stands where an erased id or name stood in a text."""

_NO_TEXTS = frozenset(
    {"config", "state", "kind", "topic", "target", "outcome", "band", "action", "actor", "hash", "id"}
)
"""Columns that hold words of churnml's own, or names of its users."""

_OF_USERS = frozenset({"users", "sessions", "api_keys", "sign_in_links"})
"""Tables about who uses churnml, which are no customer's."""


def _tables() -> list[Table]:
    """Return the store's tables, those that others point to last, so that rows can be removed in this order."""
    return list(reversed(Base.metadata.sorted_tables))


def _mine(table: Table, config: str, account: str) -> tuple[ColumnElement[bool], ...] | None:
    """Return the condition of an account's rows; None for a table that has no rows of one account."""
    if "account_id" not in table.c:
        return None
    if "config" in table.c:
        return table.c.config == config, table.c.account_id == account
    return table.c.snapshot_id.in_(_snapshots(config)), table.c.account_id == account


@dataclass(frozen=True)
class Traces:
    """What to look for.

    Parameters
    ----------
    account : str or None
        The account whose rows go; None where only a person is erased.
    words : collection of str
        Ids, addresses and names that no text may hold afterwards.
    near : collection of str
        Accounts in whose explanations a person may be named.
    """

    account: str | None
    words: Collection[str]
    near: Collection[str] = ()

    def pattern(self) -> re.Pattern[str]:
        """Return what finds the words in texts."""
        return pattern_of(self.words)


def pattern_of(words: Collection[str]) -> re.Pattern[str]:
    """Return what finds words as whole words; very short ones only where nothing else stands between two quotes.

    Examples
    --------
    >>> found = pattern_of(["acc-1", "7"])
    >>> [bool(found.search(text)) for text in ("of acc-1.", "acc-10", '{"id": "7"}', "7 days")]
    [True, False, True, False]
    """
    parts = []
    for word in sorted(words, key=len, reverse=True):
        edges = (r"(?<![\w-])", r"(?![\w-])") if len(word) >= _SHORT else (r"(?<=[\"'>])", r"(?=[\"'<])")
        parts.append(edges[0] + re.escape(word) + edges[1])
    return re.compile("|".join(parts) if parts else r"(?!)")


class Erasure:
    """What the store holds of one account or person; by `Store.erasure`."""

    def __init__(self, engine: Engine, config: str, traces: Traces) -> None:
        self._engine, self._config, self._traces = engine, config, traces

    def held(self) -> dict[str, list[dict[str, Any]]]:
        """Return it table by table, JSON-ready: of an account its rows, of a person what names them."""
        return _collect(self._engine, self._config, self._traces)

    def erase(self, subject: str, now: datetime) -> dict[str, int]:
        """Remove it, in one transaction with its audit row; returns rows by table.

        Parameters
        ----------
        subject : str
            What stands for the subject in the audit: it must not say who it was.
        now : datetime
        """
        return _erase(self._engine, self._config, self._traces, subject, now)

    def settle(self) -> bool:
        """Have a SQLite file let go of the bytes that were removed; False while a reader holds on to them."""
        return _settle(self._engine)


def _collect(engine: Engine, config: str, traces: Traces) -> dict[str, list[dict[str, Any]]]:
    rows_of: dict[str, list[dict[str, Any]]] = {}
    pattern = traces.pattern()
    with reading(engine) as connection:
        for table in _tables():
            rows: list[dict[str, Any]] = []
            mine = None if traces.account is None else _mine(table, config, traces.account)
            if mine is not None:
                rows += [_readable(connection, row) for row in _rows(connection, table, mine)]
            columns = _texts(table)
            if columns:
                held = _rows(connection, table, _holding(table, columns, traces, config))
                hits = [row for row in held if any(pattern.search(str(row[name])) for name in columns)]
                rows += [row for row in (_readable(connection, row) for row in hits) if row not in rows]
            if rows:
                rows_of[table.name] = rows
        if traces.account is not None and (behind := rows_of_account(connection, config, traces.account)):
            rows_of["key_figure_rows"] = behind
        for account in traces.near:
            own = _mine(Base.metadata.tables["explanations"], config, account)
            assert own is not None
            explanations = [
                _readable(connection, row) for row in _rows(connection, Base.metadata.tables["explanations"], own)
            ]
            rows_of.setdefault("explanations", []).extend(row for row in explanations if pattern.search(str(row)))
    return {name: plain(rows) for name, rows in rows_of.items() if rows}


def _erase(engine: Engine, config: str, traces: Traces, subject: str, now: datetime) -> dict[str, int]:
    counts: dict[str, int] = {}

    def remove(table: Any, *condition: Any) -> None:
        name = table.name if isinstance(table, Table) else table.__tablename__
        with_rows = connection.execute(delete(table).where(*condition)).rowcount
        if with_rows:
            counts[name] = counts.get(name, 0) + int(with_rows)

    pattern = traces.pattern()
    with changing(engine) as connection:
        if traces.account is not None:
            alerts = select(AlertRow.id).where(AlertRow.config == config, AlertRow.account_id == traces.account)
            tasks = select(TaskRow.id).where(TaskRow.config == config, TaskRow.account_id == traces.account)
            remove(OutboxRow, OutboxRow.topic == "alert", OutboxRow.subject.in_(alerts))
            remove(OutboxRow, OutboxRow.topic == "task", OutboxRow.subject.in_(tasks))
            remove(AlertEventRow, AlertEventRow.alert_id.in_(alerts))
            remove(TaskEventRow, TaskEventRow.task_id.in_(tasks))
            held = select(ScoreRow.snapshot_id).where(ScoreRow.account_id == traces.account)
            fewer = update(SnapshotRow).where(SnapshotRow.config == config, SnapshotRow.id.in_(held))
            connection.execute(fewer.values(accounts=SnapshotRow.accounts - 1))
            for table in _tables():
                mine = _mine(table, config, traces.account)
                if mine is not None:
                    remove(table, *mine)
        if traces.account is not None and (parts := without_account(connection, config, traces.account)):
            counts["key_figure_rows"] = parts
        for account in traces.near:
            for snapshot_id in _naming(connection, config, account, pattern):
                remove(ExplanationRow, ExplanationRow.snapshot_id == snapshot_id, ExplanationRow.account_id == account)
        for table in _tables():
            number = _redact(connection, table, traces, pattern, config)
            if number:
                counts[table.name] = counts.get(table.name, 0) + number
        audit = {"at": now, "actor": "erase", "action": "subjects.erase", "subject": subject, "request_id": None}
        connection.execute(insert(AuditRow), [{**audit, "detail": dict(counts)}])
    return counts


def _settle(engine: Engine) -> bool:
    if engine.dialect.name != "sqlite":
        return True
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("VACUUM")
        row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.exec_driver_sql("BEGIN")
    return row is not None and row[0] == 0


def _texts(table: Table) -> list[str]:
    """Return the columns of a table whose texts may speak of anybody."""
    if table.name in _OF_USERS:
        return []
    texts = (column for column in table.c if isinstance(column.type, String | JSON) and not column.primary_key)
    return [column.name for column in texts if column.name not in {*_NO_TEXTS, "account_id"}]


def _holding(table: Table, columns: Collection[str], traces: Traces, config: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a text may hold one of the words; the pattern decides."""
    texts = [cast(table.c[name], String) for name in columns]
    own: list[Any] = [or_(false(), *(text.contains(word, autoescape=True) for text in texts for word in traces.words))]
    if "config" in table.c:
        own.append(table.c.config == config)
    elif "snapshot_id" in table.c:
        own.append(table.c.snapshot_id.in_(_snapshots(config)))
    elif table.name == RunStageRow.__tablename__:
        own.append(RunStageRow.run_id.in_(select(RunRow.id).where(RunRow.config == config)))
    return tuple(own)


def _redact(connection: Connection, table: Table, traces: Traces, pattern: re.Pattern[str], config: str) -> int:
    columns = _texts(table)
    if not columns:
        return 0
    number = 0
    for row in _rows(connection, table, _holding(table, columns, traces, config)):
        new = {name: _without(row[name], pattern) for name in columns}
        changed = {name: value for name, value in new.items() if value != row[name]}
        if changed:
            mine = [column == row[column.name] for column in table.primary_key]
            connection.execute(update(table).where(*mine).values(changed))
            number += 1
    return number


def _without(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(ERASED, value)
    if isinstance(value, Mapping):
        return {_without(key, pattern): _without(item, pattern) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, pattern) for item in value]
    return value


def _naming(connection: Connection, config: str, account: str, pattern: re.Pattern[str]) -> list[int]:
    mine = (ExplanationRow.snapshot_id.in_(_snapshots(config)), ExplanationRow.account_id == account)
    rows = connection.execute(
        select(ExplanationRow.snapshot_id, ExplanationRow.body, ExplanationRow.packed).where(*mine)
    )
    return [
        row.snapshot_id
        for row in rows
        if pattern.search(str(row.body if row.packed is None else unpack_document(row.packed)))
    ]


def _rows(connection: Connection, table: Table, conditions: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(select(table).where(*conditions))]


def _readable(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what it holds packed, unpacked."""
    if row.get("packed") is not None:
        return {**row, "body": unpack_document(row["packed"]), "packed": None}
    if row.get("numbers") is not None:
        names = connection.execute(
            select(SnapshotRow.feature_names).where(SnapshotRow.id == row["snapshot_id"])
        ).scalar_one()
        return {**row, "features": named(names or [], unpack_numbers(row["numbers"]), row["features"]), "numbers": None}
    if row.get("composition") is not None:
        info = connection.execute(select(SnapshotRow.info).where(SnapshotRow.id == row["snapshot_id"])).scalar_one()
        made_of = unpacked_composition(row["composition"], info.get("composition") or ())
        return {**row, "composition": asdict(made_of)}
    return row


def _snapshots(config: str) -> Any:
    return select(SnapshotRow.id).where(SnapshotRow.config == config)
