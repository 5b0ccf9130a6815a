"""What part the model has in a health score."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from churnml.training.publication import Publication

__all__ = ["HealthVerdict"]


class HealthVerdict(StrEnum):
    """Whether the model may speak in a health score.

    Examples
    --------
    >>> HealthVerdict.of(Publication.RULES_ONLY, "churn") is HealthVerdict.RULES_ONLY
    True
    >>> HealthVerdict.of(Publication.PUBLISHABLE, "expansion").speaks
    False
    """

    PUBLISHABLE = "publishable"
    """It does, by alpha."""

    RULES_ONLY = "rules_only"
    """It failed its gate: alpha is 0 and every row's reasons say so."""

    ANOTHER_TARGET = "another_target"
    """It predicts something else than churn."""

    @classmethod
    def of(cls, publication: Publication, target: str) -> Self:
        """Return what a model's verdict and its target make of it."""
        return cls(publication.value) if target == "churn" else cls("another_target")

    @property
    def speaks(self) -> bool:
        """Whether the model has a part in the score."""
        return self is HealthVerdict.PUBLISHABLE
