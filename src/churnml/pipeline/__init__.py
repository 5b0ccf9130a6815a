"""Wires the rooms into runs: check, features, train, score, explain, and all of them at once."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.pipeline.alerting import backtest_alerts, playbooks_of, preview_alerts
    from churnml.pipeline.alerts import answer_alert, list_alerts, show_alert
    from churnml.pipeline.daily.running import DailyRun, list_runs, run_daily
    from churnml.pipeline.deliveries import check_deliveries, deliver, list_deliveries, preview_deliveries, resend
    from churnml.pipeline.discovery import init
    from churnml.pipeline.experiments import rank_alerts, report_experiment
    from churnml.pipeline.health import health_backtest, health_thresholds
    from churnml.pipeline.key_figures import kpis, publish_kpis
    from churnml.pipeline.leakage import audit
    from churnml.pipeline.lookup import explain
    from churnml.pipeline.models import compare_models, list_models, promote_model, roll_back
    from churnml.pipeline.monitoring import monitor, retraining_due
    from churnml.pipeline.overview import overall
    from churnml.pipeline.preparation import catalogue, check, prepare, simulate_company
    from churnml.pipeline.pulls import PullReport, preview_pull, pull
    from churnml.pipeline.reports import brief, portfolio
    from churnml.pipeline.results import Checked, Prepared, Scored, Trained
    from churnml.pipeline.retraining import recalibrate_if_off, retrain_if_due
    from churnml.pipeline.scoring import run, score
    from churnml.pipeline.tasks import answer_task, list_tasks, show_task
    from churnml.pipeline.training import train
    from churnml.pipeline.what_if import suppose
else:
    __getattr__ = load_on_use(
        __name__,
        {
            "Checked": "results",
            "DailyRun": "daily.running",
            "Prepared": "results",
            "PullReport": "pulls",
            "Scored": "results",
            "Trained": "results",
            "answer_alert": "alerts",
            "answer_task": "tasks",
            "audit": "leakage",
            "backtest_alerts": "alerting",
            "brief": "reports",
            "catalogue": "preparation",
            "check": "preparation",
            "check_deliveries": "deliveries",
            "compare_models": "models",
            "deliver": "deliveries",
            "explain": "lookup",
            "health_backtest": "health",
            "health_thresholds": "health",
            "init": "discovery",
            "kpis": "key_figures",
            "publish_kpis": "key_figures",
            "list_alerts": "alerts",
            "list_deliveries": "deliveries",
            "list_models": "models",
            "list_runs": "daily.running",
            "list_tasks": "tasks",
            "monitor": "monitoring",
            "overall": "overview",
            "playbooks_of": "alerting",
            "portfolio": "reports",
            "prepare": "preparation",
            "preview_alerts": "alerting",
            "preview_deliveries": "deliveries",
            "preview_pull": "pulls",
            "promote_model": "models",
            "pull": "pulls",
            "rank_alerts": "experiments",
            "report_experiment": "experiments",
            "resend": "deliveries",
            "recalibrate_if_off": "retraining",
            "retrain_if_due": "retraining",
            "retraining_due": "monitoring",
            "roll_back": "models",
            "run": "scoring",
            "run_daily": "daily.running",
            "score": "scoring",
            "show_alert": "alerts",
            "show_task": "tasks",
            "simulate_company": "preparation",
            "suppose": "what_if",
            "train": "training",
        },
    )

__all__ = [
    "Checked",
    "DailyRun",
    "Prepared",
    "PullReport",
    "Scored",
    "Trained",
    "answer_alert",
    "answer_task",
    "audit",
    "backtest_alerts",
    "brief",
    "catalogue",
    "check",
    "check_deliveries",
    "compare_models",
    "deliver",
    "explain",
    "health_backtest",
    "health_thresholds",
    "init",
    "kpis",
    "publish_kpis",
    "list_alerts",
    "list_deliveries",
    "list_models",
    "list_runs",
    "list_tasks",
    "monitor",
    "overall",
    "playbooks_of",
    "portfolio",
    "prepare",
    "preview_alerts",
    "preview_deliveries",
    "preview_pull",
    "promote_model",
    "pull",
    "rank_alerts",
    "report_experiment",
    "resend",
    "recalibrate_if_off",
    "retrain_if_due",
    "retraining_due",
    "roll_back",
    "run",
    "run_daily",
    "score",
    "show_alert",
    "show_task",
    "simulate_company",
    "suppose",
    "train",
]
