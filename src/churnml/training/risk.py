"""The chance of being lost at a question, near and far ahead: applied, put right by days ahead, refitted, kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from churnml.parallel import side_by_side
from churnml.training.calibration import Calibrator
from churnml.training.encoding import encode
from churnml.training.ensemble import Ensemble
from churnml.training.estimator import Plan
from churnml.training.judging import judged_rows
from churnml.training.linear import Linear, Strength, reweighed
from churnml.training.logistic import fit_logistic
from churnml.training.stacking import Asked, Stack
from churnml.training.trees import BinnedRows, Trees

__all__ = [
    "APART_FROM",
    "NEAR_DAYS",
    "Chance",
    "Risk",
    "dispersion",
    "judged_chances",
    "lines_by_days",
    "rate_of",
    "refitted",
    "risk_matrix",
]

Array = npt.NDArray[np.float64]

NEAR_DAYS = 90.0
"""What shows today tells much of the next three months and less of a renewal in a year: each has a model of its own."""
APART_FROM = 20
"""Accounts lost on either side below which one model answers for both."""
_BUCKETS = (30.0, 90.0, 180.0, 360.0)
"""Days ahead at which another straight line calibrates; with few losses each stays near the identity."""
_THIRDS = 3
_SLOPE_PRECISION, _LEVEL_PRECISION = 10.0, 4.0
"""Of normal priors around the identity: within about ±0.3 and, for the level, ±0.5."""


@dataclass(frozen=True)
class Risk:
    """The chance of being lost at one kind of question.

    `spread` is how far whole months and levels of risk were off on dates that no model had seen, in log-odds.
    """

    features: tuple[str, ...]
    categories: Mapping[str, list[str]]
    rate: float
    ensemble: Ensemble | None = None
    refits: tuple[Ensemble, ...] = ()
    rates: tuple[float, ...] = ()
    by_days: tuple[Calibrator, ...] = ()
    spread: float = 0.0

    def matrix(self, frame: pd.DataFrame, asked: Asked) -> Array:
        """Return the features of each question's snapshot and what is its own."""
        return risk_matrix(frame, asked, self.features, self.categories)

    def chances(self, frame: pd.DataFrame, asked: Asked) -> list[Array]:
        """Return the chance of each question by the model, then by each of its refits."""
        if self.ensemble is None:
            return [np.full(len(asked.row), rate) for rate in (self.rate, *self.rates)]
        X = self.matrix(frame, asked)
        as_of = frame["as_of"].to_numpy().astype("datetime64[D]")[asked.row]
        season = self.ensemble.seasonal(as_of + asked.day.astype("timedelta64[D]"))
        chances = []
        for one in (self.ensemble, *self.refits):
            p = self.ensemble.calibrator(one.log_odds(X) + season)
            chances.append(_calibrated(p, asked.day, self.by_days))
        return chances

    def contributions(self, frame: pd.DataFrame, asked: Asked) -> Array:
        """Return what each feature adds to each question's raw log-odds, (q, k); nothing where one rate is for all."""
        if self.ensemble is None:
            return np.zeros((len(asked.row), len(self.features)))
        return self.ensemble.contributions(self.matrix(frame, asked))[:, : len(self.features)]

    def as_dict(self) -> dict[str, Any]:
        """Return the chance as JSON-ready data; trees in LightGBM's text format."""
        return {
            "features": list(self.features),
            "categories": dict(self.categories),
            "rate": self.rate,
            "rates": list(self.rates),
            "ensemble": None if self.ensemble is None else _as_dict(self.ensemble),
            "refits": [_as_dict(one) for one in self.refits],
            "by_days": [one.as_dict() for one in self.by_days],
            "spread": self.spread,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Risk:
        """Rebuild the chance from `as_dict`; it gives the same numbers to the last digit."""
        return cls(
            features=tuple(data["features"]),
            categories=data["categories"],
            rate=float(data["rate"]),
            ensemble=None if data["ensemble"] is None else _from_dict(data["ensemble"]),
            refits=tuple(_from_dict(one) for one in data["refits"]),
            rates=tuple(float(one) for one in data["rates"]),
            by_days=tuple(Calibrator.from_dict(one) for one in data["by_days"]),
            spread=float(data.get("spread", 0.0)),
        )


@dataclass(frozen=True)
class Chance:
    """The chance of being lost at one kind of question, near and far ahead."""

    near: Risk
    far: Risk

    @property
    def parts(self) -> tuple[Risk, ...]:
        """The models it is made of."""
        return (self.near,) if self.near is self.far else (self.near, self.far)

    def of(self, frame: pd.DataFrame, asked: Asked) -> list[Array]:
        """Return the chance of each question by the model, then by each of its refits."""
        if self.near is self.far:
            return self.near.chances(frame, asked)
        near = asked.day < NEAR_DAYS
        pairs = zip(
            self.near.chances(frame, asked.taken(near)), self.far.chances(frame, asked.taken(~near)), strict=True
        )
        chances = []
        for soon, later in pairs:
            p = np.empty(len(near))
            p[near], p[~near] = soon, later
            chances.append(p)
        return chances

    def spread(self, asked: Asked) -> Array:
        """Return the spread at each question, (q,)."""
        return np.where(asked.day < NEAR_DAYS, self.near.spread, self.far.spread)

    @property
    def features(self) -> tuple[str, ...]:
        """What either model reads."""
        return tuple(dict.fromkeys((*self.near.features, *self.far.features)))

    def contributions(self, frame: pd.DataFrame, asked: Asked) -> Array:
        """Return what each of `features` adds to each question's raw log-odds, (q, k)."""
        soon, place = asked.day < NEAR_DAYS, {name: at for at, name in enumerate(self.features)}
        out = np.zeros((len(soon), len(place)))
        for part, side in ((self.near, soon), (self.far, ~soon)):
            columns = np.array([place[name] for name in part.features], dtype=np.intp)
            out[np.ix_(np.flatnonzero(side), columns)] = part.contributions(frame, asked.taken(side))
        return out

    def as_dict(self) -> dict[str, Any]:
        """Return the parts as JSON-ready data."""
        return {"parts": [part.as_dict() for part in self.parts]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Chance:
        """Rebuild the chance from `as_dict`."""
        parts = [Risk.from_dict(one) for one in data["parts"]]
        return cls(parts[0], parts[-1])


def risk_matrix(
    frame: pd.DataFrame, asked: Asked, features: Sequence[str], categories: Mapping[str, list[str]]
) -> Array:
    """Return the features of each question's snapshot and what is its own, (q, k + 3)."""
    return np.column_stack([encode(frame, features, categories)[asked.row], asked.extras])


def rate_of(stack: Stack, weights: Array) -> float:
    """Return the share that was lost, half a loss in one more month or decision added: never none at all."""
    return float((weights @ stack.lost + 0.5) / (weights.sum() + 1.0 + 100.0 * (len(stack.lost) == 0)))


def judged_chances(
    ensemble: Ensemble, plan: Plan, stack: Stack, by_days: Sequence[Calibrator]
) -> tuple[npt.NDArray[np.intp], Array]:
    """Return the rows of a stack that the inner folds judged on, and the chance told of them by models without them."""
    if ensemble.judged is None or plan.timeline is None:
        return np.zeros(0, dtype=np.intp), np.zeros(0)
    rows = judged_rows(plan.folds)
    p = ensemble.calibrator(ensemble.judged + ensemble.seasonal(plan.timeline.dates[rows]))
    return rows, _calibrated(p, stack.asked.day[rows], by_days)


def dispersion(p: Array, lost: Array, due: npt.NDArray[np.datetime64], account: npt.NDArray[np.str_]) -> float:
    """Return by how much chances were off beyond the luck of each account, as a standard deviation in log-odds.

    Of one account that was asked about a decision in several months the mean counts, once. In groups of a quarter's
    decisions and a third of their chances, (lost − expected) ÷ variance is by how much that group's log-odds were off;
    what these differ by more than chance would have them is the dispersion (DerSimonian and Laird 1986, around none).

    Parameters
    ----------
    p, lost : array of shape (q,)
    due : array of datetime64[D], shape (q,)
    account : array of shape (q,)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p, due = np.full(4000, 0.2), np.datetime64("2024-01-01") + 91 * rng.integers(0, 20, 4000)
    >>> each = [f"a{i}" for i in range(4000)]
    >>> fair = dispersion(p, (rng.random(4000) < p).astype(float), due, np.array(each))
    >>> early = due < np.datetime64("2026-06-01")
    >>> odd = dispersion(p, (rng.random(4000) < np.where(early, 0.1, 0.35)).astype(float), due, np.array(each))
    >>> bool(fair < 0.2), bool(odd > 0.5)
    (True, True)
    """
    if len(p) == 0:
        return 0.0
    rows = pd.DataFrame({"p": p, "lost": lost, "due": due, "account": account})
    one = rows.groupby(["account", "due"], as_index=False)[["p", "lost"]].mean()
    quarter = pd.to_datetime(one["due"]).dt.to_period("Q").astype(str)
    third = one.groupby(quarter)["p"].rank(pct=True, method="first").mul(_THIRDS).sub(1e-9).astype(int)
    one = one.assign(variance=one["p"] * (1.0 - one["p"]), more=one["lost"] - one["p"])
    groups = one.groupby([quarter.to_numpy(), third.to_numpy()])[["more", "variance"]].sum()
    held = groups["variance"].to_numpy()
    excess = float((groups["more"].to_numpy() ** 2 / held).sum()) - len(groups)
    return float(np.sqrt(max(excess, 0.0) / held.sum()))


def lines_by_days(ensemble: Ensemble, plan: Plan, stack: Stack, groups: npt.NDArray[np.str_]) -> tuple[Calibrator, ...]:
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


def refitted(ensemble: Ensemble, plan: Plan, weights: Sequence[Array]) -> list[Ensemble]:
    """Return the same ensemble fitted to other weights, every choice kept.

    Parameters
    ----------
    ensemble : Ensemble
    plan : Plan
        What it was fitted by.
    weights : sequence of arrays
        Of the plan's rows, one array a refit.
    """
    recipe, facts = plan.recipe, ensemble.facts

    def trees_of(weight: Array) -> Trees:
        shape = next(one for one in recipe.trees if one.params["num_leaves"] == facts.leaves)
        binned = BinnedRows(plan.matrix, plan.outcome, recipe.categorical, shape, weight)
        return Trees.fit(
            binned, settings=shape, seeds=recipe.seeds[:1], trees=facts.trees or 1, monotone=recipe.monotone
        )

    trees: Sequence[Trees | None] = [None] * len(weights)
    linears: Sequence[Linear | None] = [None] * len(weights)
    if ensemble.trees is not None:
        trees = side_by_side([partial(trees_of, weight) for weight in weights])
    if ensemble.linear is not None:
        strength = Strength(ensemble.linear.penalty, facts.trust or 0.0)
        linears = reweighed(plan.matrix, plan.outcome, strength, recipe.categorical, recipe.expected, weights)
    parts = zip(trees, linears, strict=True)
    return [Ensemble(*pair, ensemble.linear_weight, Calibrator("none"), facts) for pair in parts]


def _as_dict(ensemble: Ensemble) -> dict[str, Any]:
    return {
        "boosters": [] if ensemble.trees is None else ensemble.trees.texts(),
        "linear": None if ensemble.linear is None else ensemble.linear.as_dict(),
        **ensemble.settings(),
    }


def _from_dict(data: Mapping[str, Any]) -> Ensemble:
    trees = Trees.from_texts(data["boosters"]) if data["boosters"] else None
    linear = Linear.from_dict(data["linear"]) if data["linear"] else None
    return Ensemble.of_settings(trees, linear, data)
