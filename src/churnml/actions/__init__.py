"""Actions: what is done about a score. Alerts that are raised once, their tasks, and what a contact is worth."""

from churnml.actions.alerts import Step, advance
from churnml.actions.backtest import AlertsBacktest, RuleBacktest, alerts_backtest, live_through
from churnml.actions.basis import Basis, situations, table_of
from churnml.actions.calendar import due_at, due_on, responsible
from churnml.actions.evaluation import Evaluation, evaluate
from churnml.actions.experiment import ExperimentReport, experiment_report
from churnml.actions.holdout import Drawn, draw
from churnml.actions.own_rules import OwnRule, alert_rule, rules_of_modules
from churnml.actions.playbooks import Situation, check_playbooks, playbook_for, steps_for
from churnml.actions.preview import Preview, RulePreview, preview
from churnml.actions.rules import BUILT_IN, AlertRule, Bands, alert_rules
from churnml.actions.signals import READINGS, signals
from churnml.actions.tasks import Begun, begin_tasks
from churnml.actions.uplift import UpliftReport, compare_rankings, fit_ranking

__all__ = [
    "BUILT_IN",
    "READINGS",
    "AlertRule",
    "AlertsBacktest",
    "Bands",
    "Basis",
    "Begun",
    "Drawn",
    "Evaluation",
    "ExperimentReport",
    "OwnRule",
    "Preview",
    "RuleBacktest",
    "RulePreview",
    "Situation",
    "Step",
    "UpliftReport",
    "advance",
    "alert_rule",
    "alert_rules",
    "alerts_backtest",
    "begin_tasks",
    "check_playbooks",
    "compare_rankings",
    "draw",
    "due_at",
    "due_on",
    "evaluate",
    "experiment_report",
    "fit_ranking",
    "live_through",
    "playbook_for",
    "preview",
    "responsible",
    "rules_of_modules",
    "signals",
    "situations",
    "steps_for",
    "table_of",
]
