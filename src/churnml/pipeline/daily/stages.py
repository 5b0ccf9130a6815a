"""The stages of a daily run: what each needs, and what it does. Each finds out by itself what is done already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from churnml.config import Config
from churnml.errors import ChurnmlError
from churnml.language import Text, phrases
from churnml.progress import Stages
from churnml.sources import Loaded
from churnml.store import Run, Store

if TYPE_CHECKING:
    from churnml.monitoring import DataHealth, LoadRecord

__all__ = ["STAGES", "DailyStage", "Day", "Done"]


@dataclass
class Day:
    """What the stages of one run share.

    Parameters
    ----------
    config : Config
    store : Store
    stages : Stages
        Told of progress.
    now : datetime
        When the run began, UTC.
    before : Run or None
        The run before this one.
    loaded : Loaded or None
        The tables, once they are checked.
    judged : tuple or None
        Their health, and the record of this load, once the stage `data` has looked.
    """

    config: Config
    store: Store
    stages: Stages
    now: datetime
    before: Run | None = None
    loaded: Loaded | None = None
    judged: tuple[DataHealth, Sequence[LoadRecord]] | None = None

    def tables(self) -> Loaded:
        """Return the tables that the stage `check` has loaded."""
        assert self.loaded is not None, "the stage needs `check`"
        return self.loaded


@dataclass(frozen=True)
class Done:
    """How a stage ended that did not fail.

    Parameters
    ----------
    outcome : str
        `unchanged`: what it would make is there already; `not_due`: it is not its time.
    rows : int or None
        What it worked on.
    detail : mapping
        JSON-ready facts for the record and the summary.
    """

    outcome: Literal["done", "unchanged", "not_due"] = "done"
    rows: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DailyStage:
    """A stage.

    Parameters
    ----------
    name : str
    work : callable
        Does it, or raises `ChurnmlError`. Safe to run again at any time, whatever moment it was killed at.
    needs : tuple of str
        Stages without which it makes no sense; one that failed stops it.
    wanted : callable
        Tells whether a config has it at all.
    """

    name: str
    work: Callable[[Day], Done]
    needs: tuple[str, ...] = ()
    wanted: Callable[[Config], bool] = lambda config: True


def pull(day: Day) -> Done:
    """Fetch what is new from the tools; a budget that is used up for the day is no failure."""
    from churnml.pipeline.pulls import pull as pulled

    with day.stages("pull"):
        done = pulled(day.config)
    rows = sum(one.accepted for source in done.sources for one in source.objects)
    calls = sum(source.calls for source in done.sources)
    say = phrases(day.config.language).text
    stopped = {
        source.source or source.tool: say(source.stopped) for source in done.sources if source.stopped is not None
    }
    failed = {name: stopped.get(name, "") for name in (one.source or one.tool for one in done.sources if one.failed)}
    if failed:
        raise ChurnmlError(
            Text.of("fault-pull_failed", failed=len(failed), all=len(done.sources)),
            where=", ".join(failed),
            got="; ".join(f"{name}: {why}" for name, why in failed.items())[:500],
            code="pull.failed",
        )
    detail = {"calls": calls, "complete": done.complete, **({"stopped": stopped} if stopped else {})}
    return Done("done" if rows else "unchanged", rows, detail)


def check(day: Day) -> Done:
    """Read, map and check the raw data."""
    from churnml.pipeline.preparation import check as checked

    day.loaded = loaded = checked(day.config, day.stages).loaded
    rejected = int(loaded.rejected["rows"].sum()) if len(loaded.rejected) else 0
    observed = loaded.tables.observed_until.isoformat()
    return Done(
        rows=sum(loaded.counts.values()),
        detail={"observed_until": observed, "set_aside": rejected, "data": loaded.fingerprint},
    )


def score(day: Day) -> Done:
    """Score and publish, unless the same data was scored by the same champion before."""
    from churnml.assessment import Champion
    from churnml.pipeline.publishing import files_hold
    from churnml.pipeline.scoring import score

    config, loaded = day.config, day.tables()
    version = Champion.load(config).version
    latest = day.store.latest(config.name) if config.label.target == "churn" else None
    made_of = (loaded.tables.observed_until, version, config.hash, loaded.fingerprint)
    published = latest
    if latest is None or (latest.as_of, latest.model_version, latest.config_hash, latest.info.get("data")) != made_of:
        published = None
    if published is not None and files_hold(config, published):
        return Done("unchanged", published.accounts, {"as_of": published.as_of.isoformat()})
    alarms = None if day.judged is None else day.judged[0].alarms
    scored = score(config, day.stages, loaded=loaded, then=False, published=published, alarms=alarms)
    bands = {str(band): int(count) for band, count in scored.table["band"].value_counts().items()}
    return Done(rows=len(scored.table), detail={"as_of": scored.as_of.isoformat(), "bands": bands, "model": version})


def alerts(day: Day) -> Done:
    """Take alerts and tasks to the newest snapshot, as it is stored."""
    from churnml.pipeline.alerting import evaluate_newest

    with day.stages("alerts"):
        as_of, decided = evaluate_newest(day.config, day.store)
    changed = list(decided.actions.values()) if decided is not None else []
    counts = {action: changed.count(action) for action in sorted(set(changed))}
    return Done("done" if changed else "unchanged", len(changed), {"as_of": as_of.isoformat(), **counts})


def deliver(day: Day) -> Done:
    """Deliver what is due, whatever came of today's scores: answers of people wait for it too."""
    from churnml.pipeline.deliveries import deliver

    with day.stages("deliver"):
        done = deliver(day.config)
    if done.busy is not None:
        return Done("unchanged", detail={"busy": done.busy})
    sent = sum(one.accepted + one.sent for one in done.targets)
    counts = {
        name: sum(getattr(one, name) for one in done.targets)
        for name in ("refused", "retried", "unknown", "finished", "calls")
    }
    stopped = {one.target: one.stopped for one in done.targets if one.stopped is not None}
    if stopped:
        raise ChurnmlError(
            Text.of("fault-targets_stopped", stopped=len(stopped), all=len(done.targets)),
            where=", ".join(stopped),
            got="; ".join(f"{name}: {why}" for name, why in stopped.items())[:500],
            code="deliver.stopped",
        )
    worked = sent or done.planned or counts["finished"]
    return Done("done" if worked else "unchanged", sent, {"planned": done.planned, **counts})


def data(day: Day) -> Done:
    """Judge the data against its own history; what `monitoring.publish_if` says holds the scores back."""
    from churnml.pipeline.monitoring import data_alarms, hold_back

    loaded = day.tables()
    with day.stages("data"):
        day.judged = data_alarms(day.config, loaded, loaded.tables.observed_until, day.store, now=day.now)
    health, _ = day.judged
    say = phrases(day.config.language).text
    named = [f"{alarm.subject}: {say(alarm.said)}" for alarm in health.alarms]
    hold_back(day.config, health.alarms)
    return Done(rows=health.tests, detail={"alarms": named})


def monitor(day: Day) -> Done:
    """Judge data, drift and performance, keep what was found, and move probabilities whose level is off."""
    from churnml.pipeline.monitoring import monitor as monitored
    from churnml.pipeline.retraining import recalibrate_if_off

    report = monitored(day.config, day.stages, loaded=day.tables(), judged=day.judged)
    moved = recalibrate_if_off(day.config, report)
    say = phrases(day.config.language).text
    new = [f"{alarm.code} {alarm.subject}: {say(alarm.said)}" for alarm in report.alarms if alarm.key in report.new]
    detail: dict[str, Any] = {"alarms": len(report.alarms), "new": new}
    if moved is not None:
        detail |= {"model": moved.version, "because": [say(one) for one in moved.because]}
    return Done(rows=len(report.alarms), detail=detail)


def retrain(day: Day) -> Done:
    """Train anew where the model is due; the gate decides whether the new one takes its place."""
    from churnml.pipeline.monitoring import retraining_due
    from churnml.pipeline.retraining import retrain_if_due, trainings_pause_until

    say = phrases(day.config.language).text
    decision = retraining_due(day.config)
    why = [say(reason.said) for reason in decision.reasons]
    if not decision.due:
        return Done("not_due", detail={"age_days": decision.age_days, "due_days": decision.due_days})
    until = trainings_pause_until(day.config, day.now)
    if until is not None:
        return Done("not_due", detail={"because": why, "waits_until": until.isoformat()})
    done = retrain_if_due(day.config, day.stages, loaded=day.tables(), now=day.now)
    assert done is not None, "it is due, and nothing holds it back"
    detail = {"because": why, "model": done.version, "promoted": done.promoted, "reason": say(done.decision)}
    return Done(detail=detail)


def keep(day: Day) -> Done:
    """Forget what is older than the rules of the config say."""
    from datetime import timedelta

    with day.stages("keep"):
        plan = day.store.thin(day.config.name, day.config.store.retention, day.now)
        runs = day.store.runs(day.config.name).forget(day.now - timedelta(days=day.config.daily.runs_days))
    gone = len(plan.trim) + len(plan.thin) + runs
    detail = {"trimmed": len(plan.trim), "thinned": len(plan.thin), "runs": runs}
    return Done("done" if gone else "unchanged", gone, detail)


def _is_pulled(config: Config) -> bool:
    named = [config.source] if config.source is not None else list(config.sources.values())
    return any(source.pull is not None for source in named)


def _about_churn(config: Config) -> bool:
    return config.label.target == "churn"


STAGES: tuple[DailyStage, ...] = (
    DailyStage("pull", pull, wanted=_is_pulled),
    DailyStage("check", check, needs=("pull",)),
    DailyStage("data", data, needs=("check",)),
    DailyStage("score", score, needs=("check", "data")),
    DailyStage(
        "alerts", alerts, needs=("score",), wanted=lambda config: _about_churn(config) and config.alerts.enabled
    ),
    DailyStage("deliver", deliver, wanted=lambda config: _about_churn(config) and bool(config.deliveries.targets())),
    DailyStage("monitor", monitor, needs=("check",)),
    DailyStage("retrain", retrain, needs=("check", "data", "monitor"), wanted=lambda config: config.daily.retrain),
    DailyStage("keep", keep, wanted=_about_churn),
)
"""In their order. A stage that is not wanted by a config is not on its record."""
