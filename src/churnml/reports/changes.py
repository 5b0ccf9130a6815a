"""How a health score moved, in words; a command that only reads a score back needs no library of frames for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnml.language import Day, Language, Quantity, Text, phrases, render

__all__ = ["change_facts", "change_moved", "change_sentence"]


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
    text, facts = change_moved(change, language), change_facts(change, language)
    say = phrases(language)
    return f"{say('page-changed', parts=say('list-facts').join(facts))} {text}" if facts else text


def change_facts(change: Mapping[str, Any] | None, language: Language) -> list[str]:
    """Return the facts that moved the health score most, in words; see `change_sentence`."""
    if not change or change["change"] is None:
        return []
    return [_change_fact(part, language) for part in change.get("largest", [])]


def change_moved(change: Mapping[str, Any] | None, language: Language) -> str:
    """Return in words by how much the health score moved, and what of it facts, weights and model made."""
    if not change or change["change"] is None:
        return ""
    shares = {name: _signed(change[name], language) for name in ("change", "data", "weights", "model")}
    return phrases(language)("page-moved", since=Day(on=change["since"]), **shares)


def _change_fact(part: Mapping[str, Any], language: Language) -> str:
    text = part.get("text")
    return render(Text.model_validate(text), language) if text is not None else str(part[f"label_{language}"])


def _signed(points: float, language: Language) -> str:
    return phrases(language)("signed", n=Quantity(value=points, digits=1))
