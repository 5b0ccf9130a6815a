"""Checks of the audit on how the churn rate changes over time: drift, jumps, and lost accounts that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import ndtr

from churnml.evaluation.finding import Finding, clear, not_applicable, outcome
from churnml.language import Argument, Quantity, Text
from churnml.snapshots.splits import Split

__all__ = ["drift", "jump", "survivors"]

_SHIFT = 2.0
_JUMP = 3.0
_LEAST_EXPECTED = 10
_RATE = ["account_id", "as_of", "churned"]
"""Columns that a rate of churn is counted from."""


def drift(rows: pd.DataFrame, splits: Sequence[Split]) -> Finding:
    """Tell whether the test period churns at another rate than the training period (CHK107)."""
    if not splits:
        return not_applicable("CHK107", "no_splits")
    rows = rows[_RATE]
    periods: list[tuple[str, Argument]] = []
    for split in splits:
        train, test = rows[rows["as_of"].isin(split.train)], rows[rows["as_of"].isin(split.test)]
        before, after = float(train["churned"].mean()), float(test["churned"].mean())
        if _differs(train, test, _SHIFT):
            periods.append((split.name, Text.of("audit-rates", before=_rate(before), after=_rate(after))))
    return outcome("CHK107", periods)


def _rate(value: float) -> Quantity:
    return Quantity(value=value, unit="share", digits=1)


def jump(rows: pd.DataFrame) -> Finding:
    """Tell where the churn rate jumps from one snapshot to the next (CHK108)."""
    dates = sorted(rows["as_of"].unique())
    if len(dates) < 3:
        return not_applicable("CHK108", "few_snapshots")
    by_date = dict(tuple(rows[_RATE].groupby("as_of")))
    jumps: list[tuple[str, Argument]] = []
    for before, after in pairwise(dates):
        if _differs(by_date[before], by_date[after], _JUMP):
            first, then = (_rate(float(by_date[day]["churned"].mean())) for day in (before, after))
            jumps.append((f"{pd.Timestamp(after):%Y-%m-%d}", Text.of("audit-jump", before=first, after=then)))
    return outcome("CHK108", jumps)


def _differs(before: pd.DataFrame, after: pd.DataFrame, factor: float) -> bool:
    """Whether two churn rates differ by `factor` and by far more than chance, an account counting once."""
    n = [side["account_id"].nunique() for side in (before, after)]
    rate = [float(side["churned"].mean()) for side in (before, after)]
    if min(n) < 30 or max(rate) == 0:
        return False
    pooled = (rate[0] * n[0] + rate[1] * n[1]) / sum(n)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1])))
    z = abs(rate[0] - rate[1]) / error if error > 0 else 0.0
    return max(rate) >= factor * min(rate) and 2 * ndtr(-z) < 1e-4


def survivors(rows: pd.DataFrame) -> Finding:
    """Tell whether nobody churns before a date (CHK109)."""
    by_date = rows.groupby("as_of").agg(rows=("churned", "size"), churned=("churned", "sum"))
    if len(by_date) < 3 or by_date["churned"].sum() == 0:
        return not_applicable("CHK109", "few_snapshots_or_churners")
    first = int(np.argmax(by_date["churned"].to_numpy() > 0))
    before, after = by_date.iloc[:first], by_date.iloc[first:]
    # Accounts at risk at the last silent date could each churn once: expect them at the later rate.
    rate = float(after["churned"].sum() / after["rows"].sum())
    expected = rate * float(before["rows"].max()) if len(before) else 0.0
    if len(before) == 0 or expected < _LEAST_EXPECTED:
        return clear("CHK109")
    until = pd.Timestamp(by_date.index[first])
    return Finding(
        "CHK109",
        "found",
        Text.of(
            "audit-survivors",
            what=Text.of("audit-CHK109"),
            n=len(before),
            on=f"{until:%Y-%m-%d}",
            expected=Quantity(value=expected, digits=0),
        ),
        (f"{until:%Y-%m-%d}",),
        Text.of("audit-CHK109.remedy", on=f"{until:%Y-%m-%d}"),
    )
