"""Where red and green begin: red as many as the team can call, green where churners were seen to be healthy no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.config import CapacityConfig
from churnml.health.acceptance import wilson

__all__ = ["LEAST_CHURNERS", "BandEdges", "early_readings", "size_bands"]

LEAST_CHURNERS = 20
"""Fewer held-out readings of churners than this tell no edge and no blend."""

_EARLY_SHARE = 2 / 3
_MOST_GREEN, _LEAST_GREEN = 0.8, 0.4
_Z = 1.959964 * np.sqrt(2)
"""The share found here and the one found later both scatter: their difference by the root of two."""


@dataclass(frozen=True)
class BandEdges:
    """Red under the first score, green from the second."""

    red_below: float
    green_from: float


def size_bands(readings: pd.DataFrame, capacity: CapacityConfig, *, weeks: int) -> BandEdges:
    """Return the edges of red and green from readings that the model had not seen.

    Red is as large as what the team can call; green begins at the lowest score under which two thirds of the churners
    lay 60–90 days before, sure enough to hold later as well, but so that 40–80 % of the accounts are green. Where fewer
    than 20 churners are known, 60 % are. Readings that are yellow at most leave their place to others: green begins
    lower by as much as it takes to keep its share.

    Parameters
    ----------
    readings : DataFrame
        ``account_id, as_of, health_score`` and the outcome ``churned``, ``churn_on``, null where it is not known
        yet; and ``at_most_yellow``, where some are.
    capacity : CapacityConfig
        ``csms × calls_per_week`` over `weeks`, else ``share`` of the accounts.
    weeks : int
        How long a score is current.
    """
    known = readings[readings["health_score"].notna()]
    scores = np.sort(known["health_score"].to_numpy(dtype=float))
    share = capacity.share
    if capacity.csms is not None and capacity.calls_per_week is not None:
        share = capacity.csms * capacity.calls_per_week * weeks / max(float(known.groupby("as_of").size().mean()), 1.0)
    first_not_red = min(int(share * scores.size), scores.size - 1)
    red_below = max(float(np.floor(10.0 * scores[first_not_red]) / 10.0), 0.1)
    lowest, highest = (float(np.quantile(scores, 1.0 - green)) for green in (_MOST_GREEN, _LEAST_GREEN))
    seen = _seen(known)
    seen = float(np.quantile(scores, 1.0 - (_MOST_GREEN + _LEAST_GREEN) / 2)) if seen is None else seen
    green_from = float(np.clip(seen, lowest, max(highest, lowest)))
    green_from = round(float(np.ceil(10.0 * green_from) / 10.0), 1)
    if "at_most_yellow" in known:
        green_from = _same_share(known, green_from)
    return BandEdges(min(red_below, 99.9), min(max(green_from, round(red_below + 0.1, 1)), 100.0))


def _same_share(known: pd.DataFrame, green_from: float) -> float:
    """Return where green begins for as many readings to be green as if none were held back."""
    scores = known["health_score"].to_numpy(dtype=float)
    free = np.sort(scores[~known["at_most_yellow"].to_numpy(dtype=bool)])
    wanted = int((scores >= green_from).sum())
    if not wanted or not len(free):
        return green_from
    return min(green_from, round(float(np.floor(10.0 * free[max(len(free) - wanted, 0)]) / 10.0), 1))


def early_readings(history: pd.DataFrame, days: int = 60, span: int = 31) -> pd.DataFrame:
    """Return the reading of each churner so many days before it left, or up to 30 more; the nearest counts."""
    left = history.loc[history["churn_on"].notna(), ["account_id", "churn_on"]].drop_duplicates()
    readings = history.drop(columns="churn_on").merge(left, on="account_id")
    before = (readings["churn_on"] - readings["as_of"]).dt.days
    readings = readings[(before >= days) & (before < days + span)]
    return readings.sort_values("as_of").drop_duplicates(["account_id", "churn_on"], keep="last")


def _seen(known: pd.DataFrame) -> float | None:
    """Return the lowest score under which two thirds of the churners lay, at the least; None where they are few."""
    early = early_readings(known)
    if len(early) < LEAST_CHURNERS:
        early = known[known["churned"] == 1]
    if len(early) < LEAST_CHURNERS:
        return None
    scores = np.sort(early["health_score"].to_numpy(dtype=float))
    for hits in range(1, len(scores) + 1):
        low, _ = wilson(hits, len(scores), z=float(_Z))
        if low is not None and low >= _EARLY_SHARE:
            return float(scores[hits - 1]) + 0.1
    return 100.0
