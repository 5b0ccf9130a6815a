"""Scoring: one function that turns features into probabilities, for batch, service and Spark alike."""

from churnml.scoring.score import score
from churnml.scoring.spark import score_spark

__all__ = ["score", "score_spark"]
