"""One summary of a run, to a channel, a mailbox or a receiver: once each, and tried again by the next run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from churnml.config import Config
from churnml.config.deliveries import EmailTarget, TargetConfig
from churnml.deliveries.sending import send
from churnml.deliveries.targets import adapter_for
from churnml.errors import ChurnmlError
from churnml.language import Day, Text, argument, in_words, phrases, said_text
from churnml.store import Run, RunStage, Store, Wanted

__all__ = ["Notice", "summary_of", "tell"]

_TOPIC = "run"


@dataclass(frozen=True)
class Notice:
    """Whether a target was told of the run; `why` says why not."""

    target: str
    sent: bool
    why: str | None = None


def tell(
    config: Config,
    store: Store,
    run: Run,
    before: Run | None,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], None] = time.sleep,
    transports: Mapping[str, httpx.BaseTransport] | None = None,
) -> tuple[Notice, ...]:
    """Tell of a run whom the config names; what could not be sent waits for the next run. Never raises.

    Parameters
    ----------
    config : Config
    store : Store
    run : Run
        As it ended.
    before : Run or None
        With ``when: trouble`` a good run is told of only after one that was not.
    clock, wait : callable
        The time, UTC; and a pause of so many seconds.
    transports : mapping, optional
        Target → another way to send, for tests.
    """
    section = config.daily.summary
    trouble = run.outcome != "done" or (before is not None and before.outcome != "done")
    is_worth = section.when == "always" or trouble
    notices = []
    for name, target in section.targets().items():
        deliveries = store.deliveries(config.name)
        try:
            if is_worth:
                wanted = _wanted(config, target, run)
                planned = deliveries.under(name, [one.key for one in wanted])
                deliveries.plan(name, [one for one in wanted if one.key not in planned], clock())
            adapter = adapter_for(
                store, config.name, name, target, clock=clock, state=deliveries.state(name), language=config.language,
                currency=config.currency, base=config.workspace_dir, transport=(transports or {}).get(name),
            )  # fmt: skip
            with closing(adapter.gateway):
                sending = send(deliveries, adapter, target, config=config.name, clock=clock, wait=wait)
        except ChurnmlError as error:
            notices.append(Notice(name, False, said_text(error.said["what"], config.language)))
            continue
        if is_worth:
            held = deliveries.under(name, [one.key for one in _wanted(config, target, run)]).values()
            well = all(one.state in ("accepted", "sent") for one in held)
            why = (
                None
                if well
                else sending.stopped
                or next((one.reason for one in held if one.reason), phrases(config.language)("daily-not_accepted"))
            )
            notices.append(Notice(name, well, why))
    return tuple(notices)


def _wanted(config: Config, target: TargetConfig, run: Run) -> list[Wanted]:
    values = summary_of(run, language=config.language)
    if isinstance(target, EmailTarget):
        text = "\n".join([values["why"], "", *(f"{label}: {value}" for label, value in values["facts"])])
        mail = {"subject": values["subject"], "text": text}
        return [Wanted(f"run:{run.id}:{address}", _TOPIC, {"to": address, **mail}) for address in target.to]
    return [Wanted(f"run:{run.id}", _TOPIC, values)]


def summary_of(run: Run, *, language: str = "en") -> dict[str, Any]:
    """Return a run as JSON-ready values with its sentences: `subject`, `why`, and `facts` (stage and how it ended).

    Examples
    --------
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> lost = RunStage("score", "failed", noon, 2.0, error={"code": "data", "what": "No event since Monday"})
    >>> told = summary_of(Run(7, "acme", "daily", "host:1", noon, noon, "failed", stages=(lost,)))
    >>> told["subject"], told["facts"]
    ('acme: the daily run of 1 March 2026 failed', [['score', 'failed: No event since Monday']])
    """
    say = phrases(language).text
    day = Day(on=run.started_at.date().isoformat())
    failed = [one.name for one in run.stages if one.outcome == "failed"]
    outcome = "done" if run.outcome == "done" else "failed"
    scored = run.stage("score")
    served = scored is None or scored.well
    why = Text.of("daily-well") if not failed else Text.of("daily-failed_at", stages=", ".join(failed))
    lines = [say(why), *([] if served else [say(Text.of("daily-still_served"))])]
    return {
        "run": run.id,
        "config": run.config,
        "outcome": run.outcome,
        "started_at": run.started_at.isoformat(),
        "ended_at": None if run.ended_at is None else run.ended_at.isoformat(),
        "stages": [_stage(one, language) for one in run.stages],
        "subject": say(Text.of(f"daily-subject_{outcome}", config=run.config, day=day)),
        "why": " ".join(lines),
        "facts": [[one.name, say(_outcome(one))] for one in run.stages],
        "owner": say(Text.of("daily-where")),
        "page": None,
        "button": "",
        "at": None if run.ended_at is None else run.ended_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _stage(one: RunStage, language: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "outcome": one.outcome,
        "seconds": one.seconds,
        "rows": one.rows,
        "error": None if one.error is None else in_words(one.error, language),
        "detail": dict(one.detail),
    }


def _outcome(one: RunStage) -> Text:
    if one.outcome == "failed":
        return Text.of("daily-stage_failed", what=argument((one.error or {}).get("what", "")))
    if one.outcome == "skipped":
        return Text.of("daily-stage_skipped", stages=", ".join(one.detail.get("because", ())))
    seconds = round(one.seconds or 0)
    if one.rows is None or one.outcome != "done":
        return Text.of(f"daily-stage_{one.outcome}", seconds=seconds)
    return Text.of("daily-stage_rows", rows=one.rows, seconds=seconds)
