"""Experiments in runs: what contacts were worth, from the lots in the store and what became of the accounts."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from churnml.actions.experiment import ExperimentReport, experiment_report
from churnml.config import Config
from churnml.errors import UsageError
from churnml.pipeline.preparation import check
from churnml.pipeline.tasks import done_tasks
from churnml.progress import Stages
from churnml.snapshots.labels import labelled
from churnml.store import Assignment, Store, Task
from churnml.tables import Tables

__all__ = ["compare_arms", "report_experiment"]


def report_experiment(config: Config, stages: Stages | None = None) -> ExperimentReport:
    """Compare the accounts that were contacted with those held out by chance.

    Raises
    ------
    UsageError
        No account has been drawn in the experiment that the config names.
    """
    config.require_churn("An experiment")
    stages = stages or Stages()
    tables = check(config, stages).loaded.tables
    with stages("experiments"), Store(config.store_url) as store:
        return compare_arms(config, tables, store)


def compare_arms(config: Config, tables: Tables, store: Store) -> ExperimentReport:
    """Return what `report_experiment` returns, of tables at hand."""
    section = config.experiments
    days = section.days or config.label.horizon_days
    evaluations = store.evaluations(config.name)
    lots = [lot for lot in evaluations.assignments() if lot.experiment == section.name]
    until = evaluations.known().evaluated_on
    done = done_tasks(config, store)
    if not lots or until is None:
        raise UsageError(
            "No account has been drawn yet",
            where="experiments",
            got=f"experiment {section.name!r}",
            remedy="Set `experiments: {enabled: true, arr_below: …}` and score; lots are drawn where alerts open.",
            code="experiments.none",
        )
    label = config.label.model_copy(update={"horizon_days": days, "gap_days": 0, "further_horizons_days": ()})
    members = pd.DataFrame(
        {
            "account_id": [lot.account_id for lot in lots],
            "as_of": pd.to_datetime([lot.assigned_on for lot in lots]).as_unit("us"),
            "arr": [float("nan") if lot.arr is None else lot.arr for lot in lots],
        }
    )
    outcomes = labelled(members, tables, label)
    rows = pd.DataFrame([lot.model_dump() for lot in lots]).assign(
        arr=members["arr"],
        churned=outcomes["churned"].to_numpy(),
        worked=[_was_worked(lot, done, days) for lot in lots],
    )
    rows["churn_probability"] = rows["churn_probability"].astype("float64")
    return experiment_report(rows, section, days=days, until=until)


def _was_worked(lot: Assignment, done: list[Task], days: int) -> bool:
    end = lot.assigned_on + timedelta(days=days)
    return any(
        task.account_id == lot.account_id and task.finished_on is not None and lot.assigned_on <= task.finished_on < end
        for task in done
    )
