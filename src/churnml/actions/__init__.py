"""Actions: what is done about a score. Alerts that are raised once, ranked, and closed when their cause is gone."""

from churnml.actions.alerts import Step, advance
from churnml.actions.backtest import AlertsBacktest, RuleBacktest, alerts_backtest, live_through
from churnml.actions.calendar import due_at, responsible
from churnml.actions.rules import BUILT_IN, AlertRule, Bands, alert_rules
from churnml.actions.signals import signals

__all__ = [
    "BUILT_IN",
    "AlertRule",
    "AlertsBacktest",
    "Bands",
    "RuleBacktest",
    "Step",
    "advance",
    "alert_rules",
    "alerts_backtest",
    "due_at",
    "live_through",
    "responsible",
    "signals",
]
