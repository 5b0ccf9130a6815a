"""The KPIs of customer success: churn, revenue retention, renewals, lifetime value, NPS, activity, RFM, journey."""

from churnml.retention.cohorts import Cohort, retention_triangle
from churnml.retention.customers import active_rate, net_promoter_score, onboarding_completion, support_summary
from churnml.retention.forecast import (
    ForecastMonth,
    ForecastRecord,
    forecast_came,
    forecast_record,
    renewal_forecast,
)
from churnml.retention.growth import GrowthFigures, RfmCell, growth_potential
from churnml.retention.history import kpi_history, rfm_at
from churnml.retention.journey import PHASES, phase_moves
from churnml.retention.lifetime_values import LifetimeValue, curve_values
from churnml.retention.panel import Panel
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
from churnml.retention.report import CompanyKpis, KpiReport, KpiRow, company_kpis, groupings, kpi_report
from churnml.retention.stays import PhaseFigures, phase_figures
from churnml.retention.value import ChurnMix, churn_mix, lifetime_value, rfm

__all__ = [
    "PHASES",
    "ChurnMix",
    "Cohort",
    "CompanyKpis",
    "ForecastMonth",
    "ForecastRecord",
    "GrowthFigures",
    "KpiReport",
    "KpiRow",
    "LifetimeValue",
    "Panel",
    "PhaseFigures",
    "Renewals",
    "RevenueMovement",
    "RfmCell",
    "active_rate",
    "annualised",
    "churn_mix",
    "company_kpis",
    "curve_values",
    "expansion_rate",
    "forecast_came",
    "forecast_record",
    "groupings",
    "growth_potential",
    "kpi_history",
    "kpi_report",
    "lifetime_value",
    "logo_churn_rate",
    "mrr_on",
    "net_promoter_score",
    "onboarding_completion",
    "phase_figures",
    "phase_moves",
    "renewal_forecast",
    "renewals",
    "retention_triangle",
    "revenue_movement",
    "rfm",
    "rfm_at",
    "support_summary",
]
