"""What monitoring keeps: a record of each load, its outcomes, its alarms, realised performance, and retrainings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Index,
    Integer,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = ["MaturedRow", "MonitorAlarmRow", "MonitoringRow", "RetrainingRow", "TableProfileRow"]


class TableProfileRow(Base):
    """What a load found in a table; one row per config, `as_of` and table, of the last load of that `as_of`."""

    __tablename__ = "table_profiles"

    config: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    table: Mapped[str] = mapped_column(String(64), primary_key=True)
    loaded_at: Mapped[datetime]
    rows: Mapped[int]
    fingerprint: Mapped[str]
    body: Mapped[dict[str, Any]]


class MonitoringRow(Base):
    """The outcome of a monitoring; one row per config and `as_of`, of the last one."""

    __tablename__ = "monitorings"

    config: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    checked_at: Mapped[datetime]
    model_version: Mapped[str | None]
    alarms: Mapped[int]
    held: Mapped[bool] = mapped_column(Boolean)
    report: Mapped[dict[str, Any]]


class MonitorAlarmRow(Base):
    """One episode of an alarm on data, drift or performance; one row per episode."""

    __tablename__ = "monitor_alarms"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    key: Mapped[str] = mapped_column(String(512))
    code: Mapped[str] = mapped_column(String(16))
    opened_on: Mapped[date]
    seen_on: Mapped[date]
    closed_on: Mapped[date | None]
    severe: Mapped[bool] = mapped_column(Boolean)
    body: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "config", "closed_on"),)


class MaturedRow(Base):
    """How the scores of a snapshot turned out; one row per config, `as_of` and model version."""

    __tablename__ = "matured_performance"

    config: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    model_version: Mapped[str] = mapped_column(primary_key=True)
    matured_on: Mapped[date]
    body: Mapped[dict[str, Any]]


class RetrainingRow(Base):
    """A model trained anew or moved to a new churn rate, why, and what became of it; one row each."""

    __tablename__ = "retrainings"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    before: Mapped[str | None]
    version: Mapped[str | None]
    promoted: Mapped[bool] = mapped_column(Boolean)
    body: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "config", "id"),)
