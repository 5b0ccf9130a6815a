"""The level of the probabilities over time: what the slope is within a date, what a season adds, where level goes next.

How well a model ranks and how many will churn are two questions. The first is learnt within dates, where a rising or
falling level cannot be mistaken for skill. The second starts from the rate of the training rows and moves away from it
only as far as later periods, which the inner folds' models had not seen, agree that it should, and never far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from churnml.training.folds import InnerFold

__all__ = ["Level", "Season", "Timeline", "find_level", "offsets", "within_slope"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

_YEAR = 365.25
_SEASON_FROM_DAYS = 640
"""A history shorter than one and three quarter years, label windows included, shows no month twice."""
_DRIFT_FROM_DAYS = 365
"""In a history shorter than a year, label windows included, a rise or fall may as well be the time of year."""
_ROUGHNESS = 0.6
"""Width of the season's kernel: bumps of about two months can be told apart."""
_MEMORY_DAYS = 730.0
_MOST_DATES = 160
_LEAST_SLOPE = 0.05
"""The order of the scores is kept even where they say the opposite of what happened."""
_DRIFTS = (0.05, 0.15, 0.3, 0.5, 0.8)
_SEASONS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)
_DRIFT_PRIOR, _SEASON_PRIOR = 0.5, 0.4

_LEVEL_PRIOR = 0.5
"""Standard deviation, in log-odds, of what a model's level is off by when used on a later period."""
_PERIOD_SD = 0.2
"""Of what one period is off by beyond what the periods share; worth one period when it is estimated."""
_SEASON_DOUBT = 10.0
"""How much of a season's variance is left in the periods' levels after the season is taken out."""
_AGREEMENT = 0.5
_CAP = 0.25
"""Most that the level may move from the training rate, log-odds: about a quarter up or down."""


@dataclass(frozen=True)
class Timeline:
    """When the rows are.

    Parameters
    ----------
    days : array of shape (n,)
        ``as_of`` of each row, days since 1970-01-01.
    purge_days : int
        Gap + horizon of the label: labels of dates nearer than this share churners.
    """

    days: Array
    purge_days: int

    @classmethod
    def of(cls, dates: npt.ArrayLike, purge_days: int) -> Timeline:
        """Return the timeline of ``as_of`` dates."""
        return cls(np.asarray(dates).astype("datetime64[D]").astype(np.int64).astype(np.float64), purge_days)

    @property
    def dates(self) -> npt.NDArray[np.datetime64]:
        """``as_of`` of each row."""
        return self.days.astype(np.int64).astype("datetime64[D]")

    def places(self, rows: Index) -> Index:
        """Return the place of each of some rows' dates among the dates that occur there."""
        _, date = _binned(self.days)
        _, place = np.unique(date[rows], return_inverse=True)
        return place


@dataclass(frozen=True)
class Season:
    """What the time of year adds to the log-odds, around a mean of zero.

    Parameters
    ----------
    months : tuple of 12 floats
        On the first day of January … December; a straight line between.

    Examples
    --------
    >>> season = Season((0.6,) + (0.0,) * 11)
    >>> season.shift(np.array(["2024-01-01", "2024-01-16", "2024-07-01"], "datetime64[D]")).round(1).tolist()
    [0.6, 0.3, 0.0]
    """

    months: tuple[float, ...]

    def shift(self, dates: npt.ArrayLike) -> Array:
        """Return what each ``as_of`` adds; 0 where there is none."""
        day = np.asarray(dates).astype("datetime64[D]")
        month = day.astype("datetime64[M]")
        length = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.float64)
        passed = (day - month.astype("datetime64[D]")).astype(np.float64) / np.where(np.isnat(day), 1.0, length)
        first = np.where(np.isnat(day), 0, month.astype(np.int64) % 12)
        table = np.asarray(self.months)
        shifts = table[first] * (1.0 - passed) + table[(first + 1) % 12] * passed
        return np.where(np.isnat(day), 0.0, shifts)


@dataclass(frozen=True)
class Level:
    """What was learnt about slope and level.

    Parameters
    ----------
    slope : float
        Of the calibrated log-odds per raw log-odds, within a date.
    drift : float
        What the level moves from the training rate, log-odds.
    levelled : array of shape (judged rows,)
        The judged rows' raw log-odds with each date's own level and the season put in.
    season : Season or None
        None where the history is too short or shows none.
    """

    slope: float
    drift: float
    levelled: Array
    season: Season | None


def offsets(scores: Array, y: Array, group: Index, weights: Array) -> tuple[Array, Array]:
    """Return what each group's log-odds are off by, and the variance of that.

    Half a churner and half a stayer keep a group with one outcome finite.

    Examples
    --------
    >>> off, variance = offsets(np.zeros(4), np.array([1.0, 1, 1, 0]), np.zeros(4, dtype=int), np.ones(4))
    >>> bool(0.5 < off[0] < np.log(3)), bool(variance[0] > 1)
    (True, True)
    """
    size = int(group.max()) + 1
    level: Array = np.zeros(size)
    curvature: Array = np.ones(size)
    for _ in range(100):
        p = expit(scores + level[group])
        half = expit(level)
        slope = _sums(group, weights * (y - p), size) + 0.5 - half
        curvature = _sums(group, weights * p * (1.0 - p), size)
        step = np.clip(slope / (curvature + half * (1.0 - half)), -1.0, 1.0)
        level = level + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return level, 1.0 / np.maximum(curvature, 1e-9)


def within_slope(scores: Array, y: Array, group: Index, weights: Array, precision: float = 10.0) -> tuple[float, Array]:
    """Return the slope that fits the outcomes within groups, and the level that each group then has.

    Parameters
    ----------
    precision : float
        Of a normal prior around 1: a handful of churners leave the slope there.

    Returns
    -------
    slope, level : float, array of shape (groups,)
        The log-odds are ``slope · score + level``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat([0, 1], 4000)
    >>> z = rng.normal(size=8000)
    >>> y = (rng.random(8000) < expit(0.5 * z - 2.0 + group)).astype(float)
    >>> slope, level = within_slope(z, y, group, np.ones(8000))
    >>> abs(slope - 0.5) < 0.15, (abs(level - [-2, -1]) < 0.15).tolist()
    (True, [True, True])
    """
    size = int(group.max()) + 1
    slope, level = 1.0, np.zeros(size)
    for _ in range(100):
        p, half = expit(slope * scores + level[group]), expit(level)
        mass = weights * p * (1.0 - p)
        own = _sums(group, weights * (y - p), size) + 0.5 - half
        curvature = _sums(group, mass, size) + half * (1.0 - half)
        cross = _sums(group, mass * scores, size)
        # Newton's step of slope and levels together, the levels eliminated.
        pull = float(weights @ (scores * (y - p))) - precision * (slope - 1.0) - float(cross @ (own / curvature))
        bend = float(mass @ scores**2) + precision - float(cross @ (cross / curvature))
        step = float(np.clip(pull / max(bend, 1e-9), -0.5, 0.5))
        change = np.clip((own - cross * step) / curvature, -2.0, 2.0)
        moved = max(slope + step, _LEAST_SLOPE)
        settled = abs(moved - slope) < 1e-7 and float(np.abs(change).max()) < 1e-7
        slope, level = moved, level + change
        if settled:
            break
    return slope, level


def find_level(
    scores: Array,
    fitted: Array,
    y: Array,
    folds: Sequence[InnerFold],
    timeline: Timeline,
    weights: Array,
) -> Level:
    """Learn slope, season and drift of a model from its inner folds and its own training rows.

    The season is the periodic part of what the training rows' dates are off by, as a Gaussian process sees it beside a
    drifting level; with less than two years, or where no season shows, there is none. The drift is what the periods
    that the inner folds judge on are off by in common: each period counts by the churners it has, the mean is shrunk
    by how far it can be told from zero, and it is capped. The folds' models had not seen the newest rows and the final
    model has, so the drift goes no further than what that one still lacks on the newest label window, and not against
    it: what it knows already is not counted twice, and a turn shows there first. With less than a year there is none.

    Parameters
    ----------
    scores : array of shape (judged rows,)
        Raw log-odds by models that had not seen the rows.
    fitted : array of shape (n,)
        Raw log-odds of all training rows by the final model.
    y : array of shape (n,)
    folds : sequence of InnerFold
    timeline : Timeline
    weights : array of shape (n,)

    References
    ----------
    Rasmussen and Williams 2006, *Gaussian Processes for Machine Learning*, 5.4; James and Stein 1961.
    """
    judged = np.concatenate([fold.valid for fold in folds])
    fold = np.concatenate([np.full(len(one.valid), number) for number, one in enumerate(folds)])
    dates, date = _binned(timeline.days)
    judged_date = timeline.places(judged)
    outcome, mass = y[judged], weights[judged]
    slope, _ = within_slope(scores, outcome, judged_date, mass)
    own = np.zeros(len(y), dtype=np.intp)
    base, _ = offsets(slope * fitted, y, own, weights)
    off, variance = offsets(slope * fitted + base[0], y, date, weights)
    season, spread = _season(dates, off, variance, timeline.purge_days)
    added = np.zeros(len(y)) if season is None else season.shift(timeline.dates)

    anchored = slope * scores + added[judged]
    for number, one in enumerate(folds):
        rate = float(np.average(y[one.train], weights=weights[one.train]))
        usual = float(np.average(added[one.train], weights=weights[one.train]))
        anchored[fold == number] += (1.0 - slope) * logit(rate) - usual
    period, error = offsets(anchored, outcome, fold, mass)
    dates_in = np.array([len(np.unique(date[one.valid])) for one in folds])
    # Dates nearer than the purge share their churners: so many of them are one fact.
    gaps = np.median(np.diff(dates)) if len(dates) > 1 else timeline.purge_days
    shared = np.clip(timeline.purge_days / max(float(gaps), 1.0), 1.0, dates_in)
    lacking = _lacking(slope * fitted + added, y, timeline, weights)
    drift = float(np.clip(_drift(period, error * shared, spread), min(lacking, 0.0), max(lacking, 0.0)))
    if dates[-1] - dates[0] + timeline.purge_days < _DRIFT_FROM_DAYS:
        drift = 0.0
    level, _ = offsets(slope * scores + added[judged], outcome, judged_date, mass)
    return Level(slope, drift, scores + (added[judged] + level[judged_date]) / slope, season)


def _binned(days: Array) -> tuple[Array, Index]:
    """Return the distinct days and each row's place among them; many days are put in equal bins first."""
    distinct: Array
    place: Index
    distinct, place = np.unique(days, return_inverse=True)
    if len(distinct) > _MOST_DATES:
        width = (distinct[-1] - distinct[0] + 1.0) / _MOST_DATES
        bins, place = np.unique(np.floor((days - distinct[0]) / width), return_inverse=True)
        distinct = np.asarray(np.floor(distinct[0] + (bins + 0.5) * width))
    return distinct, place


def _drift(period: Array, error: Array, season_sd: float) -> float:
    """Return the shrunk and capped mean of what the periods are off by."""
    count = len(period)
    beyond = float(((period - period.mean()) ** 2).sum()) - float(error.mean()) * (count - 1)
    own = (_PERIOD_SD**2 + max(beyond, 0.0)) / count + _SEASON_DOUBT * season_sd**2
    share = 1.0 / (own + error)
    share = share / share.sum()
    mean, uncertain = float(share @ period), float((share**2) @ (own + error))
    trust = _LEVEL_PRIOR**2 / (_LEVEL_PRIOR**2 + uncertain)
    if count > 1:
        apart = _AGREEMENT * float(period.var(ddof=1)) / count
        trust *= max(0.0, 1.0 - apart / max(mean**2, 1e-12))
    return float(np.clip(mean * trust, -_CAP, _CAP))


def _lacking(log_odds: Array, y: Array, timeline: Timeline, weights: Array) -> float:
    """Return what a model of the training rate lacks on the newest label window, shrunk by that window's own error."""
    whole, _ = offsets(log_odds, y, np.zeros(len(y), dtype=np.intp), weights)
    newest = timeline.days > timeline.days.max() - max(timeline.purge_days, 1)
    off, variance = offsets(log_odds + whole[0], y, newest.astype(np.intp), weights)
    # The window's dates share their churners: their rows together are one fact.
    error = variance[1] * len(np.unique(timeline.days[newest]))
    return float(off[1] * _LEVEL_PRIOR**2 / (_LEVEL_PRIOR**2 + error))


def _season(days: Array, off: Array, variance: Array, purge_days: int) -> tuple[Season | None, float]:
    """Return the season that the dates' levels show, if any, and its standard deviation over the year."""
    if days[-1] - days[0] + purge_days < _SEASON_FROM_DAYS:
        return None, 0.0
    apart = days[:, None] - days[None, :]
    # Labels of neighbouring dates share churners, so their errors do too.
    shared = np.clip(1.0 - np.abs(apart) / max(purge_days, 1), 0.0, 1.0)
    noise = np.sqrt(variance)[:, None] * shared * np.sqrt(variance)[None, :] + 1e-6 * np.eye(len(days))
    # 1970 began on a first of January; a month's first day is the same day of the year to within one.
    firsts = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], dtype=np.float64)
    phase = firsts[:, None] - days[None, :]
    memory, yearly = np.exp(-np.abs(apart) / _MEMORY_DAYS), _yearly(apart)
    supports, curves = [], []
    for drift in _DRIFTS:
        for season in _SEASONS:
            covariance = drift**2 * memory + season**2 * yearly + noise
            factor = cho_factor(covariance, lower=True)
            solved = cho_solve(factor, off)
            support = -0.5 * float(off @ solved) - float(np.log(np.diag(factor[0])).sum())
            supports.append(support - 0.5 * (drift / _DRIFT_PRIOR) ** 2 - 0.5 * (season / _SEASON_PRIOR) ** 2)
            curves.append(season**2 * _yearly(phase) @ solved)
    belief = np.exp(np.array(supports) - max(supports))
    curve = (belief[:, None] * np.array(curves)).sum(axis=0) / belief.sum()
    curve = curve - curve.mean()
    spread = float(curve.std())
    if spread < 1e-3:
        return None, 0.0
    return Season(tuple(float(number) for number in curve)), spread


def _sums(group: Index, values: Array, size: int) -> Array:
    """Return the sum of the values of each group."""
    total: Array = np.bincount(group, weights=values, minlength=size).astype(np.float64)
    return total


def _yearly(apart: Array) -> Array:
    """Return the covariance of a season of unit variance between days so far apart."""
    wave: Array = np.exp(-2.0 * np.sin(np.pi * apart / _YEAR) ** 2 / _ROUGHNESS**2)
    return wave
