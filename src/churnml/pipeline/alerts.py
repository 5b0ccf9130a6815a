"""Alerts in runs: evaluated after each scoring, read and answered, and tried on the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from churnml import actions
from churnml.actions import AlertsBacktest, Bands, Step, advance, alert_rules, alerts_backtest, signals
from churnml.config import Config
from churnml.errors import UsageError
from churnml.pipeline.bands import bands_in_force
from churnml.pipeline.health import tested_on
from churnml.pipeline.preparation import prepare
from churnml.progress import Stages
from churnml.store import Actor, Alert, AlertEvent, Outcome, State, Store
from churnml.tables import knowledge

__all__ = ["answer_alert", "backtest_alerts", "evaluate_alerts", "list_alerts", "show_alert"]

_READINGS = ["account_id", "as_of", "health_score", "band"]


def evaluate_alerts(config: Config, scores: pd.DataFrame, features: pd.DataFrame, as_of: date, store: Store) -> Step:
    """Take the alerts to a snapshot that was just scored, and keep what became of them.

    Parameters
    ----------
    config : Config
    scores : DataFrame
        The snapshot's accounts: scores, bands, owner, segment, ARR.
    features : DataFrame
        What they were scored from.
    as_of : date
        The snapshot's date. Scoring a date again, or an earlier one, takes the alerts no further than they are.
    store : Store
        Holds the alerts and the earlier readings.
    """
    alerts = store.alerts(config.name)
    readings = pd.DataFrame(store.banded_readings(config.name, as_of), columns=_READINGS)
    readings = readings.astype({"health_score": "float64"})
    readings["as_of"] = pd.to_datetime(readings["as_of"])
    step = advance(
        [alert for alert in alerts.known() if alert.updated_on <= as_of],
        signals(scores, features, readings),
        alert_rules(config.alerts),
        config.alerts,
        as_of=as_of,
        bands=_bands(config),
    )
    done = [(name, key) for name in ("opened", "reopened", "closed") for key in getattr(step, name)]
    alerts.keep(step.alerts, done, Actor("score", datetime.now(UTC)))
    return step


def list_alerts(
    config: Config, *, owner: str | None = None, states: Sequence[State] = ("open", "acknowledged"), limit: int = 100
) -> list[Alert]:
    """Return the alerts that wait for somebody, the largest avoidable loss first."""
    with Store(config.store_url) as store:
        return store.alerts(config.name).find(states=states, owner=owner, limit=limit)


def show_alert(config: Config, alert_id: int) -> tuple[Alert, list[AlertEvent]]:
    """Return one alert and its history."""
    with Store(config.store_url) as store:
        return store.alerts(config.name).get(alert_id)


def answer_alert(
    config: Config,
    alert_id: int,
    author: str,
    *,
    state: State | None = None,
    outcome: Outcome | None = None,
    snoozed_until: date | None = None,
    owner: str | None = None,
    note: str | None = None,
) -> Alert:
    """Acknowledge, snooze, close, reopen or reassign an alert.

    Raises
    ------
    UsageError
        Nothing is asked for.
    StoreError
        There is no such alert, or the request does not fit its state.
    """
    if state is None and owner is None and note is None:
        raise UsageError("Nothing is asked of the alert", expected="a state, an owner or a note")
    with Store(config.store_url) as store:
        alert, _ = store.alerts(config.name).change(
            alert_id,
            Actor(author, datetime.now(UTC)),
            state=state,
            outcome=outcome,
            snoozed_until=snoozed_until,
            owner=owner,
            note=note,
        )
    return alert


def backtest_alerts(config: Config, stages: Stages | None = None) -> AlertsBacktest:
    """Live through the backtest's dates once more and judge the alerts by who left.

    Scores are those of models that knew only the past of their fold. Owners and segments are as known on each date.
    """
    from churnml.health.replay import replayed

    config.require_churn("Alerts")
    stages = stages or Stages()
    prepared = prepare(config, stages)
    tested = tested_on(config, prepared, stages)
    with stages("replay"):
        history, _, _ = replayed(prepared.frame, prepared.feature_set, config, tested, tested.verdict)
        keys = ["account_id", "as_of"]
        frame = prepared.frame.merge(history[keys], on=keys, validate="1:1")
        history = history.merge(frame[[*keys, "arr"]], on=keys, validate="1:1")
        history = _with_owners(history, prepared.loaded.tables)
        features = frame[[*keys, *prepared.feature_set.names]]
        return alerts_backtest(history, features, alert_rules(config.alerts), config.alerts, _bands(config))


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
        for rule in actions.alert_rules(config.alerts)
    ]
