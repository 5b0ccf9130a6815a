"""Whether the scores that are served are those of the last daily run, or older ones, and why."""

from __future__ import annotations

from datetime import datetime

from churnml.language import Day, Text
from churnml.store import Run, SnapshotInfo

__all__ = ["left_over"]


def left_over(run: Run | None, snapshot: SnapshotInfo, now: datetime, late_after_hours: float) -> Text | None:
    """Say why a snapshot is an older one than the daily run should have left; None where it is not.

    Parameters
    ----------
    run : Run or None
        The last daily run that has ended; None where there is none, and so nothing to be late.
    snapshot : SnapshotInfo
        What is served.
    now : datetime
    late_after_hours : float
        So long after the last run began, the next one is late.

    Examples
    --------
    >>> from datetime import UTC, date
    >>> from churnml.store import RunStage
    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> served = SnapshotInfo(1, "acme", date(2026, 3, 1), noon, noon, "1", "0", 9, 1.0, {})
    >>> lost = Run(7, "acme", "daily", "host:1", noon, noon, "failed", stages=(RunStage("check", "failed", noon),))
    >>> left_over(lost, served, noon, 30).code, left_over(None, served, noon, 30)
    ('daily-missed', None)
    """
    if run is None or snapshot.published_at > run.started_at:
        return None
    scored = run.stage("score")
    if scored is None or not scored.well:
        stages = [one.name for one in run.stages if one.outcome in ("failed", "killed")]
        day = Day(on=run.started_at.date().isoformat())
        return Text.of("daily-missed", day=day, stages=", ".join(stages) or "–")
    hours = (now - run.started_at).total_seconds() / 3600
    return Text.of("daily-late", hours=int(hours)) if hours > late_after_hours else None
