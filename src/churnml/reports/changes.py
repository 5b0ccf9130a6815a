"""How a health score moved, in words; a command that only reads a score back needs no library of frames for it."""

from __future__ import annotations

from churnml.explain.movement import ScoreChange
from churnml.language import Day, Language, Quantity, phrases, render

__all__ = ["change_facts", "change_moved", "change_sentence"]


def change_sentence(change: ScoreChange | None, language: Language) -> str:
    """Return in words by how much the health score moved, and what moved it; empty where nothing is known.

    Parameters
    ----------
    change : ScoreChange, optional
    language : str

    Examples
    --------
    >>> from datetime import date
    >>> change_sentence(ScoreChange(date(2026, 3, 1), change=-5.8, data=-5.8, weights=0.0, model=0.0), "en")
    'Health −5.8 since 1 March 2026 (facts −5.8, weights 0, model 0).'
    """
    text, facts = change_moved(change, language), change_facts(change, language)
    say = phrases(language)
    return f"{say('page-changed', parts=say('list-facts').join(facts))} {text}" if facts else text


def change_facts(change: ScoreChange | None, language: Language) -> list[str]:
    """Return the facts that moved the health score most, in words; see `change_sentence`."""
    if change is None or change.change is None:
        return []
    return [render(part.text, language) for part in change.largest]


def change_moved(change: ScoreChange | None, language: Language) -> str:
    """Return in words by how much the health score moved, and what of it facts, weights and model made."""
    if change is None or change.change is None:
        return ""
    shares = {
        name: _signed(points or 0.0, language)
        for name, points in (
            ("change", change.change),
            ("data", change.data),
            ("weights", change.weights),
            ("model", change.model),
        )
    }
    return phrases(language)("page-moved", since=Day(on=change.since.isoformat()), **shares)


def _signed(points: float, language: Language) -> str:
    return phrases(language)("signed", n=Quantity(value=points, digits=1))
