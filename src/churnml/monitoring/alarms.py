"""What an alarm is, which ones there are, and the budget of false ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from churnml.language import Text

__all__ = ["ALARMS", "DAYS_PER_MONTH", "STOPPED", "Alarm", "Area", "Budget"]

DAYS_PER_MONTH = 30.4375

Area = Literal["data", "drift", "performance"]

STOPPED = "MON101"

ALARMS: dict[str, Area] = {
    STOPPED: "data",
    "MON102": "data",
    "MON103": "data",
    "MON104": "data",
    "MON105": "data",
    "MON106": "data",
    "MON107": "data",
    "MON108": "data",
    "MON109": "data",
    "MON110": "data",
    "MON201": "drift",
    "MON202": "drift",
    "MON301": "performance",
    "MON302": "performance",
    "MON303": "performance",
}
"""Code → what it is about. What each means stands in the messages (``alarm-<code>``) and in docs/monitoring.md."""

_SHARES: dict[Area, float] = {"data": 0.6, "drift": 0.2, "performance": 0.2}


@dataclass(frozen=True)
class Alarm:
    """Something that chance does not explain.

    Parameters
    ----------
    code : str
        One of `ALARMS`.
    subject : str
        What it is about: a table, ``table.column``, a feature.
    since : date
        The first day that it showed.
    said : Text
        What happened, with the numbers.
    p_value : float or None
        How often chance alone does as much in one such test; None where the rule is no test.
    severe : bool
        Scores made from this data mislead: a feed stopped, ids do not meet, a column is empty.
    """

    code: str
    subject: str
    since: date
    said: Text
    p_value: float | None = None
    severe: bool = False

    @property
    def area(self) -> Area:
        """Data, drift or performance."""
        return ALARMS[self.code]

    @property
    def key(self) -> str:
        """Names the episode: the same alarm on a later day is the same one."""
        return f"{self.code}:{self.subject}"


@dataclass(frozen=True)
class Budget:
    """How many false alarms a month there may be in all, and what that leaves for one test of one day.

    Each area has its part of the budget, and each day of it is divided by the tests of that day (Bonferroni), so that
    the expected number of false alarms stays within the budget however many tables, columns and words there are.

    Examples
    --------
    >>> budget = Budget(1.0)
    >>> round(budget.level("data", tests=200), 6)
    9.9e-05
    """

    false_alarms_per_month: float = 1.0

    def daily(self, area: Area) -> float:
        """Return the probability of a false alarm on one day that an area may use up."""
        return min(_SHARES[area] * self.false_alarms_per_month / DAYS_PER_MONTH, 0.2)

    def level(self, area: Area, tests: int) -> float:
        """Return the p-value below which one of so many tests of a day is an alarm."""
        return self.daily(area) / max(tests, 1)
