"""The operations of the API, one resource a file."""

from churnml.serving.routes import (
    accounts,
    alerts,
    explain,
    feedback,
    kpis,
    metrics,
    model,
    notes,
    overrides,
    predict,
    probes,
    tasks,
    what_if,
)

__all__ = ["ROUTERS"]

ROUTERS = (
    predict.router,
    explain.router,
    what_if.router,
    predict.aliases,
    explain.aliases,
    accounts.router,
    overrides.router,
    feedback.router,
    kpis.router,
    alerts.router,
    tasks.router,
    notes.router,
    model.router,
    probes.router,
    metrics.router,
)
"""Every router, in the order in which the reference page shows them."""
