"""Prometheus metrics of the API: requests and their time by route, and how old what is served is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from churnml.monitoring.alarms import ALARMS
from churnml.serving.state import ServingState

if TYPE_CHECKING:
    from churnml.monitoring.report import MonitoringReport

__all__ = ["CONTENT_TYPE_LATEST", "exposition", "observe", "scored"]

_REQUESTS = Counter("churnml_requests", "Requests by method, route and status", ["method", "route", "status"])
_SECONDS = Histogram(
    "churnml_request_seconds",
    "Seconds from a request's arrival to its answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
_SCORED = Counter("churnml_scored_rows", "Rows scored from features in requests")
# The process that is asked sets these, so of several workers' values the last one set counts.
_AGE = Gauge(
    "churnml_snapshot_age_seconds", "Seconds since the snapshot in force was scored", multiprocess_mode="mostrecent"
)
_ACCOUNTS = Gauge("churnml_snapshot_accounts", "Accounts of the snapshot in force", multiprocess_mode="mostrecent")
_REFUSED = Gauge(
    "churnml_bundle_refused", "1 while a broken champion bundle is being refused", multiprocess_mode="mostrecent"
)
_FAILED = Gauge(
    "churnml_refresh_failed", "1 while looking for a new champion or snapshot fails", multiprocess_mode="mostrecent"
)
_CHECKED = Gauge(
    "churnml_monitoring_age_seconds", "Seconds since the newest monitoring", multiprocess_mode="mostrecent"
)
_ALARMS = Gauge(
    "churnml_monitoring_alarms",
    "Alarms in force, by code; see docs/monitoring.md",
    ["code"],
    multiprocess_mode="mostrecent",
)
_SEVERE = Gauge("churnml_monitoring_severe_alarms", "Severe alarms in force", multiprocess_mode="mostrecent")
_HELD = Gauge("churnml_monitoring_publishing_held", "1 while publishing is held back", multiprocess_mode="mostrecent")
_DUE = Gauge("churnml_model_due", "1 while the model is due to be trained anew", multiprocess_mode="mostrecent")
_MODEL_AGE = Gauge(
    "churnml_model_age_days", "Days since the newest label it learnt from", multiprocess_mode="mostrecent"
)
_ROWS = Gauge("churnml_table_rows_last_day", "Rows of the newest day", ["table"], multiprocess_mode="mostrecent")
_USUAL = Gauge("churnml_table_rows_expected", "Rows to be expected of it", ["table"], multiprocess_mode="mostrecent")
_DRIFTED = Gauge("churnml_drifted_features", "Features that drifted beyond chance", multiprocess_mode="mostrecent")
_AUC = Gauge(
    "churnml_roc_auc",
    "ROC AUC: promised, realised (newest), estimated (CBPE)",
    ["kind"],
    multiprocess_mode="mostrecent",
)
_CALIBRATION = Gauge(
    "churnml_expected_over_observed",
    "Churners expected ÷ observed, newest mature scoring",
    multiprocess_mode="mostrecent",
)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request; odd methods share a label, so that nobody can make labels without end."""
    _REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
    _SECONDS.labels(route).observe(seconds)


def scored(rows: int) -> None:
    """Count rows scored."""
    _SCORED.inc(rows)


def _show(report: MonitoringReport) -> None:
    """Set the metrics of the newest monitoring."""
    _CHECKED.set((datetime.now(UTC) - report.checked_at).total_seconds())
    for code in ALARMS:
        _ALARMS.labels(code).set(sum(alarm.code == code for alarm in report.alarms))
    _SEVERE.set(sum(alarm.severe for alarm in report.alarms))
    _HELD.set(report.held)
    _DUE.set(report.retraining.due)
    if report.retraining.age_days is not None:
        _MODEL_AGE.set(report.retraining.age_days)
    for table in report.tables:
        _ROWS.labels(table.table).set(table.rows_last_day)
        if table.expected_last_day is not None:
            _USUAL.labels(table.table).set(table.expected_last_day)
    if report.drift is not None:
        _DRIFTED.set(len(report.drift.features))
    performance = report.performance
    if performance is None:
        return
    newest = performance.realised[-1] if performance.realised else None
    for kind, one in (("promised", performance.promise), ("realised", newest), ("estimated", performance.estimated)):
        if one is not None and one.roc_auc.value is not None:
            _AUC.labels(kind).set(one.roc_auc.value)
    if newest is not None and newest.expected_over_observed.value is not None:
        _CALIBRATION.set(newest.expected_over_observed.value)


def exposition(state: ServingState) -> bytes:
    """Return all metrics in Prometheus's text format, of all worker processes together."""
    snapshot = state.view.snapshot
    if snapshot is not None:
        _AGE.set((datetime.now(UTC) - snapshot.scored_at).total_seconds())
        _ACCOUNTS.set(snapshot.accounts)
    codes = [fault.code for fault in list(state.faults.values())]
    _REFUSED.set("bundle_refused" in codes)
    _FAILED.set("refresh_failed" in codes or "store_unreachable" in codes)
    if state.monitoring is not None:
        _show(state.monitoring)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
