"""The KPIs of customer success: churn, revenue retention, renewals, lifetime value, NPS, activity, RFM, journey."""

from churnml.retention.customers import active_rate, net_promoter_score, onboarding_completion, support_summary
from churnml.retention.history import kpi_history, rfm_at
from churnml.retention.journey import PHASES, phase_moves
from churnml.retention.rates import (
    Renewals,
    RevenueMovement,
    annualised,
    expansion_rate,
    logo_churn_rate,
    mrr_on,
    renewals,
    revenue_movement,
)
from churnml.retention.report import KpiReport, KpiRow, kpi_report
from churnml.retention.value import ChurnMix, churn_mix, lifetime_value, rfm

__all__ = [
    "PHASES",
    "ChurnMix",
    "KpiReport",
    "KpiRow",
    "Renewals",
    "RevenueMovement",
    "active_rate",
    "annualised",
    "churn_mix",
    "expansion_rate",
    "kpi_history",
    "kpi_report",
    "lifetime_value",
    "logo_churn_rate",
    "mrr_on",
    "net_promoter_score",
    "onboarding_completion",
    "phase_moves",
    "renewals",
    "revenue_movement",
    "rfm",
    "rfm_at",
    "support_summary",
]
