"""The retention triangle: what is left, quarter by quarter, of the customers that began in one quarter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.retention.panel import Panel

__all__ = ["Cohort", "cohort_members", "retention_triangle"]


@dataclass(frozen=True)
class Cohort:
    """The relationships that began in one calendar quarter, and what was left of them at the ends of quarters.

    Parameters
    ----------
    quarter : str
        Such as ``2026Q1``.
    accounts : int
        That became customers in it; one that came back counts again.
    mrr : float
        What they paid a month when they began.
    kept : tuple of float
        Share of the accounts that were still customers at the end of the quarter itself, of the next one, …
    mrr_kept : tuple of float or None
        What they paid then ÷ `mrr`; above 1 where expansion exceeds losses, None where they began without paying.
    """

    quarter: str
    accounts: int
    mrr: float
    kept: tuple[float, ...]
    mrr_kept: tuple[float | None, ...]


def retention_triangle(panel: Panel, *, quarters: int = 12) -> tuple[Cohort, ...]:
    """Return the cohorts of the newest quarters that the data observes from their first day, oldest first.

    Parameters
    ----------
    panel : Panel
    quarters : int
        So many at most.
    """
    cohorts = []
    for period, _, begun, then in _followed(panel, quarters):
        mrr, left = float(begun.sum()), [values[~np.isnan(values)] for values in then]
        cohorts.append(
            Cohort(
                quarter=str(period),
                accounts=len(begun),
                mrr=mrr,
                kept=tuple(len(values) / len(begun) for values in left),
                mrr_kept=tuple(float(values.sum()) / mrr if mrr else None for values in left),
            )
        )
    return tuple(cohorts)


def cohort_members(panel: Panel, *, quarters: int = 12) -> pd.DataFrame:
    """Return the accounts behind `retention_triangle`.

    Parameters
    ----------
    panel : Panel
    quarters : int
        So many cohorts at most.

    Returns
    -------
    DataFrame
        One row per account and beginning: ``account_id, quarter, mrr_begun`` and ``after_0``, ``after_1``, …: what it
        paid a month at the end of the quarter itself, of the next one, …; NaN where it was gone, or then is not yet.
    """
    members = []
    for period, accounts, begun, then in _followed(panel, quarters):
        columns = {"account_id": accounts, "quarter": str(period), "mrr_begun": begun}
        members.append(pd.DataFrame(columns | {f"after_{place}": values for place, values in enumerate(then)}))
    if not members:
        return pd.DataFrame({"account_id": [], "quarter": [], "mrr_begun": []})
    return pd.concat(members, ignore_index=True)


def _followed(panel: Panel, quarters: int) -> Iterator[tuple[pd.Period, np.ndarray, np.ndarray, list[np.ndarray]]]:
    """Yield each cohort: its accounts, what they paid first, and at the end of each quarter; NaN for who was gone."""
    lives = panel.lives
    begun = lives["started_on"].dt.to_period("Q")
    ends = {
        period: place for place, period in enumerate(panel.edges.to_period("Q")) if panel.edges[place].month % 3 == 1
    }
    first = panel.edges[0].to_period("Q") if len(panel.edges) and panel.edges[0].month % 3 == 1 else None
    known = sorted(period for period in begun.unique() if period + 1 in ends and (first is None or period >= first))
    if first is None and len(panel.edges):
        known = [period for period in known if period > panel.edges[0].to_period("Q")]
    paid_first = _first_paid(panel)
    for period in known[-quarters:]:
        rows = np.flatnonzero((begun == period).to_numpy())
        account = lives["account"].to_numpy()[rows]
        places = [ends[later] for later in pd.period_range(period + 1, max(ends), freq="Q") if later in ends]
        then = [
            np.where(panel.life[place, account] == rows, panel.paid[place, account].astype(float), np.nan)
            for place in places
        ]
        yield period, panel.accounts.to_numpy()[account], paid_first[rows], then


def _first_paid(panel: Panel) -> np.ndarray:
    """Return what each relationship paid per month on its first day."""
    lives = panel.lives[["account_id", "started_on"]].assign(place=range(len(panel.lives)))
    levels = panel.contracts.mrr[["account_id", "day", "level"]].sort_values("day", kind="stable")
    asked = lives.sort_values("started_on", kind="stable")
    paid = pd.merge_asof(asked, levels, left_on="started_on", right_on="day", by="account_id")
    values = paid.set_index("place")["level"].sort_index().fillna(0.0)
    return np.asarray(values.to_numpy(dtype=float))
