"""What a customer is still worth: margin on its MRR for as long as its curve says that it stays, discounted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.training.stacking import MONTH_DAYS, MONTHS
from churnml.training.survival import Curves, Forecast

__all__ = ["ResidualValue", "residual_value", "stayers_growth"]

Floats = npt.NDArray[np.float64]

_YEAR = 365.25
_MONTHS_BEYOND = 98
"""Nobody is counted for more than about ten years: of the eleventh nothing here can tell."""
_LEAST_LAG_DAYS, _LAG_DAYS = 80, 365
_HALF_TRUST = 50.0
"""So many accounts that stayed give their growth half of its weight; fewer say little of the others."""


@dataclass(frozen=True)
class ResidualValue:
    """What accounts are still worth, in the currency of their MRR.

    Parameters
    ----------
    within : array of shape (n,)
        Gross profit of the 24 months of the curve, discounted.
    beyond : array of shape (n,)
        Of the eight years after them, if accounts go on leaving as in the curve's second year. Extrapolated.
    low, high : array of shape (n,)
        Bounds of the sum, as `churnml.training.survival.Forecast.interval` gives them; NaN without refits. They hold
        the margin, the growth and the discount for certain.
    draws : array of shape (refits, n)
        The sum by each refitted model.
    """

    within: Floats
    beyond: Floats
    low: Floats
    high: Floats
    draws: Floats

    @property
    def total(self) -> Floats:
        """The sum: the residual lifetime value."""
        return self.within + self.beyond


def residual_value(
    forecast: Forecast,
    mrr: npt.ArrayLike,
    *,
    gross_margin: float,
    yearly_discount: float,
    monthly_growth: float = 0.0,
    level: float = 0.8,
) -> ResidualValue:
    """Return what each account is still worth.

    Parameters
    ----------
    forecast : Forecast
        From `churnml.training.hazard.HazardModel.predict_survival`.
    mrr : array of shape (n,)
        Currency a month; NaN where unknown, and so is the value then.
    gross_margin : float
        Share of revenue left after the cost of serving it, 0–1.
    yearly_discount : float
        What a year's wait costs, 0.1 = 10 %.
    monthly_growth : float
        How much the MRR of an account that stays grows in 30 days; from `stayers_growth`.
    level : float
        How often the interval should hold.

    Raises
    ------
    ValueError
        A share or a rate is out of its range.

    Examples
    --------
    >>> stays = Forecast(Curves(np.full((1, 1), np.nan), np.full((1, 1), np.nan), np.zeros((1, 24))))
    >>> value = residual_value(stays, [100.0], gross_margin=0.5, yearly_discount=0.0)
    >>> value.within.tolist(), value.beyond.tolist()
    ([1200.0], [4900.0])

    See Also
    --------
    churnml.retention.value.lifetime_value : Of a new customer, by the company's churn rate alone.
    """
    if not 0.0 <= gross_margin <= 1.0:
        raise ValueError(f"gross_margin is a share between 0 and 1, not {gross_margin}")
    if yearly_discount <= -1.0 or monthly_growth <= -1.0:
        raise ValueError(f"a rate is above −1: yearly_discount {yearly_discount}, monthly_growth {monthly_growth}")
    monthly = gross_margin * np.asarray(mrr, dtype=np.float64)
    factor = (1.0 + monthly_growth) * (1.0 + yearly_discount) ** (-MONTH_DAYS / _YEAR)

    def both(curves: Curves) -> tuple[Floats, Floats]:
        stays = np.column_stack([np.ones(len(curves)), curves.monthly])
        # Who leaves in a month pays for half of it.
        paid = (stays[:, :-1] + stays[:, 1:]) / 2.0
        within = monthly * (paid @ factor ** (np.arange(MONTHS) + 0.5))
        yearly = np.divide(stays[:, -1], stays[:, 12], out=np.zeros(len(curves)), where=stays[:, 12] > 0)
        ratio = yearly ** (1.0 / (MONTHS - 12)) * factor
        later = (ratio[:, None] ** np.arange(1, _MONTHS_BEYOND + 1)).sum(axis=1)
        return within, monthly * stays[:, -1] * factor ** (MONTHS - 0.5) * later

    within, beyond = both(forecast.point)
    sums = [np.add(*both(curves)) for curves in forecast.draws]
    draws = np.reshape(sums, (len(sums), len(within))).astype(np.float64)
    low = high = np.full(len(within), np.nan)
    if len(forecast.draws) >= 2:
        low, high = forecast.interval(lambda curves: np.add(*both(curves)), level=level, scale="amount")
        unknown = np.isnan(monthly)
        low, high = np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
    return ResidualValue(within, beyond, low, high, draws)


def stayers_growth(spine: pd.DataFrame, as_of: pd.Timestamp) -> float:
    """Return by how much the recurring revenue of accounts that stay grows in 30 days, contraction counted in.

    The same accounts' revenue now and a year before, or as far back as snapshots go; drawn towards none where few
    accounts tell it, and none where nothing 80 days back is known.

    Parameters
    ----------
    spine : DataFrame
        ``account_id, as_of, arr``; later snapshots than `as_of` are not looked at.
    as_of : Timestamp

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": ["a", "b"] * 2, "arr": [100.0, 100.0, 110.0, 110.0],
    ...     "as_of": pd.to_datetime(["2025-01-01"] * 2 + ["2026-01-01"] * 2)})
    >>> 0 < stayers_growth(rows, pd.Timestamp("2026-01-01")) < 0.001
    True
    """
    known = spine[(spine["as_of"] <= as_of) & (spine["arr"] > 0)]
    dates = pd.DatetimeIndex(known["as_of"].unique()).sort_values()
    if not len(dates):
        return 0.0
    newest = dates[-1]
    lags = (newest - dates).days.to_numpy()
    usable = lags >= _LEAST_LAG_DAYS
    if not usable.any():
        return 0.0
    lag = int(lags[usable][np.abs(lags[usable] - _LAG_DAYS).argmin()])
    revenue = known.set_index(["as_of", "account_id"])["arr"]
    now, before = revenue.loc[newest], revenue.loc[newest - pd.Timedelta(days=lag)]
    both = now.index.intersection(before.index)
    if not len(both):
        return 0.0
    ratio = float(now.loc[both].sum()) / float(before.loc[both].sum())
    growth = float(ratio ** (MONTH_DAYS / lag)) - 1.0
    return growth * len(both) / (len(both) + _HALF_TRUST)
