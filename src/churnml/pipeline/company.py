"""What managers look at, computed at scoring and kept: KPIs, the renewal forecast, whether scores hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter

from churnml.actions.experiment import ExperimentReport
from churnml.config import Config
from churnml.errors import UsageError
from churnml.evaluation.realised import RealisedFigures, realised_figures
from churnml.explain.lifetime import Lifetime
from churnml.pipeline.experiments import compare_arms
from churnml.pipeline.outcomes import with_outcomes
from churnml.pipeline.renewals import (
    PastForecasts,
    as_published,
    decision_draws,
    due_of,
    panel_of,
    past_forecasts,
    rederived,
)
from churnml.retention import (
    ForecastMonth,
    ForecastRecord,
    KpiReport,
    Panel,
    company_kpis,
    curve_values,
    groupings,
    renewal_forecast,
)
from churnml.sources import Loaded
from churnml.store import Actor, SnapshotInfo, Store
from churnml.tables import Tables
from churnml.training.survival_verdict import SurvivalVerdict

__all__ = [
    "ACCOUNTS",
    "COHORTS",
    "MOVES",
    "PAST",
    "REALISED",
    "RENEWALS",
    "WORTH",
    "CompanyFigures",
    "TableHealth",
    "company_figures",
    "publish_company",
]

ACCOUNTS, RENEWALS, REALISED = "accounts", "renewals", "realised"
COHORTS, MOVES, PAST, WORTH = "cohorts", "moves", "past", "worth"
"""Parts of the rows behind the figures that are no month."""
_FORECAST_MONTHS = 12
_PERIODS: dict[Literal["M", "Q"], str] = {"M": "published", "Q": "published_quarters"}
"""Period of a forecast → under which name those that were published are kept."""
_REALISED_SNAPSHOTS = 8
_APART_DAYS = 28


@dataclass(frozen=True)
class TableHealth:
    """What one table of the data was at the scoring.

    Parameters
    ----------
    table : str
    rows, set_aside : int
        Rows that count, and those that were set aside.
    last : date or None
        Last day of its facts.
    behind_days : int or None
        Days that it ends before the data does.
    covered : float
        Share of the accounts that it has rows of, 0–1.
    """

    table: str
    rows: int
    set_aside: int
    last: date | None
    behind_days: int | None
    covered: float


@dataclass(frozen=True)
class CompanyFigures:
    """What managers look at beside the KPIs.

    Parameters
    ----------
    forecast : tuple of ForecastMonth
        The months to come.
    past : tuple of ForecastMonth
        Months that are over, as they were forecast before they began, with what came.
    records : tuple of ForecastRecord
        How past forecasts held: those that were published, and those of curves learnt from what was known a year
        before the training; each where there is one.
    published, published_quarters : tuple of ForecastMonth
        The newest forecast of each month and quarter that was published before it began.
    later_rate : float or None
        Share of MRR that renewed in the last twelve months: what contracts count with that end later than the score
        looks ahead.
    looks_until : date
        How far the score looks ahead.
    realised : RealisedFigures or None
        What became of scores that were in force.
    realised_from : date
        From when on the newest scores can be held against outcomes.
    experiment : ExperimentReport or None
    tables : tuple of TableHealth
    """

    forecast: tuple[ForecastMonth, ...]
    past: tuple[ForecastMonth, ...]
    later_rate: float | None
    looks_until: date
    realised: RealisedFigures | None
    realised_from: date
    experiment: ExperimentReport | None
    tables: tuple[TableHealth, ...]
    records: tuple[ForecastRecord, ...] = ()
    published: tuple[ForecastMonth, ...] = ()
    published_quarters: tuple[ForecastMonth, ...] = ()


Rows = dict[str, Mapping[str, npt.NDArray[Any]]]
_REPORT, _FIGURES = TypeAdapter(KpiReport), TypeAdapter(CompanyFigures)


def publish_company(
    config: Config,
    loaded: Loaded,
    scored: pd.DataFrame,
    as_of: date,
    now: datetime,
    curves: Sequence[Lifetime] = (),
    verdict: SurvivalVerdict | None = None,
) -> bool:
    """Compute the figures and keep them; returns False where those of a later day are kept already.

    Parameters
    ----------
    config : Config
    loaded : Loaded
        The canonical tables.
    scored : DataFrame
        The scores of `as_of`, as they were published: ``account_id, arr, churn_probability, days_to_renewal`` and,
        where known, ``contract_ends_on``, ``segment``, ``plan``, ``owner`` and, where curves are shown,
        ``lost_by_decision``.
    as_of : date
    now : datetime
    curves : sequence of Lifetime
        The curves of the same accounts; empty where none are shown.
    verdict : SurvivalVerdict, optional
        Of the curves, with what past ones expected of renewals.
    """
    tables = loaded.tables if as_of >= loaded.tables.observed_until else loaded.tables.known_before(as_of)
    with Store(config.store_url) as store:
        key_figures = store.key_figures(config.name)
        before = key_figures.newest()
        if before is not None and before.as_of > as_of:
            return False
        chosen = {} if before is None else before.report
        # Whoever published with other margins goes on seeing them.
        money = config.survival
        margin = float(chosen.get("gross_margin", money.gross_margin))
        discount = float(chosen.get("yearly_discount", money.yearly_discount))
        report = KpiReport(as_of, config.currency, config.label.grace_days, margin, discount, ())
        rows: Rows = {}
        panel = panel_of(config, tables)
        if panel is not None:
            kpis = company_kpis(
                panel,
                groupings(tables),
                currency=config.currency,
                gross_margin=margin,
                yearly_discount=discount,
                rows=True,
            )
            report = kpis.report
            rows = {month.isoformat(): columns for month, columns in kpis.months.items()}
            behind = {ACCOUNTS: kpis.accounts, COHORTS: kpis.cohorts, MOVES: kpis.moves}
            rows |= {part: _columns(frame) for part, frame in behind.items() if "account_id" in frame}
            groups = {name: _groups(scored, name) for name in groupings(tables)}
            report = report.with_curves(
                curve_values(
                    curves,
                    groups,
                    as_of=as_of,
                    gross_margin=money.gross_margin,
                    yearly_discount=money.yearly_discount,
                    level=money.level,
                )
            )
            if curves:
                rows[WORTH] = _columns(_worth(curves, groups))
        document = _REPORT.dump_python(report, mode="json")
        figures, more = company_figures(
            config, loaded, tables, panel, scored, as_of, store, curves, verdict, chosen.get("company") or {}
        )
        document["company"] = _FIGURES.dump_python(figures, mode="json")
        return key_figures.keep(as_of, document, Actor("cli", now), {**rows, **more})


def _groups(scored: pd.DataFrame, name: str) -> dict[str, str]:
    """Return the group of each scored account, where it has one."""
    if name not in scored:
        return {}
    known = scored.loc[scored[name].notna(), ["account_id", name]].astype("str")
    return dict(zip(known["account_id"], known[name], strict=True))


def _worth(curves: Sequence[Lifetime], groups: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return the accounts behind the lifetime value: MRR, residual value with its bounds, and groups."""
    rows = [
        (one.account_id, one.mrr, one.residual_value.low, one.residual_value.high, one.residual_value.value)
        for one in curves
        if one.residual_value is not None
    ]
    frame = pd.DataFrame(rows, columns=["account_id", "mrr", "residual_low", "residual_high", "residual_value"])
    return frame.assign(
        **{
            f"by_{name}": [group_of.get(account, "") for account in frame["account_id"]]
            for name, group_of in groups.items()
        }
    )


def company_figures(
    config: Config,
    loaded: Loaded,
    tables: Tables,
    panel: Panel | None,
    scored: pd.DataFrame,
    as_of: date,
    store: Store,
    curves: Sequence[Lifetime],
    verdict: SurvivalVerdict | None,
    before: Mapping[str, Any],
) -> tuple[CompanyFigures, Rows]:
    """Return the figures beside the KPIs, and the accounts behind them; `before` are those that were kept last."""
    label = config.label
    ahead = timedelta(days=label.gap_days + label.horizon_days)
    rate = None if panel is None else _renewed_share(panel)
    due = due_of(scored, as_of)
    coming = due[due["renewal_on"] < pd.Timestamp(as_of) + pd.DateOffset(months=_FORECAST_MONTHS)]
    draws = decision_draws(curves, list(coming["account_id"]))
    made: dict[Literal["M", "Q"], tuple[ForecastMonth, ...]] = {
        period: renewal_forecast(
            coming,
            until=pd.Timestamp(as_of + ahead),
            later_rate=rate,
            seed=config.seed,
            made_on=as_of,
            draws=draws,
            period=period,
        )
        for period in _PERIODS
    }
    forecast = made["M"]
    published = {period: as_published(before, name, made[period], as_of) for period, name in _PERIODS.items()}
    snapshots = store.outlooks(config.name).snapshots()
    readings = _matured(config, tables, snapshots, store, as_of)
    past = PastForecasts((), (), None)
    if panel is not None:
        past = past_forecasts(config, panel, snapshots, store, rate, published)
    figures = CompanyFigures(
        forecast=forecast,
        past=past.months,
        records=tuple(one for one in (past.record, rederived(verdict)) if one is not None),
        published=published["M"],
        published_quarters=published["Q"],
        later_rate=rate,
        looks_until=as_of + ahead,
        realised=None if readings is None else realised_figures(readings),
        realised_from=as_of + ahead + timedelta(days=label.grace_days),
        experiment=_experiment(config, tables, store),
        tables=_table_health(loaded),
    )
    rows: Rows = {RENEWALS: _columns(due)}
    if past.behind is not None:
        rows[PAST] = _columns(past.behind)
    if readings is not None:
        rows[REALISED] = _columns(readings[readings["churned"].notna()])
    return figures, rows


def _renewed_share(panel: Panel) -> float | None:
    """Return the share of MRR that renewed in the last twelve months, of what came due."""
    facts = [panel.month(number) for number in range(max(panel.months - 12, 0), panel.months)]
    due = sum(float(one["mrr_due"].sum()) for one in facts)
    return sum(float(one["mrr_renewed"].sum()) for one in facts) / due if due else None


def _matured(
    config: Config, tables: Tables, snapshots: list[SnapshotInfo], store: Store, as_of: date
) -> pd.DataFrame | None:
    """Return the newest scores whose windows are over, with what became of the accounts."""
    label = config.label
    over = timedelta(days=label.gap_days + label.horizon_days + label.grace_days)
    chosen: list[SnapshotInfo] = []
    for snapshot in snapshots:
        apart = not chosen or (chosen[-1].as_of - snapshot.as_of).days >= _APART_DAYS
        if snapshot.as_of + over <= as_of and apart and len(chosen) < _REALISED_SNAPSHOTS:
            chosen.append(snapshot)
    if not chosen:
        return None
    return with_outcomes(store, config.name, tables, label, chosen)


def _experiment(config: Config, tables: Tables, store: Store) -> ExperimentReport | None:
    if not config.experiments.enabled:
        return None
    try:
        return compare_arms(config, tables, store)
    except UsageError:
        return None  # no account has been drawn yet


def _table_health(loaded: Loaded) -> tuple[TableHealth, ...]:
    aside = loaded.rejected.groupby("table")["rows"].sum() if len(loaded.rejected) else pd.Series(dtype="int64")
    return tuple(
        TableHealth(use.table, use.rows, int(aside.get(use.table, 0)), use.last, use.behind_days, use.covered)
        for use in loaded.use
    )


def _columns(frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    return {str(name): _column(frame[name]) for name in frame}


def _column(values: pd.Series) -> npt.NDArray[Any]:
    """Return a column as it is kept: days as ISO, words as text with an empty one for none, the rest as numbers."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return np.asarray(values.dt.strftime("%Y-%m-%d").fillna(""), dtype="object")
    if pd.api.types.is_bool_dtype(values):
        return np.asarray(values, dtype=bool)
    if pd.api.types.is_numeric_dtype(values):
        return np.asarray(values.astype("float64"))
    if set(values.dropna().map(type)) <= {bool, np.bool_} and values.notna().any():
        return np.asarray(values.map(lambda value: value is True or value is np.True_), dtype=bool)
    return np.array(["" if pd.isna(value) else str(value) for value in values], dtype="object")
