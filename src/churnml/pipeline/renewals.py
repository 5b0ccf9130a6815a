"""Renewals of a company: what comes due, and how forecasts of months and quarters that are over held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import Config
from churnml.errors import DataError
from churnml.explain.lifetime import Lifetime
from churnml.retention import ForecastMonth, ForecastRecord, Panel, forecast_came, forecast_record, renewal_forecast
from churnml.store import SnapshotInfo, Store
from churnml.tables import Tables
from churnml.training.survival_verdict import PastRenewals, SurvivalVerdict

__all__ = [
    "PastForecasts",
    "as_published",
    "came_of",
    "decision_draws",
    "due_of",
    "panel_of",
    "past_forecasts",
    "rederived",
]

Period = Literal["M", "Q"]

_PAST_MONTHS = 12
_OLDEST_FORECAST_DAYS = 92
"""A forecast of a month is held against what came if it was made no longer than this before the month."""
_KEPT_MONTHS = 24
"""A forecast as it was published is kept until its month is so long ago."""
_MONTHS: dict[Period, int] = {"M": 1, "Q": 3}


def panel_of(config: Config, tables: Tables) -> Panel | None:
    """Return the accounts × months of a company as its config has them; None where no plan is under contract."""
    if "subscriptions" not in tables:
        return None
    try:
        return Panel(
            tables,
            grace_days=config.label.grace_days,
            core_features=config.features.core_features,
            leave_out_trials=config.label.trials == "leave_out",
        )
    except DataError as error:
        if error.code != "data.no_plan_rows":
            raise
        return None


def due_of(scored: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return when each account's contract ends, a date that is past counting as today.

    Parameters
    ----------
    scored : DataFrame
        ``account_id, arr, churn_probability, days_to_renewal``; where known ``contract_ends_on``, ``lost_by_decision``.
    as_of : date

    Returns
    -------
    DataFrame
        ``account_id, arr, churn_probability, renewal_on`` and, where told, ``lost_by_decision``; without those of whom
        no end is known.
    """
    out = scored[["account_id", "arr", "churn_probability"]].reset_index(drop=True)
    if "lost_by_decision" in scored:
        out["lost_by_decision"] = scored["lost_by_decision"].to_numpy(dtype="float64")
    days = pd.to_timedelta(pd.to_numeric(scored["days_to_renewal"], errors="coerce").round().to_numpy(), unit="D")
    renewal = pd.Series(pd.Timestamp(as_of) + days)
    if "contract_ends_on" in scored:
        ends_on = pd.Series(pd.to_datetime(scored["contract_ends_on"], errors="coerce").to_numpy())
        renewal = ends_on.fillna(renewal)
    today = pd.Timestamp(as_of)
    out["renewal_on"] = renewal.where(~(renewal < today), today).astype("datetime64[us]")
    out["churn_probability"] = out["churn_probability"].astype("float64")
    return out[out["renewal_on"].notna()]


def decision_draws(curves: Sequence[Lifetime], accounts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return by refit and account the chance of being lost by the next decision; NaN where a curve tells nothing."""
    draws = {one.account_id: one.decision_draws for one in curves if one.decision_draws}
    refits = min(map(len, draws.values()), default=0)
    matrix = np.full((refits, len(accounts)), np.nan)
    for place, account in enumerate(accounts):
        if account in draws:
            matrix[:, place] = draws[account][:refits]
    return matrix


def as_published(
    before: Mapping[str, Any], name: str, made: Sequence[ForecastMonth], as_of: date
) -> tuple[ForecastMonth, ...]:
    """Return forecasts as they were published, the newest made before each month began; those of long ago are dropped.

    Parameters
    ----------
    before : mapping
        What was kept at the scoring before, JSON-ready.
    name : str
        Under which of its names they were kept.
    made : sequence of ForecastMonth
        Those of today.
    as_of : date
    """
    oldest = (pd.Timestamp(as_of) - pd.DateOffset(months=_KEPT_MONTHS)).date()
    newest = {one.month_on: one for one in map(_forecast, before.get(name) or [])}
    newest |= {one.month_on: one for one in made if one.made_on is not None and one.made_on <= one.month_on}
    return tuple(newest[month] for month in sorted(newest) if month >= oldest)


def _forecast(document: Mapping[str, Any]) -> ForecastMonth:
    days = {name: date.fromisoformat(document[name]) for name in ("month_on", "made_on")}
    return ForecastMonth(**{**document, **days})


@dataclass(frozen=True)
class PastForecasts:
    """Months and quarters that are over, as they were forecast, and the accounts behind the months."""

    months: tuple[ForecastMonth, ...]
    quarters: tuple[ForecastMonth, ...]
    behind: pd.DataFrame | None

    @property
    def record(self) -> ForecastRecord | None:
        """How they held; None where none is over."""
        return forecast_record("published", self.months, self.quarters)


def past_forecasts(
    config: Config,
    panel: Panel,
    snapshots: Sequence[SnapshotInfo],
    store: Store,
    rate: float | None,
    published: Mapping[Period, Sequence[ForecastMonth]],
) -> PastForecasts:
    """Return what is over with the newest forecast made before it began, as it was published where that was kept.

    Parameters
    ----------
    config : Config
    panel : Panel
    snapshots : sequence of SnapshotInfo
        Those that were in force, newest first.
    store : Store
    rate : float or None
        Share of MRR that renewed in the last twelve months, for contracts beyond the score where no forecast was kept.
    published : mapping
        ``M`` and ``Q`` → the forecasts that were kept.
    """
    forecasts: dict[Period, list[ForecastMonth]] = {"M": [], "Q": []}
    behind: list[pd.DataFrame] = []
    read: dict[int, pd.DataFrame] = {}
    ahead = timedelta(days=config.label.gap_days + config.label.horizon_days)
    for period, start, end in _over(panel):
        earlier = [one for one in snapshots if one.as_of <= start.date()]
        if not earlier or (start.date() - earlier[0].as_of).days > _OLDEST_FORECAST_DAYS:
            continue
        snapshot = earlier[0]
        if snapshot.id not in read:
            read[snapshot.id] = _scores_then(config, store, snapshot)
        due = read[snapshot.id]
        due = due[(due["renewal_on"] >= start) & (due["renewal_on"] < end)]
        until = pd.Timestamp(snapshot.as_of + ahead)
        made = renewal_forecast(
            due, until=until, later_rate=rate, seed=config.seed, made_on=snapshot.as_of, period=period
        )
        came, each = _came(panel, due, end)
        if period == "M":
            behind.append(due.drop(columns="renewal_on").assign(came=each, month_on=start))
        earlier_made = {(one.month_on, one.made_on): one for one in published[period]}
        forecasts[period] += [replace(earlier_made.get((one.month_on, one.made_on), one), came=came) for one in made]
    return PastForecasts(
        tuple(forecasts["M"]), tuple(forecasts["Q"]), pd.concat(behind, ignore_index=True) if behind else None
    )


def _over(panel: Panel) -> list[tuple[Period, pd.Timestamp, pd.Timestamp]]:
    """Return the newest months, and the quarters of a year, that are wholly observed."""
    edges = panel.edges
    periods: list[tuple[Period, pd.Timestamp, pd.Timestamp]] = [
        ("M", edges[number], edges[number + 1]) for number in range(max(panel.months - _PAST_MONTHS, 0), panel.months)
    ]
    quarters = [number for number in range(panel.months - 2) if edges[number].month % 3 == 1]
    return periods + [("Q", edges[number], edges[number + 3]) for number in quarters[-_PAST_MONTHS // 3 :]]


def _scores_then(config: Config, store: Store, snapshot: SnapshotInfo) -> pd.DataFrame:
    columns = ["account_id", "churn_probability", "arr", "days_to_renewal", "lost_by_decision"]
    rows = [[getattr(one, name) for name in columns] for one in store.outlooks(config.name).of(snapshot.id)]
    return due_of(pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], "float64")), snapshot.as_of)


def _came(panel: Panel, due: pd.DataFrame, end: pd.Timestamp) -> tuple[float, npt.NDArray[np.float64]]:
    """Return what of the ARR that came due went on at a month's midnight, in all and by account."""
    after = pd.Series(12 * panel.paid[panel.edges.get_loc(end)], index=panel.accounts)
    arr = due.set_index("account_id")["arr"]
    each = np.asarray(np.minimum(arr.fillna(0.0), after.reindex(arr.index).fillna(0.0)))
    return forecast_came(arr, after), each


def came_of(
    due: pd.DataFrame, panel: Panel, start: pd.Timestamp, until: pd.Timestamp, *, seed: int, period: Period
) -> tuple[ForecastMonth, ...]:
    """Return what was forecast at one date of the months or quarters after it that are over, with what came.

    Parameters
    ----------
    due : DataFrame
        As for `churnml.retention.renewal_forecast`.
    panel : Panel
    start, until : Timestamp
        Only what begins and ends between them counts.
    seed : int
    period : {"M", "Q"}
    """
    forecasts = []
    size = pd.DateOffset(months=_MONTHS[period])
    for month in renewal_forecast(due, until=until, later_rate=None, seed=seed, made_on=start.date(), period=period):
        begin = pd.Timestamp(month.month_on)
        end = begin + size
        if begin < start or end > until or end not in panel.edges:
            continue
        mine = due[(due["renewal_on"] >= begin) & (due["renewal_on"] < end)]
        forecasts.append(replace(month, came=_came(panel, mine, end)[0]))
    return tuple(forecasts)


def rederived(verdict: SurvivalVerdict | None) -> ForecastRecord | None:
    """Return how curves learnt from what was known a year before the training would have forecast the year after."""
    if verdict is None or verdict.far is None:
        return None
    made_on = verdict.far.as_of

    def month(one: PastRenewals) -> ForecastMonth:
        fields = {
            name: getattr(one, name) for name in ("month_on", "accounts", "arr", "expected", "low", "high", "came")
        }
        return ForecastMonth(**fields, scored=one.accounts, by_curve=one.accounts, made_on=made_on)

    return forecast_record("rederived", [*map(month, verdict.past_months)], [*map(month, verdict.past_quarters)])
