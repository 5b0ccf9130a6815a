"""`HazardModel`: when accounts are lost, decision by decision and month by month, as scikit-learn knows estimators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnml.errors import DataError, TrainingError
from churnml.features.spec import FeatureSet
from churnml.training.calibration import Calibrator
from churnml.training.encoding import categories_of, encode
from churnml.training.ensemble import Ensemble, fit_ensemble
from churnml.training.estimator import ChurnClassifier, Plan
from churnml.training.experience import expected_coefficients
from churnml.training.judging import judged_rows
from churnml.training.linear import Strength, fit_linear
from churnml.training.logistic import fit_logistic
from churnml.training.stacking import (
    DECISION_EXTRAS,
    MONTH_DAYS,
    MONTH_EXTRAS,
    MONTHS,
    Asked,
    Stack,
    asked_decisions,
    asked_months,
    decision_grid,
    decision_stack,
    month_stack,
)
from churnml.training.survival import Curves, Forecast
from churnml.training.trees import BinnedRows, Trees

__all__ = ["HazardModel"]

Array = npt.NDArray[np.float64]
Kind = Literal["auto", "lightgbm", "logistic"]

_REPLACED = ("days_to_renewal",)
"""Measures that the stack tells better: there the days to the decision are a question's own."""
_NEAR_DAYS = 90.0
"""What shows today tells much of the next three months and less of a renewal in a year: each has a model of its own."""
_APART_FROM = 20
"""Accounts lost on either side below which one model answers for both."""
_BUCKETS = (30.0, 90.0, 180.0, 360.0)
"""Days ahead at which another straight line calibrates; with few losses each stays near the identity."""
_SLOPE_PRECISION, _LEVEL_PRECISION = 10.0, 4.0
"""Of normal priors around the identity: within about ±0.3 and, for the level, ±0.5."""
_CALENDAR_MONTH = 31
_AT_ONCE = 4000


@dataclass(frozen=True)
class _Risk:
    """The chance of being lost at one kind of question."""

    features: tuple[str, ...]
    categories: Mapping[str, list[str]]
    rate: float
    ensemble: Ensemble | None = None
    refits: tuple[Ensemble, ...] = ()
    rates: tuple[float, ...] = ()
    by_days: tuple[Calibrator, ...] = ()

    def matrix(self, frame: pd.DataFrame, asked: Asked) -> Array:
        """Return the features of each question's snapshot and what is its own."""
        return np.column_stack([encode(frame, self.features, self.categories)[asked.row], asked.extras])

    def chances(self, frame: pd.DataFrame, asked: Asked) -> list[Array]:
        """Return the chance of each question by the model, then by each of its refits."""
        if self.ensemble is None:
            return [np.full(len(asked.row), rate) for rate in (self.rate, *self.rates)]
        X = self.matrix(frame, asked)
        as_of = frame["as_of"].to_numpy().astype("datetime64[D]")[asked.row]
        season = self.ensemble.seasonal(as_of + asked.day.astype("timedelta64[D]"))
        found = []
        for one in (self.ensemble, *self.refits):
            p = self.ensemble.calibrator(one.log_odds(X) + season)
            found.append(_calibrated(p, asked.day, self.by_days))
        return found


@dataclass(frozen=True)
class _Chance:
    """The chance of being lost at one kind of question, near and far ahead."""

    near: _Risk
    far: _Risk

    @property
    def parts(self) -> tuple[_Risk, ...]:
        """The models it is made of."""
        return (self.near,) if self.near is self.far else (self.near, self.far)

    def of(self, frame: pd.DataFrame, asked: Asked) -> list[Array]:
        """Return the chance of each question by the model, then by each of its refits."""
        if self.near is self.far:
            return self.near.chances(frame, asked)
        near = asked.day < _NEAR_DAYS
        pairs = zip(
            self.near.chances(frame, asked.taken(near)), self.far.chances(frame, asked.taken(~near)), strict=True
        )
        found = []
        for soon, later in pairs:
            p = np.empty(len(near))
            p[near], p[~near] = soon, later
            found.append(p)
        return found


class HazardModel(BaseEstimator):  # type: ignore[misc]
    """Discrete-time hazard of losing an account, on the same features as every other model here.

    Two chances are learnt, each by `churnml.training.ChurnClassifier` with its inner folds by date, its blend and its
    calibration: that an account which reaches a decision on its contract is lost there, and that it is lost in a month
    at no decision. Their product is one survival curve, from which every horizon's probability, the risk at the renewal
    and the expected end follow. Churn by silence has no decisions, and the second alone.

    Parameters
    ----------
    features : FeatureSet
        Columns to learn from; the days to the renewal are left out, since the stack has them as its own.
    kind, params, seeds, calibration, random_state
        As for `churnml.training.ChurnClassifier`.
    late_days : int
        A renewal so many days late is still one: ``label.grace_days``.
    first_day : int
        Nobody is lost earlier: ``label.silence - 1`` with churn by silence.
    refits : int
        Models refitted to randomly weighed accounts, for intervals; 0 for none.
    min_lost : int
        Where fewer accounts were lost in one of the two ways, that chance is one rate for all.
    most_rows : int
        About so many rows of a stack are learnt from; more are thinned evenly.

    Attributes
    ----------
    decision_, month_ : fitted chances
    lost_ : dict
        Accounts lost ``at_decision`` and ``between`` that were learnt from.
    rows_ : dict
        Rows of either stack.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> count, dates = 300, pd.to_datetime(["2024-01-01", "2024-04-01", "2024-07-01"])
    >>> snapshots = pd.DataFrame({"account_id": np.tile([f"a{i}" for i in range(count)], 3),
    ...     "as_of": np.repeat(dates, count), "use": np.tile(rng.normal(size=count), 3)})
    >>> snapshots["next_decision_days"], snapshots["contract_days"] = 40.0, 91.3125
    >>> lost = rng.random(3 * count) < 1 / (1 + np.exp(2 + 2 * snapshots["use"]))
    >>> snapshots["ended_days"], snapshots["seen_days"] = np.where(lost, 40.0, np.nan), 80.0
    >>> from churnml.features.spec import FeatureSpec
    >>> features = FeatureSet([FeatureSpec("use", "engagement", "", "", "use", "use", "events")])
    >>> model = HazardModel(features, kind="logistic", refits=0).fit(snapshots)
    >>> low, high = model.predict_survival(snapshots.assign(use=[-2.0] * 450 + [2.0] * 450)).point.renewal_risk[[0, -1]]
    >>> bool(low > 0.6), bool(high < 0.1)
    (True, True)

    See Also
    --------
    churnml.snapshots.coming_decisions, churnml.snapshots.seen_ends : The columns beside spine and features.
    """

    def __init__(
        self,
        features: FeatureSet,
        kind: Kind = "auto",
        params: Mapping[str, float | int | str | bool] | None = None,
        seeds: int = 1,
        calibration: Literal["auto", "platt", "isotonic", "beta", "none"] = "auto",
        random_state: int = 7,
        late_days: int = 14,
        first_day: int = 0,
        refits: int = 8,
        min_lost: int = 7,
        most_rows: int = 20_000,
    ) -> None:
        self.features = features
        self.kind = kind
        self.params = params
        self.seeds = seeds
        self.calibration = calibration
        self.random_state = random_state
        self.late_days = late_days
        self.first_day = first_day
        self.refits = refits
        self.min_lost = min_lost
        self.most_rows = most_rows

    def fit(self, frame: pd.DataFrame) -> Self:
        """Fit to snapshots, also to those whose windows are not over: as far as it is known what they lived through.

        Parameters
        ----------
        frame : DataFrame
            Spine and features, one row per ``(account_id, as_of)``, with `churnml.snapshots.coming_decisions` and
            `churnml.snapshots.seen_ends`; the spine's labels are not read.

        Raises
        ------
        DataError
            A column is missing.
        TrainingError
            Nobody was lost, or nobody stayed.
        """
        _check(frame, ["account_id", "as_of", "next_decision_days", "contract_days", "ended_days", "seen_days"])
        frame = frame.reset_index(drop=True)
        stacks = {
            "at_decision": decision_stack(frame, self.late_days, self.most_rows),
            "between": month_stack(frame, self.late_days, self.most_rows, self.first_day),
        }
        account = frame["account_id"].to_numpy(dtype="object").astype(str)
        self.rows_ = {name: len(stack.lost) for name, stack in stacks.items()}
        self.lost_ = {name: len(np.unique(account[stack.asked.row[stack.lost == 1]])) for name, stack in stacks.items()}
        if sum(self.lost_.values()) < self.min_lost:
            raise TrainingError(
                f"Too few accounts were lost to learn when: {sum(self.lost_.values())}",
                where="training",
                got=f"{len(frame)} snapshots, {sum(self.rows_.values())} decisions and months lived through",
                expected=f"at least {self.min_lost} (model.min_churners)",
                remedy="Extract a longer history, or lower model.min_churners.",
                code="training.too_few_churners",
            )
        self.decision_ = self._learnt(frame, stacks["at_decision"], account, DECISION_EXTRAS)
        self.month_ = self._learnt(frame, stacks["between"], account, MONTH_EXTRAS)
        return self

    def predict_survival(self, frame: pd.DataFrame) -> Forecast:
        """Return the curves of snapshots over 24 months of 30 days, and those of the refits.

        Parameters
        ----------
        frame : DataFrame
            ``as_of``, features and `churnml.snapshots.coming_decisions`; nothing of what came after is read.

        Raises
        ------
        DataError
            A column is missing.
        """
        check_is_fitted(self, "month_")
        _check(frame, ["as_of", "next_decision_days", "contract_days"])
        parts = [
            self._curves(frame.iloc[start : start + _AT_ONCE].reset_index(drop=True))
            for start in range(0, max(len(frame), 1), _AT_ONCE)
        ]
        point, *draws = (_joined(curves) for curves in zip(*parts, strict=True))
        return Forecast(point, tuple(draws))

    def predict_proba(self, frame: pd.DataFrame, days: int = 90) -> Array:
        """Return the chances of staying and of being lost within so many days, of shape (n, 2)."""
        lost = self.predict_survival(frame).point.lost_within(days)
        return np.column_stack([1.0 - lost, lost])

    def _curves(self, frame: pd.DataFrame) -> list[Curves]:
        grid = decision_grid(frame)
        decisions, months = asked_decisions(frame), asked_months(frame)
        closed = months.day + MONTH_DAYS <= self.first_day
        found = []
        at_decisions, between = self.decision_.of(frame, decisions), self.month_.of(frame, months)
        for at, other in zip(at_decisions, between, strict=True):
            risk = np.full(grid.shape, np.nan)
            risk[decisions.row, decisions.place] = at
            found.append(Curves(grid, risk, np.where(closed, 0.0, other).reshape(len(frame), MONTHS)))
        return found

    def _learnt(
        self, frame: pd.DataFrame, stack: Stack, account: npt.NDArray[np.str_], extras: Sequence[str]
    ) -> _Chance:
        """Learn near and far apart where each side has losses enough for trees."""
        near = stack.asked.day < _NEAR_DAYS
        sides = [stack.taken(near), stack.taken(~near)]
        if min(len(np.unique(account[side.asked.row[side.lost == 1]])) for side in sides) < _APART_FROM:
            whole = self._risk(frame, stack, account, extras)
            return _Chance(whole, whole)
        return _Chance(*(self._risk(frame, side, account, extras) for side in sides))

    def _risk(self, frame: pd.DataFrame, stack: Stack, account: npt.NDArray[np.str_], extras: Sequence[str]) -> _Risk:
        specs = [spec for spec in self.features if spec.measure not in _REPLACED and spec.name not in _REPLACED]
        names = tuple(spec.name for spec in specs)
        rows = frame.iloc[np.unique(stack.asked.row)]
        categories = categories_of(rows, [spec.name for spec in specs if spec.categorical]) if len(rows) else {}
        groups = account[stack.asked.row]
        draws = self._draws(account)
        rate, *rates = (_rate(stack, stack.weight * draw[stack.asked.row]) for draw in [np.ones(len(frame)), *draws])
        constant = _Risk(names, categories, rate, rates=tuple(rates))
        lost, stayed = (len(np.unique(groups[stack.lost == side])) for side in (1, 0))
        if min(lost, stayed) < self.min_lost:
            return constant
        X = constant.matrix(frame, stack.asked)
        expected = expected_coefficients(FeatureSet(specs))
        none = [0] * len(extras)
        classifier = ChurnClassifier(
            kind=self.kind,
            params=self.params,
            seeds=self.seeds,
            calibration=self.calibration,
            # An answer is known the grace days after it fell due, and falls due within its calendar month.
            purge_days=_CALENDAR_MONTH + self.late_days,
            categorical=[place for place, spec in enumerate(specs) if spec.categorical],
            monotone=[*(0 if spec.categorical else spec.monotone for spec in specs), *none],
            directions=[*(spec.monotone or spec.risk_direction for spec in specs), *none],
            random_state=self.random_state,
            expected=[*expected, *none],
        )
        plan = classifier.plan(X, stack.lost, dates=stack.due, groups=groups, sample_weight=stack.weight)
        ensemble = fit_ensemble(plan.matrix, plan.outcome, plan.folds, plan.recipe, plan.timeline, plan.weights)
        by_days = _by_days(ensemble, plan, stack, groups)
        refits = [_refitted(ensemble, plan, stack.weight * draw[stack.asked.row]) for draw in draws]
        return _Risk(names, categories, rate, ensemble, tuple(refits), by_days=by_days)

    def _draws(self, account: npt.NDArray[np.str_]) -> list[Array]:
        """Return a random weight per snapshot for each refit, the same for all of an account (Rubin 1981)."""
        rng = np.random.default_rng(self.random_state)
        accounts, place = np.unique(account, return_inverse=True)
        return [rng.exponential(size=len(accounts))[place] for _ in range(self.refits)]


def _rate(stack: Stack, weights: Array) -> float:
    """Return the share that was lost, half a loss in one more month or decision added: never none at all."""
    return float((weights @ stack.lost + 0.5) / (weights.sum() + 1.0 + 100.0 * (len(stack.lost) == 0)))


def _by_days(ensemble: Ensemble, plan: Plan, stack: Stack, groups: npt.NDArray[np.str_]) -> tuple[Calibrator, ...]:
    """Return a straight line per span of days ahead, learnt from rows that their models had not seen."""
    if ensemble.judged is None or plan.timeline is None:
        return ()
    rows = judged_rows(plan.folds)
    weights, outcome = stack.weight[rows], plan.outcome[rows]
    p = ensemble.calibrator(ensemble.judged + ensemble.seasonal(plan.timeline.dates[rows]))
    z, bucket = logit(np.clip(p, 1e-12, 1 - 1e-12)), np.digitize(stack.asked.day[rows], _BUCKETS)
    lines = []
    for place in range(len(_BUCKETS) + 1):
        inside = np.flatnonzero(bucket == place)
        lines.append(_line(z[inside], outcome[inside], weights[inside], groups[rows[inside]]))
    # How many are lost in all was settled with more care (churnml.training.level); here it is only shared out.
    low, high = -5.0, 5.0
    for _ in range(50):
        middle = (low + high) / 2.0
        moved = tuple(replace(line, prior_shift=middle) for line in lines)
        less = np.average(_calibrated(p, stack.asked.day[rows], moved) - p, weights=weights) < 0
        low, high = (middle, high) if less else (low, middle)
    return tuple(replace(line, prior_shift=(low + high) / 2.0) for line in lines)


def _line(z: Array, outcome: Array, weights: Array, groups: npt.NDArray[np.str_]) -> Calibrator:
    """Return a straight line near the identity; an account that speaks in many rows counts about once."""
    lost = outcome == 1
    if len(z) == 0:
        return Calibrator("none")
    ones = np.unique(groups[lost]) if lost.any() else np.unique(groups)
    share = len(ones) / (int(lost.sum()) if lost.any() else len(z))
    slope, level = fit_logistic(
        np.column_stack([z, np.ones(len(z))]),
        outcome,
        np.array([_SLOPE_PRECISION, _LEVEL_PRECISION]),
        centre=np.array([1.0, 0.0]),
        lower=np.array([1e-3, -np.inf]),
        weights=weights * share,
        intercept=False,
    )
    return Calibrator("platt", (float(slope), float(level)), int(lost.sum()))


def _calibrated(p: Array, day: Array, by_days: Sequence[Calibrator]) -> Array:
    """Return chances put right by how far ahead their question lies."""
    if not by_days:
        return p
    z, bucket, out = logit(np.clip(p, 1e-12, 1 - 1e-12)), np.digitize(day, _BUCKETS), p.copy()
    for place, line in enumerate(by_days):
        inside = bucket == place
        out[inside] = line(z[inside])
    return out


def _refitted(ensemble: Ensemble, plan: Plan, weights: Array) -> Ensemble:
    """Return the same ensemble fitted to other weights, every choice kept."""
    recipe, facts = plan.recipe, ensemble.facts
    trees, linear = ensemble.trees, ensemble.linear
    if trees is not None:
        shape = next(one for one in recipe.trees if one.params["num_leaves"] == facts.leaves)
        binned = BinnedRows(plan.matrix, plan.outcome, recipe.categorical, shape, weights)
        trees = Trees.fit(
            binned, settings=shape, seeds=recipe.seeds[:1], trees=facts.trees or 1, monotone=recipe.monotone
        )
    if linear is not None:
        strength = Strength(linear.penalty, facts.trust or 0.0)
        linear = fit_linear(plan.matrix, plan.outcome, [strength], recipe.categorical, None, recipe.expected, weights)[
            0
        ]
    return Ensemble(trees, linear, ensemble.linear_weight, Calibrator("none"), facts)


def _joined(parts: Sequence[Curves]) -> Curves:
    """Put curves below each other; fewer decisions are filled with none."""
    width = max(part.decision_day.shape[1] for part in parts)

    def wide(values: Array) -> Array:
        return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)

    return Curves(
        np.concatenate([wide(part.decision_day) for part in parts]),
        np.concatenate([wide(part.decision_risk) for part in parts]),
        np.concatenate([part.month_risk for part in parts]),
    )


def _check(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            "The snapshots lack what a survival curve is made of",
            where=", ".join(missing),
            expected="spine and features, joined with snapshots.coming_decisions and snapshots.seen_ends",
            remedy="Add the columns with these two functions.",
            code="data.feature_missing",
        )
