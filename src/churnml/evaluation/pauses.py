"""Whether a window is empty because its table pauses, as it has paused before."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from churnml.evaluation.departure_facts import SOURCES
from churnml.tables import Tables

__all__ = ["Pauses", "usual_pause"]

_LEAST_DAYS = 4
"""Facts on fewer days have no pace: three pauses that one could have learnt from."""
_LONGER = 1.5
_EXPECTED = 15.0
"""As a table that ends early is told (`churnml.tables.reach`): half again its longest pause, and so many facts."""


def usual_pause(facts: pd.DataFrame, window_days: int, as_of: pd.Timestamp) -> bool:
    """Tell whether a window holds none of a table's commonest facts, in a pause such as it had before.

    A pause is usual up to half again the longest one before it, or while fewer than 15 facts would be expected by now.
    Whatever else the window lacks must be in a usual pause too: a kind that comes no more is none.

    Parameters
    ----------
    facts : DataFrame
        ``day, word, facts``: how many facts of each kind a table has per day.
    window_days : int
        Length of ``[as_of − window_days, as_of)``.
    as_of : Timestamp
        Midnight.

    Examples
    --------
    >>> mails = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=6, freq="30D"), "word": "sent", "facts": 9})
    >>> after = mails["day"].iloc[-1]
    >>> [usual_pause(mails, 28, after + pd.Timedelta(days=days)) for days in (28, 29, 45, 46)]
    [False, True, True, False]
    """
    past = facts[facts["day"] < as_of]
    if past.empty:
        return False
    commonest = past.groupby("word")["facts"].sum().idxmax()
    absent = {}
    for word, rows in past.groupby("word"):
        days = rows["day"].drop_duplicates().sort_values()
        now = (as_of - days.iloc[-1]).days
        if now > window_days:
            longest = 0 if len(days) < _LEAST_DAYS else int(days.diff().dt.days.max())
            expected = now * float(rows["facts"].sum()) / ((days.iloc[-1] - days.iloc[0]).days + 1)
            absent[word] = now <= _LONGER * longest or expected < _EXPECTED
    return commonest in absent and all(absent.values())


@dataclass
class Pauses:
    """When the facts of a company's tables pause.

    Parameters
    ----------
    tables : Tables
        Each is read once, when it is first asked about.
    """

    tables: Tables
    _facts: dict[str, pd.DataFrame | None] = field(default_factory=dict)

    def __call__(self, table: str, window_days: int, as_of: pd.Timestamp) -> bool:
        """Tell whether a table's window is empty by its own pace (see `usual_pause`); False where it has none."""
        if table not in self._facts:
            self._facts[table] = self._read(table)
        facts = self._facts[table]
        return facts is not None and usual_pause(facts, window_days, as_of)

    def _read(self, name: str) -> pd.DataFrame | None:
        if name not in SOURCES or not self.tables.has(name, SOURCES[name][0]):
            return None
        import ibis

        at, words = SOURCES[name]
        table = self.tables[name]
        word = next((table[column] for column in words if self.tables.has(name, column)), ibis.literal(name))
        days = table.select(day=table[at].cast("timestamp").truncate("D"), word=word.cast("string").fill_null(name))
        counted: pd.DataFrame = days.group_by("day", "word").agg(facts=days.count()).to_pandas()
        return counted.dropna()
