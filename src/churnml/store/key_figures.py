"""The KPIs as the newest scoring saw them, so that who serves them needs no raw data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from churnml.store.packing import pack_columns, unpack_columns
from churnml.store.plain import plain
from churnml.store.schema import KeyFigureRowsRow, KeyFiguresRow
from churnml.store.writes import Actor, reading, write

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KeptKeyFigures", "KeyFigures", "rows_of_account", "without_account"]


@dataclass(frozen=True)
class KeptKeyFigures:
    """A KPI report with the date up to which facts count, and when it was kept."""

    as_of: date
    published_at: datetime
    report: Mapping[str, Any]


class KeyFigures:
    """The KPIs of one config; by `Store.key_figures`.

    Examples
    --------
    >>> from datetime import UTC
    >>> from churnml.store import Store
    >>> with Store("sqlite://") as store:
    ...     kept = store.key_figures("acme")
    ...     now = Actor("cli", datetime(2026, 3, 1, tzinfo=UTC))
    ...     kept.keep(date(2026, 3, 1), {"currency": "EUR"}, now), kept.keep(date(2026, 1, 1), {}, now)
    ...     kept.newest().report
    (True, False)
    {'currency': 'EUR'}
    """

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine, self._config = engine, config

    def keep(
        self,
        as_of: date,
        report: Mapping[str, Any],
        actor: Actor,
        rows: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    ) -> bool:
        """Keep a report in place of the last; one of an older `as_of` takes nothing's place. Returns whether it did.

        Parameters
        ----------
        as_of : date
        report : mapping
            JSON-ready.
        actor : Actor
        rows : mapping, optional
            Part of the report → columns of the accounts behind it; without it those of the last report stay.
        """
        packed = [{"part": part, "packed": pack_columns(columns)} for part, columns in (rows or {}).items()]

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            mine = KeyFiguresRow.config == self._config
            last = connection.execute(select(KeyFiguresRow.as_of).where(mine)).scalar()
            is_newest = last is None or last <= as_of
            if is_newest:
                connection.execute(delete(KeyFiguresRow).where(mine))
                row = {"config": self._config, "as_of": as_of, "published_at": actor.now, "report": dict(report)}
                connection.execute(insert(KeyFiguresRow), row)
                if rows is not None:
                    connection.execute(delete(KeyFigureRowsRow).where(KeyFigureRowsRow.config == self._config))
                if packed:
                    connection.execute(insert(KeyFigureRowsRow), [{"config": self._config, **one} for one in packed])
            return self._config, {"kept": is_newest, "as_of": as_of.isoformat()}

        answer, _ = write(self._engine, actor, "key_figures.keep", work)
        return bool(answer["kept"])

    def newest(self) -> KeptKeyFigures | None:
        """Return what was kept last; None before the first."""
        query = select(KeyFiguresRow.as_of, KeyFiguresRow.published_at, KeyFiguresRow.report)
        with reading(self._engine) as connection:
            row = connection.execute(query.where(KeyFiguresRow.config == self._config)).first()
        return None if row is None else KeptKeyFigures(*row)

    def published_at(self) -> datetime | None:
        """Return when what `newest` returns was kept; None before the first."""
        query = select(KeyFiguresRow.published_at).where(KeyFiguresRow.config == self._config)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()

    def rows(self, part: str) -> dict[str, np.ndarray] | None:
        """Return the columns of the accounts behind a part of the report; None where there are none."""
        query = select(KeyFigureRowsRow.packed).where(
            KeyFigureRowsRow.config == self._config, KeyFigureRowsRow.part == part
        )
        with reading(self._engine) as connection:
            packed = connection.execute(query).scalar()
        return None if packed is None else unpack_columns(packed)


def rows_of_account(connection: Connection, config: str, account: str) -> list[dict[str, Any]]:
    """Return what is kept of one account behind the KPIs, a row for each part of the report."""
    rows = []
    for part, columns, mine in _with_account(connection, config, account):
        place = int(mine.argmax())
        rows.append(
            {"config": config, "part": part, **{name: plain(values[place]) for name, values in columns.items()}}
        )
    return rows


def without_account(connection: Connection, config: str, account: str) -> int:
    """Take one account out of the rows behind the KPIs; returns from how many parts of the report."""
    number = 0
    for part, columns, mine in list(_with_account(connection, config, account)):
        left = pack_columns({name: values[~mine] for name, values in columns.items()})
        here = (KeyFigureRowsRow.config == config, KeyFigureRowsRow.part == part)
        connection.execute(update(KeyFigureRowsRow).where(*here).values(packed=left))
        number += 1
    return number


def _with_account(
    connection: Connection, config: str, account: str
) -> Iterator[tuple[str, dict[str, np.ndarray], np.ndarray]]:
    query = select(KeyFigureRowsRow.part, KeyFigureRowsRow.packed).where(KeyFigureRowsRow.config == config)
    for part, packed in connection.execute(query).all():
        columns = unpack_columns(packed)
        mine = columns["account_id"] == account
        if mine.any():
            yield part, columns, mine
