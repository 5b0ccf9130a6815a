"""Runs of the pipeline and their stages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from churnml.store.schema.base import Base

__all__ = ["RunRow", "RunStageRow"]


class RunRow(Base):
    """One run of a kind, such as ``daily``; one row per run."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    config: Mapped[str]
    kind: Mapped[str]
    holder: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str]
    peak_mb: Mapped[float | None]

    __table_args__ = (Index(None, "config", "kind", "id"),)


class RunStageRow(Base):
    """One stage of a run, in the order of `position`; one row per run and stage."""

    __tablename__ = "run_stages"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    outcome: Mapped[str]
    started_at: Mapped[datetime]
    seconds: Mapped[float | None]
    rows: Mapped[int | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    detail: Mapped[dict[str, Any]]
