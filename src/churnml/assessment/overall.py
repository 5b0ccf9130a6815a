"""What matters over all accounts, as the champion sees it: typed, and as JSON in every language at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from churnml.explain.driver import Driver
from churnml.explain.patterns import Pattern
from churnml.explain.published import published_driver
from churnml.language import Text, in_every_language
from churnml.training.publication import Publication

__all__ = ["FamilyShare", "FeatureShare", "Overall", "PatternFound", "SegmentEffect"]


@dataclass(frozen=True)
class FamilyShare:
    """How much a family of features moves the risk: mean absolute log-odds, and its share of all families'."""

    family: str
    importance: float
    share: float


@dataclass(frozen=True)
class FeatureShare:
    """The same of one feature, what it is called, and which way more of it goes (−1 to 1; None where unknown)."""

    feature: str
    family: str
    importance: float
    share: float
    label: Text
    direction: float | None


@dataclass(frozen=True)
class SegmentEffect:
    """A family's mean net effect in a segment, log-odds, and that minus the mean over all rows."""

    segment: str
    family: str
    accounts: int
    effect: float
    difference: float


@dataclass(frozen=True)
class PatternFound:
    """A pattern of reasons among churned accounts, and what raised the risk of the account nearest to it."""

    pattern: Pattern
    drivers: tuple[Driver, ...]


@dataclass(frozen=True)
class Overall:
    """What goes with churn over a company's whole history.

    Parameters
    ----------
    as_of_from, as_of_until : date
        First and last reading.
    rows, accounts : int
        Readings that importance was taken of, and their accounts.
    horizon_days : int
        Of the model.
    verdict : Publication
        Of the model.
    model_version : str
        The champion's.
    families, features : sequence
        Strongest first.
    segment_column : str or None
        Feature that makes the segments.
    segments : sequence of SegmentEffect
        Largest difference first.
    churned : int
        Accounts that left.
    patterns : sequence of PatternFound
        Most frequent first; none where too few left.
    """

    as_of_from: date
    as_of_until: date
    rows: int
    accounts: int
    horizon_days: int
    verdict: Publication
    model_version: str
    families: Sequence[FamilyShare]
    features: Sequence[FeatureShare]
    segment_column: str | None
    segments: Sequence[SegmentEffect]
    churned: int
    patterns: Sequence[PatternFound]

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is published: JSON-ready, its words in every language."""
        codes = _adapter().dump_python(self, mode="json", exclude={"patterns": {"__all__": {"drivers"}}})
        published: dict[str, Any] = in_every_language(codes)
        for pattern, own in zip(published["patterns"], self.patterns, strict=True):
            pattern |= {**pattern.pop("pattern"), "drivers": [published_driver(driver) for driver in own.drivers]}
        return published


@cache
def _adapter() -> TypeAdapter[Overall]:
    return TypeAdapter(Overall)
