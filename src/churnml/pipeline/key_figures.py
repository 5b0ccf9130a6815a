"""The KPIs of customer success from one company's tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter

from churnml.config import Config
from churnml.errors import StoreError
from churnml.files import sqlite_path
from churnml.pipeline.preparation import check
from churnml.progress import Stages
from churnml.retention import KpiReport, LifetimeValue, kpi_report
from churnml.store import Actor, Store

__all__ = ["kpis", "publish_kpis"]

_REPORT, _VALUES = TypeAdapter(KpiReport), TypeAdapter(tuple[LifetimeValue, ...])


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

    What accounts are worth by their curves is read from the store, where a scoring kept it.

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
        return report.with_curves(_kept_curves(config))


def _kept_curves(config: Config) -> tuple[LifetimeValue, ...]:
    """Return the lifetime values that the newest scoring made of its curves; none where there is no store yet."""
    file = sqlite_path(config.store_url)
    if file is not None and not file.exists():
        return ()
    try:
        with Store(config.store_url) as store:
            newest = store.key_figures(config.name).newest()
    except StoreError:
        return ()  # the KPIs need no store
    values = _VALUES.validate_python((newest.report.get("lifetime_values") or []) if newest is not None else [])
    return tuple(one for one in values if one.source == "curves")


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
