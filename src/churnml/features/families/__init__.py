"""Families of features: one file each, in which every measure is declared and made."""

from churnml.features.families.adoption import ADOPTION
from churnml.features.families.billing import BILLING
from churnml.features.families.commercial import COMMERCIAL
from churnml.features.families.context import CONTEXT
from churnml.features.families.engagement import ENGAGEMENT
from churnml.features.families.lifetime import LIFETIME
from churnml.features.families.onboarding import ONBOARDING
from churnml.features.families.relationship import RELATIONSHIP
from churnml.features.families.sentiment import SENTIMENT
from churnml.features.families.support import SUPPORT

__all__ = ["REGISTRY"]

REGISTRY = (
    ENGAGEMENT,
    LIFETIME,
    ADOPTION,
    SUPPORT,
    SENTIMENT,
    COMMERCIAL,
    BILLING,
    RELATIONSHIP,
    ONBOARDING,
    CONTEXT,
)
"""Every family, in column order."""
