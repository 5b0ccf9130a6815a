"""Who the accounts are: the traits that are drawn once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from churnml.simulate.frames import labels
from churnml.simulate.world import COUNTRIES, INDUSTRIES, World

__all__ = ["Population", "make_population"]

_FIRST = (
    "Alder Amber Arbor Atlas Aurora Beacon Birch Boreal Bright Cedar Cobalt Coral Crescent Delta Drift Ember Fable "
    "Falcon Fern Garnet Granite Harbor Hazel Heron Indigo Iris Juniper Kestrel Lark Linden Lumen Maple Marlow Meadow "
    "Mistral Nimbus North Onyx Orchid Osprey Pine Quartz Raven Sable Sierra Sparrow Summit Thistle Umber Vale Willow"
)
_SECOND = (
    "Analytics Bank Care Clinics Components Devices Dynamics Education Energy Finance Foods Freight Group Health "
    "Industries Insurance Labs Learning Logistics Machines Media Mills Motors Networks Outfitters Partners Press "
    "Retail Robotics Schools Software Stores Studios Systems Textiles Tools Trading Transport Ventures Works"
)


@dataclass(frozen=True)
class Population:
    """Traits of the accounts; every array has one entry per account.

    Parameters
    ----------
    ids, names : ndarray of str
    signed : ndarray of int
        First day as a customer, days since 1970; the day of the month is at most 28.
    plan, country, industry, owner : ndarray of int
        Indices into the world's lists.
    annual : ndarray of bool
        Annual contract; otherwise monthly.
    billing_months : ndarray of int
        Months billed at once.
    seats : ndarray of int
        Seats bought at the start.
    discount : ndarray of float
        Share off the list price.
    employees : ndarray of int
    touch : ndarray of str
        ``high``, ``low`` or ``tech``.
    lead_days : ndarray of int
        Days between the decision about a renewal and the end of the term.
    gives_notice : ndarray of float
        Chance that a customer who leaves says so.
    """

    ids: NDArray[np.object_]
    names: NDArray[np.object_]
    signed: NDArray[np.int64]
    plan: NDArray[np.int64]
    country: NDArray[np.int64]
    industry: NDArray[np.int64]
    owner: NDArray[np.int64]
    annual: NDArray[np.bool_]
    billing_months: NDArray[np.int64]
    seats: NDArray[np.int64]
    discount: NDArray[np.float64]
    employees: NDArray[np.int64]
    touch: NDArray[np.object_]
    lead_days: NDArray[np.int64]
    gives_notice: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of accounts."""
        return len(self.ids)


def make_population(rng: np.random.Generator, world: World, accounts: int) -> Population:
    """Draw the accounts, in the order in which they signed."""
    signed = _signing_days(rng, world, accounts)
    plan = rng.choice(3, size=accounts, p=world.plan_share)
    annual = rng.random(accounts) < world.annual_share[plan]
    seats = np.clip(np.round(np.array([3.4, 5.2, 8.5])[plan] * rng.lognormal(0, 0.5, accounts)), 1, 60).astype("int64")
    employees = np.round(seats * rng.lognormal(2.2, 0.7, accounts)).astype("int64") + 3
    size = seats * np.array([1.0, 1.6, 2.5])[plan]
    touch = np.where(size >= np.quantile(size, 0.85), "high", np.where(size >= np.quantile(size, 0.45), "low", "tech"))
    billing = np.where(annual, rng.choice([1, 3, 12], size=accounts, p=[0.60, 0.20, 0.20]), 1)
    return Population(
        ids=labels("acc-", accounts, 5),
        names=_names(rng, accounts),
        signed=signed,
        plan=plan,
        country=rng.choice(len(COUNTRIES), size=accounts, p=world.country_share),
        industry=rng.choice(len(INDUSTRIES), size=accounts, p=world.industry_share),
        owner=rng.integers(0, len(world.owners), accounts),
        annual=annual,
        billing_months=billing,
        seats=seats,
        discount=np.where(rng.random(accounts) < 0.35, np.round(rng.uniform(0.05, 0.25, accounts), 2), 0.0),
        employees=employees,
        touch=touch.astype(object),
        lead_days=np.where(annual, rng.integers(25, 50, accounts), rng.integers(4, 11, accounts)),
        gives_notice=np.where(annual, 0.5, 0.35),
    )


def _signing_days(rng: np.random.Generator, world: World, accounts: int) -> NDArray[np.int64]:
    base = round(accounts * world.base_share)
    before = world.start - 10 - np.minimum(rng.exponential(420, base), 1200)
    span = world.end - world.start
    after = world.start + span * rng.beta(1.1, 1.0, accounts - base)
    days = np.sort(np.concatenate([before, after])).astype("int64").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day_of_month = np.minimum((days - months.astype("datetime64[D]")).astype("int64"), 27)
    signed = months.astype("datetime64[D]").astype("int64") + day_of_month
    return np.asarray(np.minimum(signed, world.end - 1))


def _names(rng: np.random.Generator, accounts: int) -> NDArray[np.object_]:
    """Return distinct display names; a number follows once the pairs of words run out."""
    first, second = _FIRST.split(), _SECOND.split()
    pairs = len(first) * len(second)
    order = rng.permutation(pairs)
    names = []
    for index in range(accounts):
        word = order[index % pairs]
        again = f" {index // pairs + 1}" if index >= pairs else ""
        names.append(f"{first[word // len(second)]} {second[word % len(second)]}{again}")
    return np.array(names, dtype=object)
