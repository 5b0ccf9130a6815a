"""What differs between simulated companies before any account exists: prices, mix, calendar, product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BURN_IN_WEEKS", "CORE_KINDS", "COUNTRIES", "INDUSTRIES", "PLANS", "World", "make_world"]

BURN_IN_WEEKS = 26
"""Weeks of latent history before the data starts, so that it starts with some accounts already in trouble."""

PLANS = ("starter", "standard", "premier")
INDUSTRIES = ("software", "manufacturing", "retail", "finance", "healthcare", "media", "logistics", "education")
CORE_KINDS = ("record_created", "report_viewed", "automation_run", "integration_sync")
"""Event types of the product's core use; every company has them."""

_OTHER_KINDS = (
    "search",
    "dashboard_viewed",
    "export_created",
    "comment_added",
    "import_run",
    "api_call",
    "template_used",
    "alert_configured",
    "invite_sent",
)

COUNTRIES: dict[str, tuple[float, tuple[tuple[int, int], ...]]] = {
    "US": (-6.0, ((1, 1), (5, 27), (7, 4), (9, 2), (11, 28), (11, 29))),
    "GB": (0.0, ((1, 1), (5, 6), (5, 27), (8, 26))),
    "DE": (1.0, ((1, 1), (5, 1), (10, 3))),
    "FR": (1.0, ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 11))),
    "JP": (9.0, ((1, 1), (1, 2), (1, 3), (5, 3), (5, 4), (5, 5), (11, 3), (11, 23))),
    "IN": (5.5, ((1, 26), (8, 15), (10, 2))),
}
"""Country → hours ahead of UTC, and days off as (month, day)."""


@dataclass(frozen=True)
class World:
    """One company's market, product and calendar.

    Parameters
    ----------
    start, end : int
        First day of the data and first day after it, days since 1970.
    first_week : int
        First day of week 0 of the latent grid: `BURN_IN_WEEKS` before `start`.
    weeks : int
        Weeks of the latent grid, the last one covers ``end``.
    kinds : tuple of str
        Event types; the first is ``login``, then `CORE_KINDS`.
    kind_weight : ndarray (kinds,)
        Chance that an active user does it on a day, before the account's own mix.
    list_price : ndarray (plans,)
        Currency per seat and month.
    plan_share : ndarray (plans,)
    annual_share : ndarray (plans,)
        Share of accounts on annual contracts.
    country_share, industry_share : ndarray
    season : ndarray (days,)
        Use of the product by day, around 1: a yearly wave and a slow growth.
    incident_weeks : ndarray
        Weeks (of the grid) in which an outage hits part of the accounts.
    base_share : float
        Share of all accounts that are customers at `start`.
    owners : tuple of str
        CSMs.
    """

    start: int
    end: int
    first_week: int
    weeks: int
    kinds: tuple[str, ...]
    kind_weight: NDArray[np.float64]
    list_price: NDArray[np.float64]
    plan_share: NDArray[np.float64]
    annual_share: NDArray[np.float64]
    country_share: NDArray[np.float64]
    industry_share: NDArray[np.float64]
    season: NDArray[np.float64]
    incident_weeks: NDArray[np.int64]
    base_share: float
    owners: tuple[str, ...]

    def week_of(self, day: Any) -> NDArray[np.int64]:
        """Return the latent week of a day, clipped to the grid."""
        weeks = np.floor((np.asarray(day, dtype="float64") - self.first_week) / 7).astype("int64")
        return np.asarray(np.clip(weeks, 0, self.weeks - 1))


def make_world(rng: np.random.Generator, start: int, end: int, accounts: int) -> World:
    """Draw a company's market, product and calendar."""
    days = np.arange(start, end)
    phase, amplitude, growth = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.10), rng.uniform(0.0, 0.12)
    season = 1 + amplitude * np.sin(2 * np.pi * days / 365.25 + phase) + growth * (days - start) / 730
    others = rng.permutation(len(_OTHER_KINDS))[: int(rng.integers(6, 9))]
    kinds = ("login", *CORE_KINDS, *(_OTHER_KINDS[index] for index in np.sort(others)))
    weights = np.concatenate(
        [[0.65], rng.uniform(0.13, 0.23, len(CORE_KINDS)), rng.uniform(0.02, 0.09, len(kinds) - 1 - len(CORE_KINDS))]
    )
    weeks = BURN_IN_WEEKS + -(-(end - start) // 7) + 1
    incidents = np.sort(rng.choice(np.arange(BURN_IN_WEEKS, weeks - 1), size=max(1, weeks // 40), replace=False))
    return World(
        start=start,
        end=end,
        first_week=start - 7 * BURN_IN_WEEKS,
        weeks=weeks,
        kinds=kinds,
        kind_weight=weights,
        list_price=np.round(np.array([24.0, 45.0, 80.0]) * rng.uniform(0.7, 1.5)),
        plan_share=rng.dirichlet(np.array([45, 38, 17]) * 2),
        annual_share=np.clip(np.array([0.15, 0.35, 0.60]) + rng.normal(0, 0.04, 3), 0.05, 0.9),
        country_share=rng.dirichlet(np.array([34, 15, 14, 9, 20, 8])),
        industry_share=rng.dirichlet(np.full(len(INDUSTRIES), 8.0)),
        season=season,
        incident_weeks=incidents,
        base_share=float(rng.uniform(0.50, 0.60)),
        owners=tuple(f"csm-{number:02d}" for number in range(1, max(2, accounts // 120) + 1)),
    )
