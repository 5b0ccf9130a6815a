"""How predictions turned out once their labels are known, and an estimate of it before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit, ndtr, xlogy

from churnml.language import Day, Quantity, Text
from churnml.metrics import (
    Interval,
    calibration_slope,
    clustered_bootstrap,
    expected_over_observed,
    interval,
    lift_at,
    log_loss,
    roc_auc,
)
from churnml.monitoring.alarms import Alarm, Budget

__all__ = [
    "Estimated",
    "Performance",
    "Promise",
    "Realised",
    "estimate",
    "level_shift",
    "performance_alarms",
    "promise_of",
    "realised",
]

Array = npt.NDArray[np.float64]

_DRAWS = 300
_LEAST_POSITIVES = 5
_GAIN_DAYS = 28


@dataclass(frozen=True)
class Realised:
    """How the scores of one snapshot turned out; an interval's value is None where it is undefined.

    Parameters
    ----------
    as_of : date
    model_version : str
    matured_on : date
        First day on which the labels were final.
    accounts, churned : int
        Accounts with a final label, and how many of them churned.
    expected : float
        How many were to churn by their probabilities.
    roc_auc, lift_at_10, log_loss : Interval
        With 95 % bootstrap intervals.
    expected_over_observed, slope : Interval
        Calibration: 1 and 1 are right.
    unlabelled : int
        Accounts scored whose label never becomes known (gone inside the gap).
    """

    as_of: date
    model_version: str
    matured_on: date
    accounts: int
    churned: int
    expected: float
    roc_auc: Interval
    lift_at_10: Interval
    log_loss: Interval
    expected_over_observed: Interval
    slope: Interval
    unlabelled: int = 0


@dataclass(frozen=True)
class Promise:
    """What the backtest promised: pooled over its test snapshots, with intervals."""

    roc_auc: Interval
    lift_at_10: Interval
    log_loss: Interval
    churn_rate: float | None


@dataclass(frozen=True)
class Estimated:
    """What calibrated probabilities let expect of a snapshot whose labels are not known yet (CBPE).

    Parameters
    ----------
    as_of : date
    accounts : int
    expected : float
        Accounts that are to churn.
    roc_auc, lift_at_10, log_loss : Interval
        Expected value, and the 95 % interval within which the realised one is to fall if the probabilities are right.
    """

    as_of: date
    accounts: int
    expected: float
    roc_auc: Interval
    lift_at_10: Interval
    log_loss: Interval


@dataclass(frozen=True)
class Performance:
    """Promised, realised and expected performance of the model in use, newest snapshot last.

    Parameters
    ----------
    promise : Promise or None
    realised : tuple of Realised
    estimated : Estimated or None
        Of the newest snapshot.
    shift : float or None
        What the log-odds would have to move by to meet the newest mature churn rate; None where they are within noise.
    ranked : Realised or None
        Newest snapshot whose ranking is that of the model in use: its own, or, while it has none, of the version that
        it is with another level.
    """

    promise: Promise | None
    realised: tuple[Realised, ...]
    estimated: Estimated | None
    shift: float | None = None
    ranked: Realised | None = None


def realised(rows: pd.DataFrame, *, as_of: date, model_version: str, matured_on: date, seed: int) -> Realised | None:
    """Return how the scores of one snapshot turned out; None where no label is final.

    Parameters
    ----------
    rows : DataFrame
        ``account_id, probability, churned``, one row per scored account; `churned` is NaN where it never becomes known.
    as_of, model_version, matured_on
        Of the snapshot.
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": list("abcd"), "probability": [0.1, 0.2, 0.3, 0.9],
    ...                      "churned": [0, 0, 0, 1.0]})
    >>> found = realised(rows, as_of=date(2026, 1, 1), model_version="v", matured_on=date(2026, 4, 1), seed=0)
    >>> found.churned, found.roc_auc.value
    (1, 1.0)
    """
    labelled = rows[rows["churned"].notna()]
    if labelled.empty:
        return None
    y = labelled["churned"].to_numpy(dtype=np.float64)
    p = labelled["probability"].to_numpy(dtype=np.float64)
    accounts = labelled["account_id"]
    draws = clustered_bootstrap(accounts, _DRAWS, seed)
    ratio, slope = expected_over_observed(y, p, accounts), calibration_slope(y, p, accounts)
    return Realised(
        as_of=as_of,
        model_version=model_version,
        matured_on=matured_on,
        accounts=len(y),
        churned=int(y.sum()),
        expected=float(p.sum()),
        roc_auc=interval(roc_auc, y, p, draws),
        lift_at_10=interval(lift_at, y, p, draws),
        log_loss=interval(log_loss, y, p, draws),
        expected_over_observed=Interval(ratio.value, ratio.low, ratio.high),
        slope=Interval(slope.value, slope.low, slope.high),
        unlabelled=len(rows) - len(labelled),
    )


def promise_of(backtest: Mapping[str, object]) -> Promise | None:
    """Return what a bundle's backtest report promised; None where it holds none.

    Examples
    --------
    >>> report = {"pooled": {"model": {"roc_auc": 0.8, "churn_rate": 0.1}, "intervals": {}}}
    >>> promise_of(report).roc_auc
    Interval(value=0.8, low=None, high=None)
    """
    pooled = backtest.get("pooled")
    if not isinstance(pooled, Mapping) or not isinstance(pooled.get("model"), Mapping):
        return None
    model, bounds = pooled["model"], pooled.get("intervals") or {}

    def of(name: str) -> Interval:
        known = bounds.get(name) or {}
        return Interval(model.get(name), known.get("low"), known.get("high"))

    return Promise(of("roc_auc"), of("lift_at_10"), of("log_loss"), model.get("churn_rate"))


def estimate(probability: npt.ArrayLike, *, as_of: date, seed: int) -> Estimated | None:
    """Estimate the performance of calibrated probabilities without labels (CBPE); None without rows.

    Where probabilities are calibrated, each account's outcome is a draw with its own probability, and the expected
    value of any metric follows from the probabilities alone. The interval is that of the realised metric, by drawing
    outcomes. What the estimate cannot see is a change of the relation itself (concept drift): only labels show that.

    Parameters
    ----------
    probability : array of shape (n,)
        Calibrated probabilities of one snapshot.
    as_of : date
    seed : int
        Of the draws.

    References
    ----------
    Białek, Kuberski, Perrakis and Bifet 2024, arXiv:2401.08348 (confidence-based performance estimation).

    Examples
    --------
    >>> sure = estimate([0.0, 0.0, 1.0], as_of=date(2026, 1, 1), seed=0)
    >>> sure.expected, sure.roc_auc.value
    (1.0, 1.0)
    """
    p = np.asarray(probability, dtype=np.float64)
    p = p[np.isfinite(p)]
    if not len(p):
        return None
    loss = float(-(xlogy(p, p) + xlogy(1.0 - p, 1.0 - p)).mean())
    area = _expected_auc(p)
    top = _expected_share_of_top(p)
    drawn = np.random.default_rng(seed).random((_DRAWS, len(p))) < p
    outcomes = [drawn_row for drawn_row in drawn.astype(np.float64) if 0 < drawn_row.sum() < len(p)]
    return Estimated(
        as_of,
        len(p),
        float(p.sum()),
        _around(area, [roc_auc(y, p) for y in outcomes]),
        _around(top, [lift_at(y, p) for y in outcomes]),
        _around(loss, [log_loss(y, p) for y in outcomes]),
    )


def _expected_auc(p: Array) -> float | None:
    """Return the expected share of pairs of a churner and a stayer that are in order, a tie counting one half."""
    order = np.argsort(p, kind="stable")
    _, place = np.unique(p[order], return_inverse=True)
    hits = np.bincount(place, weights=p[order])
    misses = np.bincount(place, weights=1.0 - p[order])
    # A row is no pair with itself.
    own = np.bincount(place, weights=p[order] * (1.0 - p[order]))
    below = np.cumsum(misses) - misses
    pairs = hits.sum() * misses.sum() - own.sum()
    if pairs <= 1e-12:
        return None
    return float((hits * below + 0.5 * (hits * misses - own)).sum() / pairs)


def _expected_share_of_top(p: Array) -> float | None:
    ordered = np.sort(p)[::-1]
    capacity = 0.1 * len(p)
    whole = int(capacity)
    caught = ordered[:whole].sum() + (capacity - whole) * (ordered[whole] if whole < len(p) else 0.0)
    return float(caught / capacity / p.mean()) if p.mean() > 0 else None


def _around(value: float | None, drawn: Sequence[float | None]) -> Interval:
    known = np.array([one for one in drawn if one is not None])
    if value is None or len(known) < 20:
        return Interval(value, None, None)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def level_shift(rows: pd.DataFrame, *, level: float) -> float | None:
    """Return by how much log-odds must move to meet the churn rate that was realised; None where it is within noise.

    Parameters
    ----------
    rows : DataFrame
        ``account_id, probability, churned`` of the newest mature snapshot of the model in use.
    level : float
        p-value below which the difference is beyond noise; the count of churners is compared with the sum of the
        probabilities, whose variance is that of independent outcomes.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": np.arange(1000), "probability": 0.05, "churned": np.arange(1000) % 10 == 0})
    >>> shift = level_shift(rows, level=0.001)
    >>> round(float(expit(logit(0.05) + shift)), 3)
    0.1
    """
    labelled = rows[rows["churned"].notna()]
    y = labelled["churned"].to_numpy(dtype=np.float64)
    p = np.clip(labelled["probability"].to_numpy(dtype=np.float64), 1e-9, 1.0 - 1e-9)
    if len(y) == 0 or y.sum() < _LEAST_POSITIVES or y.sum() > len(y) - _LEAST_POSITIVES:
        return None
    if _calibration_p(y, p) >= level:
        return None
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if expit(logit(p) + middle).sum() < y.sum() else (low, middle)
    return (low + high) / 2.0


def _calibration_p(y: Array, p: Array) -> float:
    """Return the two-sided probability of so many outcomes, given the probabilities.

    The sum of independent outcomes is no more spread than a binomial count with the same mean.
    """
    from scipy.stats import binom

    n, mean = len(y), float(p.mean())
    spread = binom(n, mean)
    return float(min(1.0, 2.0 * min(spread.cdf(y.sum()), spread.sf(y.sum() - 1))))


def performance_alarms(performance: Performance, newest: pd.DataFrame | None, budget: Budget) -> tuple[Alarm, ...]:
    """Return what is wrong with the performance, beyond noise.

    Parameters
    ----------
    performance : Performance
    newest : DataFrame or None
        ``account_id, probability, churned`` of the newest mature snapshot.
    budget : Budget
        A snapshot is judged once a day; consecutive ones share most of their outcomes, so that an alarm lasts rather
        than repeats.
    """
    alarms = []
    level = budget.level("performance", 3)
    promise, last = performance.promise, performance.realised[-1] if performance.realised else None
    ranked = performance.ranked or last
    if promise is not None and ranked is not None:
        p = _worse(promise.roc_auc, ranked.roc_auc)
        if p is not None and p < level and ranked.churned >= _LEAST_POSITIVES:
            said = Text.of("alarm-MON301", day=Day(on=str(ranked.as_of)), **_both(promise.roc_auc, ranked.roc_auc))
            alarms.append(Alarm("MON301", "roc_auc", ranked.as_of, said, p))
    if last is not None and newest is not None and performance.shift is not None:
        labelled = newest[newest["churned"].notna()]
        p = _calibration_p(labelled["churned"].to_numpy(float), labelled["probability"].to_numpy(float))
        said = Text.of(
            "alarm-MON302",
            day=Day(on=str(last.as_of)),
            expected=round(last.expected),
            n=last.churned,
            accounts=Quantity(value=last.accounts, unit="accounts"),
        )
        alarms.append(Alarm("MON302", "calibration", last.as_of, said, p))
    estimated = performance.estimated
    if promise is not None and estimated is not None:
        p = _worse(promise.roc_auc, estimated.roc_auc)
        if p is not None and p < level:
            said = Text.of(
                "alarm-MON303", day=Day(on=str(estimated.as_of)), **_both(promise.roc_auc, estimated.roc_auc)
            )
            alarms.append(Alarm("MON303", "roc_auc", estimated.as_of, said, p))
    return tuple(alarms)


def _both(promised: Interval, actual: Interval) -> dict[str, Quantity]:
    assert promised.value is not None
    assert actual.value is not None
    return {
        "promised": Quantity(value=promised.value, digits=2),
        "found": Quantity(value=actual.value, digits=2),
    }


def _worse(promised: Interval, actual: Interval) -> float | None:
    """Return the one-sided probability that a value so far below the promised one is noise."""
    errors = [_error(one) for one in (promised, actual)]
    if promised.value is None or actual.value is None or errors[1] is None:
        return None
    error = float(np.hypot(errors[0] or 0.0, errors[1]))
    return float(ndtr((actual.value - promised.value) / error)) if error > 0 else None


def _error(one: Interval) -> float | None:
    return None if one.low is None or one.high is None else (one.high - one.low) / (2 * 1.96)
