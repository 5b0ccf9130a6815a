"""The KPIs as the newest scoring saw them, so that who serves them needs no raw data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, delete, insert, select

from churnml.store.packing import pack_columns, unpack_columns
from churnml.store.schema import KeyFigureRowsRow, KeyFiguresRow
from churnml.store.writes import Actor, reading, write

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KeptKeyFigures", "KeyFigures"]


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
            Part of the report → columns of the accounts behind it; without it those of the last report go.
        """
        packed = [{"part": part, "packed": pack_columns(columns)} for part, columns in (rows or {}).items()]

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            mine = KeyFiguresRow.config == self._config
            last = connection.execute(select(KeyFiguresRow.as_of).where(mine)).scalar()
            kept = last is None or last <= as_of
            if kept:
                connection.execute(delete(KeyFiguresRow).where(mine))
                row = {"config": self._config, "as_of": as_of, "published_at": actor.now, "report": dict(report)}
                connection.execute(insert(KeyFiguresRow), row)
                connection.execute(delete(KeyFigureRowsRow).where(KeyFigureRowsRow.config == self._config))
                if packed:
                    connection.execute(insert(KeyFigureRowsRow), [{"config": self._config, **one} for one in packed])
            return self._config, {"kept": kept, "as_of": as_of.isoformat()}

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
