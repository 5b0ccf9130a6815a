"""The KPIs of customer success from one company's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from churnml.config import Config
from churnml.errors import StoreError
from churnml.files import sqlite_path
from churnml.pipeline.preparation import check
from churnml.progress import Stages
from churnml.retention import ForecastRecord, KpiReport, LifetimeValue, kpi_report
from churnml.store import Actor, Store

__all__ = ["kpis", "publish_kpis"]

_REPORT, _VALUES = TypeAdapter(KpiReport), TypeAdapter(tuple[LifetimeValue, ...])
_RECORDS = TypeAdapter(tuple[ForecastRecord, ...])


def kpis(
    config: Config,
    stages: Stages | None = None,
    *,
    months: int = 24,
    group_by: Sequence[str] | None = None,
    gross_margin: float | None = None,
    yearly_discount: float | None = None,
) -> KpiReport:
    """Return churn, retention, renewals, lifetime value and use month by month; needs no model.

    What accounts are worth by their curves, and how past forecasts of renewals held, is read from the store where a
    scoring kept it.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    months : int
        The newest so many.
    group_by : sequence of str, optional
        See `churnml.retention.kpi_report`.
    gross_margin, yearly_discount : float, optional
        For the lifetime value by contracts; by default those of the section `survival`.
    """
    stages, money = stages or Stages(), config.survival
    tables = check(config, stages).loaded.tables
    with stages("kpis"):
        report = kpi_report(
            tables,
            currency=config.currency,
            months=months,
            group_by=group_by,
            grace_days=config.label.grace_days,
            gross_margin=money.gross_margin if gross_margin is None else gross_margin,
            yearly_discount=money.yearly_discount if yearly_discount is None else yearly_discount,
            core_features=config.features.core_features,
            leave_out_trials=config.label.trials == "leave_out",
        )
    last = _last_scoring(config)
    values = _VALUES.validate_python(last.get("lifetime_values") or [])
    records = _RECORDS.validate_python((last.get("company") or {}).get("records") or [])
    return replace(report.with_curves([one for one in values if one.source == "curves"]), forecast_records=records)


def _last_scoring(config: Config) -> Mapping[str, Any]:
    """Return what the newest scoring kept; empty where there is no store yet, for the KPIs need none."""
    file = sqlite_path(config.store_url)
    if file is not None and not file.exists():
        return {}
    try:
        with Store(config.store_url) as store:
            newest = store.key_figures(config.name).newest()
    except StoreError:
        return {}
    return {} if newest is None else newest.report


def publish_kpis(config: Config, report: KpiReport) -> bool:
    """Keep a report in the store, where the API finds it; returns False where a newer one is kept already.

    What the last scoring kept beside it, and the accounts behind, stay until the next scoring.
    """
    with Store(config.store_url) as store:
        actor, figures = Actor("cli", datetime.now(UTC)), store.key_figures(config.name)
        document, before = _REPORT.dump_python(report, mode="json"), figures.newest()
        if before is not None and "company" in before.report:
            document["company"] = before.report["company"]
        return figures.keep(report.as_of, document, actor)
