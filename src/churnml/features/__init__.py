"""Features: columns for every (account, as_of) row from facts known before it, the same for training and scoring."""

from churnml.features.catalogue import catalogue, skipped
from churnml.features.compute import compute, compute_each, lay_out_events
from churnml.features.events.planes import Planes
from churnml.features.reference import catalogue_markdown, reference_catalogue, reference_markdown
from churnml.features.spec import FAMILIES, FeatureSet, FeatureSpec
from churnml.features.usability import FamilyUse, families_use
from churnml.features.user import feature

__all__ = [
    "FAMILIES",
    "FamilyUse",
    "FeatureSet",
    "FeatureSpec",
    "Planes",
    "catalogue",
    "catalogue_markdown",
    "compute",
    "compute_each",
    "families_use",
    "feature",
    "lay_out_events",
    "reference_catalogue",
    "reference_markdown",
    "skipped",
]
