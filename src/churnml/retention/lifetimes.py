"""Each account's curve as a reader wants it: the risk at its renewal, when half of its like are lost, its worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.explain.lifetime import Bounds, Lifetime, RenewalDriver
from churnml.language import Day, Quantity, Text
from churnml.retention.residual import residual_value
from churnml.training.stacking import MONTH_DAYS, MONTHS
from churnml.training.survival import Curves, Forecast

__all__ = ["RankBy", "lifetimes", "lost_by_decision"]

RankBy = Literal["expected_loss", "residual_value", "avoidable_loss"]


def lifetimes(
    rows: pd.DataFrame,
    forecast: Forecast,
    *,
    horizon_days: int,
    gap_days: int = 0,
    gross_margin: float,
    yearly_discount: float,
    monthly_growth: float = 0.0,
    rank_by: RankBy | None = None,
    drivers: Sequence[tuple[RenewalDriver, ...]] = (),
    level: float = 0.8,
) -> tuple[Lifetime, ...]:
    """Return what becomes of accounts, those first that the ranking puts first; where it has no number, last.

    Nothing is said of months beyond the reach of the forecast; where it falls short of 24 months, nothing of worth.

    Parameters
    ----------
    rows : DataFrame
        ``account_id, as_of, arr, next_decision_days``, in the order of the forecast.
    forecast : Forecast
        With two refits or more.
    horizon_days, gap_days : int
        Of the label, for the expected loss.
    gross_margin, yearly_discount, monthly_growth
        As for `churnml.retention.residual.residual_value`.
    rank_by : str, optional
        Left out: in the order of the rows. Where it has no number of any account, the likeliest to be lost come first.
    drivers : sequence, optional
        Per row, from `churnml.explain.renewal.renewal_drivers`.
    level : float
        How often the bounds should hold.
    """
    point, months = forecast.point, forecast.reach_days // MONTH_DAYS
    mrr = rows["arr"].to_numpy(dtype=np.float64) / 12.0
    money = {"gross_margin": gross_margin, "yearly_discount": yearly_discount, "monthly_growth": monthly_growth}
    value = residual_value(forecast, mrr, level=level, **money)
    # The decisions beyond the curve stay as dangerous as they are.
    stays = replace(point, decision_risk=np.zeros_like(point.decision_risk), step_risk=np.zeros_like(point.step_risk))
    safe = residual_value(Forecast(stays), mrr, **money)
    avoidable = safe.within - value.within
    loss = point.lost_within(horizon_days, gap_days) * 12.0 * mrr
    low, high = forecast.interval(lambda curves: curves.monthly[:, :months], level)
    risk_low, risk_high = forecast.interval(lambda curves: curves.renewal_risk, level)
    within = {days: point.lost_within(days) for days in (30, 90, 180, 360, 720) if days <= forecast.reach_days}
    half, monthly = point.quantile_days(0.5), point.monthly[:, :months]
    half = np.where(half < forecast.reach_days, half, np.nan)
    decision = point.decision_day[:, 0]
    lost_draws = np.array([lost_by_decision(draw) for draw in forecast.draws]).reshape(len(forecast.draws), len(rows))
    untold = np.full(len(rows), np.nan)
    total = value.total
    worth = (total, avoidable) if months == MONTHS else (untold, untold)
    ranks = {"expected_loss": loss, "residual_value": worth[0], "avoidable_loss": worth[1]}
    order = np.arange(len(rows))
    if rank_by is not None:
        rank = ranks[rank_by]
        if np.isnan(rank).all():
            rank = point.lost_within(horizon_days, gap_days)
        order = np.argsort(np.where(np.isnan(rank), np.inf, -rank), kind="stable")
    accounts, dates = rows["account_id"].astype("str").tolist(), pd.to_datetime(rows["as_of"]).dt.date.tolist()
    untold_draws = np.isnan(lost_draws).any(axis=0)
    lines = []
    for row in order.tolist():
        as_of = dates[row]
        days = {"earliest": _month_of_half(low[row]), "latest": _month_of_half(high[row])}
        if not np.isnan(days["earliest"]):
            # The bounds are told by the month, the curve itself by the day.
            days["earliest"] = float(np.fmin(days["earliest"], half[row]))
        known = not np.isnan(mrr[row])
        valued = known and months == MONTHS
        line = Lifetime(
            account_id=accounts[row],
            next_decision_on=_on(as_of, decision[row]),
            renewal_risk=None
            if np.isnan(decision[row])
            else _bounds(point.renewal_risk[row], risk_low[row], risk_high[row]),
            lost_within={days: float(chance[row]) for days, chance in within.items()},
            survival=_numbers(monthly[row]),
            survival_low=_numbers(low[row]),
            survival_high=_numbers(high[row]),
            expected_end=_on(as_of, half[row]),
            earliest=_on(as_of, days["earliest"]),
            latest=_on(as_of, days["latest"]),
            mrr=float(mrr[row]) if known else None,
            residual_value=_bounds(total[row], value.low[row], value.high[row]) if valued else None,
            expected_loss=float(loss[row]) if known else None,
            avoidable_loss=float(avoidable[row]) if valued else None,
            sentence=_sentence(as_of, months, half[row], days["earliest"], days["latest"], low[row, -1], high[row, -1]),
            renewal_drivers=tuple(drivers[row]) if drivers else (),
            value_within=float(value.within[row]) if valued else None,
            value_draws=_numbers(value.draws[:, row]) if valued else (),
            decision_draws=() if untold_draws[row] else _numbers(lost_draws[:, row]),
        )
        lines.append(line)
    return tuple(lines)


def lost_by_decision(curves: Curves) -> npt.NDArray[np.float64]:
    """Return the chance of being lost by the end of the 30 days in which the next decision falls, (n,); NaN: none does.

    Examples
    --------
    >>> curves = Curves(np.array([[40.0], [np.nan]]), np.array([[0.2], [np.nan]]), np.zeros((2, 24)))
    >>> lost_by_decision(curves).round(6).tolist()
    [0.2, nan]
    """
    month = curves.decision_day[:, 0] // MONTH_DAYS
    known = month < MONTHS
    place = np.where(known, month, 0).astype(np.intp)
    lost = 1.0 - np.take_along_axis(curves.monthly, place[:, None], axis=1)[:, 0]
    return np.asarray(np.where(known, lost, np.nan))


def _month_of_half(curve: np.ndarray) -> float:
    """Return the days to the end of the first month at which a curve is at a half; NaN: at none."""
    below = np.flatnonzero(curve <= 0.5)
    return float((below[0] + 1) * MONTH_DAYS) if len(below) else float("nan")


def _sentence(as_of: date, months: int, half: float, earliest: float, latest: float, low: float, high: float) -> Text:
    """Say when half of such accounts are lost, and no more than the bounds allow."""
    if np.isnan(earliest):
        lost = [Quantity(value=round(1.0 - one, 2), unit="share", digits=0) for one in (high, low)]
        return Text.of("survival-most_stay", months=months, low=lost[0], high=lost[1])

    def said(days: float) -> Day:
        return Day(on=(as_of + timedelta(days=int(days))).isoformat())

    if np.isnan(latest):
        return Text.of("survival-half_not_before", earliest=said(earliest), months=months)
    middle = half if not np.isnan(half) else latest
    return Text.of("survival-half_by", day=said(middle), earliest=said(earliest), latest=said(latest))


def _on(as_of: date, days: float) -> date | None:
    return None if np.isnan(days) else as_of + timedelta(days=int(days))


def _bounds(value: float, low: float, high: float) -> Bounds:
    return Bounds(float(value), float(low), float(high))


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(values.tolist())
