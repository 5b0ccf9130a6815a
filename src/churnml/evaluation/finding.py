"""What the leakage audit looks for, by code, and the outcome of one check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from churnml.language import Argument, Several, Text

__all__ = ["CHECKS", "LEAKS", "Finding", "clear", "not_applicable", "outcome"]

_SHOWN = 10

Status = Literal["found", "clear", "not_applicable"]

CHECKS = tuple(f"CHK{number}" for number in range(101, 114))
"""Codes of the checks; the catalogue says what each finds (``audit-CHK101``) and what to do (``.remedy``)."""

LEAKS = ("CHK101", "CHK102", "CHK103", "CHK104", "CHK106", "CHK110", "CHK111")
"""Codes of what makes a backtest worth nothing: a model trained on it is not promoted by itself."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    code : str
        One of `CHECKS`.
    status : {"found", "clear", "not_applicable"}
    what : Text or str
        What was found, or why the check does not apply.
    where : tuple of str
        Columns, splits or dates concerned.
    remedy : Text or str
        What to do about it.
    """

    code: str
    status: Status
    what: Argument
    where: tuple[str, ...] = ()
    remedy: Argument = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        return dict(TypeAdapter(Finding).dump_python(self, mode="json"))


def not_applicable(code: str, why: str, **arguments: Any) -> Finding:
    """Return that a check does not apply; `why` is the rest of a message's code, ``audit-off-<why>``."""
    return Finding(code, "not_applicable", Text.of(f"audit-off-{why}", **arguments))


def clear(code: str) -> Finding:
    """Return that a check found nothing."""
    return Finding(code, "clear", Text.of("audit-clear"))


def outcome(code: str, places: Sequence[tuple[str, Argument]]) -> Finding:
    """Return found with the details, or clear."""
    if not places:
        return clear(code)
    details = [Text.of("audit-detail", where=where, detail=detail) for where, detail in places[:_SHOWN]]
    more = len(places) - len(details)
    said = Text.of("audit-found", what=Text.of(f"audit-{code}"), details=Several(parts=tuple(details)))
    what = Text.of("audit-found_more", found=said, more=more) if more else said
    return Finding(code, "found", what, tuple(where for where, _ in places), Text.of(f"audit-{code}.remedy"))
