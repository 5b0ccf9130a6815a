"""Experiments in runs: what contacts were worth, from the lots in the store and what became of the accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from churnml.actions.experiment import ExperimentReport, experiment_report
from churnml.actions.uplift import compare_rankings, fit_ranking
from churnml.config import Config
from churnml.config.experiments import ExperimentsConfig
from churnml.errors import UsageError
from churnml.language import Text
from churnml.pipeline.preparation import check
from churnml.pipeline.tasks import done_tasks
from churnml.progress import Stages
from churnml.snapshots.labels import labelled
from churnml.store import Actor, Assignment, Store, Task
from churnml.store.rankings import Ranking
from churnml.tables import Tables
from churnml.training.uplift_model import UpliftModel

__all__ = ["compare_arms", "rank_alerts", "report_experiment", "uplift_in_force", "with_uplift"]


def report_experiment(config: Config, stages: Stages | None = None) -> ExperimentReport:
    """Compare the accounts that were contacted with those held out by chance, and a ranking by uplift with one by risk.

    Raises
    ------
    UsageError
        No account has been drawn in the experiment that the config names.
    """
    with _lots(config, stages) as (rows, until, store):
        report = _compared(config, rows, until, store)
        return report.model_copy(update={"uplift": compare_rankings(rows, config.experiments, seed=config.seed)})


def rank_alerts(config: Config, stages: Stages | None = None) -> ExperimentReport:
    """Decide by what the alert budget ranks, and keep the decision: by uplift where it beats risk, else by risk.

    It holds from the next evaluation of the alerts, where `experiments.rank_by_uplift` is set; one for uplift
    `experiments.ranking_days` long.

    Raises
    ------
    UsageError
        No account has been drawn in the experiment that the config names.

    See Also
    --------
    report_experiment : the same without a decision.
    """
    with _lots(config, stages) as (rows, until, store):
        judged = compare_rankings(rows, config.experiments, seed=config.seed)
        model = fit_ranking(rows, config.experiments, seed=config.seed) if judged.beats else None
        now, gain = datetime.now(UTC), judged.gain
        ranking = Ranking(
            experiment=config.experiments.name,
            decided_at=now,
            until=until,
            by="risk" if model is None else "uplift",
            accounts=judged.accounts,
            contacted_churned=judged.contacted_churned,
            held_out_churned=judged.held_out_churned,
            gain=None if gain is None else gain.value,
            gain_low=None if gain is None else gain.low,
            gain_high=None if gain is None else gain.high,
            model=model,
        )
        store.rankings(config.name).keep(ranking, Actor("experiments", now))
        return _compared(config, rows, until, store).model_copy(update={"uplift": judged})


def with_uplift(config: Config, signals: pd.DataFrame, store: Store, as_of: date) -> pd.DataFrame:
    """Return signals with ``churn_avoided``, where the config wants that ranking and it is in force on a date."""
    model = uplift_in_force(config, store, as_of)
    return signals if model is None else signals.assign(churn_avoided=model.predict(signals))


def uplift_in_force(config: Config, store: Store, as_of: date | None = None) -> UpliftModel | None:
    """Return the uplift ranking that the config wants, that was found to beat risk and that has not expired.

    `as_of` is by default the newest date that was evaluated.
    """
    section = config.experiments
    ranking = store.rankings(config.name).newest(section.name) if section.rank_by_uplift else None
    if ranking is None:
        return None
    as_of = as_of or store.evaluations(config.name).known().evaluated_on or ranking.until
    return ranking.in_force(as_of, section.ranking_days)


def compare_arms(config: Config, tables: Tables, store: Store) -> ExperimentReport:
    """Return what `report_experiment` returns, of tables at hand; rankings are not compared."""
    rows, until = _followed(config, tables, store)
    return _compared(config, rows, until, store)


@contextmanager
def _lots(config: Config, stages: Stages | None) -> Iterator[tuple[pd.DataFrame, date, Store]]:
    config.require_churn("experiment")
    stages = stages or Stages()
    with Store(config.store_url) as store:
        _drawn(config, store)
    tables = check(config, stages).loaded.tables
    with stages("experiments"), Store(config.store_url) as store:
        yield *_followed(config, tables, store), store


def _compared(config: Config, rows: pd.DataFrame, until: date, store: Store) -> ExperimentReport:
    report = experiment_report(rows, config.experiments, days=_days(config), until=until)
    ranking = store.rankings(config.name).newest(config.experiments.name)
    by_uplift = uplift_in_force(config, store, until) is not None
    for_uplift = ranking is not None and ranking.model is not None
    return report.model_copy(
        update={
            "ranked_by": "uplift" if by_uplift else "risk",
            "ranking_decided_at": None if ranking is None else ranking.decided_at,
            "ranking_holds_until": ranking.holds_until(config.experiments.ranking_days)
            if ranking is not None and for_uplift
            else None,
        }
    )


def _days(config: Config) -> int:
    return config.experiments.days or config.label.horizon_days


def _drawn(config: Config, store: Store) -> tuple[list[Assignment], date]:
    """Return the lots of the experiment and the newest date that was evaluated, or refuse one without lots."""
    evaluations = store.evaluations(config.name)
    lots = [lot for lot in evaluations.assignments() if lot.experiment == config.experiments.name]
    until = evaluations.known().evaluated_on
    if not lots or until is None:
        raise UsageError(
            Text.of("fault-nobody_drawn"),
            where="experiments",
            got=Text.of("fault-nobody_drawn.got", name=repr(config.experiments.name)),
            code="experiments.none",
        )
    return lots, until


def _followed(config: Config, tables: Tables, store: Store) -> tuple[pd.DataFrame, date]:
    """Return the lots with what became of their accounts, and the newest date that was evaluated."""
    section, days = config.experiments, _days(config)
    lots, until = _drawn(config, store)
    done = done_tasks(config, store)
    label = config.label.model_copy(update={"horizon_days": days, "gap_days": 0, "further_horizons_days": ()})
    members = pd.DataFrame(
        {
            "account_id": [lot.account_id for lot in lots],
            "as_of": pd.to_datetime([lot.assigned_on for lot in lots]).as_unit("us"),
            "arr": [float("nan") if lot.arr is None else lot.arr for lot in lots],
        }
    )
    outcomes = labelled(members, tables, label)
    measures = pd.DataFrame([dict(lot.covariates) for lot in lots], columns=_measures(section), dtype="float64")
    rows = (
        pd.DataFrame([lot.model_dump(exclude={"covariates"}) for lot in lots])
        .join(measures)
        .assign(
            arr=members["arr"],
            churned=outcomes["churned"].to_numpy(),
            worked=[_was_worked(lot, done, days) for lot in lots],
        )
    )
    rows["churn_probability"] = rows["churn_probability"].astype("float64")
    return rows, until


def _measures(section: ExperimentsConfig) -> list[str]:
    """Return the covariates that a lot does not hold as its own."""
    return [name for name in dict.fromkeys(section.covariates) if name not in Assignment.model_fields]


def _was_worked(lot: Assignment, done: list[Task], days: int) -> bool:
    end = lot.assigned_on + timedelta(days=days)
    return any(
        task.account_id == lot.account_id and task.finished_on is not None and lot.assigned_on <= task.finished_on < end
        for task in done
    )
