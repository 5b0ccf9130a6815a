"""How a page says a probability, a score and a loss; a dash where there is none."""

from __future__ import annotations

import math

from churnml.language import Language, amount, number, percent

__all__ = ["loss", "percent_or_dash", "score"]


def percent_or_dash(value: float | None, language: Language) -> str:
    """Return a share in percent, a dash where there is none."""
    return "–" if value is None or math.isnan(value) else percent(value, language)


def score(value: float | None, language: Language) -> str:
    """Return a 0–100 score as a whole number, a dash where there is none."""
    return "–" if value is None or math.isnan(value) else number(value, language)


def loss(probability: float | None, arr: float | None, language: Language, currency: str) -> str | None:
    """Return probability × ARR with its currency, None where one of them is unknown."""
    if probability is None or arr is None or math.isnan(probability * arr):
        return None
    return amount(probability * arr, "currency", language, currency=currency)
