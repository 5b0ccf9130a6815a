"""What is answered of when an account will be lost."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from churnml.api.answers import Answer, FrozenAnswer, Part
from churnml.language import Language

__all__ = ["CurveMonth", "CurvePeers", "Estimate", "RenewalReason", "SurvivalAnswer"]


class Estimate(Part):
    """A number, and how far it moves when the model is fitted anew."""

    value: float = Field(description="The number", examples=[0.23])
    low: float = Field(description="Lower bound, meant to hold with the upper one four times in five", examples=[0.14])
    high: float = Field(description="Upper bound", examples=[0.33])


class CurveMonth(Part):
    """The curve at the end of one month of 30 days."""

    month: int = Field(ge=1, le=24, description="Months of 30 days after `as_of`", examples=[1])
    on: date = Field(description="The last day of it", examples=["2026-12-01"])
    survival: float = Field(
        ge=0, le=1, description="Chance that the account is still there then. Range: 0–1", examples=[0.98]
    )
    low: float = Field(ge=0, le=1, description="Lower bound of it. Range: 0–1", examples=[0.96])
    high: float = Field(ge=0, le=1, description="Upper bound of it. Range: 0–1", examples=[0.99])
    peers: float | None = Field(
        ge=0, le=1, description="The same of its peers, their mean. Range: 0–1; null without peers", examples=[0.97]
    )


class CurvePeers(Part):
    """The other accounts that the curve stands beside."""

    by: Literal["plan", "segment", "all"] = Field(description="What they share with the account")
    group: str | None = Field(description="Their plan or segment; null: all accounts", examples=["Pro"])
    accounts: int = Field(ge=1, description="How many they are", examples=[57])
    text: str = Field(description="In words", examples=["57 other accounts on Pro"])


class RenewalReason(Part):
    """A feature that raises the risk at the next decision: associated with it, never claimed to cause it."""

    feature: str = Field(description="The feature", examples=["active_users_28d"])
    label: str = Field(description="What it is called", examples=["active users"])
    log_odds: float = Field(gt=0, description="What it adds to the log-odds of being lost there", examples=[0.41])


class SurvivalAnswer(Answer):
    """When an account will be lost, the risk at its renewal, and what it is worth until then."""

    account_id: str = Field(description="The account", examples=["acc-0042"])
    lang: Language = Field(description="Language of the sentences")
    told: list[str] = Field(
        description="What the curve says, in words, and no more than the bounds allow",
        examples=[["At the renewal on 1 March 2027: 23% (14%–33%) of such accounts are lost."]],
    )
    next_decision_on: date | None = Field(
        description="End of its term, as known; null where none is agreed within 24 months", examples=["2027-03-01"]
    )
    renewal_risk: Estimate | None = Field(
        description="Chance that it is lost there if it gets there. Range: 0–1; null without a decision"
    )
    lost_within: dict[str, float] = Field(
        description="Days → chance of being lost within them, by the curve, as far as it reaches. Range: 0–1",
        examples=[{"30": 0.02, "90": 0.05, "180": 0.24, "360": 0.28, "720": 0.41}],
    )
    expected_end: date | None = Field(
        description="By this day half of such accounts are lost; null: not within 24 months", examples=["2028-03-01"]
    )
    earliest: date | None = Field(
        description="The same by the lower bound of the curve, to a month", examples=["2027-10-27"]
    )
    latest: date | None = Field(description="The same by the upper bound, to a month", examples=[None])
    months: list[CurveMonth] = Field(
        description="The curve, month by month; it never rises. 24 months; with churn by silence fewer, where no more "
        "of the past is known"
    )
    peers: CurvePeers | None = Field(description="Beside whom it stands; null where there are too few")
    residual_value: Estimate | None = Field(
        description="What it is still worth: discounted gross profit to come, ten years at most. Unit: `currency`; "
        "null where no MRR is known, or the curve ends before 24 months"
    )
    avoidable_loss: float | None = Field(
        description="What it would be worth more if it stayed for 24 months. Unit: `currency`", examples=[5400.0]
    )
    currency: str | None = Field(description="Currency of all amounts", examples=["USD"])
    raising: list[RenewalReason] = Field(description="What raises the risk at the next decision most, three at most")
    frozen: FrozenAnswer | None = Field(
        None, description="Set when the account has left: this is of its last score", examples=[None]
    )
