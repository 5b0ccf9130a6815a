"""The section `survival`: the curve that tells when each account will be lost, and what it is worth until then."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from churnml.config.section import Section, Share

__all__ = ["SurvivalConfig"]


class SurvivalConfig(Section):
    """One curve of the next 24 months per account: the risk at its renewal, its expected end, its residual value."""

    enabled: bool = Field(True, description="Learn the curve in every training; it serves where its own gate lets it")
    gross_margin: Share = Field(0.8, description="Share of revenue left after the cost of serving it. Range: 0–1")
    yearly_discount: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="What a year's wait for money costs. Range: 0–1"
    )
    level: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8, description="How often the bounds of curve and value should hold. Range: 0–1"
    )
    rank_by: Literal["expected_loss", "residual_value", "avoidable_loss"] = Field(
        "expected_loss",
        description="Order of the lists of accounts, where curves are shown; `residual_value`: what the account is "
        "still worth, `avoidable_loss`: what it would be worth more if it stayed for 24 months",
    )
    refits: int = Field(6, ge=2, le=50, description="Models refitted for the bounds")
