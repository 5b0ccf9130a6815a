"""Why an account scores as it does, in words: drivers, sentences in English and Japanese, what-if, plays, reports."""

from churnml.explain.drivers import Driver
from churnml.explain.explanation import Explainable, Explanation, Indicator, explain
from churnml.explain.reference import ExplainReference, Yardstick

__all__ = ["Driver", "Explainable", "ExplainReference", "Explanation", "Indicator", "Yardstick", "explain"]
