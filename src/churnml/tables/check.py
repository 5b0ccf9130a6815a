"""What a check of raw data is, and how one of them went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from churnml.language import Text

__all__ = ["Check", "CheckResult", "Consequence", "Outcome"]

Outcome = Literal["ok", "failed", "not applicable"]
Consequence = Literal["refused", "set aside", "changed and noted", "noted"]


@dataclass(frozen=True)
class Check:
    """One coded check.

    Parameters
    ----------
    code : str
        ``CHK0xx``; stable, so that scripts and runbooks can rely on it.
    meaning : str
        One sentence for the docs.
    consequence : {"refused", "set aside", "changed and noted", "noted"}
        The run stops; the rows are left out; the value is changed; nothing is changed, and the run says so.
    error : str
        Code of the error it raises, alone or when it takes too many rows.
    """

    code: str
    meaning: str
    consequence: Consequence
    error: str

    @property
    def name(self) -> Text:
        """What is wrong when it fails, in a few words."""
        return Text.of(f"check-{self.code}")

    @property
    def remedy(self) -> Text:
        """What the user can do."""
        return Text.of(f"check-{self.code}.remedy")


@dataclass(frozen=True)
class CheckResult:
    """How one check went on one table.

    Parameters
    ----------
    code : str
        Code of the check.
    table : str
        Canonical table.
    column : str
        Column, empty where the check is about the whole table.
    outcome : {"ok", "failed", "not applicable"}
        Not applicable: the table lacks what the check looks at.
    rows : int
        Rows concerned.
    """

    code: str
    table: str
    column: str
    outcome: Outcome
    rows: int = 0
