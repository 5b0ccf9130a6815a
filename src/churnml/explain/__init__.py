"""Why an account scores as it does, in words: drivers, sentences in English and Japanese, plays."""

from churnml.explain.batch import batch_contributions, fast_contributions
from churnml.explain.changes import ChangedFacts
from churnml.explain.contract import Explainable
from churnml.explain.drivers import Driver
from churnml.explain.explanation import Explanation, Indicator, explain
from churnml.explain.importance import as_shap, global_importance, segment_differences, shap_summary
from churnml.explain.notices import frozen, overridden
from churnml.explain.patterns import CHURNERS_NEEDED, Pattern, churn_patterns
from churnml.explain.plays import Play, Playbook, load_playbooks, suggest_plays, touch_model
from churnml.explain.reference import ExplainReference, Yardstick
from churnml.explain.timeline import Happening, timeline

__all__ = [
    "CHURNERS_NEEDED",
    "ChangedFacts",
    "Driver",
    "ExplainReference",
    "Explainable",
    "Explanation",
    "Happening",
    "Indicator",
    "Pattern",
    "Play",
    "Playbook",
    "Yardstick",
    "as_shap",
    "batch_contributions",
    "churn_patterns",
    "explain",
    "fast_contributions",
    "frozen",
    "global_importance",
    "load_playbooks",
    "overridden",
    "segment_differences",
    "shap_summary",
    "suggest_plays",
    "timeline",
    "touch_model",
]
