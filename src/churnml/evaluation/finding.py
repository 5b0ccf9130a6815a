"""What the leakage audit looks for, by code, and the outcome of one check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["CHECKS", "LEAKS", "Finding", "outcome"]

Status = Literal["found", "clear", "not_applicable"]

CHECKS: dict[str, str] = {
    "CHK101": "A single feature separates churners implausibly well",
    "CHK102": "A feature changes when everything after its as_of is cut off",
    "CHK103": "A column is filled, or empty, only for churned accounts",
    "CHK104": "A value of a column all but decides the outcome: a status written after it",
    "CHK105": "The same rows stand on both sides of a split",
    "CHK106": "Training labels reach into the test period",
    "CHK107": "The churn rate of the test period is another than that of the training period",
    "CHK108": "The churn rate jumps from one snapshot to the next",
    "CHK109": "Nobody churns before a date: lost accounts are missing from the early data",
    "CHK110": "An account attribute without a history goes with who left, or is a total up to today",
    "CHK111": "A column tells long before who will leave: written after the departure, over the whole past",
    "CHK112": "A fact tells of the departure itself: a word of leavers alone, or a kind that comes in their last days",
    "CHK113": "A feature is missing more often, or less, where the model is used than where it was trained",
}
"""Code → what it finds."""

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
    what : str
        What was found, or why the check does not apply.
    where : tuple of str
        Columns, splits or dates concerned.
    remedy : str
        What to do about it.
    """

    code: str
    status: Status
    what: str
    where: tuple[str, ...] = ()
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        return {**asdict(self), "where": list(self.where)}


def outcome(code: str, found: Sequence[tuple[str, str]], what: str, remedy: str) -> Finding:
    """Return found with the details, or clear."""
    if not found:
        return Finding(code, "clear", "nothing found")
    details = "; ".join(f"{where}: {detail}" for where, detail in found[:10])
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    return Finding(code, "found", f"{what}: {details}{more}", tuple(where for where, _ in found), remedy)
