"""What is expected to renew: the ARR that comes due, month by month, times the chance that it stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["INTERVAL", "ForecastMonth", "forecast_came", "renewal_forecast"]

INTERVAL = 0.9
"""The share of the draws between the lower and the upper end."""
_DRAWS = 2000
_AT_ONCE = 2_000_000
"""Numbers drawn at a time, so that memory stays small."""


@dataclass(frozen=True)
class ForecastMonth:
    """What comes due in one month, and what of it is expected to go on; amounts in ARR.

    Parameters
    ----------
    month_on : date
        First day of the month.
    accounts : int
        Whose contract ends in it.
    arr : float
        What they pay a year.
    expected : float
        ``Σ ARR × (1 − p)``.
    low, high : float
        Between which nine in ten of 2,000 drawn outcomes lie, each account staying or leaving by its own chance. What
        would move all accounts at once is not in it.
    scored : int
        Accounts of whom their own curve tells, or whose contract ends within the time that the score looks ahead; for
        the others p is the share of MRR that did not renew in the last twelve months.
    made_on : date or None
        The `as_of` of the scores.
    came : float or None
        What went on, of a month that is over: ``Σ min(ARR then, ARR at the month's end)``.
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


def renewal_forecast(
    due: pd.DataFrame, *, until: pd.Timestamp, later_rate: float | None, seed: int = 0, made_on: date | None = None
) -> tuple[ForecastMonth, ...]:
    """Return the forecast of every month in which a contract ends.

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
    due = due[due["renewal_on"].notna()]
    chance = due["churn_probability"].to_numpy(dtype=float)
    late = (due["renewal_on"] >= until).to_numpy()
    if later_rate is not None:
        chance = np.where(late, 1.0 - later_rate, chance)
    own = ~late
    if "lost_by_decision" in due:
        own_chance = due["lost_by_decision"].to_numpy(dtype=float)
        chance, own = np.where(np.isnan(own_chance), chance, own_chance), own | ~np.isnan(own_chance)
    arr = due["arr"].fillna(0.0).to_numpy(dtype=float)
    month = due["renewal_on"].dt.to_period("M")
    rng = np.random.default_rng(seed)
    forecasts = []
    for period in sorted(month.unique()):
        mine = (month == period).to_numpy()
        low, high = _interval(arr[mine], chance[mine], rng)
        forecasts.append(
            ForecastMonth(
                month_on=period.start_time.date(),
                accounts=int(mine.sum()),
                arr=float(arr[mine].sum()),
                expected=float((arr[mine] * (1.0 - chance[mine])).sum()),
                low=low,
                high=high,
                scored=int((mine & own).sum()),
                made_on=made_on,
            )
        )
    return tuple(forecasts)


def _interval(
    arr: npt.NDArray[np.float64], chance: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    draws = max(1, min(_DRAWS, _AT_ONCE // max(len(arr), 1)))
    totals: list[npt.NDArray[np.float64]] = []
    while sum(map(len, totals)) < _DRAWS:
        stays = rng.random((draws, len(arr))) >= chance
        totals.append(stays @ arr)
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
