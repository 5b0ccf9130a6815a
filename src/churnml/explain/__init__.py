"""Why an account scores as it does, in words: drivers, sentences in English and Japanese, plays."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.explain.batch import batch_contributions, fast_contributions
    from churnml.explain.changes import ChangedFacts
    from churnml.explain.contract import Explainable
    from churnml.explain.driver import Driver
    from churnml.explain.explainer import explain, explanations_of
    from churnml.explain.explanation import Explanation, Indicator
    from churnml.explain.happening import Happening
    from churnml.explain.happenings import timeline
    from churnml.explain.importance import as_shap, global_importance, segment_differences, shap_summary
    from churnml.explain.notices import frozen, overridden
    from churnml.explain.patterns import CHURNERS_NEEDED, Pattern, churn_patterns
    from churnml.explain.plays import (
        Play,
        Playbook,
        load_playbooks,
        plays_of,
        read_playbooks,
        suggest_plays,
        touch_model,
    )
    from churnml.explain.reference import ExplainReference, Yardstick
else:
    __getattr__ = load_on_use(
        __name__,
        {
            "CHURNERS_NEEDED": "patterns",
            "ChangedFacts": "changes",
            "Driver": "driver",
            "ExplainReference": "reference",
            "Explainable": "contract",
            "Explanation": "explanation",
            "Happening": "happening",
            "Indicator": "explanation",
            "Pattern": "patterns",
            "Play": "plays",
            "Playbook": "plays",
            "Yardstick": "reference",
            "as_shap": "importance",
            "batch_contributions": "batch",
            "churn_patterns": "patterns",
            "explain": "explainer",
            "explanations_of": "explainer",
            "fast_contributions": "batch",
            "frozen": "notices",
            "global_importance": "importance",
            "load_playbooks": "plays",
            "overridden": "notices",
            "plays_of": "plays",
            "segment_differences": "importance",
            "shap_summary": "importance",
            "read_playbooks": "plays",
            "suggest_plays": "plays",
            "timeline": "happenings",
            "touch_model": "plays",
        },
    )

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
    "explanations_of",
    "fast_contributions",
    "frozen",
    "global_importance",
    "load_playbooks",
    "overridden",
    "plays_of",
    "segment_differences",
    "shap_summary",
    "read_playbooks",
    "suggest_plays",
    "timeline",
    "touch_model",
]
