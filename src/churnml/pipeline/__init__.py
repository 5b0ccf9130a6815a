"""Wires the rooms into runs: check, features, train, score, explain, and all of them at once."""

from churnml.pipeline.outcomes import Checked, Prepared, Scored, Trained
from churnml.pipeline.score import explain, run, score
from churnml.pipeline.train import catalogue, check, prepare, simulate_company, train

__all__ = [
    "Checked",
    "Prepared",
    "Scored",
    "Trained",
    "catalogue",
    "check",
    "explain",
    "prepare",
    "run",
    "score",
    "simulate_company",
    "train",
]
