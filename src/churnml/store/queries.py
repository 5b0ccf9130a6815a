"""Parts of the store's queries: columns of its records, conditions of a list, and the band that is in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, String, cast, func, or_, select

from churnml.store.records import AccountScore, ScoreFilter, SnapshotInfo
from churnml.store.schema import OverrideRow, ScoreRow, SnapshotRow

__all__ = ["SCORE", "SNAPSHOT", "band_in_force", "conditions", "last_of_each_day", "lots", "pair"]

Item = TypeVar("Item")
_AT_ONCE = 400
"""Values in one query; SQLite takes some thousand parameters."""

SCORE = (
    ScoreRow.account_id,
    ScoreRow.churn_probability,
    ScoreRow.health_score,
    ScoreRow.band,
    ScoreRow.coverage,
    ScoreRow.name,
    ScoreRow.arr,
    ScoreRow.expected_loss,
    ScoreRow.owner,
    ScoreRow.segment,
    ScoreRow.days_to_renewal,
    ScoreRow.position,
    ScoreRow.details,
    ScoreRow.next_decision_on,
    ScoreRow.renewal_risk,
    ScoreRow.expected_end,
    ScoreRow.residual_value,
)
SNAPSHOT = (
    SnapshotRow.id,
    SnapshotRow.config,
    SnapshotRow.as_of,
    SnapshotRow.scored_at,
    SnapshotRow.published_at,
    SnapshotRow.model_version,
    SnapshotRow.config_hash,
    SnapshotRow.accounts,
    SnapshotRow.coverage,
    SnapshotRow.info,
)


def last_of_each_day(config: str, before: date, days: int, version: str | None = None) -> Select[Any]:
    """Return the ids of a config's last snapshot of each day in so many days before a date."""
    return (
        select(func.max(SnapshotRow.id))
        .where(
            SnapshotRow.config == config,
            SnapshotRow.complete,
            SnapshotRow.as_of < before,
            SnapshotRow.as_of >= before - timedelta(days=days),
            *([SnapshotRow.model_version == version] if version is not None else []),
        )
        .group_by(SnapshotRow.as_of)
    )


def pair(row: Row[*tuple[Any, ...]]) -> tuple[SnapshotInfo, AccountScore]:
    """Return the records of a row that holds `SNAPSHOT`, then `SCORE`."""
    values = tuple(row)
    return SnapshotInfo(*values[: len(SNAPSHOT)]), AccountScore(*values[len(SNAPSHOT) :])


def conditions(where: ScoreFilter, now: datetime | None) -> list[ColumnElement[bool]]:
    """Return a filter of scores as SQL."""
    clauses: list[ColumnElement[bool]] = []
    if where.band is not None:
        clauses.append(band_in_force(now) == where.band)
    if where.segment is not None:
        clauses.append(ScoreRow.segment == where.segment)
    if where.owner is not None:
        clauses.append(ScoreRow.owner == where.owner)
    if where.renewal_within_days is not None:
        clauses.append(ScoreRow.days_to_renewal.between(0, where.renewal_within_days))
    if where.text:
        clauses.append(
            or_(
                ScoreRow.account_id.icontains(where.text, autoescape=True),
                ScoreRow.name.icontains(where.text, autoescape=True),
            )
        )
    return clauses


def band_in_force(now: datetime | None) -> ColumnElement[str]:
    """Return the band of a score as SQL: that of the override in force at `now`, else the system's."""
    if now is None:
        return cast(ScoreRow.band, String)
    override = (
        select(OverrideRow.band)
        .where(
            OverrideRow.account_id == ScoreRow.account_id,
            SnapshotRow.id == ScoreRow.snapshot_id,
            OverrideRow.config == SnapshotRow.config,
            OverrideRow.ended_at.is_(None),
            OverrideRow.expires_at > now.astimezone(UTC),
        )
        .order_by(OverrideRow.id.desc())
        .limit(1)
        .correlate(ScoreRow)
        .scalar_subquery()
    )
    return func.coalesce(override, ScoreRow.band)


def lots(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield the items in lots of which each fits into one query.

    Examples
    --------
    >>> [len(lot) for lot in lots(range(900))]
    [400, 400, 100]
    """
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
