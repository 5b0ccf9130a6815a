"""What was to be expected of each day of a series of counts, from the days before it alone.

Several seasons are tried (none, by weekday, by day of the month, by weekday and the same weeks a year ago), and every
day takes the one that foretold the days before it best.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "BURN_IN_DAYS",
    "GUARD_DAYS",
    "YEAR_DAYS",
    "Expected",
    "Shares",
    "expected_counts",
    "expected_shares",
    "last_days",
    "recurring_from",
]

Array = npt.NDArray[np.float64]

BURN_IN_DAYS = 56
"""Days of history before the first day that can be judged."""
GUARD_DAYS = 7
"""Days that are not history yet: a fault of a few days must not make itself the rule."""
YEAR_DAYS = 365.25
_UNUSUAL = 3.0
"""Standard deviations beyond which a day of one year and one of another are the same holiday, if they lie so near."""
_MOVES_DAYS = 7
_WEEKS = 8
_MONTHS = 6
_SPREAD_DAYS = 182
_ROBUST = 1.4826


@dataclass(frozen=True)
class Expected:
    """What each day of a series was expected to hold; NaN before the burn-in.

    Parameters
    ----------
    seen, mean : array of shape (days,)
        Rows, and rows expected.
    dispersion : array of shape (days,)
        Variance ÷ mean of the days before, at least 1.
    residual : array of shape (days,)
        Standardised: 0 as expected, −3 far fewer.
    """

    seen: Array
    mean: Array
    dispersion: Array
    residual: Array


@dataclass(frozen=True)
class Shares:
    """Hits among the rows of each day, against those of the days before.

    Parameters
    ----------
    hits, of : array of shape (days,)
    past_hits, past_of : array of shape (days,)
        Of the half-year before.
    dispersion, residual : array of shape (days,)
        As in `Expected`; the residual is NaN on a day without rows.
    """

    hits: Array
    of: Array
    past_hits: Array
    past_of: Array
    dispersion: Array
    residual: Array


def expected_counts(counts: npt.ArrayLike, first: np.datetime64) -> Expected:
    """Return what each day of a series was expected to hold.

    Parameters
    ----------
    counts : array of shape (days,)
        Rows per day, without gaps.
    first : datetime64
        The first day.

    Examples
    --------
    >>> rows = np.where(np.arange(140) % 7 < 5, 100.0, 10.0)
    >>> expected_counts(rows, np.datetime64("2026-01-05")).mean[-7:].tolist()
    [100.0, 100.0, 100.0, 100.0, 100.0, 10.0, 10.0]
    """
    seen = np.asarray(counts, dtype=np.float64)
    candidates = [_flat(seen), _weekday(seen), _month_day(seen, first), _year_ago(seen)]
    losses = np.vstack([np.nan_to_num(_deviance(seen, mean), nan=np.inf) for mean in candidates])
    losses = np.where(np.isinf(losses), np.nan, losses)
    usual = _rolling_mean(losses, _SPREAD_DAYS)
    usual = np.where(np.isnan(usual) | np.isnan(np.vstack(candidates)), np.inf, usual)
    chosen = np.argmin(usual, axis=0)
    mean = np.vstack(candidates)[chosen, np.arange(len(seen))]
    mean[:BURN_IN_DAYS] = np.nan
    return _standardised(seen, mean)


def last_days(expected: Expected, days: int) -> Expected:
    """Return the same of the sums over the last so many days."""
    if days == 1:
        return expected
    return _standardised(_rolling_sum(expected.seen, days), _rolling_sum(expected.mean, days))


def _standardised(seen: Array, mean: Array) -> Expected:
    raw = 2.0 * (np.sqrt(seen + 0.375) - np.sqrt(np.maximum(mean, 0.0) + 0.375))
    scale = np.maximum(_rolling_spread(raw, _SPREAD_DAYS), 1.0)
    # The expectation itself rests on about eight days.
    return Expected(seen, mean, scale**2 * (1.0 + 1.0 / _WEEKS), raw / (scale * np.sqrt(1.0 + 1.0 / _WEEKS)))


def recurring_from(residual: npt.ArrayLike) -> Array:
    """Return, per day, the place from which on it is known to be a holiday, a day unusual every year; else infinity.

    Such a day is one of its date, and tells nothing of how far any other day may stray by chance. A day is one where it
    is unusual in two years, give or take a week; the earlier of the two is known to be one once the later has come.

    Parameters
    ----------
    residual : array of shape (days,)
        Standardised, unusual days positive; NaN counts as usual.

    Examples
    --------
    >>> strayed = np.zeros(800)
    >>> strayed[[10, 376, 500]] = 9.0, 8.0, 9.0
    >>> found = recurring_from(strayed)
    >>> found[[10, 376, 500]].tolist()
    [376.0, 376.0, inf]
    """
    strayed = np.nan_to_num(np.asarray(residual, dtype=np.float64))
    recurs_from = np.full(len(strayed), np.inf)
    unusual = np.flatnonzero(strayed >= _UNUSUAL)
    for day in unusual:
        apart = (day - unusual) / YEAR_DAYS
        years = np.rint(apart)
        near = (years >= 1) & (np.abs(apart - years) * YEAR_DAYS <= _MOVES_DAYS + 0.5)
        twins = unusual[near & (strayed[unusual] >= 0.5 * strayed[day])]
        if len(twins):
            recurs_from[[day, *twins]] = np.minimum(recurs_from[[day, *twins]], day)
    return recurs_from


def expected_shares(hits: npt.ArrayLike, of: npt.ArrayLike, *, days: int = 1, burn_in: int = BURN_IN_DAYS) -> Shares:
    """Return hits among rows of each day, or of the last so many, against the half-year before.

    A table with two rows a day tells nothing on one of them, however all its rows are changed.

    Examples
    --------
    >>> rows = np.full(100, 50.0)
    >>> nulls = np.r_[np.zeros(99), 50.0]
    >>> shares = expected_shares(nulls, rows)
    >>> float(shares.past_hits[-1]), float(shares.past_of[-1]), bool(shares.residual[-1] > 15)
    (0.0, 4600.0, True)
    >>> week = expected_shares(nulls, rows, days=7)
    >>> float(week.hits[-1]), float(week.of[-1]), float(week.past_of[-1])
    (50.0, 350.0, 4600.0)
    """
    if days > GUARD_DAYS:
        raise ValueError("The days that are judged must not be history")
    hit, n = np.asarray(hits, dtype=np.float64), np.asarray(of, dtype=np.float64)
    past_hits, past_of = (_before(_rolling_sum(series, _SPREAD_DAYS, short=True)) for series in (hit, n))
    hit, n = (_rolling_sum(series, days, short=True) for series in (hit, n))
    rate = (past_hits + 0.5) / (past_of + 1.0)
    usable = (n > 0) & (np.arange(len(n)) >= burn_in) & (past_of > 0)
    # Angles have the same spread whatever the share and the rows are; one hit in one row would else be a far outlier,
    # and the tail of such outliers excuse a whole week of hits.
    seen, expected = (np.arcsin(np.sqrt((k + 0.375) / (n + 0.75))) for k in (hit, n * rate))
    raw = np.where(usable, 2.0 * np.sqrt(n + 0.5) * (seen - expected), np.nan)
    scale = np.maximum(_rolling_spread(raw, _SPREAD_DAYS), 1.0)
    return Shares(hit, n, past_hits, past_of, scale**2, raw / scale)


def _flat(seen: Array) -> Array:
    return _trimmed(np.vstack([_shifted(seen, back) for back in range(1, 29)]), 3)


def _weekday(seen: Array) -> Array:
    return _trimmed(np.vstack([_shifted(seen, 7 * back) for back in range(1, _WEEKS + 1)]), 1)


def _month_day(seen: Array, first: np.datetime64) -> Array:
    """Return the mean of the same day of the last months; the last day of a month stands for those it lacks."""
    same = _same_days(first.astype("datetime64[D]"), len(seen))
    return _trimmed(np.where(same >= 0, seen[np.maximum(same, 0)], np.nan), 1, least=3)


@lru_cache(maxsize=8)
def _same_days(first: np.datetime64, length: int) -> npt.NDArray[np.int64]:
    """Return the place of the same day one month ago, two months ago, …: one row each, the same for every series."""
    days = pd.DatetimeIndex(first + np.arange(length))
    return np.vstack([(days - pd.DateOffset(months=back) - days[0]).days for back in range(1, _MONTHS + 1)])


def _year_ago(seen: Array) -> Array:
    """Return the weekday's mean, moved as the same week was a year ago against the weeks before it."""
    near, weeks = _rolling_sum(seen, 7) / 7.0, _rolling_sum(seen, 7 * _WEEKS) / (7.0 * _WEEKS)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = _shifted(near, 361) / _shifted(weeks, 368)
    return np.where(np.isfinite(ratio), _weekday(seen) * np.clip(ratio, 0.1, 10.0), np.nan)


def _trimmed(rows: Array, trim: int, least: int = 4) -> Array:
    """Return column means without the `trim` largest and smallest values; NaN where fewer than `least` are known."""
    ordered = np.sort(rows, axis=0)  # NaN last
    known = (~np.isnan(ordered)).sum(axis=0)
    place = np.arange(len(rows))[:, None]
    cut = np.where(known > 2 * trim + 1, trim, 0)
    inner = (place >= cut) & (place < known - cut)
    total = np.where(inner, ordered, 0.0).sum(axis=0)
    return np.where(known >= least, total / np.maximum(inner.sum(axis=0), 1), np.nan)


def _deviance(seen: Array, mean: Array) -> Array:
    safe = np.maximum(mean, 0.05)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(seen > 0, seen * np.log(np.maximum(seen, 1e-12) / safe), 0.0)
    # A day of a fault must not decide between seasons.
    return np.sqrt(np.maximum(2.0 * (log - (seen - safe)), 0.0))


def _shifted(series: Array, back: int) -> Array:
    out = np.full(len(series), np.nan)
    if back < len(series):
        out[back:] = series[: len(series) - back]
    return out


def _before(series: Array) -> Array:
    return np.nan_to_num(_shifted(series, 1 + GUARD_DAYS))


def _rolling_sum(series: Array, days: int, *, short: bool = False) -> Array:
    return np.asarray(pd.Series(series).rolling(days, min_periods=1 if short else days).sum(), dtype=np.float64)


def _rolling_mean(rows: Array, days: int) -> Array:
    """Return, per day, the mean of the days before it, row by row."""
    out = pd.DataFrame(rows.T).rolling(days, min_periods=14).mean().shift(1 + GUARD_DAYS)
    return np.asarray(out, dtype=np.float64).T


def _rolling_spread(series: Array, days: int) -> Array:
    """Return, per day, the robust standard deviation of the days before it around nought; 1 where too few are known."""
    size = pd.Series(np.abs(series)).rolling(days, min_periods=14).median().shift(1 + GUARD_DAYS)
    # A stuttering series may be nought on most days: then its larger residuals tell.
    wide = pd.Series(np.abs(series)).rolling(days, min_periods=14).quantile(0.9).shift(1 + GUARD_DAYS) / 1.645
    larger: Array = np.fmax(size.to_numpy(dtype=np.float64) * _ROBUST, wide.to_numpy(dtype=np.float64))
    larger[np.isnan(larger)] = 1.0
    return larger
