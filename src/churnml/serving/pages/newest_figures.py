"""The figures that the newest scoring kept, read once for all requests until there are newer ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from churnml.serving.pages.frame import Frame
from churnml.serving.state import ServingState

__all__ = ["Figures", "newest_figures", "part_of"]


@dataclass(frozen=True)
class Figures:
    """A KPI report with what belongs to it, and the accounts behind its parts.

    Parameters
    ----------
    as_of : date
    published_at : datetime
    report : mapping
        As `churnml.pipeline.company.publish_company` keeps it.
    parts : dict
        Part → columns of its accounts, as they were read.
    """

    as_of: date
    published_at: datetime
    report: Mapping[str, Any]
    parts: dict[str, Mapping[str, np.ndarray] | None]

    @property
    def company(self) -> Mapping[str, Any]:
        """What is kept beside the KPIs; empty where an earlier version, or `churnml kpis`, kept the report."""
        company: Mapping[str, Any] = self.report.get("company") or {}
        return company

    @property
    def groupings(self) -> list[str]:
        """By what there are groups."""
        return list(dict.fromkeys(row["group_by"] for row in self.report["rows"] if row["group_by"]))

    @property
    def months(self) -> list[str]:
        """The months, oldest first, as ISO dates of their first days."""
        return sorted({row["month_on"] for row in self.report["rows"] if row["group_by"] is None})

    def of(self, by: str | None = None, group: str | None = None) -> list[Mapping[str, Any]]:
        """Return the rows of all accounts, of all groups, or of one, oldest first."""
        rows = [row for row in self.report["rows"] if row["group_by"] == by]
        return rows if group is None else [row for row in rows if row["group"] == group]


_READ: WeakKeyDictionary[ServingState, Figures] = WeakKeyDictionary()
_MOST_PARTS = 30


def newest_figures(frame: Frame) -> Figures | None:
    """Return what was kept last; None before the first scoring."""
    state = frame.state
    figures = state.store.key_figures(state.settings.name)
    held, now = _READ.get(state), figures.published_at()
    if now is None:
        return None
    if held is None or held.published_at != now:
        newest = figures.newest()
        if newest is None:
            return None
        held = _READ[state] = Figures(newest.as_of, newest.published_at, newest.report, {})
    return held


def part_of(frame: Frame, figures: Figures, part: str) -> Mapping[str, np.ndarray] | None:
    """Return the accounts behind a part of the figures."""
    if part not in figures.parts:
        if len(figures.parts) >= _MOST_PARTS:
            figures.parts.clear()
        figures.parts[part] = frame.state.store.key_figures(frame.state.settings.name).rows(part)
    return figures.parts[part]
