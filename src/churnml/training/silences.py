"""Snapshots stacked on when a silence begins: at once, or in a week or four weeks ahead.

With churn by silence an account is lost when it has done nothing for `silence_days` days from ``as_of`` on. What is
asked about is the day on which such a silence begins, since it takes effect always so many days later: whether it has
begun at ``as_of``, and of those that do something once more, in which step after it. An account whose silence is not
complete when the data end has rows for every begin that could have been seen to its end, and none beyond (the
person-period data of discrete-time survival analysis; Singer and Willett 1993).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.training.stacking import MONTH_DAYS, MONTHS, NEAR, Asked, Stack, stack_of, thinned

__all__ = ["AT_ONCE_EXTRAS", "LATER_EXTRAS", "LEAST_LOST_A_WEEK", "PERIOD_DAYS", "WEEKS", "WEEK_DAYS", "Silences"]

Array = npt.NDArray[np.float64]

WEEK_DAYS, WEEKS, PERIOD_DAYS = 7, 13, 28
"""A quarter of weeks, then periods of four weeks."""
LEAST_LOST_A_WEEK = 10
"""Accounts lost in each of the 13 weeks ahead, below which a week has too few to tell it from the next."""
LEAST_FOLLOWED = 30
"""Accounts still there and followed so far, below which a curve ends."""

AT_ONCE_EXTRAS: tuple[str, ...] = ()
LATER_EXTRAS = ("silence_ahead_days", "silence_ahead_log", "silence_step_days")
"""What changes along the stack, beside the features."""

_NUMBERS_AHEAD = np.arange(4, 64, 2)
"""Of the steps after the first three every second is asked about."""


@dataclass(frozen=True)
class Silences:
    """On which steps silences may begin.

    Parameters
    ----------
    silence_days : int
        Days without activity after which an account is lost.
    by_weeks : bool
        Whether the first quarter is told week by week, or by four weeks as what comes after it.
    reach_days : int
        As far ahead accounts were followed: a whole number of months of 30 days.

    Examples
    --------
    >>> steps = Silences(60, by_weeks=True, reach_days=720)
    >>> steps.begins[:3].tolist(), steps.begins[-2:].tolist()
    ([1.0, 8.0, 15.0], [624.0, 652.0])
    >>> steps.edges[:5].tolist(), steps.edges[-1].tolist()
    ([0.0, 59.0, 60.0, 67.0, 74.0], 739.0)
    """

    silence_days: int
    by_weeks: bool
    reach_days: int

    @classmethod
    def of(cls, frame: pd.DataFrame, silence_days: int) -> Self:
        """Return the steps that snapshots have losses enough for.

        Weeks, where at least ten accounts each were lost by silences that began in each of the 13 weeks ahead; else
        four weeks. The reach is the farthest month up to which at least 30 accounts were followed and not lost.

        Parameters
        ----------
        frame : DataFrame
            ``account_id``, and the columns of `churnml.snapshots.seen_ends`.
        silence_days : int
        """
        account = pd.factorize(frame["account_id"])[0]
        ended, seen = (frame[name].to_numpy(dtype=np.float64) for name in ("ended_days", "seen_days"))
        week = np.floor((ended - silence_days) / WEEK_DAYS)
        lost = [len(np.unique(account[week == number])) for number in range(WEEKS)]
        days = MONTH_DAYS * np.arange(1, MONTHS + 1)
        followed = [len(np.unique(account[(seen >= day) & ~(ended < day)])) for day in days]
        reach = max((int(day) for day, count in zip(days, followed, strict=True) if count >= LEAST_FOLLOWED), default=0)
        return cls(silence_days, min(lost) >= LEAST_LOST_A_WEEK, max(reach, MONTH_DAYS))

    @property
    def begins(self) -> Array:
        """First day of each step after ``as_of`` itself, days ahead, (s,)."""
        return self._bounds[:-1]

    @property
    def edges(self) -> Array:
        """Bounds of the steps in which a loss takes effect, days ahead, (s + 3,): before the first nobody is lost."""
        first = float(self.silence_days - 1)
        ends = first + np.concatenate([[0.0], self._bounds])
        return np.concatenate([[0.0] if first > 0 else [], ends])

    @property
    def wait_days(self) -> int:
        """Days after its due date at which every answer is known: the longest step, and the silence itself."""
        return self.silence_days + PERIOD_DAYS

    def asked(self, frame: pd.DataFrame, places: npt.NDArray[np.intp] | None = None) -> tuple[Asked, Asked]:
        """Return of every snapshot whether its silence has begun, and whether it begins in each later step, or some."""
        count, steps = len(frame), np.arange(len(self.begins)) if places is None else places
        row, none = np.arange(count), np.zeros(count)
        at_once = Asked(row, np.zeros(count, dtype=np.intp), none, np.zeros((count, 0)))
        day, length = (np.tile(values[steps], count) for values in (self.begins, np.diff(self._bounds)))
        extras = np.column_stack([day, np.log1p(day), length])
        return at_once, Asked(np.repeat(row, len(steps)), np.tile(steps, count), day, extras)

    def stacks(self, frame: pd.DataFrame, most_rows: int) -> tuple[Stack, Stack]:
        """Return the questions whose answer is known, of accounts that were not lost before them.

        Parameters
        ----------
        frame : DataFrame
            ``account_id, as_of``, and the columns of `churnml.snapshots.seen_ends`.
        most_rows : int
            About so many rows of either at most.
        """
        stacks = []
        lengths = np.concatenate([[1.0], np.diff(self._bounds)])
        steps = np.arange(len(self.begins))
        learnt = steps[(steps < NEAR) | np.isin(steps + 1, _NUMBERS_AHEAD)]
        for number, asked in enumerate(self.asked(frame, learnt)):
            ended, seen = (frame[name].to_numpy(dtype=np.float64)[asked.row] for name in ("ended_days", "seen_days"))
            opens = asked.day + (self.silence_days - 1)
            closes = opens + lengths[asked.place + number]
            usable = (closes <= seen) & ~(ended < opens)
            wanted = thinned(frame, asked, usable, most_rows, _NUMBERS_AHEAD)
            lost = (ended < closes).astype(np.float64)
            stacks.append(stack_of(frame, asked, wanted, lost, np.ones(len(lost))))
        return stacks[0], stacks[1]

    @property
    def _bounds(self) -> Array:
        weeks = WEEKS if self.by_weeks else 0
        end = MONTHS * MONTH_DAYS - (self.silence_days - 1)
        near = 1.0 + WEEK_DAYS * np.arange(weeks + 1)
        periods = max(int(np.ceil((end - near[-1]) / PERIOD_DAYS)), 0)
        return np.concatenate([near, near[-1] + PERIOD_DAYS * np.arange(1, periods + 1)])
