"""The KPIs of customer success from one company's tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter

from churnml.config import Config
from churnml.pipeline.preparation import check
from churnml.progress import Stages
from churnml.retention import KpiReport, kpi_report
from churnml.store import Actor, Store

__all__ = ["kpis", "publish_kpis"]

_REPORT = TypeAdapter(KpiReport)


def kpis(
    config: Config,
    stages: Stages | None = None,
    *,
    months: int = 24,
    group_by: Sequence[str] | None = None,
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
) -> KpiReport:
    """Return churn, retention, renewals, lifetime value and use month by month; needs no model.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    months : int
        The newest so many.
    group_by : sequence of str, optional
        See `churnml.retention.kpi_report`.
    gross_margin, yearly_discount : float
        For the lifetime value.
    """
    stages = stages or Stages()
    tables = check(config, stages).loaded.tables
    with stages("kpis"):
        return kpi_report(
            tables,
            currency=config.currency,
            months=months,
            group_by=group_by,
            grace_days=config.label.grace_days,
            gross_margin=gross_margin,
            yearly_discount=yearly_discount,
            core_features=config.features.core_features,
            leave_out_trials=config.label.trials == "leave_out",
        )


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
