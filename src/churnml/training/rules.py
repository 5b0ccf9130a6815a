"""Rules that a model has to beat, each turned into a probability on the training rows only; all of it plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

__all__ = ["RULES", "RuleModel", "Place", "Rule", "fit_rule", "rules"]

Array = npt.NDArray[np.float64]

REFERENCE_GROUPS: dict[str, tuple[float, tuple[tuple[str, int], ...]]] = {
    "login frequency": (
        0.25,
        (("logins", 1), ("active_days", 1), ("active_users", 1), ("events", 1), ("days_since_last_login", -1)),
    ),
    "core feature use": (0.30, (("core_feature_share", 1), ("features_used", 1))),
    "support": (0.20, (("tickets_opened", -1), ("ticket_resolution_rate", 1))),
    "satisfaction": (0.15, (("nps_last", 1), ("csat", 1))),
    "time to renewal": (0.10, (("days_to_renewal", 1),)),
}
"""The reference health weights: group → weight and measures in order of preference, +1 where more is healthier.

A group uses its first measure that exists (support and satisfaction average theirs).
"""

_SILENCE = "days_since_last_event"
_AVERAGED = ("support", "satisfaction")
_WINDOW = re.compile(r"^(?P<measure>.+)_(?P<days>\d+)d$")
_MOST_KNOWN = 2000
"""Training values kept per measure; more are thinned to so many quantiles."""

RULES = ("base_rate", "recency", "reference", "rfm")
"""Rules in the order they are reported."""


@dataclass(frozen=True)
class Place:
    """Where a value stands among the training rows' values of one column.

    Parameters
    ----------
    column : str
        Feature.
    sign : int
        +1 where more is healthier, −1 where less is.
    known : tuple of float
        Sorted training values.
    """

    column: str
    sign: int
    known: tuple[float, ...]

    @classmethod
    def fit(cls, train: pd.DataFrame, column: str, sign: int) -> Self:
        """Keep the training values of a column, thinned to quantiles where they are many."""
        known = np.sort(train[column].dropna().to_numpy(dtype=np.float64))
        if len(known) > _MOST_KNOWN:
            known = np.quantile(known, np.linspace(0.0, 1.0, _MOST_KNOWN), method="inverted_cdf")
        return cls(column, sign, tuple(known.tolist()))

    def __call__(self, rows: pd.DataFrame) -> Array:
        """Return the share of training values less healthy than each row's, ties at the middle; 0–1, or NaN."""
        value = _values(rows, self.column)
        if not self.known:
            return np.full(len(rows), np.nan)
        known = np.asarray(self.known)
        low, high = np.searchsorted(known, value, "left"), np.searchsorted(known, value, "right")
        share = np.where(np.isnan(value), np.nan, (low + high) / (2.0 * len(known)))
        return share if self.sign > 0 else 1.0 - share


@dataclass(frozen=True)
class Rule:
    """A rule of thumb: a score per row, higher is riskier, made from training rows without looking at outcomes.

    Parameters
    ----------
    name : str
        One of `RULES`.
    groups : tuple of (float, tuple of Place)
        Weight and measures of each group.
    longest : float
        Longest silence of a training row, days (``recency``).
    """

    name: str
    groups: tuple[tuple[float, tuple[Place, ...]], ...] = ()
    longest: float = 0.0

    @property
    def columns(self) -> list[str]:
        """The features it reads."""
        read = [place.column for _, places in self.groups for place in places]
        return [_SILENCE] if self.name == "recency" else read

    def score(self, rows: pd.DataFrame) -> Array:
        """Return the risk of each row, in units of its own."""
        return _SCORES[self.name](self, rows)


@dataclass(frozen=True)
class RuleModel:
    """A rule and the line that makes its score a probability.

    Parameters
    ----------
    rule : Rule
    centre, spread : float
        Mean and standard deviation of the training rows' scores.
    slope, intercept : float
        Log-odds = slope · (score − centre) / spread + intercept.
    """

    rule: Rule
    centre: float
    spread: float
    slope: float
    intercept: float

    @property
    def name(self) -> str:
        """Name of the rule."""
        return self.rule.name

    def log_odds(self, rows: pd.DataFrame) -> Array:
        """Return the log-odds of churn of each row."""
        score = self.rule.score(rows)
        return np.asarray(self.slope * (score - self.centre) / self.spread + self.intercept)

    def __call__(self, rows: pd.DataFrame) -> Array:
        """Return the probability of churn of each row."""
        return np.asarray(expit(self.log_odds(rows)))

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as JSON-ready data."""
        groups = [
            {
                "weight": weight,
                "places": [
                    {"column": place.column, "sign": place.sign, "known": list(place.known)} for place in places
                ],
            }
            for weight, places in self.rule.groups
        ]
        line = {name: getattr(self, name) for name in ("centre", "spread", "slope", "intercept")}
        return {"name": self.name, "groups": groups, "longest": self.rule.longest, **line}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild the rule from `as_dict`; it gives the same numbers to the last digit."""
        groups = tuple(
            (
                float(group["weight"]),
                tuple(Place(place["column"], int(place["sign"]), tuple(place["known"])) for place in group["places"]),
            )
            for group in data["groups"]
        )
        if data["name"] not in _SCORES:
            raise ValueError(f"there is no rule {data['name']!r}")
        line = (float(data[name]) for name in ("centre", "spread", "slope", "intercept"))
        return cls(Rule(data["name"], groups, float(data["longest"])), *line)


def rules(train: pd.DataFrame) -> list[Rule]:
    """Return the rules that the columns of a frame allow, fitted to its training rows.

    ``base_rate`` always exists; ``recency`` needs ``days_since_last_event``; ``reference`` needs one measure of the
    reference health score; ``rfm`` needs recency and frequency, and uses ``mrr`` where there is one.

    Examples
    --------
    >>> frame = pd.DataFrame({"days_since_last_event": [1.0, 2.0, 30.0], "events_28d": [9.0, 5.0, 0.0]})
    >>> [rule.name for rule in rules(frame)]
    ['base_rate', 'recency', 'reference', 'rfm']
    """
    made = (Rule("base_rate"), _recency(train), _reference(train), _rfm(train))
    return [rule for rule in made if rule is not None]


def fit_rule(rule: Rule, train: pd.DataFrame) -> RuleModel:
    """Map a rule's score to a probability by a one-variable logistic regression on training rows.

    Examples
    --------
    >>> train = pd.DataFrame({"churned": [0.0, 1.0, 0.0, 1.0]})
    >>> fit_rule(rules(train)[0], train)(train).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    y = train["churned"].to_numpy(dtype=np.float64)
    score = rule.score(train)
    centre, spread = float(score.mean()), float(score.std())
    if spread < 1e-12:
        return RuleModel(rule, centre, 1.0, 0.0, float(logit(y.mean())))
    line = LogisticRegression(C=1e6, solver="newton-cholesky", max_iter=200)
    line.fit(((score - centre) / spread)[:, None], y)
    return RuleModel(rule, centre, spread, float(line.coef_[0, 0]), float(line.intercept_[0]))


def _values(rows: pd.DataFrame, column: str) -> Array:
    return np.asarray(rows[column].to_numpy(dtype=np.float64, na_value=np.nan))


def _column(frame: pd.DataFrame, measure: str, near_days: int = 28) -> str | None:
    """Return the column of a measure, its window nearest to `near_days` where it has one."""
    if measure in frame.columns:
        return measure
    windows: dict[int, str] = {}
    for name in frame.columns:
        match = _WINDOW.match(str(name))
        if match and match["measure"] == measure:
            windows[int(match["days"])] = str(name)
    return windows[min(windows, key=lambda days: (abs(days - near_days), days))] if windows else None


def _recency(train: pd.DataFrame) -> Rule | None:
    if _SILENCE not in train.columns:
        return None
    return Rule("recency", longest=float(train[_SILENCE].max()) if train[_SILENCE].notna().any() else 0.0)


def _silence(rule: Rule, rows: pd.DataFrame) -> Array:
    silent = _values(rows, _SILENCE)
    days: Array = np.clip(np.where(np.isnan(silent), rule.longest, silent), 0.0, rule.longest)
    return np.asarray(np.log1p(days))


def _reference(train: pd.DataFrame) -> Rule | None:
    """Return the reference health from percentiles of the training rows."""
    groups: list[tuple[float, tuple[Place, ...]]] = []
    for group, (weight, measures) in REFERENCE_GROUPS.items():
        columns = [(sign, name) for measure, sign in measures if (name := _column(train, measure)) is not None]
        used = columns if group in _AVERAGED else columns[:1]
        if used:
            groups.append((weight, tuple(Place.fit(train, name, sign) for sign, name in used)))
    return Rule("reference", tuple(groups)) if groups else None


def _unhealth(rule: Rule, rows: pd.DataFrame) -> Array:
    """Return minus the reference health, −100 to 0; a group without data gives up its weight."""
    total, weight_known = np.zeros(len(rows)), np.zeros(len(rows))
    for weight, measures in rule.groups:
        places = [place(rows) for place in measures]
        known = sum((~np.isnan(place) for place in places), np.zeros(len(rows)))
        value = sum((np.nan_to_num(place) for place in places), np.zeros(len(rows)))
        health = np.divide(value, known, out=np.zeros(len(rows)), where=known > 0)
        total += weight * np.where(known > 0, health, 0.0)
        weight_known += weight * (known > 0)
    health_score: Array = np.divide(total, weight_known, out=np.full(len(rows), 0.5), where=weight_known > 0)
    return -100.0 * health_score


def _rfm(train: pd.DataFrame) -> Rule | None:
    wanted: Mapping[str, int] = {_SILENCE: -1, "events": 1, "mrr": 1}
    found = {measure: _column(train, measure, near_days=91) for measure in wanted}
    if found[_SILENCE] is None or found["events"] is None:
        return None
    places = (Place.fit(train, column, wanted[name]) for name, column in found.items() if column is not None)
    return Rule("rfm", ((1.0, tuple(places)),))


def _quintiles(rule: Rule, rows: pd.DataFrame) -> Array:
    """Add up recency, frequency and monetary value, each scored 1–5 by quintile of the training rows."""
    total = np.zeros(len(rows))
    for _, places in rule.groups:
        for place in places:
            share = np.nan_to_num(place(rows), nan=0.0)
            total += np.minimum(np.floor(share * 5.0), 4.0) + 1.0
    return -total


_SCORES: Mapping[str, Callable[[Rule, pd.DataFrame], Array]] = {
    "base_rate": lambda rule, rows: np.zeros(len(rows)),
    "recency": _silence,
    "reference": _unhealth,
    "rfm": _quintiles,
}
