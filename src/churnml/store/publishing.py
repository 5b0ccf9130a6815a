"""Publishing: a snapshot is written in short transactions, and becomes visible in the last of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from churnml.store.outbox import forget, note
from churnml.store.schema import (
    Base,
    CurveRow,
    DepartureRow,
    ExplanationRow,
    FeaturesRow,
    ScoreRow,
    SnapshotRow,
)
from churnml.store.snapshot import Snapshot
from churnml.store.writes import Actor, changing, write

__all__ = ["drop_features", "drop_snapshots", "publish"]

_LOG = logging.getLogger("churnml.store")
_CHUNK = 1000
"""Rows in one transaction, which takes some hundredths of a second."""
_PAUSE_SECONDS = 0.01
"""Between two transactions, so that a writer who waits gets its turn; see `database`."""
_ABANDONED = timedelta(minutes=15)
"""A snapshot that nobody has worked on for so long was left by a publisher that died."""
_NAMES = "composition"
"""Under this word of a snapshot's facts stand the names of its compositions' numbers."""
_PARTS: tuple[type[Base], ...] = (ScoreRow, FeaturesRow, ExplanationRow, CurveRow)


def publish(engine: Engine, snapshot: Snapshot, moment: datetime) -> int:
    """Write a snapshot and make it visible; returns its id. See `Store.publish`."""
    _drop_abandoned(engine, snapshot.config)
    if snapshot.unstorable:
        _LOG.warning("%d accounts are not stored: their ids cannot be kept", len(snapshot.unstorable))
    made = _begin(engine, snapshot)
    try:
        for table, chunks in (
            (ScoreRow, snapshot.score_chunks(_CHUNK)),
            (FeaturesRow, snapshot.feature_chunks(_CHUNK)),
            (ExplanationRow, snapshot.explanation_chunks(_CHUNK)),
            (CurveRow, snapshot.curve_chunks(_CHUNK)),
        ):
            for rows in chunks:
                _write_chunk(engine, made, table, rows)
        _complete(engine, made, snapshot, moment)
    except BaseException:
        drop_snapshots(engine, [made])
        raise
    return made


def _begin(engine: Engine, snapshot: Snapshot) -> int:
    head = {
        "config": snapshot.config,
        "as_of": snapshot.as_of,
        "scored_at": snapshot.scored_at,
        "published_at": datetime.now(UTC),
        "model_version": snapshot.model_version,
        "config_hash": snapshot.config_hash,
        "accounts": snapshot.accounts,
        "coverage": snapshot.mean_coverage,
        "info": {**snapshot.info, **({_NAMES: names} if (names := snapshot.composition_names) else {})},
        "complete": False,
        "feature_names": snapshot.feature_names or None,
    }
    with changing(engine) as connection:
        made = connection.execute(insert(SnapshotRow).values(**head).returning(SnapshotRow.id)).scalar_one()
    return int(made)


def _write_chunk(engine: Engine, snapshot_id: int, table: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    numbered = [{"snapshot_id": snapshot_id, **row} for row in rows]
    with changing(engine) as connection:
        connection.execute(insert(table), numbered)
        connection.execute(
            update(SnapshotRow).where(SnapshotRow.id == snapshot_id).values(published_at=datetime.now(UTC))
        )
    time.sleep(_PAUSE_SECONDS)


def _complete(engine: Engine, snapshot_id: int, snapshot: Snapshot, moment: datetime) -> None:
    """Make a snapshot visible, with the accounts that have left as it knows them, and note it in the audit."""

    def work(connection: Connection) -> tuple[str, dict[str, Any]]:
        connection.execute(
            update(SnapshotRow).where(SnapshotRow.id == snapshot_id).values(complete=True, published_at=moment)
        )
        if _newest(connection, snapshot.config) == snapshot_id:
            _replace_departures(connection, snapshot)
        note(connection, snapshot.config, "snapshot", snapshot_id, moment)
        forget(connection, snapshot.config, moment)
        answer = {"snapshot_id": snapshot_id, "config": snapshot.config, "accounts": snapshot.accounts}
        if snapshot.unstorable:
            answer["not_stored"] = len(snapshot.unstorable)
        return str(snapshot_id), answer

    write(engine, Actor("publish", moment), "snapshots.publish", work)


def _newest(connection: Connection, config: str) -> int | None:
    query = select(SnapshotRow.id).where(SnapshotRow.config == config, SnapshotRow.complete)
    return connection.execute(query.order_by(SnapshotRow.as_of.desc(), SnapshotRow.id.desc()).limit(1)).scalar()


def _replace_departures(connection: Connection, snapshot: Snapshot) -> None:
    connection.execute(delete(DepartureRow).where(DepartureRow.config == snapshot.config))
    rows = [
        {
            "config": snapshot.config,
            "account_id": account,
            "last_as_of": departed.last,
            "why": departed.why,
            "since": departed.on,
        }
        for account, departed in snapshot.departures.items()
    ]
    if rows:
        connection.execute(insert(DepartureRow), rows)


def _drop_abandoned(engine: Engine, config: str) -> None:
    before = datetime.now(UTC) - _ABANDONED
    with engine.connect() as connection:
        abandoned = connection.execute(
            select(SnapshotRow.id).where(
                SnapshotRow.config == config, SnapshotRow.complete.is_(False), SnapshotRow.published_at < before
            )
        ).scalars()
        ids = list(abandoned)
    drop_snapshots(engine, ids)


def drop_snapshots(engine: Engine, snapshot_ids: Sequence[int]) -> None:
    """Remove snapshots: first from sight, then row by row in short transactions."""
    if not snapshot_ids:
        return
    with changing(engine) as connection:
        # As old as can be, so that the next publisher goes on where this one may be stopped.
        unseen = {"complete": False, "published_at": datetime(1970, 1, 1, tzinfo=UTC)}
        connection.execute(update(SnapshotRow).where(SnapshotRow.id.in_(snapshot_ids)).values(**unseen))
    for snapshot_id in snapshot_ids:
        for table in _PARTS:
            _drop_rows(engine, table, snapshot_id)
        with changing(engine) as connection:
            connection.execute(delete(SnapshotRow).where(SnapshotRow.id == snapshot_id))


def drop_features(engine: Engine, config: str, keep: int) -> None:
    """Remove the features of all but so many newest snapshots of a config."""
    with engine.connect() as connection:
        old = connection.execute(_newest_first(config)).scalars().all()[keep:]
        first = select(FeaturesRow.account_id).limit(1)
        held = [one for one in old if connection.execute(first.where(FeaturesRow.snapshot_id == one)).first()]
    for snapshot_id in held:
        _drop_rows(engine, FeaturesRow, snapshot_id)


def _newest_first(config: str) -> Any:
    query = select(SnapshotRow.id).where(SnapshotRow.config == config, SnapshotRow.complete)
    return query.order_by(SnapshotRow.as_of.desc(), SnapshotRow.id.desc())


def _drop_rows(engine: Engine, table: Any, snapshot_id: int) -> None:
    some = select(table.account_id).where(table.snapshot_id == snapshot_id).limit(_CHUNK)
    while True:
        with changing(engine) as connection:
            accounts = connection.execute(some).scalars().all()
            if accounts:
                connection.execute(
                    delete(table).where(table.snapshot_id == snapshot_id, table.account_id.in_(accounts))
                )
        if len(accounts) < _CHUNK:
            return
        time.sleep(_PAUSE_SECONDS)
