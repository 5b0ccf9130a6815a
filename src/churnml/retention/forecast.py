"""What is expected to renew: the ARR that comes due, by month or quarter, times the chance that it stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["INTERVAL", "ForecastMonth", "ForecastRecord", "forecast_came", "forecast_record", "renewal_forecast"]

INTERVAL = 0.9
"""The share of the draws between the lower and the upper end."""
_DRAWS = 2000
_AT_ONCE = 2_000_000
"""Numbers drawn at a time, so that memory stays small."""


@dataclass(frozen=True)
class ForecastMonth:
    """What comes due in one month or quarter, and what of it is expected to go on; amounts in ARR.

    Parameters
    ----------
    month_on : date
        First day of it.
    accounts : int
        Whose contract ends in it.
    arr : float
        What they pay a year.
    expected : float
        ``Σ ARR × (1 − p)``.
    low, high : float
        Between which nine in ten of 2,000 drawn outcomes lie, each account staying or leaving by its own chance. How
        far the curves may be off, mostly for all accounts at once, is in it where they were told with refits. What no
        past date knew is not in it.
    scored : int
        Accounts of whom their own curve tells, or whose contract ends within the time that the score looks ahead; for
        the others p is the share of MRR that did not renew in the last twelve months.
    made_on : date or None
        The `as_of` of the scores.
    came : float or None
        What went on, of a month that is over: ``Σ min(ARR then, ARR at the month's end)``.
    by_curve : int
        Accounts of whom their own curve tells.
    """

    month_on: date
    accounts: int
    arr: float
    expected: float
    low: float
    high: float
    scored: int
    made_on: date | None = None
    came: float | None = None
    by_curve: int = 0

    @property
    def inside(self) -> bool:
        """Whether what came lies in the interval; a part of a unit of currency outside is not."""
        return self.came is not None and self.low - 0.5 <= self.came <= self.high + 0.5


@dataclass(frozen=True)
class ForecastRecord:
    """How forecasts of the past held.

    Parameters
    ----------
    source : {"published", "rederived"}
        ``published``: made before the month began by the scores that were in force. ``rederived``: made afterwards, by
        curves that were learnt from what was known at one date before them, and not moved to any published
        probability.
    months, quarters : tuple of ForecastMonth
        Those that are over, with what came, oldest first.
    months_inside, quarters_inside : int
        Of how many what came lies in the interval; nine in ten should.
    months_by_curves, months_by_curves_inside : int
        Of the months, those of which curves told of most accounts.
    """

    source: Literal["published", "rederived"]
    months: tuple[ForecastMonth, ...]
    quarters: tuple[ForecastMonth, ...]
    months_inside: int
    quarters_inside: int
    months_by_curves: int
    months_by_curves_inside: int


def forecast_record(
    source: Literal["published", "rederived"], months: Sequence[ForecastMonth], quarters: Sequence[ForecastMonth]
) -> ForecastRecord | None:
    """Return how forecasts held; None where no month is over.

    Examples
    --------
    >>> month = ForecastMonth(date(2026, 1, 1), 4, 400.0, 300.0, 200.0, 400.0, 4, came=250.0, by_curve=4)
    >>> other = ForecastMonth(**{**vars(month), "came": 100.0, "by_curve": 1})
    >>> found = forecast_record("published", [month, other], [])
    >>> len(found.months), found.months_inside, found.months_by_curves, found.months_by_curves_inside
    (2, 1, 1, 1)
    """
    over, whole = (tuple(one for one in each if one.came is not None) for each in (months, quarters))
    if not over:
        return None
    curves = [one for one in over if 2 * one.by_curve >= one.accounts]
    return ForecastRecord(
        source,
        over,
        whole,
        sum(one.inside for one in over),
        sum(one.inside for one in whole),
        len(curves),
        sum(one.inside for one in curves),
    )


def renewal_forecast(
    due: pd.DataFrame,
    *,
    until: pd.Timestamp,
    later_rate: float | None,
    seed: int = 0,
    made_on: date | None = None,
    draws: npt.NDArray[np.float64] | None = None,
    period: Literal["M", "Q"] = "M",
) -> tuple[ForecastMonth, ...]:
    """Return the forecast of every month, or quarter, in which a contract ends.

    Parameters
    ----------
    due : DataFrame
        One row per account: ``arr`` (null counts as 0), ``renewal_on``, ``churn_probability``; and where curves are
        shown ``lost_by_decision``, the chance of being lost at that renewal or before it, null where it is not told.
    until : Timestamp
        How far the score looks ahead; a contract that ends on this day or later has `later_rate`.
    later_rate : float or None
        Share of MRR that renewed in the last twelve months; without it the account's own probability stands in.
    seed : int
        Of the draws behind the interval.
    made_on : date, optional
    draws : ndarray of shape (refits, n), optional
        ``lost_by_decision`` by each refitted model, for the interval; NaN where a curve tells nothing.
    period : {"M", "Q"}
        Months, or quarters of the calendar.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> due = pd.DataFrame({"arr": [100.0, 300.0, 50.0], "churn_probability": [0.5, 0.1, 0.2],
    ...                     "renewal_on": [day("2026-03-05"), day("2026-03-20"), day("2026-09-01")]})
    >>> for month in renewal_forecast(due, until=day("2026-06-01"), later_rate=0.9):
    ...     print(month.month_on, month.accounts, month.arr, month.expected, month.low, month.high, month.scored)
    2026-03-01 2 400.0 320.0 100.0 400.0 2
    2026-09-01 1 50.0 45.0 0.0 50.0 0
    """
    known = due["renewal_on"].notna().to_numpy()
    due = due[known]
    chance = due["churn_probability"].to_numpy(dtype=float)
    late = (due["renewal_on"] >= until).to_numpy()
    if later_rate is not None:
        chance = np.where(late, 1.0 - later_rate, chance)
    own_chance = np.full(len(due), np.nan)
    if "lost_by_decision" in due:
        own_chance = due["lost_by_decision"].to_numpy(dtype=float)
    by_curve = ~np.isnan(own_chance)
    chance, own = np.where(by_curve, own_chance, chance), ~late | by_curve
    drawn = chance[None, :]
    if draws is not None and len(draws):
        drawn = np.where(by_curve & ~np.isnan(draws[:, known]), draws[:, known], chance)
    arr = due["arr"].fillna(0.0).to_numpy(dtype=float)
    month: pd.Series = due["renewal_on"].dt.to_period(period)
    periods: list[pd.Period] = sorted(month.unique())
    rng = np.random.default_rng(seed)
    forecasts = []
    for one in periods:
        mine = (month == one).to_numpy()
        low, high = _interval(arr[mine], drawn[:, mine], rng)
        forecasts.append(
            ForecastMonth(
                month_on=one.start_time.date(),
                accounts=int(mine.sum()),
                arr=float(arr[mine].sum()),
                expected=float((arr[mine] * (1.0 - chance[mine])).sum()),
                low=low,
                high=high,
                scored=int((mine & own).sum()),
                made_on=made_on,
                by_curve=int((mine & by_curve).sum()),
            )
        )
    return tuple(forecasts)


def _interval(
    arr: npt.NDArray[np.float64], chances: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    """Draw outcomes of accounts, each by its chance in one model; all models in turn, the same one for all accounts."""
    draws = max(1, min(_DRAWS, _AT_ONCE // max(len(arr), 1)))
    totals: list[npt.NDArray[np.float64]] = []
    drawn = 0
    while drawn < _DRAWS:
        model = (drawn + np.arange(draws)) % len(chances)
        stays = rng.random((draws, len(arr))) >= chances[model]
        totals.append(stays @ arr)
        drawn += draws
    edges = np.quantile(
        np.concatenate(totals)[:_DRAWS], [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], method="inverted_cdf"
    )
    return float(edges[0]), float(edges[1])


def forecast_came(arr: pd.Series, arr_after: pd.Series) -> float:
    """Return what of the ARR that came due went on: ``Σ min(before, after)``, an account that is gone counting 0.

    Examples
    --------
    >>> forecast_came(pd.Series({"a": 100.0, "b": 50.0, "c": 20.0}), pd.Series({"a": 130.0, "b": 40.0}))
    140.0
    """
    return float(np.minimum(arr.fillna(0.0), arr_after.reindex(arr.index).fillna(0.0)).sum())
