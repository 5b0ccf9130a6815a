"""Alerts in runs: evaluated after each scoring, previewed, and tried on the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from churnml import actions
from churnml.actions import (
    AlertRule,
    AlertsBacktest,
    Bands,
    Situation,
    alert_rules,
    alerts_backtest,
    rules_of_modules,
)
from churnml.config import Config
from churnml.explain import load_playbooks
from churnml.explain.plays import Playbook
from churnml.pipeline.bands import bands_in_force
from churnml.pipeline.experiments import uplift_in_force, with_uplift
from churnml.pipeline.health import tested_on
from churnml.pipeline.preparation import prepare
from churnml.progress import Stages
from churnml.store import Actor, Decided, Known, Store
from churnml.tables import knowledge

__all__ = [
    "backtest_alerts",
    "evaluate_alerts",
    "evaluate_newest",
    "playbooks_of",
    "preview_alerts",
    "rules_of",
]


def evaluate_alerts(
    config: Config,
    scores: pd.DataFrame,
    features: pd.DataFrame,
    explanations: Mapping[str, Mapping[str, Any]],
    as_of: date,
    store: Store,
) -> Decided | None:
    """Take alerts and tasks to a snapshot that was just scored, and keep what became of them in one transaction.

    Parameters
    ----------
    config : Config
    scores : DataFrame
        The snapshot's accounts: scores, bands, owner, segment, ARR.
    features : DataFrame
        What they were scored from.
    explanations : mapping of str to mapping
        Of each account, as it is stored, with the plays that it suggests.
    as_of : date
        The snapshot's date. Scoring a date again takes nothing further than it is; an earlier one than was evaluated
        before is left alone, and None comes back.
    store : Store
        Holds the alerts and the earlier readings.
    """
    table = actions.table_of(scores, features, store.banded_readings(config.name, as_of))
    decide = _decision(config, table, actions.situations(table, explanations), as_of, store)
    return store.evaluations(config.name).evaluate(
        as_of, lambda known: decide(known, None), Actor("score", datetime.now(UTC))
    )


def preview_alerts(config: Config) -> tuple[date, Decided]:
    """Return what the rules, budget and playbooks of a config would do with the newest snapshot; nothing is kept.

    Raises
    ------
    UsageError
        Nothing has been scored yet, or the features of the snapshot are not kept any more.
    """
    config.require_churn("alerts")
    with Store(config.store_url) as store:
        as_of, decide = _decision_on_newest(config, store)
        decided = decide(store.evaluations(config.name).known(), as_of)
    assert decided is not None
    return as_of, decided


def evaluate_newest(config: Config, store: Store) -> tuple[date, Decided | None]:
    """Take alerts and tasks to the newest snapshot as the store holds it, as `evaluate_alerts` does after a scoring.

    Raises
    ------
    UsageError
        Nothing has been scored yet, or the features of the snapshot are not kept any more.
    """
    as_of, decide = _decision_on_newest(config, store)
    actor = Actor("daily", datetime.now(UTC))
    return as_of, store.evaluations(config.name).evaluate(as_of, lambda known: decide(known, None), actor)


def _decision_on_newest(config: Config, store: Store) -> tuple[date, Callable[[Known, date | None], Decided | None]]:
    basis = actions.Basis.newest(config.name, store)
    as_of = basis.snapshot.as_of
    return as_of, _decision(config, basis.table, basis.situations(), as_of, store)


def rules_of(config: Config) -> list[AlertRule]:
    """Return the alert rules in force: built-in ones, those of the config, and those of its modules."""
    return alert_rules(config.alerts, rules_of_modules(config.alerts.modules, config.resolve))


def playbooks_of(config: Config) -> Sequence[Playbook]:
    """Return the playbooks that a config names, checked; none where it names none."""
    playbooks = load_playbooks(config.resolve(config.playbooks)) if config.playbooks is not None else ()
    actions.check_playbooks(playbooks, config.alerts)
    return playbooks


def _decision(
    config: Config, signals: pd.DataFrame, situations: Mapping[str, Situation], as_of: date, store: Store
) -> Callable[[Known, date | None], Decided | None]:
    """Return what decides on a snapshot; where it was evaluated already, only if that date is named."""
    table = with_uplift(config, signals, store, as_of)
    rules, playbooks = rules_of(config), playbooks_of(config)
    days = config.experiments.days or config.label.horizon_days

    def decide(known: Known, anyway: date | None) -> Decided | None:
        newest = known.evaluated_on or max((alert.updated_on for alert in known.alerts), default=None)
        if newest is not None and newest > as_of and anyway is None:
            return None
        return actions.evaluate(
            known,
            table,
            rules,
            situations,
            playbooks,
            config.alerts,
            config.experiments,
            days=days,
            seed=config.seed,
            as_of=as_of,
            bands=_bands(config),
        ).decided

    return decide


def backtest_alerts(config: Config, stages: Stages | None = None) -> AlertsBacktest:
    """Live through the backtest's dates once more and judge the alerts by who left.

    Scores are those of models that knew only the past of their fold. Owners and segments are as known on each date. The
    budget ranks by what it ranks by today: risk, or the uplift ranking that is in force.
    """
    from churnml.health import HealthVerdict
    from churnml.health.replay import replayed

    config.require_churn("alerts")
    stages = stages or Stages()
    prepared = prepare(config, stages)
    tested = tested_on(config, prepared, stages)
    verdict = HealthVerdict.of(tested.verdict, config.label.target)
    with stages("replay"):
        history, _, _ = replayed(prepared.frame, prepared.feature_set, config, tested, verdict)
        keys = ["account_id", "as_of"]
        frame = prepared.frame.merge(history[keys], on=keys, validate="1:1")
        history = history.merge(frame[[*keys, "arr"]], on=keys, validate="1:1")
        history = _with_owners(history, prepared.loaded.tables)
        features = frame[[*keys, *prepared.feature_set.names]]
        ranking = _uplift_today(config)
        return alerts_backtest(history, features, rules_of(config), config.alerts, _bands(config), uplift=ranking)


def _uplift_today(config: Config) -> Callable[[pd.DataFrame], Any] | None:
    if not config.experiments.rank_by_uplift:
        return None
    with Store(config.store_url) as store:
        model = uplift_in_force(config, store)
    return None if model is None else model.predict


def _with_owners(history: pd.DataFrame, tables: Any) -> pd.DataFrame:
    accounts: pd.DataFrame = tables["accounts"].select("account_id", "owner", "segment", "known_at").to_pandas()
    accounts["account_id"] = accounts["account_id"].astype("str")
    parts = []
    for as_of, rows in history.groupby("as_of", sort=True):
        known = knowledge.frame_newest(accounts, pd.Timestamp(as_of))  # type: ignore[arg-type]
        parts.append(rows.merge(known[["account_id", "owner", "segment"]], on="account_id", how="left"))
    return pd.concat(parts, ignore_index=True)


def _bands(config: Config) -> Bands:
    edges = bands_in_force(config)
    return Bands(edges.red_below, edges.green_from)


def rules_in_force(config: Config) -> list[Mapping[str, Any]]:
    """Return the rules with their settings, for a reader."""
    return [
        {
            "kind": rule.kind,
            "enabled": rule.enabled,
            "threshold": None if pd.isna(rule.threshold) else rule.threshold,
            "severity": rule.severity,
            "due_hours": rule.due_hours,
            "owner": rule.owner,
            "touch": list(rule.touch),
            "segments": list(rule.segments),
        }
        for rule in rules_of(config)
    ]
