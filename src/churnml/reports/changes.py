"""How a health score moved, in words; a command that only reads a score back needs no library of frames for it."""

from __future__ import annotations

from churnml.explain.movement import ScoreChange
from churnml.language import Day, Language, Quantity, phrases, render

__all__ = ["change_sentence"]


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
    if change is None or change.change is None:
        return ""
    say = phrases(language)
    shares = {
        name: _signed(points or 0.0, language)
        for name, points in (
            ("change", change.change),
            ("data", change.data),
            ("weights", change.weights),
            ("model", change.model),
        )
    }
    text = say("page-moved", since=Day(on=change.since.isoformat()), **shares)
    facts = [render(part.text, language) for part in change.largest]
    return f"{say('page-changed', parts=say('list-facts').join(facts))} {text}" if facts else text


def _signed(points: float, language: Language) -> str:
    return phrases(language)("signed", n=Quantity(value=points, digits=1))
