"""What was predicted when: the scores of snapshots that were in force, whole, to be held against what came."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, func, select

from churnml.store.queries import SNAPSHOT
from churnml.store.records import SnapshotInfo
from churnml.store.schema import ScoreRow, SnapshotRow
from churnml.store.writes import reading

__all__ = ["Outlook", "Outlooks"]


class Outlook(NamedTuple):
    """What a snapshot said of one account."""

    account_id: str
    churn_probability: float
    band: str
    arr: float | None
    days_to_renewal: float | None
    owner: str | None
    name: str | None
    segment: str | None
    expected_loss: float | None
    lost_by_decision: float | None


class Outlooks:
    """The snapshots of one config that were in force."""

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine, self._config = engine, config

    def snapshots(self) -> list[SnapshotInfo]:
        """Return the snapshots, newest first: of each `as_of` the last, without those that were replayed."""
        last = (
            select(func.max(SnapshotRow.id))
            .where(SnapshotRow.config == self._config, SnapshotRow.complete)
            .group_by(SnapshotRow.as_of)
        )
        query = select(*SNAPSHOT).where(SnapshotRow.id.in_(last)).order_by(SnapshotRow.as_of.desc())
        with reading(self._engine) as connection:
            snapshots = [SnapshotInfo(*row) for row in connection.execute(query)]
        return [snapshot for snapshot in snapshots if not snapshot.info.get("replayed")]

    def of(self, snapshot_id: int) -> list[Outlook]:
        """Return what a snapshot said of its accounts, highest expected loss first."""
        query = select(*(getattr(ScoreRow, name) for name in Outlook._fields)).where(
            ScoreRow.snapshot_id == snapshot_id
        )
        with reading(self._engine) as connection:
            return [Outlook(*row) for row in connection.execute(query.order_by(ScoreRow.position))]
