"""Snapshots of a made-up company whose hazard at decisions and between them is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.training.stacking import MONTH_DAYS

MONTH, YEAR = 365.25 / 12, 365.25


def _spec(name: str, **more: object) -> FeatureSpec:
    return FeatureSpec(name, "engagement", "", "", name, name, "events", **more)  # type: ignore[arg-type]


FEATURES = FeatureSet([_spec("use"), _spec("noise"), _spec("days_to_renewal", measure="days_to_renewal")])


def company(
    accounts: int,
    *,
    annual: float = 0.0,
    open_ended: float = 0.0,
    at_decision: float = -3.0,
    between: float = -np.inf,
    effect: float = 0.0,
    months: int = 24,
    seed: int = 0,
) -> pd.DataFrame:
    """Return monthly snapshots of accounts that leave at each decision, or in each month, with a known log-odds."""
    rng = np.random.default_rng(seed)
    length = np.where(rng.random(accounts) < annual, YEAR, MONTH)
    length = np.where(rng.random(accounts) < open_ended, np.nan, length)
    use, last = rng.normal(size=accounts), months * MONTH
    signed = rng.uniform(-0.5, 0.8, accounts) * last
    rows = []
    for number in range(accounts):
        ends = signed[number] + np.arange(1, 80) * (length[number] if np.isfinite(length[number]) else np.inf)
        decided = rng.random(79) < expit(at_decision - effect * use[number])
        any_month = signed[number] + np.arange(80) * MONTH_DAYS
        struck = rng.random(80) < expit(between - effect * use[number])
        never = np.inf
        first = ends[decided & (ends < last) & (ends > 0)].min(initial=never)
        end = min(first, (any_month + rng.uniform(0, MONTH_DAYS, 80))[struck & (any_month > 0)].min(initial=never))
        for day in np.arange(0, last, MONTH):
            if signed[number] < day <= end:
                coming = ends[ends >= day][:1]
                nearest = np.floor(coming - day)[0] if np.isfinite(coming).all() else np.nan
                ended = np.floor(end - day) if end < last else np.nan
                rows.append((f"a{number:04d}", day, use[number], nearest, length[number], ended, last - day))
    names = ["account_id", "day", "use", "next_decision_days", "contract_days", "ended_days", "seen_days"]
    frame = pd.DataFrame(rows, columns=names)
    frame["as_of"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.pop("day").astype(int), unit="D")
    frame["seen_days"] = np.floor(frame["seen_days"])
    frame["ended_days"] = frame["ended_days"].where(frame["ended_days"] < frame["seen_days"])
    return frame.assign(noise=rng.normal(size=len(frame)), days_to_renewal=frame["next_decision_days"])
