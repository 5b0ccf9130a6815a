"""Prometheus metrics of the API: requests and their time by route, and how old what is served is."""

from __future__ import annotations

import os
from datetime import UTC, datetime

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

from churnml.serving.state import ServingState

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
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request; odd methods share a label, so that nobody can make labels without end."""
    _REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
    _SECONDS.labels(route).observe(seconds)


def scored(rows: int) -> None:
    """Count rows scored."""
    _SCORED.inc(rows)


def exposition(state: ServingState) -> bytes:
    """Return all metrics in Prometheus's text format, of all worker processes together."""
    snapshot = state.view.snapshot
    if snapshot is not None:
        _AGE.set((datetime.now(UTC) - snapshot.scored_at).total_seconds())
        _ACCOUNTS.set(snapshot.accounts)
    codes = [fault.code for fault in list(state.faults.values())]
    _REFUSED.set("bundle_refused" in codes)
    _FAILED.set("refresh_failed" in codes or "store_unreachable" in codes)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
