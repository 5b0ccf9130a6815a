"""Snapshots of a made-up company without contracts, whose hazard of falling silent is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.features.spec import FeatureSet, FeatureSpec

__all__ = ["FEATURES", "company", "events", "true_survival"]

MONTH = 30.4375


def _spec(name: str) -> FeatureSpec:
    return FeatureSpec(name, "engagement", "", "", name, name, "events")


FEATURES = FeatureSet([_spec("use"), _spec("noise")])


def company(
    accounts: int,
    *,
    silence_days: int = 60,
    monthly: float = 0.05,
    effect: float = 0.0,
    months: int = 24,
    seed: int = 0,
) -> pd.DataFrame:
    """Return monthly snapshots of accounts that are active every day until they stop for good, at a known hazard.

    Of a hazard of ``monthly · exp(−effect · use)`` a month. A snapshot holds who did something in the last
    `silence_days` days; the column ``hazard`` has it by the day, and no feature does.
    """
    rng = np.random.default_rng(seed)
    use, last = rng.normal(size=accounts), months * MONTH
    hazard = monthly / MONTH * np.exp(-effect * use)
    signed = rng.uniform(-0.5, 0.8, accounts) * last
    stops = signed + rng.exponential(1.0 / hazard)
    rows = []
    for day in np.floor(np.arange(0.0, last + 1e-9, MONTH)):
        there = (signed < day) & (stops > day - silence_days)
        begins = np.maximum(np.floor(stops[there]) + 1.0 - day, 0.0)
        rows.append(
            pd.DataFrame(
                {
                    "account_id": [f"a{number:04d}" for number in np.flatnonzero(there)],
                    "as_of": pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(day)),
                    "use": use[there],
                    "hazard": hazard[there],
                    "ended_days": begins + silence_days - 1.0,
                    "seen_days": np.floor(last) - day,
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    frame["ended_days"] = frame["ended_days"].where(frame["ended_days"] < frame["seen_days"])
    return frame.assign(noise=rng.normal(size=len(frame)), next_decision_days=np.nan, contract_days=np.nan)


def true_survival(hazard: np.ndarray, days: np.ndarray, silence_days: int) -> np.ndarray:
    """Return the chance of not being lost on any of the first so many days, (n, d).

    Who is in a snapshot was active no more than `silence_days` days before it; lost by day d are those who stopped more
    than so many days before it: the day counts from there.
    """
    return np.where(days < silence_days, 1.0, np.exp(-hazard[:, None] * days))


def events(accounts: int, months: int, *, seed: int = 0, monthly: float = 0.08) -> pd.DataFrame:
    """Return events of accounts that stop for good, the sooner the less they do."""
    rng = np.random.default_rng(seed)
    often = rng.beta(2.0, 2.0, accounts)
    last = int(months * MONTH)
    signed = rng.uniform(-0.5, 0.8, accounts) * last
    stops = signed + rng.exponential(MONTH / (monthly * np.exp(2.5 - 5.0 * often)))
    days = np.arange(last)
    there = (days >= signed[:, None]) & (days <= stops[:, None]) & (rng.random((accounts, last)) < often[:, None])
    account, day = np.nonzero(there)
    frame = pd.DataFrame({"account_id": account, "occurred_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, "D")})
    frame["account_id"] = "a" + frame["account_id"].astype(str)
    frame["user_id"] = frame["account_id"] + "-" + rng.integers(0, 4, len(frame)).astype(str)
    return frame.assign(occurred_at=frame["occurred_at"] + pd.Timedelta(hours=9), event_type="edit")
