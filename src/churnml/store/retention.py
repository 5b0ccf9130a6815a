"""Keeping and forgetting: what of older snapshots goes, by the age rules of the config."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Engine, delete, select, update

from churnml.config import RetentionConfig
from churnml.store.publishing import drop_features, drop_snapshots
from churnml.store.schema import AuditRow, CurveRow, ExplanationRow, FeaturesRow, ScoreRow, SnapshotRow
from churnml.store.writes import changing, reading

__all__ = ["Plan", "Stored", "plan", "thin"]

_WHOLE, _TRIMMED, _THINNED = 0, 1, 2
"""Levels of `SnapshotRow.thinned`: all is kept; scores are; the scores of accounts that were never scored again are."""
_CHUNK = 500
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Stored:
    """A snapshot as the rules see it."""

    id: int
    as_of: date
    thinned: int = _WHOLE
    version: str = ""


@dataclass(frozen=True)
class Plan:
    """Snapshots that lose their explanations and curves, and those that lose their scores too."""

    trim: tuple[int, ...]
    thin: tuple[int, ...]


def plan(snapshots: Sequence[Stored], rules: RetentionConfig) -> Plan:
    """Return what the rules take away, counted back from the newest `as_of`.

    Of the days before the newest the last published snapshot counts; those it replaced go. Of each model's the first
    stays: it says what the new model made of every score.

    Examples
    --------
    >>> from datetime import timedelta
    >>> days = [Stored(n, date(2026, 1, 1) + timedelta(days=n)) for n in range(200)]
    >>> made = plan(days, RetentionConfig(explanations_days=30, daily_days=90, weekly_days=180))
    >>> len(made.trim), len(made.thin)
    (74, 95)
    """
    if not snapshots:
        return Plan((), ())
    newest = max(one.as_of for one in snapshots)
    last_of: dict[tuple[Any, ...], Stored] = {}
    for one in sorted(snapshots, key=lambda one: (one.as_of, one.id)):
        # The last one of each period stays.
        last_of[_period(one, newest, rules)] = one
    days = {one.as_of: one for one in sorted(snapshots, key=lambda one: one.id)}
    ordered = [days[on] for on in sorted(days)]
    for before, one in pairwise(ordered):
        if before.version != one.version:
            last_of["first", one.id] = one
    last_of = {("snapshot", one.id): one for one in last_of.values()}
    staying = {one.id for one in last_of.values()}
    thin = [one.id for one in snapshots if one.id not in staying and one.thinned < _THINNED]
    old = timedelta(days=rules.explanations_days)
    trim = [one.id for one in last_of.values() if newest - one.as_of > old and one.thinned < _TRIMMED]
    return Plan(tuple(sorted(trim)), tuple(sorted(thin)))


def _period(one: Stored, newest: date, rules: RetentionConfig) -> tuple[Any, ...]:
    age = (newest - one.as_of).days
    if age == 0:
        # Lists that were begun on an earlier snapshot of the newest day go on in it.
        return ("snapshot", one.id)
    if age <= rules.daily_days:
        return ("day", one.as_of)
    if age <= rules.weekly_days:
        return ("week", *one.as_of.isocalendar()[:2])
    return ("month", one.as_of.year, one.as_of.month)


def thin(engine: Engine, config: str, rules: RetentionConfig, now: datetime) -> Plan:
    """Apply the rules to the snapshots of a config, in short transactions; returns what was done.

    The last score of an account that was never scored again stays, with its explanation.
    """
    drop_features(engine, config, rules.features)
    with reading(engine) as connection:
        query = select(SnapshotRow.id, SnapshotRow.as_of, SnapshotRow.thinned, SnapshotRow.model_version)
        rows = connection.execute(query.where(SnapshotRow.config == config, SnapshotRow.complete)).all()
    made = plan([Stored(*row) for row in rows], rules)
    for level, snapshot_ids in ((_TRIMMED, made.trim), (_THINNED, made.thin)):
        for snapshot_id in snapshot_ids:
            _forget(engine, config, snapshot_id, level)
    if rules.audit_days is not None:
        with changing(engine) as connection:
            connection.execute(delete(AuditRow).where(AuditRow.at < now - timedelta(days=rules.audit_days)))
    return made


def _forget(engine: Engine, config: str, snapshot_id: int, level: int) -> None:
    """Take explanations, curves, details, or scores too, from the accounts of a snapshot that were scored again."""
    accounts = _scored_again(engine, config, snapshot_id)
    for some in _chunks(accounts):
        with changing(engine) as connection:
            details = (ExplanationRow, FeaturesRow, CurveRow)
            for table in details if level == _TRIMMED else (*details, ScoreRow):
                own: Any = table
                connection.execute(delete(own).where(own.snapshot_id == snapshot_id, own.account_id.in_(some)))
            if level == _TRIMMED:
                mine = (ScoreRow.snapshot_id == snapshot_id, ScoreRow.account_id.in_(some))
                connection.execute(update(ScoreRow).where(*mine).values(details={}))
        time.sleep(_PAUSE_SECONDS)
    with changing(engine) as connection:
        left = connection.execute(
            select(ScoreRow.account_id).where(ScoreRow.snapshot_id == snapshot_id).limit(1)
        ).first()
        connection.execute(update(SnapshotRow).where(SnapshotRow.id == snapshot_id).values(thinned=level))
    if left is None:
        drop_snapshots(engine, [snapshot_id])


def _scored_again(engine: Engine, config: str, snapshot_id: int) -> list[str]:
    """Return the accounts of a snapshot that a later one has too."""
    with reading(engine) as connection:
        as_of = connection.execute(select(SnapshotRow.as_of).where(SnapshotRow.id == snapshot_id)).scalar_one()
        own = connection.execute(select(ScoreRow.account_id).where(ScoreRow.snapshot_id == snapshot_id)).scalars().all()
        newest_first = (SnapshotRow.as_of.desc(), SnapshotRow.id.desc())
        later = (
            select(SnapshotRow.id)
            .where(SnapshotRow.config == config, SnapshotRow.complete)
            .where((SnapshotRow.as_of > as_of) | ((SnapshotRow.as_of == as_of) & (SnapshotRow.id > snapshot_id)))
        )
        newest = connection.execute(later.order_by(*newest_first).limit(1)).scalar()
        query = select(ScoreRow.account_id)
        again = set(connection.execute(query.where(ScoreRow.snapshot_id == newest)).scalars())
        for some in _chunks([account for account in own if account not in again]):
            shared = query.where(ScoreRow.account_id.in_(some), ScoreRow.snapshot_id.in_(later)).distinct()
            again.update(connection.execute(shared).scalars())
    return [account for account in own if account in again]


def _chunks(accounts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(accounts), _CHUNK):
        yield accounts[start : start + _CHUNK]
