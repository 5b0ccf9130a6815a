"""One evaluation from end to end: the rules, the budget, the lots of an experiment, the tasks that begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from churnml.actions.alerts import Step, advance
from churnml.actions.holdout import draw
from churnml.actions.playbooks import Situation
from churnml.actions.rules import DEFAULT_BANDS, AlertRule, Bands
from churnml.actions.tasks import begin_tasks
from churnml.config.alerts import AlertsConfig
from churnml.config.experiments import ExperimentsConfig
from churnml.explain.plays import Playbook
from churnml.store.evaluations import Decided, Known

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What a snapshot does to alerts and tasks.

    Parameters
    ----------
    step : Step
        What became of the alerts.
    decided : Decided
        What is to be kept.
    """

    step: Step
    decided: Decided


def evaluate(
    known: Known,
    signals: pd.DataFrame,
    rules: Sequence[AlertRule],
    situations: Mapping[str, Situation],
    playbooks: Sequence[Playbook],
    section: AlertsConfig,
    experiments: ExperimentsConfig,
    *,
    days: int,
    seed: int,
    as_of: date,
    bands: Bands = DEFAULT_BANDS,
) -> Evaluation:
    """Take alerts and tasks from one snapshot to the next; a pure function of what was known and of the snapshot.

    Parameters
    ----------
    known : Known
        From the store.
    signals : DataFrame
        From `churnml.actions.signals.signals`.
    rules : sequence of AlertRule
    situations : mapping
        Account → its situation.
    playbooks : sequence of Playbook
    section, experiments
        Config sections.
    days : int
        How long an account stays in its arm of an experiment.
    seed : int
    as_of : date
    bands : Bands
    """
    step = advance(known.alerts, signals, rules, section, as_of=as_of, bands=bands)
    drawn = draw(step.alerts, known.assignments, signals, experiments, days=days, seed=seed, as_of=as_of)
    begun = begin_tasks(drawn.alerts, known.tasks, situations, playbooks, section, as_of)
    actions = {key: name for name in ("opened", "reopened", "closed") for key in getattr(step, name)}
    summary = {
        **{name: len(getattr(step, name)) for name in ("opened", "reopened", "updated", "closed")},
        "held_back": sum(alert.held_back for alert in begun.alerts),
        "held_out": sum(alert.held_out for alert in begun.alerts),
        "tasks": len(begun.tasks),
        "ranked_by": "uplift" if "churn_avoided" in signals else "risk",
        "off": dict(step.off),
    }
    step = step.model_copy(update={"alerts": begun.alerts})
    return Evaluation(step, Decided(begun.alerts, actions, begun.tasks, drawn.assignments, summary))
