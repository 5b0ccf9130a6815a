"""The section `experiments`: who is held out of contact by chance, to learn what a contact is worth."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from churnml.config.alerts import Severity
from churnml.config.section import Section

__all__ = ["ExperimentsConfig"]


class ExperimentsConfig(Section):
    """Of the accounts that an alert would send to a person, a share is held out by chance."""

    enabled: bool = Field(False, description="Hold accounts out; off: an experiment that ran is still reported")
    name: str = Field("contact", min_length=1, max_length=100, description="Another name begins another experiment")
    share: Annotated[float, Field(gt=0, le=0.5)] = Field(0.1, description="Share that is held out. Range: 0–0.5")
    arr_below: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Only accounts whose ARR is known and lies below this may be held out. Without it none are. "
        "Unit: `currency`",
    )
    notice_given: bool = Field(False, description="Also accounts that have given notice")
    kinds: tuple[str, ...] = Field((), description="Only alerts of these rules; empty = every rule that speaks of risk")
    severities: tuple[Severity, ...] = Field(("low", "medium", "high"), description="Only alerts of these severities")
    days: Annotated[int, Field(ge=7, le=730)] | None = Field(
        None, description="How long an account stays in its arm, and is followed; default `label.horizon_days`"
    )
    covariates: tuple[str, ...] = Field(
        ("health_score", "health_change_30d", "days_to_renewal", "tenure_days"),
        description="Numbers that are kept with each lot, for the uplift ranking to learn from, beside the churn "
        "probability and ARR: features, or what alert rules read",
    )
    rank_by_uplift: bool = Field(
        False,
        description="The alert budget ranks by the loss that a contact avoids, once `churnml experiments rank` has "
        "found that to beat risk",
    )
    ranking_days: Annotated[int, Field(ge=30, le=730)] = Field(
        180,
        description="How long a decision for the uplift ranking holds; then the budget goes by risk until it is "
        "decided again",
    )
    effect: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="The effect to look for: share of the churn that a contact avoids. Range: 0–1"
    )
    power: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.8, description="Chance to find it if it is there")
