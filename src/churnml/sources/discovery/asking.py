"""What a proposal leaves open that a person can say at once, and the proposal once it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import available_timezones

from churnml.language import Text
from churnml.sources.discovery.proposal import Match, Proposal

__all__ = ["Question", "answered", "questions_of"]


@dataclass(frozen=True)
class Question:
    """One thing that only a person knows.

    Parameters
    ----------
    about : str
        The tool, or the path of the file.
    key : str
        ``timezone``, ``date_order``, or the canonical column.
    text : Text
        The question.
    options : tuple of str
        Possible answers, the one that is taken without an answer first; empty for a time zone.
    """

    about: str
    key: str
    text: Text
    options: tuple[str, ...]

    @property
    def default(self) -> str:
        """What stands in the config, marked, where nobody answers."""
        return self.options[0] if self.options else "UTC"

    def takes(self, answer: str) -> bool:
        """Say whether an answer is one."""
        return answer in self.options if self.options else answer in available_timezones()


def questions_of(proposal: Proposal) -> list[Question]:
    """Return what is open, each once.

    Examples
    --------
    >>> match = Match("cases.csv", 3, "tickets", known="salesforce/cases", asks=("timezone",))
    >>> [question.key for question in questions_of(Proposal("acme", (match,), "", ()))]
    ['timezone']
    """
    questions: dict[tuple[str, str], Question] = {}
    for match in (match for match in proposal.matches if match.table):
        for key in match.asks:
            if key not in match.said:
                options: tuple[str, ...] = ("month", "day") if key == "date_order" else ()
                text = Text.of(f"init-ask-{key}", tool=match.tool, file=match.path)
                questions.setdefault((match.tool, key), Question(match.tool, key, text, options))
        for column, options in match.choices.items():
            kind = "inclusive" if options == ("exclusive", "inclusive") else "format"
            text = Text.of(f"init-ask-{kind}", file=match.path, column=column, options=" / ".join(options))
            questions[match.path, column] = Question(match.path, column, text, options)
    return list(questions.values())


def answered(proposal: Proposal, question: Question, answer: str) -> Proposal:
    """Return the proposal with one question answered."""
    return replace(proposal, matches=tuple(_said(match, question, answer) for match in proposal.matches))


def _said(match: Match, question: Question, answer: str) -> Match:
    if question.key in match.asks and match.tool == question.about:
        return replace(match, said={**match.said, question.key: answer})
    if match.path != question.about or question.key not in match.choices:
        return match
    source: Any = match.columns[question.key]
    named: dict[str, Any] = dict(source) if isinstance(source, Mapping) else {"column": source}
    change: dict[str, Any] = {"inclusive": True} if answer == "inclusive" else {"format": answer}
    columns = {**match.columns, question.key: source if answer == "exclusive" else {**named, **change}}
    open_ = {key: options for key, options in match.choices.items() if key != question.key}
    asked = tuple(each for each in match.questions if each.arguments.get("column") != question.key)
    return replace(match, columns=columns, choices=open_, questions=asked)
