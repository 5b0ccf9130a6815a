"""What loading came to: the canonical tables, and what was set aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from churnml.language import Text
from churnml.sources.account_ids import ToolCoverage
from churnml.sources.outcome import (
    SetAside,
)
from churnml.sources.usability import TableUse
from churnml.tables import CheckResult, Tables

if TYPE_CHECKING:
    pass

__all__ = ["Loaded"]


@dataclass(frozen=True)
class Loaded:
    """Valid canonical tables, and what had to be set aside or assumed.

    Parameters
    ----------
    tables : Tables
        The canonical tables, on the engine's connection.
    rejected : DataFrame
        ``table, reason, column, rows, example, remedy``: one row per reason; `reason` starts with the check's code.
        The raw rows themselves are in ``<workspace>/rejected/<table>.parquet``.
    fingerprint : str
        Sixteen hex digits of the raw values and their mapping; the same data gives the same on any machine, whatever
        the order of its rows.
    notes : list of Text
        What is off, derived, changed or assumed; `str` gives it in English.
    counts : dict of str to int
        Rows per canonical table.
    checks : list of CheckResult
        Every check of rows and how it went.
    reaches : dict of str to date
        Table → first day that it does not cover any more, by its own facts; a table of hardly any is absent.
    coverage : list of ToolCoverage
        How much of each tool belongs to known accounts; empty without `identities`.
    use : list of TableUse
        How far back, how fresh and for how many accounts each table tells something, and what it lacks.
    set_aside : list of SetAside
        What `rejected` shows, its names and remedies as sentences of the message catalogue.
    """

    tables: Tables
    rejected: pd.DataFrame
    fingerprint: str
    notes: list[Text]
    counts: dict[str, int]
    checks: list[CheckResult] = field(default_factory=list)
    reaches: dict[str, date] = field(default_factory=dict)
    coverage: list[ToolCoverage] = field(default_factory=list)
    use: list[TableUse] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
