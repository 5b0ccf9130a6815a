"""How a score moved, as it is stored beside the explanation: its trend, and why it differs from an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, model_validator

from churnml.language import Text, Words

__all__ = ["ChangePart", "ScoreChange", "ScoreTrend", "change_of", "movement", "trend_of"]

_LABEL = "label_"


@dataclass(frozen=True)
class ScoreTrend:
    """How an account's health score has moved of late.

    Parameters
    ----------
    change_7d, change_30d : float or None
        Points since 7 and 30 days ago; None without a score then.
    slope_12w : float or None
        Points a week over 12 weeks.
    """

    change_7d: float | None = None
    change_30d: float | None = None
    slope_12w: float | None = None


@dataclass(frozen=True)
class ChangePart:
    """What moved a score by so many points: a measure, or the model's probability, told by the facts behind it."""

    part: str
    text: Text | Words
    points: float

    @model_validator(mode="before")
    @classmethod
    def _worded(cls, data: Any) -> Any:
        """Read what an earlier version stored in words, one field a language."""
        if not isinstance(data, Mapping) or "text" in data:
            return data
        said = {name.removeprefix(_LABEL): value for name, value in data.items() if name.startswith(_LABEL)}
        rest = {name: value for name, value in data.items() if not name.startswith(_LABEL)}
        return {**rest, "text": {"kind": "words", "by_language": said}}


@dataclass(frozen=True)
class ScoreChange:
    """Why an account's health score moved.

    Parameters
    ----------
    since : date
        The earlier `as_of`.
    before, after, change : float or None
        Health scores and their difference, points; None where there is no score.
    data, weights, model : float or None
        What of the change the facts, the weights and the model made; they add up to it.
    parts : mapping of str to float
        Measure → points, all of `data`.
    largest : tuple of ChangePart
        Facts behind the parts of half a point or more, at most three, largest first.
    """

    since: date
    before: float | None = None
    after: float | None = None
    change: float | None = None
    data: float | None = None
    weights: float | None = None
    model: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    largest: tuple[ChangePart, ...] = ()


def movement(trend: ScoreTrend, change: ScoreChange | None) -> dict[str, Any]:
    """Return the trend and the change as they are stored beside an explanation."""
    trends, changes = _adapters()
    return {
        "trend": trends.dump_python(trend, mode="json"),
        "change": None if change is None else changes.dump_python(change, mode="json"),
    }


def trend_of(document: Mapping[str, Any] | None) -> ScoreTrend | None:
    """Return the trend that stands beside a stored explanation; None where there is none.

    Examples
    --------
    >>> trend_of({"trend": {"change_7d": -2.5, "change_30d": None, "slope_12w": 0.1}}).change_7d
    -2.5
    """
    stored = (document or {}).get("trend")
    return _adapters()[0].validate_python(stored) if stored else None


def change_of(document: Mapping[str, Any] | None) -> ScoreChange | None:
    """Return why the score moved, as it stands beside a stored explanation; None where there is nothing of it.

    Examples
    --------
    >>> document = movement(ScoreTrend(), ScoreChange(date(2026, 3, 1), change=-5.8, data=-5.8, weights=0.0, model=0.0))
    >>> change_of(document).since
    datetime.date(2026, 3, 1)
    """
    stored = (document or {}).get("change")
    return _adapters()[1].validate_python(stored) if stored else None


@lru_cache(maxsize=1)
def _adapters() -> tuple[TypeAdapter[ScoreTrend], TypeAdapter[ScoreChange]]:
    return TypeAdapter(ScoreTrend), TypeAdapter(ScoreChange)
