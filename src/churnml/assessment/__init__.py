"""The champion: loaded once, it turns features into scores, health and reasons; why they moved; who may replace it."""

from churnml.assessment.challenge import challenge
from churnml.assessment.champion import Champion
from churnml.assessment.changes import handed_over, score_changes, score_trends
from churnml.assessment.overall import FamilyShare, FeatureShare, Overall, PatternFound, SegmentEffect
from churnml.assessment.records import Assessment, Assessments
from churnml.assessment.what_if import Supposed, WhatIf, what_if

__all__ = [
    "Assessment",
    "Assessments",
    "Champion",
    "FamilyShare",
    "FeatureShare",
    "Overall",
    "PatternFound",
    "SegmentEffect",
    "Supposed",
    "WhatIf",
    "challenge",
    "handed_over",
    "score_changes",
    "score_trends",
    "what_if",
]
