"""Whether a model's own probabilities may be published."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Publication"]


class Publication(StrEnum):
    """What a verdict says may be published.

    Examples
    --------
    >>> Publication("rules_only") is Publication.RULES_ONLY
    True
    """

    PUBLISHABLE = "publishable"
    """What was learnt tells churners apart better than chance and better than any rule."""

    RULES_ONLY = "rules_only"
    """It does not: a rule gives the probabilities instead."""
