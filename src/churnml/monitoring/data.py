"""Alarms on the tables: each day against what the same table's own past lets expect of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.language import Day, Quantity, Text
from churnml.monitoring.alarms import STOPPED, Alarm, Budget
from churnml.monitoring.profiles import HISTORY_DAYS
from churnml.monitoring.seasons import (
    BURN_IN_DAYS,
    GUARD_DAYS,
    YEAR_DAYS,
    Expected,
    Shares,
    expected_counts,
    expected_shares,
    last_days,
    recurring_from,
)
from churnml.monitoring.tails import beta_binomial_tail, empirical_tail, negative_binomial_tail, no_row_probability

__all__ = ["DataHealth", "DataMonitor", "TableHealth", "data_health"]

Array = npt.NDArray[np.float64]

_WINDOWS_DAYS = (1, 7)
_NEW_DAYS = 7
"""A word counts as new for so many days."""
_RECENT_DAYS, _AROUND_DAYS = 120, 45
_HOLIDAY_DAYS = 10
"""A day so near to a holiday's date may be one itself."""
_PLAIN = 0.02
"""A test whose empirical probability is larger than this is no alarm, whatever the parametric one says."""
_LEAST_EXPECTED = 3.0
"""A word that came less often than so many times in eight weeks is not missed when it stays away."""


@dataclass(frozen=True)
class TableHealth:
    """How a table does.

    Parameters
    ----------
    table : str
    newest_on : date or None
        The last day with a row.
    rows_last_day, rows_last_week : int
        Rows of the newest day and of the newest seven.
    expected_last_day, expected_last_week : float or None
        What the past lets expect; None where it is too short.
    alarms : tuple of str
        Codes of the alarms on it.
    """

    table: str
    newest_on: date | None
    rows_last_day: int
    rows_last_week: int
    expected_last_day: float | None
    expected_last_week: float | None
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataHealth:
    """How all tables do on a day.

    Parameters
    ----------
    tables : tuple of TableHealth
    alarms : tuple of Alarm
    tests : int
        Tests that the day's part of the budget was divided by.
    unjudged : tuple of str
        Tables whose history is too short to judge.
    """

    tables: tuple[TableHealth, ...]
    alarms: tuple[Alarm, ...]
    tests: int
    unjudged: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Test:
    """One series with what it needs to be judged on any of its days."""

    code: str
    subject: str
    kind: Literal["fewer", "more", "none", "share_up", "share_down"]
    table: str
    days: int
    of: Expected | Shares
    column: str = ""
    word: str = ""
    gap: Array | None = None
    """For ``none``: the rows expected since the last one, per day."""
    recurs: Array | None = None
    """For ``fewer`` and ``more``: see `recurring_from`."""


def data_health(profile: pd.DataFrame, as_of: date, *, since: date, budget: Budget | None = None) -> DataHealth:
    """Judge the newest day before a date.

    Parameters
    ----------
    profile : DataFrame
        See `churnml.monitoring.profile`.
    as_of : date
        The day before it is judged.
    since : date
        The first day that the data covers.
    budget : Budget, optional
        One false alarm a month by default.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=120)
    >>> rows = pd.DataFrame({"table": "events", "measure": "rows", "column": "", "word": "", "day": days,
    ...                      "hits": 100.0, "rows": 100.0})
    >>> [alarm.code for alarm in data_health(rows, date(2026, 5, 1), since=date(2026, 1, 1)).alarms]
    []
    >>> [alarm.code for alarm in data_health(rows[:-3], date(2026, 5, 1), since=date(2026, 1, 1)).alarms]
    ['MON101']
    """
    return DataMonitor(profile, since, as_of, budget or Budget()).judge(as_of - timedelta(days=1))


class DataMonitor:
    """The series of all tables, ready to judge any day of them by the days before it alone.

    Parameters
    ----------
    profile : DataFrame
        See `churnml.monitoring.profile`.
    since, until : date
        The days that the profile covers; `until` is not part of it.
    budget : Budget
    """

    def __init__(self, profile: pd.DataFrame, since: date, until: date, budget: Budget) -> None:
        self._first = np.datetime64(since, "D")
        self._length = max((until - since).days, 0)
        self._budget = budget
        self._rows: dict[str, Expected] = {}
        self._tests: list[_Test] = []
        for table, part in profile.groupby("table", sort=True):
            self._add(str(table), part)

    def judge(self, day: date) -> DataHealth:
        """Return the health of all tables on a day; nothing after it is looked at."""
        place = int((np.datetime64(day, "D") - self._first).astype(int))
        if not 0 <= place < self._length:
            return DataHealth((), (), 0)
        judged = [(test, p) for test in self._tests if (p := _p_value(test, place)) is not None]
        level = self._budget.level("data", len(judged))
        alarms = _without_echoes([self._alarm(test, p, place) for test, p in judged if p < level])
        return DataHealth(
            tables=tuple(self._health(table, place, alarms) for table in self._rows),
            alarms=alarms,
            tests=len(judged),
            unjudged=tuple(table for table, rows in self._rows.items() if not np.isfinite(rows.mean[place])),
        )

    def _daily(self, part: pd.DataFrame, values: str) -> Array:
        place = (part["day"].to_numpy().astype("datetime64[D]") - self._first).astype(int)
        series = np.zeros(self._length)
        inside = (place >= 0) & (place < self._length)
        np.add.at(series, place[inside], part[values].to_numpy(dtype=np.float64)[inside])
        return series

    def _add(self, table: str, part: pd.DataFrame) -> None:
        measures = {str(name): rows for name, rows in part.groupby("measure", sort=True)}
        rows = expected_counts(self._daily(measures["rows"], "hits"), self._first)
        self._rows[table] = rows
        self._tests.append(_Test(STOPPED, table, "none", table, 1, rows, gap=_gap(rows)))
        for measure in ("rows", "accounts"):
            if measure in measures:
                base = (
                    rows if measure == "rows" else expected_counts(self._daily(measures[measure], "hits"), self._first)
                )
                subject = table if measure == "rows" else f"{table}.account_id"
                for days in _WINDOWS_DAYS:
                    summed = last_days(base, days)
                    fewer, more = recurring_from(-summed.residual), recurring_from(summed.residual)
                    self._tests += [
                        _Test("MON102", subject, "fewer", table, days, summed, recurs=fewer),
                        _Test("MON102", subject, "more", table, days, summed, recurs=more),
                    ]
        for measure, code in (("nulls", "MON103"), ("equal", "MON106"), ("rose", "MON108"), ("fell", "MON108")):
            for column, own in measures.get(measure, part.iloc[:0]).groupby("column", sort=True):
                subject = f"{table}.{column!s}" if column else table
                hits, of = self._daily(own, "hits"), self._daily(own, "rows")
                for days in _WINDOWS_DAYS:
                    shares = expected_shares(hits, of, days=days)
                    self._tests.append(_Test(code, subject, "share_up", table, days, shares, str(column), measure))
        for column, own in measures.get("words", part.iloc[:0]).groupby("column", sort=True):
            self._add_words(table, str(column), own)

    def _add_words(self, table: str, column: str, own: pd.DataFrame) -> None:
        subject = f"{table}.{column}"
        for word, rows in own.groupby("word", sort=True):
            counted = expected_counts(self._daily(rows, "hits"), self._first)
            self._tests.append(_Test("MON104", subject, "none", table, 1, counted, column, str(word), _gap(counted)))
        first = own.groupby("word")["day"].transform("min")
        start = own["day"].min() + pd.Timedelta(days=BURN_IN_DAYS)
        fresh = own[(own["day"] - first < pd.Timedelta(days=_NEW_DAYS)) & (first >= start)]
        of = self._daily(own.drop_duplicates("day"), "rows")
        hits = self._daily(fresh, "hits")
        names = ", ".join(str(word) for word in sorted(fresh["word"].unique())[-3:])
        for days in _WINDOWS_DAYS:
            shares = expected_shares(hits, of, days=days)
            self._tests.append(_Test("MON105", subject, "share_up", table, days, shares, column, names))

    def _alarm(self, test: _Test, p: float, place: int) -> Alarm:
        today = self._first.astype(object) + timedelta(days=place)
        since = today - timedelta(days=test.days - 1)
        table = test.table
        if isinstance(test.of, Shares):
            hits, of = float(test.of.hits[place]), float(test.of.of[place])
            usual = float(test.of.past_hits[place] / max(test.of.past_of[place], 1.0))
            said = Text.of(
                _message_of(test),
                table=table,
                column=test.column,
                words=test.word,
                day=Day(on=str(today)),
                share=Quantity(value=hits / of, unit="share"),
                usual=Quantity(value=usual, unit="share"),
                rows=of,
            )
            severe = test.code == "MON103" and hits / of > 0.5
            return Alarm(test.code, test.subject, since, said, p, severe)
        expected = test.of
        if test.kind == "none":
            zero = _zeros_before(expected.seen, place)
            since = today - timedelta(days=zero - 1)
            assert test.gap is not None
            said = Text.of(
                f"alarm-{test.code}",
                table=table,
                column=test.column,
                word=test.word,
                day=Day(on=str(since)),
                n=zero,
                expected=round(float(test.gap[place])),
            )
            return Alarm(test.code, test.subject, since, said, p, test.code == STOPPED)
        what = "accounts" if test.subject != table else "rows"
        said = Text.of(
            f"alarm-MON102.{what}-{test.kind}",
            table=table,
            day=Day(on=str(today)),
            days=test.days,
            n=float(expected.seen[place]),
            expected=round(float(expected.mean[place])),
        )
        return Alarm(test.code, test.subject, since, said, p, False)

    def _health(self, table: str, place: int, alarms: Sequence[Alarm]) -> TableHealth:
        rows = self._rows[table]
        filled = np.flatnonzero(rows.seen[: place + 1])
        newest = self._first.astype(object) + timedelta(days=int(filled[-1])) if len(filled) else None
        week = slice(max(place - 6, 0), place + 1)
        return TableHealth(
            table,
            newest,
            int(rows.seen[place]),
            int(rows.seen[week].sum()),
            _known(rows.mean[place]),
            _known(rows.mean[week].sum()),
            tuple(dict.fromkeys(alarm.code for alarm in alarms if alarm.subject.split(".")[0] == table)),
        )


def _message_of(test: _Test) -> str:
    """Return the code of the sentence about a share: of which number, and of a day or a week."""
    which = [test.word] if test.code in ("MON103", "MON106", "MON108") else []
    which += ["week"] if test.days > 1 else []
    return f"alarm-{test.code}{'.' if which else ''}{'-'.join(which)}"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _gap(expected: Expected) -> Array:
    """Return, per day, the rows that were expected since the last one; 0 on a day with rows."""
    total = np.cumsum(np.nan_to_num(expected.mean))
    last = np.maximum.accumulate(np.where(expected.seen > 0, total, 0.0))
    return np.where(expected.seen > 0, 0.0, total - last)


def _zeros_before(seen: Array, place: int) -> int:
    """Return how many days up to a place hold no row."""
    filled = np.flatnonzero(seen[: place + 1])
    return place - int(filled[-1]) if len(filled) else place + 1


def _p_value(test: _Test, place: int) -> float | None:
    """Return the larger of the parametric and the empirical probability; None where the past is too short."""
    # The last days are what is judged: a fault must not become its own history.
    past = slice(max(place - HISTORY_DAYS, 0), max(place - GUARD_DAYS, 0))
    if isinstance(test.of, Shares):
        shares = test.of
        if not np.isfinite(shares.residual[place]):
            return None
        usual = empirical_tail(shares.residual[past], float(shares.residual[place]))
        if usual > _PLAIN or shares.residual[place] < 1.0:
            return max(usual, _PLAIN)
        own = beta_binomial_tail(
            shares.hits[place], shares.of[place], shares.past_hits[place], shares.past_of[place],
            shares.dispersion[place], fewer=False,
        )  # fmt: skip
        return max(own, usual)
    season = _same_season(place)
    expected = test.of
    if not np.isfinite(expected.mean[place]):
        return None
    if test.kind == "none":
        assert test.gap is not None
        weeks = np.nansum(expected.mean[max(place - 7 * 8, 0) : place])
        if weeks < _LEAST_EXPECTED and test.gap[place] < _LEAST_EXPECTED:
            return None
        if test.gap[place] <= 0:
            return 1.0
        usual = empirical_tail(test.gap[season], float(test.gap[place]))
        if usual > _PLAIN:
            return usual
        return max(usual, no_row_probability(float(test.gap[place]), float(expected.dispersion[place])))
    fewer = test.kind == "fewer"
    residual = -expected.residual if fewer else expected.residual
    assert test.recurs is not None
    season = season[(test.recurs[season] > place - GUARD_DAYS) | _holiday_of(place, season)]
    usual = empirical_tail(residual[season], float(residual[place]))
    if usual > _PLAIN or residual[place] < 1.0:
        return max(usual, _PLAIN)
    own = negative_binomial_tail(
        float(expected.seen[place]), float(expected.mean[place]), float(expected.dispersion[place]), fewer=fewer
    )
    return max(own, usual)


@lru_cache(maxsize=8)
def _same_season(place: int) -> npt.NDArray[np.intp]:
    """Return the earlier days that tell what is usual now: the last months, and the same weeks of earlier years.

    The days around the turn of a year would otherwise excuse half of the rows missing in July.
    """
    before = np.arange(max(place - HISTORY_DAYS, 0), max(place - GUARD_DAYS, 0))
    return np.asarray(before[(place - before <= _RECENT_DAYS) | (_off_the_date(place, before) <= _AROUND_DAYS)])


def _holiday_of(place: int, days: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Tell which days of earlier years fell on the date of a place, or near it."""
    return np.asarray((_off_the_date(place, days) <= _HOLIDAY_DAYS) & (place - days > YEAR_DAYS / 2))


def _off_the_date(place: int, days: npt.NDArray[np.intp]) -> Array:
    """Return by how many days of the year days differ from a place."""
    return np.asarray(np.abs((place - days + YEAR_DAYS / 2) % YEAR_DAYS - YEAR_DAYS / 2))


def _without_echoes(alarms: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """Leave one alarm per code and subject, and of a table that stopped only that."""
    stopped = {alarm.subject for alarm in alarms if alarm.code == STOPPED}
    best: dict[str, Alarm] = {}
    for alarm in sorted(alarms, key=lambda one: (one.code, one.subject, not one.severe, one.p_value or 0.0)):
        table = alarm.subject.split(".")[0]
        if alarm.code == STOPPED or table not in stopped:
            best.setdefault(alarm.key, alarm)
    return tuple(_own(best.values()))


def _own(alarms: Iterable[Alarm]) -> Iterator[Alarm]:
    """Leave out fewer accounts where fewer rows say the same."""
    listed = list(alarms)
    subjects = {alarm.subject for alarm in listed if alarm.code == "MON102"}
    for alarm in listed:
        table, dot, _ = alarm.subject.partition(".")
        if alarm.code != "MON102" or not dot or table not in subjects:
            yield alarm
