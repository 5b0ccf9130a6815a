"""Rules that a model has to beat, each turned into a probability on the training rows only; all of it plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from churnml.errors import BundleError, UsageError
from churnml.features.spec import FeatureSet
from churnml.language import Text
from churnml.scorecard import MeasureScores, Scorecard, fit_scorecard, preset

__all__ = ["RULES", "RuleModel", "Place", "Rule", "fit_rule", "rules"]

Array = npt.NDArray[np.float64]

_SILENCE = "days_since_last_event"
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
    places : tuple of Place
        Columns whose quintiles are added up (``rfm``).
    longest : float
        Longest silence of a training row, days (``recency``).
    card : Scorecard, optional
        The weighted score (``reference``): the health preset of that name, its cohort the training rows.
    """

    name: str
    places: tuple[Place, ...] = ()
    longest: float = 0.0
    card: Scorecard | None = None

    @property
    def columns(self) -> list[str]:
        """The features it reads."""
        if self.card is not None:
            return self.card.columns
        return [_SILENCE] if self.name == "recency" else [place.column for place in self.places]

    def score(self, rows: pd.DataFrame) -> Array:
        """Return the risk of each row, in units of its own; NaN where it knows nothing of a row."""
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
        # Of an account that the rule knows nothing of, the typical one is assumed.
        from_centre = np.where(np.isnan(score), 0.0, score - self.centre)
        return np.asarray(self.slope * from_centre / self.spread + self.intercept)

    def __call__(self, rows: pd.DataFrame) -> Array:
        """Return the probability of churn of each row."""
        return np.asarray(expit(self.log_odds(rows)))

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as JSON-ready data."""
        line = {name: getattr(self, name) for name in ("centre", "spread", "slope", "intercept")}
        card = None if self.rule.card is None else self.rule.card.as_dict()
        places = [asdict(place) for place in self.rule.places]
        return {"name": self.name, "places": places, "longest": self.rule.longest, "card": card, **line}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild the rule from `as_dict`; it gives the same numbers to the last digit."""
        name, card = data["name"], data.get("card")
        if name not in _SCORES:
            raise ValueError(f"there is no rule {name!r}")
        if "places" not in data or (name == "reference" and card is None):
            raise BundleError(
                Text.of("fault-old_rule"), where=Text.of("fault-old_rule.where", name=name), code="bundle.format"
            )
        rule = Rule(
            name,
            tuple(Place(place["column"], int(place["sign"]), tuple(place["known"])) for place in data["places"]),
            float(data["longest"]),
            None if card is None else Scorecard.from_dict(card),
        )
        return cls(rule, **{part: float(data[part]) for part in ("centre", "spread", "slope", "intercept")})


def rules(train: pd.DataFrame, feature_set: FeatureSet) -> list[Rule]:
    """Return the rules that the features allow, fitted to training rows.

    ``base_rate`` always exists; ``recency`` needs ``days_since_last_event``; ``reference`` is the health preset of
    that name and needs one of its measures; ``rfm`` needs recency and frequency, and uses ``mrr`` where there is one.

    Examples
    --------
    >>> from churnml.features.spec import FeatureSpec
    >>> features = FeatureSet([
    ...     FeatureSpec("days_since_last_event", "engagement", "days", "", "", "", "events"),
    ...     FeatureSpec("events_28d", "engagement", "events", "", "", "", "events", 28, "events")])
    >>> frame = pd.DataFrame({"days_since_last_event": [1.0, 2.0, 30.0], "events_28d": [9.0, 5.0, 0.0]})
    >>> [rule.name for rule in rules(frame, features)]
    ['base_rate', 'recency', 'reference', 'rfm']
    """
    made = (Rule("base_rate"), _recency(train), _reference(train, feature_set), _rfm(train, feature_set))
    return [rule for rule in made if rule is not None]


def fit_rule(rule: Rule, train: pd.DataFrame) -> RuleModel:
    """Map a rule's score to a probability by a one-variable logistic regression on training rows.

    Examples
    --------
    >>> train = pd.DataFrame({"churned": [0.0, 1.0, 0.0, 1.0]})
    >>> fit_rule(rules(train, FeatureSet([]))[0], train)(train).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    y = train["churned"].to_numpy(dtype=np.float64)
    score = rule.score(train)
    known = ~np.isnan(score)
    centre, spread = (float(score[known].mean()), float(score[known].std())) if known.any() else (0.0, 0.0)
    if spread < 1e-12:
        return RuleModel(rule, centre, 1.0, 0.0, float(logit(y.mean())))
    line = LogisticRegression(C=1e6, solver="newton-cholesky", max_iter=200)
    line.fit(np.where(known, (score - centre) / spread, 0.0)[:, None], y)
    return RuleModel(rule, centre, spread, float(line.coef_[0, 0]), float(line.intercept_[0]))


def _values(rows: pd.DataFrame, column: str) -> Array:
    return np.asarray(rows[column].to_numpy(dtype=np.float64, na_value=np.nan))


def _recency(train: pd.DataFrame) -> Rule | None:
    if _SILENCE not in train.columns:
        return None
    return Rule("recency", longest=float(train[_SILENCE].max()) if train[_SILENCE].notna().any() else 0.0)


def _silence(rule: Rule, rows: pd.DataFrame) -> Array:
    silent = _values(rows, _SILENCE)
    days: Array = np.clip(np.where(np.isnan(silent), rule.longest, silent), 0.0, rule.longest)
    return np.asarray(np.log1p(days))


def _reference(train: pd.DataFrame, feature_set: FeatureSet) -> Rule | None:
    card = fit_scorecard(preset("reference"), train, feature_set)
    return Rule("reference", card=card) if card.columns else None


def _unhealth(rule: Rule, rows: pd.DataFrame) -> Array:
    """Return minus the reference health, −100 to 0."""
    if rule.card is None:
        raise UsageError(Text.of("fault-no_scorecard"))
    return np.asarray(-MeasureScores(rows, rule.card).weighted)


def _rfm(train: pd.DataFrame, feature_set: FeatureSet) -> Rule | None:
    wanted: Mapping[str, int] = {_SILENCE: -1, "events": 1, "mrr": 1}
    columns = {measure: feature_set.level(measure, near_days=91) for measure in wanted}
    if columns[_SILENCE] is None or columns["events"] is None:
        return None
    places = (Place.fit(train, column, wanted[name]) for name, column in columns.items() if column is not None)
    return Rule("rfm", tuple(places))


def _quintiles(rule: Rule, rows: pd.DataFrame) -> Array:
    """Add up recency, frequency and monetary value, each scored 1–5 by quintile of the training rows."""
    total = np.zeros(len(rows))
    for place in rule.places:
        share = np.nan_to_num(place(rows), nan=0.0)
        total += np.minimum(np.floor(share * 5.0), 4.0) + 1.0
    return -total


_SCORES: Mapping[str, Callable[[Rule, pd.DataFrame], Array]] = {
    "base_rate": lambda rule, rows: np.zeros(len(rows)),
    "recency": _silence,
    "reference": _unhealth,
    "rfm": _quintiles,
}
