"""What matters over all accounts, as the champion sees it: typed, and as JSON in every language at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from churnml.explain.driver import Driver
from churnml.explain.patterns import Pattern
from churnml.language import Text, languages, render
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
        data = {name: value for name, value in vars(self).items() if name not in ("features", "patterns")}
        return {
            **data,
            "as_of_from": self.as_of_from.isoformat(),
            "as_of_until": self.as_of_until.isoformat(),
            "verdict": str(self.verdict),
            "families": [asdict(one) for one in self.families],
            "segments": [asdict(one) for one in self.segments],
            "features": [_named(one) for one in self.features],
            "patterns": [
                {**one.pattern.as_dict(), "drivers": [driver.as_dict() for driver in one.drivers]}
                for one in self.patterns
            ],
        }


def _named(feature: FeatureShare) -> dict[str, Any]:
    data = {name: value for name, value in vars(feature).items() if name != "label"}
    return {**data, **{f"label_{language}": render(feature.label, language) for language in languages()}}
