"""Wires the rooms into runs: check, features, train, score, explain, and all of them at once."""

from churnml.pipeline.alerts import answer_alert, backtest_alerts, list_alerts, show_alert
from churnml.pipeline.audit import audit
from churnml.pipeline.health import health_backtest, health_thresholds
from churnml.pipeline.init import init
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
    "answer_alert",
    "audit",
    "backtest_alerts",
    "brief",
    "catalogue",
    "check",
    "compare_models",
    "explain",
    "health_backtest",
    "health_thresholds",
    "init",
    "kpis",
    "list_alerts",
    "list_models",
    "overall",
    "portfolio",
    "prepare",
    "promote_model",
    "roll_back",
    "run",
    "score",
    "show_alert",
    "simulate_company",
    "suppose",
    "train",
]
