"""The red threshold that fits the team: as many red accounts as can be called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.config import CapacityConfig
from churnml.errors import UsageError
from churnml.language import Text

__all__ = ["PastRed", "Proposal", "SizedRed", "propose_threshold", "weeks_current"]

_WEEKS = 4


@dataclass(frozen=True)
class Proposal:
    """A red threshold sized to capacity.

    Parameters
    ----------
    red_below : float
        Proposed threshold, one decimal.
    calls : int
        Accounts the team can call in `weeks`.
    weeks : int
        How long a score is current.
    accounts : int
        Accounts with a band.
    red : int
        Accounts under the proposed threshold.
    red_below_now : float
        Threshold in force.
    red_now : int
        Accounts under it.
    share : float
        `red` ÷ `accounts`.
    """

    red_below: float
    calls: int
    weeks: int
    accounts: int
    red: int
    red_below_now: float
    red_now: int
    share: float


@dataclass(frozen=True)
class PastRed:
    """What red under a threshold would have caught over past readings.

    Parameters
    ----------
    readings : int
        Readings with a band and an outcome under the threshold.
    churn_rate, lift : float or None
        Share of them that churned, and that share ÷ the base rate; None where there is no such reading.
    share_of_churn : float or None
        Their share of all churned readings; None where none churned.
    """

    readings: int
    churn_rate: float | None
    lift: float | None
    share_of_churn: float | None


@dataclass(frozen=True)
class SizedRed:
    """The red threshold that fits the team on the newest date, and what it was worth in the past."""

    proposal: Proposal
    past: PastRed


def weeks_current(every: str | int) -> int:
    """Return for how many weeks a score is current, from ``snapshots.every``: until the next snapshot.

    Examples
    --------
    >>> weeks_current("month"), weeks_current("week"), weeks_current(14)
    (4, 1, 2)
    """
    if every == "month":
        return _WEEKS
    return 1 if every == "week" else max(1, round(int(every) / 7))


def propose_threshold(
    health: pd.DataFrame, capacity: CapacityConfig, *, red_below: float, weeks: int = _WEEKS
) -> Proposal:
    """Propose the highest red threshold whose red accounts the team can all call.

    Parameters
    ----------
    health : DataFrame
        Output of `churnml.health.score_health` for one date; accounts without a band are never red and do not count.
    capacity : CapacityConfig
        With ``csms`` and ``calls_per_week`` the capacity is their product over `weeks`; otherwise ``share`` of the
        accounts.
    red_below : float
        The threshold in force.
    weeks : int
        How long a score is current: until the next snapshot.

    Raises
    ------
    UsageError
        No account has a score and a band.

    Examples
    --------
    >>> frame = pd.DataFrame({"health_score": [10.0, 20.0, 30.0, 80.0]})
    >>> propose_threshold(frame, CapacityConfig(csms=1, calls_per_week=2), red_below=40.0, weeks=1).red
    2
    """
    banded = health if "band" not in health else health[health["band"] != "unknown"]
    scores = np.sort(banded["health_score"].dropna().to_numpy(dtype=float))
    if scores.size == 0:
        raise UsageError(Text.of("fault-no_health"))
    if capacity.csms is not None and capacity.calls_per_week is not None:
        calls = capacity.csms * capacity.calls_per_week * weeks
    else:
        calls = int(capacity.share * scores.size)
    # Just at the first account too many, rounded down so that it stays out.
    threshold = 100.0 if calls >= scores.size else float(np.floor(10.0 * scores[calls]) / 10.0)
    return Proposal(
        red_below=threshold,
        calls=calls,
        weeks=weeks,
        accounts=int(scores.size),
        red=int((scores < threshold).sum()),
        red_below_now=red_below,
        red_now=int((scores < red_below).sum()),
        share=round(float((scores < threshold).mean()), 6),
    )
