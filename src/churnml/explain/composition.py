"""What a health score was made of at one date, and what moved it between two dates.

Kept beside every score in a few dozen bytes, so that a whole history can be told without features or explanations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Composition", "Moved", "moved"]

_STEEPEST = 60.0
"""Points of health per log-odds. The lift's score falls by 38 at most; steeper is rounding, not the account."""
_LEAST_LOG_ODDS = 0.002


@dataclass(frozen=True)
class Composition:
    """What one health score was made of.

    Parameters
    ----------
    alpha : float
        Share of the model in the score, 0–1.
    rules_score, model_score : float or None
        The two parts, 0–100.
    scores, weights : mapping of str to float
        Group of measures → its score, 0–100, and its share of the rules score, 0–1; groups of which nothing is known
        are left out.
    risks : mapping of str to float
        Family of features → its contribution to the model's log-odds; empty where they were not worked out.
    by_weights, by_model : float or None
        Points that the score would differ by, had the weights or the model of the reading before stayed. 0 where they
        did; None where nobody can tell, because the earlier model is gone.
    """

    alpha: float
    rules_score: float | None
    model_score: float | None
    scores: Mapping[str, float]
    weights: Mapping[str, float]
    risks: Mapping[str, float]
    by_weights: float | None = 0.0
    by_model: float | None = 0.0

    @classmethod
    def of(cls, numbers: Mapping[str, float | None]) -> Composition:
        """Make one of named numbers: the columns of `churnml.health.compositions`, and ``risk:<family>``."""
        parts: dict[str, dict[str, float]] = {"score": {}, "weight": {}, "risk": {}}
        for name, value in numbers.items():
            kind, _, what = name.partition(":")
            if what and value is not None:
                parts[kind][what] = value
        return cls(
            alpha=numbers.get("alpha") or 0.0,
            rules_score=numbers.get("rules_score"),
            model_score=numbers.get("model_score"),
            scores=parts["score"],
            weights=parts["weight"],
            risks=parts["risk"],
            by_weights=numbers.get("by_weights"),
            by_model=numbers.get("by_model"),
        )


@dataclass(frozen=True)
class Moved:
    """What moved a health score between two readings, in points.

    Parameters
    ----------
    change : float
        All of it.
    facts, weights, model : float or None
        What the facts, the weights and the model made of it; they add up to it. None where nobody can tell.
    groups : mapping of str to float
        Group → its part of `facts`, the largest first.
    rest : float or None
        What of `facts` no group accounts for: how likely the model holds churn to be. None where `facts` cannot be
        told by group.
    """

    change: float
    facts: float | None
    weights: float | None
    model: float | None
    groups: Mapping[str, float]
    rest: float | None


def moved(change: float, before: Composition | None, after: Composition | None, *, same_model: bool) -> Moved:
    """Split the change of a health score between two readings, as far as what is kept of them tells.

    With the same model and weights all of the change is facts: a group's measures moved by the difference of their
    weighted distance from the rules score before, and what is left, the model's part, is shared among the families
    along the straight line between the two readings.

    Parameters
    ----------
    change : float
        Health score after − before, points.
    before, after : Composition or None
        Of the two readings; None where it is not kept.
    same_model : bool
        Both were scored by one version.

    Examples
    --------
    >>> one = Composition(0.5, 80.0, 70.0, {"support": 80.0}, {"support": 1.0}, {"support": -1.0})
    >>> two = Composition(0.5, 60.0, 50.0, {"support": 60.0}, {"support": 1.0}, {"support": -0.5})
    >>> made = moved(-20.0, one, two, same_model=True)
    >>> made.facts, {group: round(points, 6) for group, points in made.groups.items()}, round(made.rest, 6)
    (-20.0, {'support': -20.0}, 0.0)
    """
    if not same_model:
        weights, model = (after.by_weights, after.by_model) if after is not None else (None, None)
        facts = None if weights is None or model is None else change - weights - model
        return Moved(change, facts, weights, model, {}, None)
    if before is None or after is None:
        return Moved(change, change, 0.0, 0.0, {}, None)
    groups = _by_rules(before, after)
    rest = change - sum(groups.values())
    for family, points in _by_model(before, after, rest).items():
        groups[family] = groups.get(family, 0.0) + points
        rest -= points
    ordered = dict(sorted(groups.items(), key=lambda item: -abs(item[1])))
    return Moved(change, change, 0.0, 0.0, ordered, rest)


def _by_rules(before: Composition, after: Composition) -> dict[str, float]:
    centre, share = before.rules_score, 1.0 - after.alpha
    if centre is None or share == 0.0:
        return {}

    def distance(of: Composition, group: str) -> float:
        return of.weights.get(group, 0.0) * (of.scores.get(group, centre) - centre)

    names = dict.fromkeys((*before.scores, *after.scores))
    return {name: share * (distance(after, name) - distance(before, name)) for name in names}


def _by_model(before: Composition, after: Composition, points: float) -> dict[str, float]:
    """Share the model's points among the families; empty where their contributions do not speak for it."""
    if not before.risks or not after.risks:
        return {}
    names = dict.fromkeys((*before.risks, *after.risks))
    change = {name: after.risks.get(name, 0.0) - before.risks.get(name, 0.0) for name in names}
    total = sum(change.values())
    if abs(total) < _LEAST_LOG_ODDS:
        return {}
    slope = points / total
    if not -_STEEPEST <= slope <= 0.0:
        return {}
    return {name: slope * value for name, value in change.items()}
