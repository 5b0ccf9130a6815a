"""Scored snapshots and what belongs to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = [
    "CurveRow",
    "DepartureRow",
    "ExplanationRow",
    "FeaturesRow",
    "KeyFigureRowsRow",
    "KeyFiguresRow",
    "ScoreRow",
    "SnapshotRow",
]


class SnapshotRow(Base):
    """One scoring run; one row per snapshot.

    While it is not `complete` no reader sees it, and `published_at` says when its publisher was last at work on it.
    `feature_names` are the columns that its packed features hold, in order; `thinned` says what has been forgotten of
    it, see `retention`.
    """

    __tablename__ = "snapshots"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    as_of: Mapped[date]
    scored_at: Mapped[datetime]
    published_at: Mapped[datetime]
    model_version: Mapped[str]
    config_hash: Mapped[str]
    accounts: Mapped[int]
    coverage: Mapped[float | None]
    info: Mapped[dict[str, Any]]
    complete: Mapped[bool] = mapped_column(Boolean, server_default=true())
    feature_names: Mapped[list[str] | None] = mapped_column(JSON)
    thinned: Mapped[int] = mapped_column(Integer, server_default="0")

    __table_args__ = (Index(None, "config", "as_of", "id"),)


class ScoreRow(Base):
    """One account's score; one row per snapshot and account.

    `searched` is its id and name in normal form (see `search`); null in rows of before there was one. `composition`
    holds what its health score is made of (see `compositions`); it stays when the details of old snapshots go.
    """

    __tablename__ = "scores"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    name: Mapped[str | None] = mapped_column(Text)
    churn_probability: Mapped[float]
    health_score: Mapped[float | None]
    band: Mapped[str]
    coverage: Mapped[float | None]
    arr: Mapped[float | None]
    expected_loss: Mapped[float | None]
    owner: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)
    days_to_renewal: Mapped[float | None]
    details: Mapped[dict[str, Any]]
    plan: Mapped[str | None] = mapped_column(Text)
    phase: Mapped[str | None]
    contract_ends_on: Mapped[date | None]
    renewal: Mapped[str | None]
    change_30d: Mapped[float | None]
    searched: Mapped[str | None] = mapped_column(Text)
    next_decision_on: Mapped[date | None]
    renewal_risk: Mapped[float | None]
    lost_by_decision: Mapped[float | None]
    expected_end: Mapped[date | None]
    residual_value: Mapped[float | None]
    avoidable_loss: Mapped[float | None]
    composition: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        Index(None, "snapshot_id", "position", unique=True),
        Index(None, "account_id", "snapshot_id"),
    )


class FeaturesRow(Base):
    """What an account was scored from; one row per snapshot and account, kept for the newest snapshots only.

    `features` holds the words, `numbers` the rest (see `packing`); older rows hold all in `features`.
    """

    __tablename__ = "features"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    features: Mapped[dict[str, Any]]
    numbers: Mapped[bytes | None] = mapped_column(LargeBinary)


class ExplanationRow(Base):
    """Why an account scored as it did; one row per snapshot and account.

    `packed` holds it (see `packing`); older rows hold it in `body`.
    """

    __tablename__ = "explanations"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    packed: Mapped[bytes | None] = mapped_column(LargeBinary)


class CurveRow(Base):
    """When an account will be lost; one row per snapshot and account, where its model tells it (see `curves`)."""

    __tablename__ = "curves"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    packed: Mapped[bytes] = mapped_column(LargeBinary)


class DepartureRow(Base):
    """Why an account is scored no more, as the newest snapshot knows it; one row per config and account."""

    __tablename__ = "departures"

    config: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    last_as_of: Mapped[date]
    why: Mapped[str]
    since: Mapped[date | None]


class KeyFiguresRow(Base):
    """The KPI report of a config's newest scoring."""

    __tablename__ = "key_figures"

    config: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[date]
    published_at: Mapped[datetime]
    report: Mapped[dict[str, Any]]


class KeyFigureRowsRow(Base):
    """The accounts behind the KPI report of a config, packed; one row per config and part of the report."""

    __tablename__ = "key_figure_rows"

    config: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    packed: Mapped[bytes] = mapped_column(LargeBinary)
