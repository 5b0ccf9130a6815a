"""Scoring: one function that turns features into probabilities, for batch, service and Spark alike."""

from churnml.scoring.score import score

__all__ = ["score"]
