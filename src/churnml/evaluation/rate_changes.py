"""Checks of the audit on how the churn rate changes over time: drift, jumps, and lost accounts that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import norm

from churnml.evaluation.finding import CHECKS, Finding, outcome
from churnml.snapshots.splits import Split

__all__ = ["drift", "jump", "survivors"]

_SHIFT = 2.0
_JUMP = 3.0
_LEAST_EXPECTED = 10


def drift(rows: pd.DataFrame, splits: Sequence[Split]) -> Finding:
    """Tell whether the test period churns at another rate than the training period (CHK107)."""
    if not splits:
        return Finding("CHK107", "not_applicable", "no splits")
    found = []
    for split in splits:
        train, test = rows[rows["as_of"].isin(split.train)], rows[rows["as_of"].isin(split.test)]
        before, after = float(train["churned"].mean()), float(test["churned"].mean())
        if _differs(train, test, _SHIFT):
            found.append((split.name, f"{before:.1%} in training, {after:.1%} in test"))
    return outcome(
        "CHK107",
        found,
        CHECKS["CHK107"],
        "Check the label's last window; if the change is real, train on recent dates.",
    )


def jump(rows: pd.DataFrame) -> Finding:
    """Tell where the churn rate jumps from one snapshot to the next (CHK108)."""
    dates = sorted(rows["as_of"].unique())
    if len(dates) < 3:
        return Finding("CHK108", "not_applicable", "fewer than three labelled snapshots")
    by_date = dict(tuple(rows.groupby("as_of")))
    found = []
    for before, after in pairwise(dates):
        if _differs(by_date[before], by_date[after], _JUMP):
            rates = [f"{by_date[day]['churned'].mean():.1%}" for day in (before, after)]
            found.append((f"{pd.Timestamp(after):%Y-%m-%d}", f"from {rates[0]} to {rates[1]}"))
    return outcome("CHK108", found, CHECKS["CHK108"], "Check whether the data are complete around that date.")


def _differs(before: pd.DataFrame, after: pd.DataFrame, factor: float) -> bool:
    """Whether two churn rates differ by `factor` and by far more than chance, an account counting once."""
    n = [side["account_id"].nunique() for side in (before, after)]
    rate = [float(side["churned"].mean()) for side in (before, after)]
    if min(n) < 30 or max(rate) == 0:
        return False
    pooled = (rate[0] * n[0] + rate[1] * n[1]) / sum(n)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1])))
    z = abs(rate[0] - rate[1]) / error if error > 0 else 0.0
    return max(rate) >= factor * min(rate) and 2 * norm.sf(z) < 1e-4


def survivors(rows: pd.DataFrame) -> Finding:
    """Tell whether nobody churns before a date (CHK109)."""
    by_date = rows.groupby("as_of").agg(rows=("churned", "size"), churned=("churned", "sum"))
    if len(by_date) < 3 or by_date["churned"].sum() == 0:
        return Finding("CHK109", "not_applicable", "fewer than three labelled snapshots, or no churner")
    first = int(np.argmax(by_date["churned"].to_numpy() > 0))
    before, after = by_date.iloc[:first], by_date.iloc[first:]
    # Accounts at risk at the last silent date could each churn once: expect them at the later rate.
    rate = float(after["churned"].sum() / after["rows"].sum())
    expected = rate * float(before["rows"].max()) if len(before) else 0.0
    if len(before) == 0 or expected < _LEAST_EXPECTED:
        return Finding("CHK109", "clear", "nothing found")
    until = pd.Timestamp(by_date.index[first])
    return Finding(
        "CHK109",
        "found",
        f"{CHECKS['CHK109']}: no churner in {len(before)} snapshots before {until:%Y-%m-%d}, "
        f"where about {expected:.0f} were to be expected",
        (f"{until:%Y-%m-%d}",),
        f"Start at snapshots.first: {until:%Y-%m-%d}, or export the accounts lost before it.",
    )
