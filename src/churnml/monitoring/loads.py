"""Alarms on a load: rows set aside since the last one, rows of the past that are gone, and sources that stand still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np

from churnml.language import Day, Quantity, Text
from churnml.monitoring.alarms import Alarm, Budget
from churnml.monitoring.tails import beta_binomial_tail

__all__ = ["LoadRecord", "load_alarms", "stale_alarm", "usual_lag"]

_BURSTS = 4.0
"""Variance ÷ mean of rows set aside that is assumed while too few loads tell it."""
_LEAST_LOADS = 10
_GONE_SHARE = 0.01
_DUPLICATES = ("CHK020", "CHK021")
_STILL_DAYS = 3


@dataclass(frozen=True)
class LoadRecord:
    """What one load found in one table.

    Parameters
    ----------
    table : str
    as_of : date
        Facts from this day on do not count.
    loaded_at : datetime
    rows : int
        Valid rows.
    set_aside : mapping of str to int
        Reason, as `churnml check` names it → rows.
    known_rows : mapping of str to int
        ISO date → valid rows that were known before it: the `as_of` of this load, and of the one before.
    fingerprint : str
        Of the raw data of all tables.
    """

    table: str
    as_of: date
    loaded_at: datetime
    rows: int
    set_aside: Mapping[str, int] = field(default_factory=dict)
    known_rows: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""


def load_alarms(now: LoadRecord, past: Sequence[LoadRecord], budget: Budget, *, tests: int) -> tuple[Alarm, ...]:
    """Judge a load of a table by the loads before it.

    Parameters
    ----------
    now : LoadRecord
    past : sequence of LoadRecord
        Of the same table, oldest first.
    budget : Budget
    tests : int
        Tests of the day, among which the budget is divided.

    Examples
    --------
    >>> from datetime import UTC
    >>> def at(day, rows, unknown):
    ...     return LoadRecord("events", date(2026, 3, day), datetime(2026, 3, day, tzinfo=UTC), rows, {"CHK": unknown})
    >>> [alarm.code for alarm in load_alarms(at(2, 10_000, 620), [at(1, 9_900, 20)], Budget(), tests=100)]
    ['MON107']
    >>> load_alarms(at(2, 10_000, 21), [at(1, 9_900, 20)], Budget(), tests=100)
    ()
    """
    if not past:
        return ()
    last = past[-1]
    alarms = []
    for reason in sorted(now.set_aside):
        hits = max(now.set_aside[reason] - last.set_aside.get(reason, 0), 0)
        of = hits + max(now.rows - last.rows, 0)
        if not hits:
            continue
        before_of = last.rows + sum(last.set_aside.values())
        own = beta_binomial_tail(
            hits, of, last.set_aside.get(reason, 0), before_of, _dispersion(past, reason), fewer=False
        )
        if own < budget.level("data", tests):
            code = "MON106" if reason.startswith(_DUPLICATES) else "MON107"
            said = Text.of(
                f"alarm-{code}.set_aside",
                table=now.table,
                n=hits,
                of=of,
                reason=reason,
                usual=Quantity(value=last.set_aside.get(reason, 0) / max(before_of, 1), unit="share"),
            )
            alarms.append(Alarm(code, f"{now.table}.{reason}", last.as_of, said, own, hits > 0.5 * of))
    before, again = last.known_rows.get(last.as_of.isoformat()), now.known_rows.get(last.as_of.isoformat())
    if before and again is not None and again < (1.0 - _GONE_SHARE) * before:
        said = Text.of("alarm-MON109", table=now.table, n=before - again, of=before, day=Day(on=str(last.as_of)))
        alarms.append(Alarm("MON109", now.table, last.as_of, said, None, severe=True))
    return tuple(alarms)


def stale_alarm(as_of: date, today: date, past_lags_days: Sequence[int]) -> Alarm | None:
    """Return the alarm that no table brings anything new, or None.

    Parameters
    ----------
    as_of : date
        First day that the data does not cover.
    today : date
        The day of the load.
    past_lags_days : sequence of int
        How far the data lay behind at earlier loads. Data that always lies three weeks behind is not stale.

    Examples
    --------
    >>> stale_alarm(date(2026, 3, 1), date(2026, 3, 9), [1, 0, 1]).code
    'MON110'
    >>> stale_alarm(date(2026, 3, 1), date(2026, 3, 9), [7, 8]), stale_alarm(date(2026, 3, 1), date(2026, 3, 9), [])
    (None, None)
    """
    lag = (today - as_of).days
    if not past_lags_days or lag <= max(0, usual_lag(past_lags_days)) + _STILL_DAYS:
        return None
    return Alarm(
        "MON110", "", as_of, Text.of("alarm-MON110", day=Day(on=str(as_of - timedelta(days=1))), n=lag), severe=True
    )


def usual_lag(lags_days: Sequence[int]) -> int:
    """Return how far the data usually lay behind, the larger half of the lags left out: no fault must become usual.

    Examples
    --------
    >>> usual_lag([1, 0, 1, 9])
    1
    """
    return sorted(lags_days)[max(1, (len(lags_days) + 1) // 2) - 1]


def _dispersion(past: Sequence[LoadRecord], reason: str) -> float:
    """Return variance ÷ mean of the rows set aside from load to load."""
    totals = np.array([one.set_aside.get(reason, 0) for one in past], dtype=np.float64)
    steps = np.maximum(np.diff(totals), 0.0)
    if len(steps) < _LEAST_LOADS or steps.mean() == 0.0:
        return _BURSTS
    return max(float(steps.var(ddof=1) / steps.mean()), 1.0)
