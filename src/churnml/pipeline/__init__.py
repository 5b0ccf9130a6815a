"""Wires the rooms into runs: check, features, train, score, explain, and all of them at once."""

from churnml.pipeline.audit import audit
from churnml.pipeline.health import health_backtest, health_thresholds
from churnml.pipeline.kpis import kpis
from churnml.pipeline.lookup import explain
from churnml.pipeline.models import compare_models, list_models, promote_model, roll_back
from churnml.pipeline.overall import overall
from churnml.pipeline.prepare import catalogue, check, prepare, simulate_company
from churnml.pipeline.reports import brief, portfolio
from churnml.pipeline.results import Checked, Prepared, Scored, Trained
from churnml.pipeline.score import run, score
from churnml.pipeline.train import train
from churnml.pipeline.what_if import suppose

__all__ = [
    "Checked",
    "Prepared",
    "Scored",
    "Trained",
    "audit",
    "brief",
    "catalogue",
    "check",
    "compare_models",
    "explain",
    "health_backtest",
    "health_thresholds",
    "kpis",
    "list_models",
    "overall",
    "portfolio",
    "prepare",
    "promote_model",
    "roll_back",
    "run",
    "score",
    "simulate_company",
    "suppose",
    "train",
]
