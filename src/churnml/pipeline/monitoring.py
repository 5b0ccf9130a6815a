"""Watches data and model day by day, holds publishing back where asked to, and trains anew when it is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from churnml import registry
from churnml.config import Config
from churnml.errors import BundleError, DataError
from churnml.language import Text, render
from churnml.monitoring import Alarm, Budget, DataHealth, data_health, profile
from churnml.monitoring.alarms import STOPPED
from churnml.monitoring.feature_drift import drift_alarms
from churnml.monitoring.loads import LoadRecord, load_alarms, stale_alarm, usual_lag
from churnml.monitoring.performance import Realised, performance_alarms
from churnml.monitoring.report import MonitoringReport
from churnml.monitoring.retraining import RetrainingDecision, decay_days, decide_retraining
from churnml.pipeline.model_watch import drift_of, performance_of, same_ranking
from churnml.pipeline.preparation import check
from churnml.progress import Stages
from churnml.registry import Bundle
from churnml.sources import Loaded
from churnml.store import Actor, Store
from churnml.tables import Tables, knowledge

__all__ = ["before_publishing", "data_alarms", "held_by", "hold_back", "monitor", "retraining_due"]


def monitor(
    config: Config,
    stages: Stages | None = None,
    *,
    as_of: date | None = None,
    loaded: Loaded | None = None,
    judged: tuple[DataHealth, Sequence[LoadRecord]] | None = None,
) -> MonitoringReport:
    """Judge the newest day of the data and the model in use, keep the outcome in the store, and return it.

    It needs no model: without one only the data is judged. The same day may be monitored any number of times.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    as_of : date, optional
        The day before it is judged; default: the end of the observed period.
    loaded : Loaded, optional
        Canonical tables at hand.
    judged : tuple, optional
        What `data_alarms` found on these tables and that day.
    """
    stages = stages or Stages()
    loaded = loaded or check(config, stages).loaded
    as_of = as_of or loaded.tables.observed_until
    now = datetime.now(UTC)
    with stages("monitor"), Store(config.store_url) as store:
        health, loads = judged or data_alarms(config, loaded, as_of, store, now=now)
        champion = _champion(config)
        outcomes = store.monitoring(config.name)
        raised, moved, performance = list(health.alarms), None, None
        matured: Sequence[Realised] = ()
        if champion is not None and champion.model.target == config.label.target == "churn":
            budget = Budget(config.monitoring.false_alarms_per_month)
            performance, matured, newest = performance_of(config, champion, loaded.tables, store, as_of)
            moved = drift_of(config, champion, store, as_of)
            raised += [] if performance is None else performance_alarms(performance, newest, budget)
            raised += (
                []
                if moved is None
                else drift_alarms(moved, as_of, budget=budget, least_effect=config.monitoring.least_effect)
            )
        alarms = tuple(sorted(raised, key=lambda alarm: (not alarm.severe, alarm.code, alarm.subject)))
        before = {episode.alarm.key for episode in outcomes.alarms(open_only=True)}
        report = MonitoringReport(
            config=config.name,
            as_of=as_of,
            checked_at=now,
            model_version=None if champion is None else champion.version,
            tables=health.tables,
            alarms=alarms,
            new=tuple(alarm.key for alarm in alarms if alarm.key not in before),
            tests=health.tests,
            unjudged=health.unjudged,
            retraining=_decided(config, champion, as_of, alarms),
            held=bool(held_by(config, health.alarms)),
            drift=moved,
            performance=performance,
        )
        outcomes.keep_matured(matured, Actor("cli", now))
        outcomes.keep(report, loads, Actor("cli", now))
    return report


def data_alarms(
    config: Config, loaded: Loaded, as_of: date, store: Store, *, now: datetime
) -> tuple[DataHealth, Sequence[LoadRecord]]:
    """Return the health of all tables on the day before a date, and the record of this load of each table."""
    budget = Budget(config.monitoring.false_alarms_per_month)
    tables = loaded.tables
    health = data_health(profile(tables, as_of), as_of, since=tables.observed_from, budget=budget)
    past = store.monitoring(config.name).loads(as_of)
    alarms = list(health.alarms)
    records = []
    for name in tables:
        earlier = past.get(name, [])
        record = _record(loaded, name, as_of, now, earlier[-1].as_of if earlier else None)
        alarms += load_alarms(record, earlier, budget, tests=max(health.tests, 1))
        records.append(record)
    if as_of == tables.observed_until:
        lags = _lags(past)
        behind = _events_behind(tables, now.date(), lags, budget, tests=max(health.tests, 1))
        # Where the events alone stand still, it is not that no table tells anything.
        stale = None if behind else stale_alarm(as_of, now.date(), lags)
        alarms += behind or ([] if stale is None else [stale])
    return DataHealth(health.tables, tuple(alarms), health.tests, health.unjudged), records


def held_by(config: Config, alarms: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """Return the alarms on the data because of which nothing is to be published, going by ``monitoring.publish_if``."""
    rule = config.monitoring.publish_if
    if rule == "always":
        return ()
    return tuple(alarm for alarm in alarms if alarm.area == "data" and (alarm.severe or rule == "no_alarm"))


def before_publishing(config: Config, loaded: Loaded, as_of: date) -> tuple[Alarm, ...]:
    """Return what is wrong with the data that is about to be scored, or refuse to publish, as the config says.

    By default only feeds that stopped are looked for, which takes a moment; see ``monitoring.publish_if``.

    Raises
    ------
    DataError
        ``monitoring.held``: publishing is held back. What was published before stays served.
    """
    budget = Budget(config.monitoring.false_alarms_per_month)
    tables = loaded.tables
    if config.monitoring.publish_if == "always":
        rows = profile(tables, as_of, rows_only=True)
        health = data_health(rows, as_of, since=tables.observed_from, budget=budget)
        stopped = [alarm for alarm in health.alarms if alarm.code == STOPPED]
        if as_of == tables.observed_until:
            with Store(config.store_url) as store:
                lags = _lags(store.monitoring(config.name).loads(as_of))
            stopped += _events_behind(tables, datetime.now(UTC).date(), lags, budget, tests=max(health.tests, 1))
        return tuple(stopped)
    with Store(config.store_url) as store:
        alarms = data_alarms(config, loaded, as_of, store, now=datetime.now(UTC))[0].alarms
    hold_back(config, alarms)
    return alarms


def hold_back(config: Config, alarms: Sequence[Alarm]) -> None:
    """Refuse to publish where ``monitoring.publish_if`` says so of the alarms on the data.

    Raises
    ------
    DataError
        ``monitoring.held``: publishing is held back. What was published before stays served.
    """
    holding = held_by(config, alarms)
    if holding:
        raise DataError(
            Text.of("fault-held_back", publish_if=str(config.monitoring.publish_if)),
            where=", ".join(dict.fromkeys(alarm.subject for alarm in holding)),
            got="; ".join(f"{alarm.code} {render(alarm.said, config.language)}" for alarm in holding)[:500],
            code="monitoring.held",
        )


def retraining_due(config: Config, *, as_of: date | None = None) -> RetrainingDecision:
    """Return whether the model is due to be trained anew, going by the newest monitoring; see `monitor`.

    Parameters
    ----------
    config : Config
    as_of : date, optional
        Default: that of the newest monitoring, or today (UTC) where there is none.
    """
    with Store(config.store_url) as store:
        newest = store.monitoring(config.name).newest()
    day = as_of or (datetime.now(UTC).date() if newest is None else newest.as_of)
    champion = _champion(config)
    alarms: Sequence[Alarm] = ()
    # What was found of another model says nothing against the one that has taken its place since.
    if newest is not None and champion is not None and newest.model_version in same_ranking(config, champion.version):
        alarms = newest.alarms
    return _decided(config, champion, day, alarms)


def _champion(config: Config) -> Bundle | None:
    try:
        return registry.load_champion(config.bundles_dir, config.registered_model)
    except BundleError as error:
        if error.code != "bundle.none":
            raise
        return None


def _decided(config: Config, champion: Bundle | None, as_of: date, alarms: Sequence[Alarm]) -> RetrainingDecision:
    learnt = None
    if champion is not None:
        # The labels of its newest snapshot became final so many days later: that is how new its knowledge is.
        learnt = date.fromisoformat(str(champion.model.info.as_of_until)[:10]) + timedelta(days=config.label.purge_days)
    return decide_retraining(
        model_version=None if champion is None else champion.version,
        learnt_until=learnt,
        as_of=as_of,
        measured_days=None if champion is None else decay_days(champion.manifest.backtest),
        retrain_after_days=config.monitoring.retrain_after_days,
        alarms=alarms,
    )


def _lags(past: Mapping[str, Sequence[LoadRecord]]) -> list[int]:
    """Return by how many days the data lay behind at earlier loads."""
    return [(load.loaded_at.date() - load.as_of).days for load in next(iter(past.values()), [])]


def _events_behind(tables: Tables, today: date, lags_days: Sequence[int], budget: Budget, *, tests: int) -> list[Alarm]:
    """Return the alarm that the events have stopped while other tables go on.

    The events tell until when the company is observed, so that no day without them is ever its newest: whether they
    stand still shows beyond it, up to where they used to reach at earlier loads.
    """
    if "events" not in tables or not lags_days:
        return []
    reached = today - timedelta(days=usual_lag(lags_days))
    if reached <= tables.observed_until:
        return []
    rows = profile(tables, reached, rows_only=True)
    own, others = rows[rows["table"] == "events"], rows[rows["table"] != "events"]
    newest = others["day"].max().date() if len(others) else tables.observed_until
    if newest < tables.observed_until:
        return []
    alarms = data_health(own, newest + timedelta(days=1), since=tables.observed_from, budget=budget).alarms
    level = budget.level("data", tests)
    return [alarm for alarm in alarms if alarm.code == STOPPED and (alarm.p_value or 0.0) < level]


def _record(loaded: Loaded, table: str, as_of: date, now: datetime, before: date | None) -> LoadRecord:
    reasons: dict[str, int] = {}
    own = loaded.rejected[loaded.rejected["table"] == table]
    for reason, rows in zip(own["reason"], own["rows"], strict=True):
        code = str(reason).split()[0].rstrip(":")
        reasons[code] = reasons.get(code, 0) + int(rows)
    known = {day.isoformat(): _known_rows(loaded.tables, table, day) for day in {as_of, *([before] if before else [])}}
    return LoadRecord(table, as_of, now, loaded.counts[table], reasons, known, loaded.fingerprint)


def _known_rows(tables: Tables, name: str, day: date) -> int:
    rows = tables[name]
    return int(rows.filter(knowledge.rows_are_known(rows, name, day, begun=False)).count().execute())
