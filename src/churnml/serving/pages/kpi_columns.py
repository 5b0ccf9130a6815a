"""The KPIs that the page of the company shows: in which unit, and which columns of an account are behind each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["KPIS", "MOVEMENT", "Kpi", "kpi_of"]

Unit = Literal["share", "money", "points", "count", "hours"]


@dataclass(frozen=True)
class Kpi:
    """One KPI; its name and formula are the message ``kpi-<name>`` and its attribute ``how``.

    Parameters
    ----------
    name : str
        Column of the report.
    unit : {"share", "money", "points", "count", "hours"}
    counted : str
        Column of `churnml.retention.rows.month_rows` that is not 0 for the accounts behind it.
    columns : tuple of str
        Columns that show what each adds; those for which the last one is largest come first.
    yearly : bool
        Over twelve months: an account belongs to the group that it was in when they began.
    """

    name: str
    unit: Unit
    counted: str
    columns: tuple[str, ...]
    yearly: bool = False


_YEAR = ("year_mrr", "year_expansion", "year_contraction", "year_churned_mrr")

KPIS = (
    Kpi("accounts", "count", "there", ("mrr",)),
    Kpi("mrr", "money", "there", ("mrr",)),
    Kpi("new_accounts", "count", "new", ("mrr_end",)),
    Kpi("lost_accounts", "count", "lost", ("mrr",)),
    Kpi("logo_churn_rate", "share", "there", ("mrr", "churned")),
    Kpi("grr", "share", "there", ("mrr", "contraction", "churned_mrr")),
    Kpi("nrr", "share", "there", ("mrr", "contraction", "churned_mrr", "expansion")),
    Kpi("logo_churn_rate_ttm", "share", "year_there", ("year_mrr", "year_churned"), yearly=True),
    Kpi("grr_ttm", "share", "year_there", _YEAR, yearly=True),
    Kpi("nrr_ttm", "share", "year_there", _YEAR, yearly=True),
    Kpi("expansion_rate", "share", "there", ("mrr", "mrr_end", "grown")),
    Kpi("renewal_rate", "share", "due", ("mrr_due", "renewed")),
    Kpi("renewal_rate_value", "share", "mrr_due", ("mrr_renewed", "mrr_due")),
    Kpi("nps", "points", "answers", ("answers", "promoters", "detractors")),
    Kpi("active_rate", "share", "there_end", ("mrr_end", "active")),
    Kpi("onboarding_completion", "share", "onboarding_due", ("onboarding_done",)),
    Kpi("arpa", "money", "there", ("mrr",)),
    Kpi("ltv", "money", "there", ("mrr",)),
    Kpi("tickets_opened", "count", "tickets", ("solved", "tickets")),
    Kpi("ticket_resolution_rate", "share", "tickets", ("solved", "tickets")),
    Kpi("first_response_hours", "hours", "tickets", ("tickets",)),
    Kpi("escalation_rate", "share", "tickets", ("tickets", "escalated")),
)
"""In the order in which they are shown."""

MOVEMENT = (
    Kpi("mrr_new", "money", "new_mrr", ("mrr_end", "new_mrr")),
    Kpi("mrr_expansion", "money", "expansion", ("mrr", "mrr_end", "expansion")),
    Kpi("mrr_contraction", "money", "contraction", ("mrr", "mrr_end", "contraction")),
    Kpi("mrr_churned", "money", "churned_mrr", ("mrr", "churned_mrr")),
)
"""The bridge from one month's MRR to the next one's."""


def kpi_of(name: str) -> Kpi | None:
    """Return a KPI by its name; None for an unknown one.

    Examples
    --------
    >>> kpi_of("grr").columns
    ('mrr', 'contraction', 'churned_mrr')
    """
    return next((kpi for kpi in (*KPIS, *MOVEMENT) if kpi.name == name), None)
