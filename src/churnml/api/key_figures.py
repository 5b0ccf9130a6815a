"""What `/v1/kpis` answers: the KPIs of customer success month by month."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from churnml.api.answers import Answer

__all__ = [
    "KpiCohort",
    "KpiForecast",
    "KpiForecastRecord",
    "KpiGrowth",
    "KpiLifetimeValue",
    "KpiMonth",
    "KpiPhase",
    "KpiRfm",
    "KpisAnswer",
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


def _share(description: str) -> float | None:
    field: float | None = Field(ge=0, le=1, description=f"{description}. Range: 0–1", examples=[0.03])
    return field


class KpiMonth(_Model):
    """One month of all accounts or of a group; a rate is null where nothing could be counted.

    ``…_ttm`` are over the twelve months up to the month's end, for the accounts that were there a year before.
    """

    month_on: date = Field(description="First day of the month", examples=["2026-10-01"])
    group: str | None = Field(description="Group; null for all accounts", examples=["pro"])
    accounts: int = Field(ge=0, description="Accounts under contract at the month's start", examples=[412])
    new_accounts: int = Field(ge=0, description="Accounts at its end that were none at its start", examples=[9])
    lost_accounts: int = Field(ge=0, description="Accounts at its start that are none at its end", examples=[5])
    mrr: float = Field(description="Monthly recurring revenue at its start. Unit: `currency`", examples=[412000.0])
    logo_churn_rate: float | None = _share("Accounts lost ÷ accounts at the start")
    grr: float | None = _share("Gross revenue retention: Σ min(MRR at the end, at the start) ÷ Σ MRR at the start")
    nrr: float | None = Field(ge=0, description="Net revenue retention, may exceed 1", examples=[1.02])
    logo_churn_rate_ttm: float | None = _share("Accounts lost in twelve months ÷ accounts a year before")
    grr_ttm: float | None = _share("Gross revenue retention of twelve months")
    nrr_ttm: float | None = Field(ge=0, description="Net revenue retention of twelve months", examples=[1.08])
    expansion_rate: float | None = _share("Accounts that pay more at the end ÷ accounts at the start")
    renewal_rate: float | None = _share("Of the accounts that came due, those that a plan covers afterwards")
    renewal_rate_value: float | None = _share("Of the MRR that came due, what goes on")
    mrr_new: float = Field(0.0, ge=0, description="MRR of accounts new at the month's end. Unit: `currency`")
    mrr_expansion: float = Field(0.0, ge=0, description="By how much those who stayed pay more. Unit: `currency`")
    mrr_contraction: float = Field(0.0, ge=0, description="By how much those who stayed pay less. Unit: `currency`")
    mrr_churned: float = Field(0.0, ge=0, description="What those who left paid at its start. Unit: `currency`")
    mrr_due: float = Field(0.0, ge=0, description="MRR of the terms that came due in the month. Unit: `currency`")
    mrr_renewed: float = Field(0.0, ge=0, description="What of it goes on. Unit: `currency`")
    arpa: float | None = Field(description="MRR ÷ accounts. Unit: `currency` a month", examples=[1000.0])
    ltv: float | None = Field(description="Lifetime value of a new account. Unit: `currency`", examples=[21000.0])
    nps: float | None = Field(ge=-100, le=100, description="Net promoter score, last 91 days", examples=[31.0])
    active_rate: float | None = Field(ge=0, description="Accounts with core use in 28 days ÷ accounts", examples=[0.9])
    onboarding_completion: float | None = _share("Onboarded within 90 days ÷ those that began 90 days ago or earlier")
    tickets_opened: float | None = Field(ge=0, description="Tickets opened in the month", examples=[120.0])
    ticket_resolution_rate: float | None = _share("Of these, solved by the month's end")
    first_response_hours: float | None = Field(ge=0, description="Hours to the first answer. Unit: h", examples=[3.5])
    escalation_rate: float | None = _share("Of these, escalated")


class KpiLifetimeValue(_Model):
    """What an account is worth on average, discounted gross profit; see docs/kpis.md."""

    group: str | None = Field(description="Group; null for all accounts", examples=["pro"])
    source: Literal["curves", "contracts"] = Field(
        description="`curves`: mean residual value of the accounts at hand, each by its own survival curve. "
        "`contracts`: lifetime value of a new account, by margin, ARPA and churn rates of twelve months",
        examples=["curves"],
    )
    as_of: date = Field(description="Facts known before this day (UTC) count", examples=["2026-11-01"])
    accounts: int = Field(ge=0, description="How many it is the mean of", examples=[402])
    value: float = Field(description="Of one account. Unit: `currency`", examples=[18250.0])
    low: float | None = Field(description="Lower bound of it; null from contracts", examples=[15900.0])
    high: float | None = Field(description="Upper bound of it; null from contracts", examples=[20900.0])
    total: float | None = Field(
        description="Of all of them together; null from contracts. Unit: `currency`", examples=[7336500.0]
    )
    within: float | None = _share("Of it, what falls within the curves' 24 months; the rest is extrapolated")
    gross_margin: float = Field(ge=0, le=1, description="What it was made with", examples=[0.8])
    yearly_discount: float = Field(ge=0, le=1, description="What it was made with", examples=[0.1])
    level: float | None = Field(
        gt=0, lt=1, description="How often the bounds are meant to hold; null from contracts", examples=[0.8]
    )


class KpiCohort(_Model):
    """The relationships that began in one quarter, and what is left of them at the ends of quarters."""

    quarter: str = Field(description="Calendar quarter", examples=["2026Q1"])
    accounts: int = Field(ge=0, description="That became customers in it", examples=[31])
    mrr: float = Field(ge=0, description="What they paid a month when they began. Unit: `currency`", examples=[9300.0])
    kept: list[float] = Field(
        description="Share still there at the end of the quarter, of the next one, …. Range: 0–1", examples=[[1.0, 0.9]]
    )
    mrr_kept: list[float | None] = Field(
        description="What they pay then ÷ `mrr`; may exceed 1, null where `mrr` is 0", examples=[[1.0, 1.04]]
    )


class KpiPhase(_Model):
    """One phase of the lifecycle now."""

    phase: str = Field(description="Phase", examples=["onboarding"])
    accounts: int = Field(ge=0, description="Accounts under contract in it", examples=[12])
    mrr: float = Field(ge=0, description="That they pay a month. Unit: `currency`", examples=[3600.0])
    median_days: float | None = Field(ge=0, description="When half have moved on. Unit: days", examples=[41.0])
    limit_days: float | None = Field(
        ge=0, description="When 80 % have; who stays longer stalls. Unit: days", examples=[78.0]
    )
    stalled: int = Field(ge=0, description="Accounts that stall", examples=[2])
    stalled_mrr: float = Field(ge=0, description="That they pay a month. Unit: `currency`", examples=[500.0])
    moves: dict[str, int] = Field(description="Next phase → accounts that went there", examples=[{"adoption": 88}])
    illegal: int = Field(ge=0, description="Moves that the lifecycle does not know: errors in the data", examples=[0])


class KpiRfm(_Model):
    """The accounts of one score of recency and one of frequency of use; 5 is best."""

    recency: int = Field(ge=1, le=5, description="By the last use. Range: 1–5", examples=[5])
    frequency: int = Field(ge=1, le=5, description="By the use of 91 days. Range: 1–5", examples=[4])
    accounts: int = Field(ge=0, description="Accounts", examples=[18])
    mrr: float = Field(ge=0, description="That they pay a month. Unit: `currency`", examples=[5400.0])


class KpiGrowth(_Model):
    """The room to grow of one segment; see docs/kpis.md."""

    segment: str | None = Field(description="Segment; null for none", examples=["SMB"])
    accounts: int = Field(ge=0, description="Accounts that use as much as their peers and pay less", examples=[7])
    arr: float = Field(ge=0, description="That they pay a year. Unit: `currency`", examples=[10155.0])
    room_arr: float = Field(ge=0, description="What they would pay more a year. Unit: `currency`", examples=[6582.0])


class KpiForecast(_Model):
    """What comes due in a month, and what of it is expected to go on; amounts in ARR."""

    month_on: date = Field(description="First day of the month", examples=["2026-12-01"])
    made_on: date | None = Field(description="`as_of` of the scores", examples=["2026-11-01"])
    accounts: int = Field(ge=0, description="Accounts whose contract ends in it", examples=[24])
    arr: float = Field(ge=0, description="What they pay a year. Unit: `currency`", examples=[284420.0])
    expected: float = Field(ge=0, description="Σ ARR × (1 − p). Unit: `currency`", examples=[272208.0])
    low: float = Field(ge=0, description="Lower end of the 90 % interval. Unit: `currency`", examples=[256218.0])
    high: float = Field(ge=0, description="Upper end of the 90 % interval. Unit: `currency`", examples=[282381.0])
    scored: int = Field(ge=0, description="Accounts within the time that the score looks ahead", examples=[24])
    came: float | None = Field(
        ge=0, description="What went on, where the month is over. Unit: `currency`", examples=[None]
    )
    by_curve: int = Field(0, ge=0, description="Accounts of whom their own survival curve tells", examples=[24])


class KpiForecastRecord(_Model):
    """How past renewal forecasts held: of how many months and quarters what came lies in the 90 % interval."""

    source: Literal["published", "rederived"] = Field(
        description="`published`: made before the month began, by the scores in force. `rederived`: made afterwards, "
        "by curves learnt from what was known on one day a year before the training",
        examples=["published"],
    )
    months: list[KpiForecast] = Field(description="That are over, oldest first")
    quarters: list[KpiForecast] = Field(description="The same by quarter; `month_on` is its first day")
    months_inside: int = Field(ge=0, description="Months inside their interval; nine in ten should be", examples=[11])
    quarters_inside: int = Field(ge=0, description="Quarters inside their interval", examples=[4])
    months_by_curves: int = Field(ge=0, description="Months of which curves told of most accounts", examples=[12])
    months_by_curves_inside: int = Field(ge=0, description="Of these, inside their interval", examples=[11])


class KpisAnswer(Answer):
    """The KPIs as they were published last; definitions are in docs/kpis.md."""

    kpis_as_of: date = Field(
        description="Only facts known before this day (UTC) count in the KPIs", examples=["2026-11-01"]
    )
    published_at: datetime = Field(description="When they were published (UTC)", examples=["2026-11-01T04:12:09Z"])
    currency: str = Field(description="Of `mrr`, `arpa` and `ltv`", examples=["USD"])
    grace_days: int = Field(ge=0, description="A renewal this late is still a renewal. Unit: days", examples=[14])
    gross_margin: float = Field(ge=0, le=1, description="Of the lifetime value", examples=[0.8])
    yearly_discount: float = Field(ge=0, le=1, description="Of the lifetime value", examples=[0.1])
    by: str | None = Field(description="What the groups are; null for all accounts", examples=["plan"])
    known_groupings: list[str] = Field(description="What `by` may be", examples=[["segment", "plan"]])
    group_names: dict[str, str] = Field(
        description="Of groups by `parent`, which are ids of the accounts at the top, what these are called; `~` holds "
        "the accounts without parent or child",
        examples=[{"acc-0042": "Acme"}],
    )
    lifetime_values: list[KpiLifetimeValue] = Field(
        description="What an account is worth by the newest scoring, groups by name; empty where nothing is known of it"
    )
    months: list[KpiMonth] = Field(description="Oldest first, groups by name")
    cohorts: list[KpiCohort] = Field(description="Retention triangle, the oldest quarter first")
    phases: list[KpiPhase] = Field(description="The lifecycle now; empty where phases are not known")
    rfm: list[KpiRfm] = Field(description="Recency and frequency of use; empty without events")
    growth: list[KpiGrowth] = Field(description="Room to grow by segment, most first")
    forecast: list[KpiForecast] = Field(description="Months to come; empty before the first scoring")
    past_forecasts: list[KpiForecast] = Field(description="Months that are over, as forecast before they began")
    forecast_records: list[KpiForecastRecord] = Field(
        description="How past forecasts held: those published, then those of curves rederived at the training"
    )
