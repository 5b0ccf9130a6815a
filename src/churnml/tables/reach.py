"""How far a table reaches: an export may be older than the others, and what happened since is missing from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reach", "reach"]

_STALE_DAYS = 14
_STALE_PACE = 1.5
_RECENT_DAYS = 365
_EXPECTED = 15


@dataclass(frozen=True)
class Reach:
    """How far a table reaches.

    Parameters
    ----------
    until : date
        First day that the table does not cover.
    behind_days : int
        Days that it lacks of the observed period; 0 where it reaches as far as its own pace lets one expect.
    """

    until: date
    behind_days: int


def reach(facts: pd.Series, observed_until: date) -> Reach | None:
    """Tell how far a table reaches from the days of its facts.

    A table ends early where it lacks more than 14 days, more than half again of its own longest pause in the year
    before its last fact (contracts that all begin on the first of a month are quiet for the rest of it), and 15 facts
    by the pace of that year: a company of few customers may be quiet for months.

    Parameters
    ----------
    facts : Series of int
        Facts per day, indexed by day; those that lie ahead do not count.
    observed_until : date
        First day that the data as a whole does not cover.

    Returns
    -------
    Reach or None
        None where fewer than three days tell too little.

    Examples
    --------
    >>> import pandas as pd
    >>> daily = pd.Series(1, index=pd.date_range("2026-01-01", "2026-03-31"))
    >>> reach(daily, date(2026, 6, 1))
    Reach(until=datetime.date(2026, 4, 1), behind_days=61)
    >>> monthly = pd.Series(20, index=pd.date_range("2026-01-01", "2026-05-01", freq="MS"))
    >>> reach(monthly, date(2026, 6, 1)).behind_days
    0
    """
    import pandas as pd

    past = facts[facts.index < pd.Timestamp(observed_until)].sort_index()
    if len(past) < 3:
        return None
    last = past.index[-1]
    recent = past[past.index >= last - pd.Timedelta(days=_RECENT_DAYS)]
    pause = int(recent.index.to_series().diff().dt.days.max()) if len(recent) > 1 else _RECENT_DAYS
    lag = (pd.Timestamp(observed_until) - last).days - 1
    expected = lag * float(recent.sum()) / ((last - recent.index[0]).days + 1)
    if lag <= max(_STALE_DAYS, _STALE_PACE * pause) or expected < _EXPECTED:
        return Reach(observed_until, 0)
    return Reach((last + pd.Timedelta(days=1)).date(), lag)
