"""Rules that a model has to beat, each turned into a probability on the training rows only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

__all__ = ["RULES", "Rule", "fit_rule", "rules"]

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

_AVERAGED = ("support", "satisfaction")
_WINDOW = re.compile(r"^(?P<measure>.+)_(?P<days>\d+)d$")

Scorer = Callable[[pd.DataFrame], Array]


@dataclass(frozen=True)
class Rule:
    """A rule of thumb: a score per row, higher is riskier, made from training rows without looking at outcomes."""

    name: str
    score: Scorer


RULES = ("base_rate", "recency", "reference", "rfm")
"""Rules in the order they are reported."""


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
    found = [Rule("base_rate", lambda rows: np.zeros(len(rows)))]
    made = (_recency(train), _reference(train), _rfm(train))
    return [*found, *(rule for rule in made if rule is not None)]


def fit_rule(rule: Rule, train: pd.DataFrame) -> Callable[[pd.DataFrame], Array]:
    """Map a rule's score to a probability by a one-variable logistic regression on training rows.

    Returns
    -------
    callable
        Frame → probabilities of shape (n,).

    Examples
    --------
    >>> train = pd.DataFrame({"churned": [0.0, 1.0, 0.0, 1.0]})
    >>> fit_rule(rules(train)[0], train)(train).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    y = train["churned"].to_numpy(dtype=np.float64)
    score = rule.score(train)
    spread = float(score.std())
    if spread < 1e-12:
        rate = float(y.mean())
        return lambda rows: np.full(len(rows), rate)
    centre = float(score.mean())
    line = LogisticRegression(C=1e6, solver="newton-cholesky", max_iter=200)
    line.fit(((score - centre) / spread)[:, None], y)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    return lambda rows: np.asarray(expit(slope * (rule.score(rows) - centre) / spread + intercept))


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


def _percentile(train: pd.DataFrame, column: str) -> Callable[[pd.DataFrame], Array]:
    """Return a function from rows to the share of training values below each value, ties at the middle; 0–1 or NaN."""
    known = np.sort(train[column].dropna().to_numpy(dtype=np.float64))

    def place(rows: pd.DataFrame) -> Array:
        value = rows[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if not len(known):
            return np.full(len(rows), np.nan)
        low, high = np.searchsorted(known, value, "left"), np.searchsorted(known, value, "right")
        return np.where(np.isnan(value), np.nan, (low + high) / (2.0 * len(known)))

    return place


def _recency(train: pd.DataFrame) -> Rule | None:
    column = "days_since_last_event"
    if column not in train.columns:
        return None
    longest = float(train[column].max()) if train[column].notna().any() else 0.0

    def score(rows: pd.DataFrame) -> Array:
        silent = rows[column].to_numpy(dtype=np.float64, na_value=np.nan)
        days: Array = np.clip(np.where(np.isnan(silent), longest, silent), 0.0, longest)
        return np.asarray(np.log1p(days))

    return Rule("recency", score)


def _reference(train: pd.DataFrame) -> Rule | None:
    """Score the reference health from percentiles of the training rows; missing measures give up their weight."""
    parts: list[tuple[float, list[tuple[int, Callable[[pd.DataFrame], Array]]]]] = []
    for group, (weight, measures) in REFERENCE_GROUPS.items():
        columns = [(sign, name) for measure, sign in measures if (name := _column(train, measure)) is not None]
        if columns:
            used = columns if group in _AVERAGED else columns[:1]
            parts.append((weight, [(sign, _percentile(train, name)) for sign, name in used]))
    if not parts:
        return None

    def risk(rows: pd.DataFrame) -> Array:
        total, weight_known = np.zeros(len(rows)), np.zeros(len(rows))
        for weight, measures in parts:
            places = [place(rows) if sign > 0 else 1.0 - place(rows) for sign, place in measures]
            known = sum((~np.isnan(place) for place in places), np.zeros(len(rows)))
            value = sum((np.nan_to_num(place) for place in places), np.zeros(len(rows)))
            health = np.divide(value, known, out=np.zeros(len(rows)), where=known > 0)
            total += weight * np.where(known > 0, health, 0.0)
            weight_known += weight * (known > 0)
        health_score: Array = np.divide(total, weight_known, out=np.full(len(rows), 0.5), where=weight_known > 0)
        return -100.0 * health_score

    return Rule("reference", risk)


def _rfm(train: pd.DataFrame) -> Rule | None:
    """Add up recency, frequency and monetary value, each scored 1–5 by quintile of the training rows."""
    wanted: Mapping[str, int] = {"days_since_last_event": -1, "events": 1, "mrr": 1}
    found = {measure: _column(train, measure, near_days=91) for measure in wanted}
    if found["days_since_last_event"] is None or found["events"] is None:
        return None
    places = [(wanted[measure], _percentile(train, column)) for measure, column in found.items() if column is not None]

    def risk(rows: pd.DataFrame) -> Array:
        total = np.zeros(len(rows))
        for sign, place in places:
            share = place(rows)
            share = np.where(np.isnan(share), 0.0, share if sign > 0 else 1.0 - share)
            total += np.minimum(np.floor(share * 5.0), 4.0) + 1.0
        return -total

    return Rule("rfm", risk)
