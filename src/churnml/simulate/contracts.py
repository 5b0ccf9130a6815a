"""Contracts: month by month what is paid for, when a customer may leave, and when it decides to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.drivers import DRIVER_INDEX, DRIVERS, Latents
from churnml.simulate.frames import canonical, labels
from churnml.simulate.population import Population
from churnml.simulate.world import PLANS, World

__all__ = [
    "HARD_RISE",
    "HARD_RISE_SHARE",
    "Contracts",
    "Decisions",
    "decide",
    "make_contracts",
    "price_strikes",
    "subscriptions_frame",
]

ANNUAL_EXPOSURE_MONTHS = 8.0
"""An annual renewal is worth so many months of a monthly customer's hazard."""

EARLY_EXPOSURE_MONTHS = 0.02
"""Chance to break an annual contract at a month's end, in months of hazard."""

_AHEAD_MONTHS = 14
HARD_RISE_SHARE = 0.22
"""Share of anniversaries with a hard price rise."""

HARD_RISE = (0.15, 0.35)
"""Range of a hard price rise; 0.25 strikes with severity 1."""


@dataclass(frozen=True)
class Contracts:
    """What each account pays for in each month of its life, as if it never left.

    Parameters
    ----------
    begins : ndarray (accounts, months + 1) of int
        First day of each contract month, days since 1970; month 0 begins when the account signs.
    plan, seats : ndarray (accounts, months) of int
    price : ndarray (accounts, months) of float
        Currency per seat and month, before the discount.
    rise : ndarray (accounts, months) of float
        Price rise that takes effect with the month, 0.2 = 20 %.
    """

    begins: NDArray[np.int64]
    plan: NDArray[np.int64]
    seats: NDArray[np.int64]
    price: NDArray[np.float64]
    rise: NDArray[np.float64]

    @property
    def months(self) -> int:
        """Number of contract months on the grid."""
        return int(self.plan.shape[1])


@dataclass(frozen=True)
class Decisions:
    """When each account could leave and whether it does.

    Parameters
    ----------
    exposure : ndarray (accounts, months) of float
        Months of hazard at the end of each contract month; 0 where leaving is impossible.
    decided : ndarray (accounts, months) of int
        Day of the decision.
    context : ndarray (accounts, months) of float
        Log-hazard of plan and tenure, intercept included.
    contributions : ndarray (drivers, accounts, months) of float32
        Log-hazard of each driver at the day of the decision.
    probability : ndarray (accounts, months) of float
    leaves_after : ndarray (accounts,) of int
        Contract month at the end of which the account leaves; −1 = stays.
    churn_on, notice_at : ndarray (accounts,) of float
        Days since 1970, NaN = none. Only decisions made before the end of the data count.
    intercept : float
    """

    exposure: NDArray[np.float64]
    decided: NDArray[np.int64]
    context: NDArray[np.float64]
    contributions: NDArray[np.float32]
    probability: NDArray[np.float64]
    leaves_after: NDArray[np.int64]
    churn_on: NDArray[np.float64]
    notice_at: NDArray[np.float64]
    intercept: float


def month_begins(world: World, people: Population) -> NDArray[np.int64]:
    """Return the first day of every contract month, (accounts, months + 1), to beyond the end of the data."""
    first = people.signed.astype("datetime64[D]").astype("datetime64[M]")
    day = people.signed - first.astype("datetime64[D]").astype("int64")
    end = np.datetime64(world.end, "D").astype("datetime64[M]")
    count = int((end - first.min()).astype("int64")) + _AHEAD_MONTHS
    months = first[:, None] + np.arange(count + 1)[None, :]
    return np.asarray(months.astype("datetime64[D]").astype("int64") + day[:, None])


def price_rises(rng: np.random.Generator, begins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the price rise with each contract month: every anniversary, mostly small, sometimes hard."""
    count, months = begins.shape[0], begins.shape[1] - 1
    small = np.maximum(rng.normal(0.025, 0.015, (count, months)), 0.0)
    hard = rng.uniform(*HARD_RISE, (count, months))
    rise = np.where(rng.random((count, months)) < HARD_RISE_SHARE, hard, small)
    anniversary = (np.arange(months) % 12 == 0) & (np.arange(months) > 0)
    return np.asarray(np.round(rise * anniversary[None, :], 3))


def price_strikes(world: World, begins: NDArray[np.int64], rise: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the severity with which a hard price rise strikes, (accounts, weeks)."""
    strikes = np.zeros((begins.shape[0], world.weeks), dtype="float32")
    account, month = np.nonzero(rise > 0.10)
    day = begins[account, month]
    inside = (day >= world.first_week) & (day < world.first_week + 7 * world.weeks)
    account, month, day = account[inside], month[inside], day[inside]
    strikes[account, world.week_of(day)] = rise[account, month] / 0.25
    return strikes


def make_contracts(
    rng: np.random.Generator,
    world: World,
    people: Population,
    latents: Latents,
    begins: NDArray[np.int64],
    rise: NDArray[np.float64],
) -> Contracts:
    """Let plans, seats and prices develop month by month."""
    count, months = rise.shape
    week = world.week_of(begins[:, :months])
    rows = np.arange(count)
    inside = begins[:, :months] >= world.first_week
    trouble = latents.of("payment_trouble")
    unused = latents.of("usage_decline")
    plan = np.empty((count, months), dtype="int64")
    seats = np.empty((count, months), dtype="int64")
    wanted, level = people.seats.astype("float64"), people.plan.copy()
    for month in range(months):
        worry = np.where(inside[:, month], np.maximum(trouble[rows, week[:, month]], unused[rows, week[:, month]]), 0)
        grows = rng.random(count) < np.where(worry > 0.3, 0.004, 0.030)
        shrinks = rng.random(count) < np.where(worry > 0.3, 0.12, 0.006)
        wanted = wanted * np.where(grows, rng.uniform(1.15, 1.6, count), 1.0)
        wanted = np.clip(wanted * np.where(shrinks, rng.uniform(0.55, 0.85, count), 1.0), 1, 200)
        free = ~people.annual | (month % 12 == 0)
        level = np.where(free & (month > 0) & (rng.random(count) < 0.006) & (level < 2), level + 1, level)
        target = np.maximum(np.round(wanted), 1).astype("int64")
        # An annual contract can grow at any month's end, but shrink only at renewal.
        seats[:, month] = target if month == 0 else np.where(free, target, np.maximum(target, seats[:, month - 1]))
        plan[:, month] = level
    price = world.list_price[plan] * np.cumprod(1 + rise, axis=1)
    return Contracts(
        begins=begins, plan=plan, seats=seats, price=np.asarray(np.round(price, 2), dtype="float64"), rise=rise
    )


def decide(
    rng: np.random.Generator,
    world: World,
    people: Population,
    latents: Latents,
    contracts: Contracts,
    churn_rate: float,
) -> Decisions:
    """Let every account decide at the end of each contract month whether it goes on.

    The intercept is set so that the expected number of churns per account-month in the data is `churn_rate`.
    """
    months = np.arange(contracts.months)
    exposure = np.where(
        people.annual[:, None],
        np.where((months + 1) % 12 == 0, ANNUAL_EXPOSURE_MONTHS, EARLY_EXPOSURE_MONTHS)[None, :],
        1.0,
    )
    ends = contracts.begins[:, 1:]
    exposure = np.where(ends >= world.start, exposure, 0.0)
    decided = ends - people.lead_days[:, None]
    # Nobody decides before signing.
    decided = np.maximum(decided, people.signed[:, None])
    contributions = _contributions(world, latents, decided)
    context = np.array([0.25, 0.0, -0.25])[contracts.plan] + 0.5 * np.exp(-months / 8)[None, :]
    log_hazard = contributions.sum(axis=0) + context
    counted = (ends >= world.start) & (ends < world.end)
    alive = _overlap(contracts.begins, world.start, world.end)
    intercept = _calibrated(exposure, log_hazard, counted, alive, churn_rate)
    probability = 1 - np.exp(-exposure * np.exp(intercept + log_hazard))
    leaves = (rng.random(probability.shape) < probability) & (decided < world.end)
    leaves_after = np.where(leaves.any(axis=1), leaves.argmax(axis=1), -1)
    gone = leaves_after >= 0
    rows = np.arange(people.size)
    churn_on = np.where(gone, ends[rows, leaves_after], np.nan)
    says = gone & (rng.random(people.size) < people.gives_notice)
    decision_day = decided[rows, leaves_after]
    notice = decision_day + rng.uniform(0.3, 0.75, people.size)
    says &= notice < world.end
    return Decisions(
        exposure=exposure,
        decided=decided,
        context=context + intercept,
        contributions=contributions,
        probability=probability,
        leaves_after=leaves_after,
        churn_on=churn_on,
        notice_at=np.where(says, notice, np.nan),
        intercept=intercept,
    )


def _contributions(world: World, latents: Latents, day: NDArray[np.int64]) -> NDArray[np.float32]:
    rows = np.arange(day.shape[0])[:, None]
    week = world.week_of(day)
    out = np.empty((len(DRIVERS), *day.shape), dtype="float32")
    for index, driver in enumerate(DRIVERS):
        lagged = np.maximum(week - driver.lag_weeks, 0)
        out[index] = driver.weight * latents.severity[index][rows, lagged]
    return out


def _overlap(begins: NDArray[np.int64], start: int, end: int) -> NDArray[np.float64]:
    """Return the share of each contract month that lies inside the data."""
    first, last = np.maximum(begins[:, :-1], start), np.minimum(begins[:, 1:], end)
    return np.asarray(np.maximum(last - first, 0) / np.diff(begins, axis=1))


def _calibrated(
    exposure: NDArray[np.float64],
    log_hazard: NDArray[np.float64],
    counted: NDArray[np.bool_],
    alive: NDArray[np.float64],
    churn_rate: float,
) -> float:
    """Return the intercept at which expected churns ÷ expected account-months is `churn_rate`, by bisection."""
    hazard = exposure * np.exp(log_hazard)

    def rate(intercept: float) -> float:
        stays = np.exp(-np.exp(intercept) * hazard)
        before = np.cumprod(np.concatenate([np.ones((len(stays), 1)), stays[:, :-1]], axis=1), axis=1)
        lost = (before * (1 - stays) * counted).sum()
        return float(lost / max((before * alive).sum(), 1e-9))

    low, high = -14.0, 4.0
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) < churn_rate else (low, middle)
    return (low + high) / 2


def subscriptions_frame(
    rng: np.random.Generator,
    world: World,
    people: Population,
    latents: Latents,
    contracts: Contracts,
    decisions: Decisions,
) -> pd.DataFrame:
    """Return the canonical ``subscriptions``: plan terms and add-ons, known before the end of the data."""
    plans = _plan_terms(rng, world, people, contracts, decisions)
    addons = _addons(rng, world, people, latents, contracts, decisions)
    columns = {name: np.concatenate([plans[name], addons[name]]) for name in plans}
    order = np.lexsort((columns["is_addon"], columns["started_on"], columns["account_id"].astype("U16")))
    columns = {name: values[order] for name, values in columns.items()}
    columns["subscription_id"] = labels("sub-", len(order))
    return canonical("subscriptions", columns)


def _plan_terms(
    rng: np.random.Generator, world: World, people: Population, contracts: Contracts, decisions: Decisions
) -> dict[str, NDArray[Any]]:
    begins, months = contracts.begins, np.arange(contracts.months)
    lives = begins[:, :-1] < world.end
    lives &= (decisions.leaves_after < 0)[:, None] | (months[None, :] <= decisions.leaves_after[:, None])
    changed = np.zeros_like(lives)
    changed[:, 1:] = (np.diff(contracts.seats, axis=1) != 0) | (np.diff(contracts.plan, axis=1) != 0)
    renewal = ~people.annual[:, None] | (months % 12 == 0)[None, :]
    account, month = np.nonzero(lives & (renewal | changed))
    started = begins[account, month].astype("float64")
    late = people.annual[account] & (month % 12 == 0) & (month > 0) & (rng.random(len(account)) < 0.04)
    started += np.where(late, rng.integers(1, 10, len(account)), 0)
    begun = started < world.end
    account, month, started = account[begun], month[begun], started[begun]
    term_months = np.where(people.annual[account], 12 - month % 12, 1)
    ends = begins[account, month + term_months].astype("float64")
    follows = np.append(account[1:] == account[:-1], False)
    next_start = np.append(started[1:], np.nan)
    last = ~follows
    cut = np.where(follows & (next_start < ends), next_start, np.nan)
    churn = decisions.churn_on[account]
    leaves_early = last & (churn < ends) & (churn < world.end)
    notice = np.where(last, decisions.notice_at[account], np.nan)
    # A contract that will be broken: its early end is known from the notice, else when it happens.
    cut = np.where(leaves_early | (last & (churn < ends) & ~np.isnan(notice)), churn, cut)
    known = started + np.where(rng.random(len(started)) < 0.02, rng.uniform(0.5, 5, len(started)), 0.0)
    discount = people.discount[account]
    seats = contracts.seats[account, month]
    names = np.array(PLANS, dtype=object)
    return {
        "account_id": people.ids[account],
        "product": np.full(len(account), "platform", dtype=object),
        "plan": names[contracts.plan[account, month]],
        "is_addon": np.zeros(len(account), dtype=bool),
        "started_on": started,
        "ends_on": ends,
        "terminated_on": cut,
        "notice_at": notice,
        "mrr": np.round(seats * contracts.price[account, month] * (1 - discount), 2),
        "seats": seats.astype("float64"),
        "discount_rate": discount,
        "billing_period_months": people.billing_months[account].astype("float64"),
        "auto_renew": np.ones(len(account), dtype=bool),
        "known_at": np.where(known < world.end, known, started),
    }


def _addons(
    rng: np.random.Generator,
    world: World,
    people: Population,
    latents: Latents,
    contracts: Contracts,
    decisions: Decisions,
) -> dict[str, NDArray[Any]]:
    """Return add-ons: without an agreed end, dropped when money is short or when the account leaves."""
    count = people.size
    has = rng.random(count) < np.array([0.15, 0.35, 0.6])[people.plan]
    started = people.signed + np.where(rng.random(count) < 0.5, 0, rng.integers(20, 500, count)).astype("float64")
    trouble = latents.struck[DRIVER_INDEX["payment_trouble"]]
    first = np.where(trouble.any(axis=1), world.first_week + 7 * trouble.argmax(axis=1), 10**7)
    dropped = np.where(rng.random(count) < 0.6, first + rng.integers(5, 20, count), 10**7).astype("float64")
    stop = np.fmin(np.where(dropped > started, dropped, np.inf), decisions.churn_on)
    account = np.nonzero(has & (started < world.end) & ~(stop <= started))[0]
    stop = stop[account]
    size = len(account)
    product = np.array(["analytics", "premium_support", "sandbox"], dtype=object)[rng.integers(0, 3, size)]
    return {
        "account_id": people.ids[account],
        "product": product,
        "plan": np.full(size, None, dtype=object),
        "is_addon": np.ones(size, dtype=bool),
        "started_on": started[account],
        "ends_on": np.full(size, np.nan),
        "terminated_on": np.where(stop < world.end, stop, np.nan),
        "notice_at": np.full(size, np.nan),
        "mrr": np.round(0.18 * people.seats[account] * contracts.price[account, 0], 2),
        "seats": np.full(size, np.nan),
        "discount_rate": np.zeros(size),
        "billing_period_months": np.ones(size),
        "auto_renew": np.ones(size, dtype=bool),
        "known_at": started[account],
    }
