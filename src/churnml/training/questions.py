"""What a model of the hazard asks of snapshots: of contracts at decisions and between, of silences when they begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.training.chance_learning import Kind
from churnml.training.silences import AT_ONCE_EXTRAS, LATER_EXTRAS, Silences
from churnml.training.stacking import (
    DECISION_EXTRAS,
    MONTH_DAYS,
    MONTH_EXTRAS,
    MONTHS,
    Asked,
    Stack,
    asked_decisions,
    asked_months,
    decision_grid,
    decision_stack,
    month_stack,
)
from churnml.training.survival import Curves

__all__ = ["LEAST_SPREAD", "OfContracts", "OfSilence"]

Array = npt.NDArray[np.float64]

LEAST_SPREAD = {"contractual": 0.65, "silence": 0.2}
"""By how much chances are taken to be off at least, in log-odds. Chosen on simulated companies that judge nothing
else: three with contracts, whose histories show few renewals, and seven without."""


@dataclass(frozen=True)
class OfContracts:
    """Whether an account is lost at each decision, and in each month at none.

    Parameters
    ----------
    late_days : int
        A renewal so many days late is still one.
    """

    late_days: int
    names = ("at_decision", "between")
    reach_days = MONTHS * MONTH_DAYS

    @property
    def kinds(self) -> tuple[Kind, Kind]:
        """What is asked."""
        return (
            Kind(self.names[0], DECISION_EXTRAS, self.late_days, LEAST_SPREAD["contractual"]),
            Kind(self.names[1], MONTH_EXTRAS, MONTH_DAYS + self.late_days, LEAST_SPREAD["contractual"]),
        )

    def asked(self, frame: pd.DataFrame) -> tuple[Asked, Asked]:
        """Return every question about every snapshot, of either kind."""
        return asked_decisions(frame), asked_months(frame)

    def stacks(self, frame: pd.DataFrame, most_rows: int) -> tuple[Stack, Stack]:
        """Return the questions of either kind whose answer is known."""
        return decision_stack(frame, self.late_days, most_rows), month_stack(frame, self.late_days, most_rows)

    def curves(self, frame: pd.DataFrame, asked: Asked, at_decision: Array, between: Array) -> Curves:
        """Return the curves that chances of both kinds come to."""
        grid = decision_grid(frame)
        risk = np.full(grid.shape, np.nan)
        risk[asked.row, asked.place] = at_decision
        return Curves(grid, risk, between.reshape(len(frame), MONTHS))


@dataclass(frozen=True)
class OfSilence:
    """Whether an account does nothing from now on, and in which step after it has done something it falls silent.

    Parameters
    ----------
    steps : Silences
    late_days : int
        Facts may come so many days late.
    """

    steps: Silences
    late_days: int
    names = ("at_once", "later")

    @property
    def reach_days(self) -> int:
        """As far ahead the past can tell of."""
        return self.steps.reach_days

    @property
    def kinds(self) -> tuple[Kind, Kind]:
        """What is asked."""
        wait = self.steps.wait_days + self.late_days
        return (
            Kind(self.names[0], AT_ONCE_EXTRAS, wait, LEAST_SPREAD["silence"]),
            Kind(self.names[1], LATER_EXTRAS, wait, LEAST_SPREAD["silence"]),
        )

    def asked(self, frame: pd.DataFrame) -> tuple[Asked, Asked]:
        """Return every question about every snapshot, of either kind."""
        return self.steps.asked(frame)

    def stacks(self, frame: pd.DataFrame, most_rows: int) -> tuple[Stack, Stack]:
        """Return the questions of either kind whose answer is known."""
        return self.steps.stacks(frame, most_rows)

    def curves(self, frame: pd.DataFrame, asked: Asked, at_once: Array, later: Array) -> Curves:
        """Return the curves that chances of both kinds come to; nobody is lost before a silence can be complete."""
        edges, none = self.steps.edges, np.full((len(frame), 1), np.nan)
        risk = np.column_stack([at_once, later.reshape(len(frame), -1)])
        before = np.zeros((len(frame), len(edges) - 1 - risk.shape[1]))
        return Curves(none, none, np.hstack([before, risk]), edges)
