"""Snapshots stacked on what they live through: one row per decision to come, and one per month ahead.

A snapshot's features stand still; what changes along its stack is when the row's question falls due. An account that
is still there when the data end has rows for everything it is known to have lived through, and none beyond: nothing is
assumed of the rest (the person-period data of discrete-time survival analysis; Singer and Willett 1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "DECISION_EXTRAS",
    "MONTHS",
    "MONTH_DAYS",
    "MONTH_EXTRAS",
    "NEAR",
    "Asked",
    "Stack",
    "asked_decisions",
    "asked_months",
    "decision_grid",
    "decision_stack",
    "ended_at_decisions",
    "known_by",
    "month_stack",
    "stack_of",
    "thinned",
]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

MONTH_DAYS = 30
"""A month ahead: 30, 90 and 180 days are whole numbers of them."""
MONTHS = 24

DECISION_EXTRAS = ("decision_ahead_days", "decision_number", "decision_contract_days")
MONTH_EXTRAS = ("month_ahead_days", "month_to_decision_days", "month_contract_days")
"""What changes along the stack, beside the features."""

NEAR = 3
"""So many of the next decisions, months or steps are asked about of every snapshot that is learnt from."""
_FAR = np.array([4, 6, 8, 10, 12, 15, 18, 21, 24])
_FAR_STEP = 3
_MOST_STEP = 64
"""Of decisions and months farther ahead only some are asked about, of every third snapshot: they tell much the same."""


@dataclass(frozen=True)
class Asked:
    """Questions about snapshots: which snapshot, and what is asked.

    Parameters
    ----------
    row : array of shape (q,)
        Number of the snapshot.
    place : array of shape (q,)
        Number of the decision, or of the month ahead, from 0.
    day : array of shape (q,)
        Days from ``as_of`` to the decision, or to the first day of the month.
    extras : array of shape (q, e)
        `DECISION_EXTRAS` or `MONTH_EXTRAS`; of silences those of `churnml.training.silences`.
    """

    row: Index
    place: Index
    day: Array
    extras: Array

    def taken(self, which: npt.NDArray[np.bool_]) -> Asked:
        """Return some of the questions."""
        return Asked(self.row[which], self.place[which], self.day[which], self.extras[which])


@dataclass(frozen=True)
class Stack:
    """Questions whose answer is known.

    Parameters
    ----------
    asked : Asked
    lost : array of shape (q,)
        1 where the account was lost at that decision, or in that month and at no decision.
    weight : array of shape (q,)
        Share of the month that was lived through; 1 for decisions.
    due : array of datetime64[D], shape (q,)
        First day of the calendar month in which the answer fell due.
    """

    asked: Asked
    lost: Array
    weight: Array
    due: npt.NDArray[np.datetime64]

    def taken(self, which: npt.NDArray[np.bool_]) -> Stack:
        """Return some of the rows."""
        return Stack(self.asked.taken(which), self.lost[which], self.weight[which], self.due[which])


def known_by(frame: pd.DataFrame, day: pd.Timestamp, wait_days: int) -> pd.DataFrame:
    """Return the snapshots before a date, with what was known of their ends on it: what a backtest may learn from.

    Parameters
    ----------
    frame : DataFrame
        ``as_of, ended_days, seen_days``.
    day : Timestamp
    wait_days : int
        Days until an end counts as final: grace of late renewals, and settling.

    Examples
    --------
    >>> rows = pd.DataFrame({"as_of": pd.to_datetime(["2026-01-01", "2026-06-01"]), "ended_days": [100.0, 5.0],
    ...     "seen_days": [300.0, 150.0]})
    >>> known_by(rows, pd.Timestamp("2026-03-02"), wait_days=10)
           as_of  ended_days  seen_days
    0 2026-01-01         NaN       50.0
    """
    rows = frame[frame["as_of"] < day]
    seen = np.minimum(rows["seen_days"], (day - rows["as_of"]).dt.days - float(wait_days))
    return rows.assign(ended_days=rows["ended_days"].where(rows["ended_days"] < seen), seen_days=seen)


def decision_grid(frame: pd.DataFrame) -> Array:
    """Return the days to each decision within 24 months, (n, d): the next one, then one a term later; NaN beyond.

    Examples
    --------
    >>> rows = pd.DataFrame({"next_decision_days": [10.0, np.nan], "contract_days": [365.25, np.nan]})
    >>> decision_grid(rows).tolist()
    [[10.0, 375.0], [nan, nan]]
    """
    first = frame["next_decision_days"].to_numpy(dtype=np.float64)[:, None]
    step = frame["contract_days"].to_numpy(dtype=np.float64)[:, None]
    # A term may end early, or its length be unknown: then nothing is foreseen beyond it.
    step = np.where(step > 0, step, np.inf)
    most = MONTHS * MONTH_DAYS
    counts = np.where(np.isfinite(first) & (first < most), np.floor((most - first) / step) + 1, 0)
    number = np.arange(max(int(counts.max(initial=0)), 1))
    with np.errstate(invalid="ignore"):
        days = np.round(first + np.where(number == 0, 0.0, number * step))
        days = np.where(days < most, days, np.nan)
    return np.asarray(days[:, np.isfinite(days).any(axis=0) | (number == 0)])


def asked_decisions(frame: pd.DataFrame) -> Asked:
    """Return every decision within 24 months of every snapshot."""
    grid = decision_grid(frame)
    row, place = np.nonzero(np.isfinite(grid))
    day = grid[row, place]
    contract = frame["contract_days"].to_numpy(dtype=np.float64)[row]
    return Asked(row, place, day, np.column_stack([day, place + 1.0, contract]))


def asked_months(frame: pd.DataFrame) -> Asked:
    """Return every one of the 24 months ahead of every snapshot."""
    row = np.repeat(np.arange(len(frame)), MONTHS)
    place = np.tile(np.arange(MONTHS), len(frame))
    day = np.asarray(place * float(MONTH_DAYS), dtype=np.float64)
    first = frame["next_decision_days"].to_numpy(dtype=np.float64)[row]
    contract = frame["contract_days"].to_numpy(dtype=np.float64)[row]
    left = np.where(first >= day, first - day, np.mod(first - day, np.where(contract > 0, contract, np.nan)))
    return Asked(row, place, day, np.column_stack([day, left, contract]))


def decision_stack(frame: pd.DataFrame, late_days: int, most_rows: int) -> Stack:
    """Return the decisions whose outcome is known, of accounts that were still there.

    Parameters
    ----------
    frame : DataFrame
        ``account_id, as_of``, the columns of `churnml.snapshots.coming_decisions` and of
        `churnml.snapshots.seen_ends`.
    late_days : int
        An end so near to a decision is one at that decision.
    most_rows : int
        About so many rows at most.
    """
    asked = asked_decisions(frame)
    ended, seen = (frame[name].to_numpy(dtype=np.float64)[asked.row] for name in ("ended_days", "seen_days"))
    at = _ended_at(frame, late_days)[asked.row]
    late = _lateness(frame, late_days)[asked.row]
    known = asked.day + late < seen
    there = np.where(at >= 0, asked.place <= at, ~(ended <= asked.day))
    wanted = thinned(frame, asked, known & there, most_rows)
    lost = (asked.place == at).astype(np.float64)
    return stack_of(frame, asked, wanted, lost, np.ones(len(lost)))


def month_stack(frame: pd.DataFrame, late_days: int, most_rows: int) -> Stack:
    """Return the months whose outcome is known, of accounts that were still there at their begin.

    Parameters
    ----------
    frame, late_days, most_rows
        As for `decision_stack`.
    """
    asked = asked_months(frame)
    ended, seen = (frame[name].to_numpy(dtype=np.float64)[asked.row] for name in ("ended_days", "seen_days"))
    at_decision = _ended_at(frame, late_days)[asked.row] >= 0
    closes = asked.day + MONTH_DAYS
    known = closes <= seen
    there = ~(ended < asked.day)
    lost = there & ~at_decision & (ended < closes)
    # Who is lost at a decision in mid-month was in danger of leaving before it for a part of the month only.
    lived = np.where(at_decision & (ended < closes), (ended - asked.day) / MONTH_DAYS, 1.0)
    wanted = thinned(frame, asked, known & there & (lived > 0), most_rows)
    return stack_of(frame, asked, wanted, lost.astype(np.float64), lived)


def ended_at_decisions(frame: pd.DataFrame, late_days: int) -> pd.DataFrame:
    """Return the snapshots with the ends that came at a decision; whoever left at another time is seen until then.

    Parameters
    ----------
    frame, late_days
        As for `decision_stack`.
    """
    between = (_ended_at(frame, late_days) < 0) & frame["ended_days"].notna().to_numpy()
    seen = frame["seen_days"].where(~between, frame["ended_days"])
    return frame.assign(ended_days=frame["ended_days"].where(~between), seen_days=seen)


def _lateness(frame: pd.DataFrame, late_days: int) -> Array:
    """Return how near to a decision an end is one at it; with short terms less, for each end has one decision."""
    return np.fmin(float(late_days), frame["contract_days"].to_numpy(dtype=np.float64) / 3.0)


def _ended_at(frame: pd.DataFrame, late_days: int) -> Index:
    """Return the number of the decision at which each snapshot's account was lost; −1 at none."""
    grid = decision_grid(frame)
    apart = np.abs(frame["ended_days"].to_numpy(dtype=np.float64)[:, None] - grid)
    apart = np.where(np.isfinite(apart), apart, np.inf)
    nearest = apart.argmin(axis=1)
    near = apart[np.arange(len(frame)), nearest] <= _lateness(frame, late_days)
    return np.where(near, nearest, -1).astype(np.intp)


def stack_of(frame: pd.DataFrame, asked: Asked, wanted: npt.NDArray[np.bool_], lost: Array, weight: Array) -> Stack:
    """Return the wanted ones of some questions; each falls due in the calendar month of the day that it is about."""
    asked = asked.taken(wanted)
    as_of = frame["as_of"].to_numpy().astype("datetime64[D]")[asked.row]
    due = (as_of + asked.day.astype("timedelta64[D]")).astype("datetime64[M]").astype("datetime64[D]")
    return Stack(asked, lost[wanted], weight[wanted], due)


def thinned(
    frame: pd.DataFrame, asked: Asked, usable: npt.NDArray[np.bool_], most_rows: int, far: Index = _FAR
) -> npt.NDArray[np.bool_]:
    """Return which questions to learn from: of those that tell much the same some are left out.

    By number and turn alone, never by how they were answered.

    Parameters
    ----------
    frame : DataFrame
        ``account_id, as_of``.
    asked : Asked
    usable : array of bool, shape (q,)
        Whose answer is known.
    most_rows : int
        About so many rows at most.
    far : array of int
        Numbers, from 1, of the questions beyond the first three that are asked at all, of every third snapshot.
    """
    newest_first = (-frame["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)).tolist()
    turn = pd.factorize(np.asarray(newest_first), sort=True)[0] + pd.factorize(frame["account_id"], sort=True)[0]
    turn = turn[asked.row]
    near, later = usable & (asked.place < NEAR), usable & np.isin(asked.place + 1, far)
    near_at, later_at = np.bincount(turn[near]), np.bincount(turn[later])
    step = 1
    while near_at[::step].sum() + later_at[:: _FAR_STEP * step].sum() > most_rows and step < _MOST_STEP:
        step += 1
    return np.asarray((near & (turn % step == 0)) | (later & (turn % (_FAR_STEP * step) == 0)))
