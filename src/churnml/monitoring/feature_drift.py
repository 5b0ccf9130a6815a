"""Whether features and scores lie otherwise than in training, and what that does to the predictions.

An account stands in the training frame once a snapshot, so its rows are no independent draws: each account counts once,
however many rows it has. That the same accounts stand on both sides makes the test cautious, never eager.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.language import Quantity, Text
from churnml.monitoring.alarms import Alarm, Budget

__all__ = ["Drift", "FeatureDrift", "Sample", "drift", "drift_alarms", "psi", "training_sample"]

Array = npt.NDArray[np.float64]
Predict = Callable[[Array], Array]

_MOST_ROWS = 6000
_LEAST_ACCOUNTS = 30
_LEAST_DATES = 5
_MAJOR_PSI = 0.25
"""From here on a population is commonly said to have shifted (Siddiqi 2006)."""
_BINS = 10


@dataclass(frozen=True)
class Sample:
    """Rows of a model's columns with who they are of.

    Parameters
    ----------
    columns : array of shape (n, k)
        As `ChurnModel.matrix` makes them: words coded, nulls NaN.
    account : array of shape (n,)
        Number of the account of each row.
    date : array of shape (n,)
        Number of the snapshot of each row.
    probability : array of shape (n,)
        What was predicted out of time; NaN where nothing was.
    """

    columns: Array
    account: npt.NDArray[np.intp]
    date: npt.NDArray[np.intp]
    probability: Array

    @property
    def weight(self) -> Array:
        """Weight of each row: an account counts once."""
        return 1.0 / np.bincount(self.account)[self.account]

    @property
    def accounts(self) -> int:
        """Distinct accounts."""
        return len(np.unique(self.account))


@dataclass(frozen=True)
class FeatureDrift:
    """How one feature moved.

    Parameters
    ----------
    feature : str
    psi : float
        Population stability index over tenths of the training window, nulls apart.
    distance : float
        Kolmogorov-Smirnov distance, nulls below every number.
    p_value : float
        Of that distance.
    drifted : bool
        Beyond chance among all features (Benjamini-Hochberg), and beyond what any training date showed.
    effect : float
        Mean prediction now, less that with the feature moved back to its distribution in training; 0 where not drifted.
    """

    feature: str
    psi: float
    distance: float
    p_value: float
    drifted: bool
    effect: float = 0.0


@dataclass(frozen=True)
class Drift:
    """Features and scores against training.

    Parameters
    ----------
    accounts, reference_accounts : int
        Accounts now and in the sample of the training window.
    mean_probability : float
        Mean prediction now.
    features : tuple of FeatureDrift
        Those that drifted, by what they do to the mean prediction, largest first.
    tested : int
        Features tested.
    score_psi, score_p_value : float or None
        Of the predictions, against those of the backtest; None without one.
    score_mean_before : float or None
    """

    accounts: int
    reference_accounts: int
    mean_probability: float
    features: tuple[FeatureDrift, ...]
    tested: int
    score_psi: float | None = None
    score_p_value: float | None = None
    score_mean_before: float | None = None


def training_sample(frame: pd.DataFrame, names: Sequence[str], *, seed: int) -> pd.DataFrame:
    """Return rows of a training frame to compare later days with: whole accounts, by number instead of id.

    Parameters
    ----------
    frame : DataFrame
        ``account_id, as_of, churned`` and features.
    names : sequence of str
        Features to keep.
    seed : int
        Of the draw of accounts, where there are more rows than are needed.

    Examples
    --------
    >>> frame = pd.DataFrame({"account_id": ["x", "y"], "as_of": pd.Timestamp("2026-01-01"), "churned": [0.0, 1.0],
    ...                       "logins": [3.0, 0.0]})
    >>> sorted(training_sample(frame, ["logins"], seed=0))
    ['account', 'as_of', 'logins']
    """
    labelled = np.flatnonzero(frame["churned"].notna())
    name = frame["account_id"].iloc[labelled].astype(str)
    accounts = np.sort(name.unique())
    order = np.random.default_rng(seed).permutation(len(accounts))
    number = pd.Series(order, index=accounts)
    account = number.loc[name].to_numpy()
    sampled = account < max(len(accounts) * _MOST_ROWS / max(len(labelled), 1), _LEAST_ACCOUNTS)
    rows = frame[["as_of", *names]].iloc[labelled[sampled]]
    return rows.assign(account=account[sampled]).reset_index(drop=True)


def psi(reference: npt.ArrayLike, weight: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """Return the population stability index: how far shares of tenths of the reference have moved.

    References
    ----------
    Siddiqi 2006, *Credit Risk Scorecards*; Yurdakul 2018 (its null distribution).

    Examples
    --------
    >>> same = np.arange(1000.0)
    >>> psi(same, np.ones(1000), same) < 0.001, psi(same, np.ones(1000), same + 900) > 1
    (True, True)
    """
    old, mass, new = (np.asarray(one, dtype=np.float64) for one in (reference, weight, now))
    known = ~np.isnan(old)
    values, share = _cumulative(old[known], mass[known])
    tenths = np.minimum(np.searchsorted(share, np.arange(1, _BINS) / _BINS), max(len(values) - 1, 0))
    edges = np.unique(values[tenths]) if len(values) else values

    def shares(of: Array, weights: Array) -> Array:
        place = np.where(np.isnan(of), 0, 1 + np.searchsorted(edges, of, side="left"))
        return np.bincount(place, weights=weights, minlength=len(edges) + 2).astype(np.float64)

    before, after = shares(old, mass), shares(new, np.ones(len(new)))
    # Half a row in each empty bin, so that a new value is no infinity.
    before, after = (counts + 0.5 for counts in (before * (len(new) / max(mass.sum(), 1e-12)), after))
    before, after = before / before.sum(), after / after.sum()
    return float(((after - before) * np.log(after / before)).sum())


def drift(
    reference: Sample,
    now: Array,
    names: Sequence[str],
    predict: Predict,
    *,
    rate: float,
    scores_before: tuple[Array, npt.NDArray[np.intp]] | None = None,
) -> Drift | None:
    """Compare today's accounts with the training window; None where either has too few accounts.

    Parameters
    ----------
    reference : Sample
        Of the training window.
    now : array of shape (accounts, k)
        The same columns today, one row per account.
    names : sequence of str
        Of the columns.
    predict : callable
        Columns → probabilities.
    rate : float
        False discovery rate among the features named as drifted.
    scores_before : tuple of arrays, optional
        Out-of-time probabilities of the backtest and the number of the account of each.

    References
    ----------
    Benjamini and Hochberg 1995, 10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sample = Sample(rng.normal(size=(400, 2)), np.arange(400), np.zeros(400, dtype=int), np.full(400, np.nan))
    >>> moved = rng.normal(size=(200, 2)) + [2.0, 0.0]
    >>> found = drift(sample, moved, ["a", "b"], lambda X: 1 / (1 + np.exp(-X[:, 0])), rate=0.05)
    >>> [one.feature for one in found.features], found.features[0].effect > 0.2
    (['a'], True)
    """
    if reference.accounts < _LEAST_ACCOUNTS or len(now) < _LEAST_ACCOUNTS:
        return None
    weight = reference.weight
    tested = [_tested(reference, weight, now, place, name) for place, name in enumerate(names)]
    chosen = _discoveries([one.p_value for one in tested], rate)
    predicted = predict(now)
    drifts = []
    for place, one in enumerate(tested):
        if not chosen[place] or one.distance <= _largest_in_training(reference, weight, place):
            continue
        back = now.copy()
        back[:, place] = _moved_back(reference.columns[:, place], weight, now[:, place])
        effect = float(predicted.mean() - predict(back).mean())
        drifts.append(FeatureDrift(one.feature, one.psi, one.distance, one.p_value, True, effect))
    drifts.sort(key=lambda one: (-abs(one.effect), one.p_value, one.feature))
    score_psi = score_p = before_mean = None
    if scores_before is not None and len(scores_before[0]):
        probability, account = scores_before
        mass = 1.0 / np.bincount(account)[account]
        score_psi = psi(probability, mass, predicted)
        score_p = _p_value(_distance(probability, mass, predicted), len(np.unique(account)), len(predicted))
        before_mean = float(np.average(probability, weights=mass))
    return Drift(
        len(now),
        reference.accounts,
        float(predicted.mean()),
        tuple(drifts),
        len(tested),
        score_psi,
        score_p,
        before_mean,
    )


def drift_alarms(measured: Drift, as_of: date, *, budget: Budget, least_effect: float) -> tuple[Alarm, ...]:
    """Return the drifts that matter: beyond chance within the budget, and with an effect on the predictions.

    Parameters
    ----------
    measured : Drift
    as_of : date
    budget : Budget
    least_effect : float
        Change of the mean prediction, as a share of it, from which a drift counts.
    """
    level = budget.level("drift", measured.tested + 1)
    alarms = [
        Alarm(
            "MON201",
            one.feature,
            as_of,
            Text.of(
                "alarm-MON201",
                feature=one.feature,
                psi=Quantity(value=one.psi, digits=2),
                effect=Quantity(value=one.effect, unit="share"),
            ),
            one.p_value,
        )
        for one in measured.features
        if one.p_value < level and abs(one.effect) >= least_effect * measured.mean_probability
    ]
    before = measured.score_mean_before
    if (
        measured.score_psi is not None
        and measured.score_p_value is not None
        and before is not None
        and measured.score_psi >= _MAJOR_PSI
        and measured.score_p_value < level
        and abs(measured.mean_probability - before) >= least_effect * before
    ):
        said = Text.of(
            "alarm-MON202",
            psi=Quantity(value=measured.score_psi, digits=2),
            now=Quantity(value=measured.mean_probability, unit="share"),
            then=Quantity(value=before, unit="share"),
        )
        alarms.append(Alarm("MON202", "scores", as_of, said, measured.score_p_value))
    return tuple(alarms)


def _tested(reference: Sample, weight: Array, now: Array, place: int, name: str) -> FeatureDrift:
    old, new = reference.columns[:, place], now[:, place]
    distance = _distance(old, weight, new)
    return FeatureDrift(
        name, psi(old, weight, new), distance, _p_value(distance, reference.accounts, len(new)), drifted=False
    )


def _distance(old: Array, weight: Array, new: Array) -> float:
    """Return the largest difference of the two cumulative shares; a null lies below every number."""
    old, new = (np.where(np.isnan(one), -np.inf, one) for one in (old, new))
    at = np.unique(np.concatenate([old, new]))
    order = np.argsort(old, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weight[order]) / weight.sum()])
    before = total[np.searchsorted(old[order], at, side="right")]
    after = np.searchsorted(np.sort(new), at, side="right") / len(new)
    return float(np.abs(before - after).max())


def _p_value(distance: float, accounts: int, others: int) -> float:
    from scipy.special import kolmogorov

    size = accounts * others / (accounts + others)
    return float(kolmogorov(np.sqrt(size) * distance))


def _discoveries(p_values: Sequence[float], rate: float) -> npt.NDArray[np.bool_]:
    """Return which tests Benjamini and Hochberg's procedure rejects."""
    p = np.asarray(p_values)
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    out = np.zeros(len(p), dtype=bool)
    if len(passed):
        out[order[: passed[-1] + 1]] = True
    return out


def _largest_in_training(reference: Sample, weight: Array, place: int) -> float:
    """Return the largest distance of one training date from the others; 0 where there are too few dates."""
    dates = np.unique(reference.date)
    if len(dates) < _LEAST_DATES:
        return 0.0
    column = reference.columns[:, place]
    distances = []
    for one in dates:
        own = reference.date == one
        if own.sum() >= _LEAST_ACCOUNTS:
            distances.append(_distance(column[~own], weight[~own], column[own]))
    return max(distances, default=0.0)


def _cumulative(values: Array, weight: Array) -> tuple[Array, Array]:
    order = np.argsort(values, kind="stable")
    return values[order], np.cumsum(weight[order]) / max(weight.sum(), 1e-12)


def _moved_back(old: Array, weight: Array, new: Array) -> Array:
    """Return today's values with each put where its rank stood in training; ties share their place's first."""
    low = np.where(np.isnan(new), -np.inf, new)
    from scipy import stats

    ranks = stats.rankdata(low, method="average") / len(low) - 0.5 / len(low)
    values, share = _cumulative(np.where(np.isnan(old), -np.inf, old), weight)
    back = values[np.minimum(np.searchsorted(share, ranks, side="left"), len(values) - 1)]
    return np.where(np.isneginf(back), np.nan, back)
