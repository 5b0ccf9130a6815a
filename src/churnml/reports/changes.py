"""How a health score moved, in words; a command that only reads a score back needs no library of frames for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnml.language import Day, Language, Quantity, Text, phrases, render

__all__ = ["change_sentence"]


def change_sentence(change: Mapping[str, Any] | None, language: Language) -> str:
    """Return in words by how much the health score moved, and what moved it; empty where nothing is known.

    Parameters
    ----------
    change : mapping, optional
        ``since, change, data, weights, model``, points of health, and ``largest``: facts with their ``text``.
    language : str

    Examples
    --------
    >>> change_sentence({"since": "2026-03-01", "change": -5.8, "data": -5.8, "weights": 0.0, "model": 0.0}, "en")
    'Health −5.8 since 1 March 2026 (facts −5.8, weights 0, model 0).'
    """
    if not change or change["change"] is None:
        return ""
    say = phrases(language)
    shares = {name: _signed(change[name], language) for name in ("change", "data", "weights", "model")}
    text = say("page-moved", since=Day(on=change["since"]), **shares)
    facts = [_change_fact(part, language) for part in change.get("largest", [])]
    return f"{say('page-changed', parts=say('list-facts').join(facts))} {text}" if facts else text


def _change_fact(part: Mapping[str, Any], language: Language) -> str:
    text = part.get("text")
    return render(Text.model_validate(text), language) if text is not None else str(part[f"label_{language}"])


def _signed(points: float, language: Language) -> str:
    return phrases(language)("signed", n=Quantity(value=points, digits=1))
