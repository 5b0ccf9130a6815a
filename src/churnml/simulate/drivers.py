"""The hidden troubles that make accounts leave: one Markov process per account and driver, in weekly steps.

A severity is 0 for an untroubled account. Trouble strikes at random (a jump of about 1), fades by a fixed factor per
week and may end from one week to the next (a recovery). What the tables show follows the severity at once or within
two or three weeks; the hazard follows it only `Driver.lag_weeks` later. So every cause leaves a trace first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnml.simulate.population import Population
from churnml.simulate.world import World

__all__ = ["DRIVERS", "DRIVER_INDEX", "INCIDENT_SHARE", "Driver", "Latents", "make_latents", "step"]


@dataclass(frozen=True)
class Driver:
    """One cause of churn.

    Parameters
    ----------
    name : str
    family : str
        Feature family in which it leaves its trace.
    weight : float
        Log-hazard per unit of severity.
    lag_weeks : int
        Weeks from severity to hazard.
    keep : float
        Share of the severity left after a week.
    recover : float
        Chance per week that the trouble ends.
    strikes : float
        Chance per account and week that it strikes.
    """

    name: str
    family: str
    weight: float
    lag_weeks: int
    keep: float
    recover: float
    strikes: float


DRIVERS = (
    Driver("usage_decline", "engagement", 2.8, 5, 0.995, 0.020, 0.0028),
    Driver("narrow_adoption", "adoption", 2.7, 5, 0.995, 0.015, 0.0020),
    Driver("bug_wave", "support", 2.8, 4, 0.96, 0.0, 0.0028),
    Driver("dissatisfaction", "sentiment", 2.8, 8, 0.995, 0.020, 0.0026),
    Driver("payment_trouble", "commercial", 2.8, 9, 0.995, 0.025, 0.0030),
    Driver("price_rise", "commercial", 2.6, 3, 0.97, 0.0, 0.0),
    Driver("champion_left", "relationship", 2.7, 5, 0.99, 0.025, 0.0028),
    Driver("failed_onboarding", "onboarding", 2.7, 6, 0.99, 0.030, 0.0),
)
"""The causes. `price_rise` and `failed_onboarding` strike by the calendar of the contract, not at random."""

DRIVER_INDEX = {driver.name: index for index, driver in enumerate(DRIVERS)}

_CEILING = 1.2
INCIDENT_SHARE = 0.06
"""Share of the accounts that an outage hits."""

_FAILED_ONBOARDING_SHARE = 0.25
_NARROW_SHARE = 0.10


@dataclass(frozen=True)
class Latents:
    """The hidden state, on the weekly grid of the world.

    Parameters
    ----------
    severity : ndarray (drivers, accounts, weeks) of float32
        What the hazard follows after the driver's lag.
    shown : ndarray (drivers, accounts, weeks) of float32
        Severity smoothed over about two weeks: what the tables follow.
    struck, recovered : ndarray (drivers, accounts, weeks) of bool
        When trouble began and ended.
    mood : ndarray (accounts, weeks) of float32
        Log of the account's passing ups and downs in use, which mean nothing.
    """

    severity: NDArray[np.float32]
    shown: NDArray[np.float32]
    struck: NDArray[np.bool_]
    recovered: NDArray[np.bool_]
    mood: NDArray[np.float32]

    def of(self, name: str) -> NDArray[np.float32]:
        """Return what the tables follow of one driver, (accounts, weeks)."""
        return np.asarray(self.shown[DRIVER_INDEX[name]])


def make_latents(
    rng: np.random.Generator, world: World, people: Population, price_strikes: NDArray[np.float32]
) -> Latents:
    """Run the hidden processes of all accounts over all weeks.

    Parameters
    ----------
    rng : Generator
    world : World
    people : Population
    price_strikes : ndarray (accounts, weeks) of float32
        Size of the price rise that strikes in a week, 0 for none.

    Returns
    -------
    Latents
        As if no account ever left; the tables are cut at churn afterwards.
    """
    count, weeks, kinds = people.size, world.weeks, len(DRIVERS)
    strikes = np.array([driver.strikes for driver in DRIVERS])[:, None] * np.ones((1, count))
    strikes[DRIVER_INDEX["payment_trouble"], people.billing_months > 1] = 0.0
    severity = np.zeros((kinds, count, weeks), dtype="float32")
    struck = np.zeros((kinds, count, weeks), dtype=bool)
    recovered = np.zeros((kinds, count, weeks), dtype=bool)
    signed_week = np.floor((people.signed - world.first_week) / 7).astype("int64")
    planned = _planned_strikes(rng, world, signed_week, price_strikes)
    state = np.zeros((kinds, count), dtype="float32")
    for week in range(weeks):
        chance = np.where(signed_week <= week, strikes, 0.0)
        state, struck[:, :, week], recovered[:, :, week] = step(rng, state, chance, planned[:, :, week])
        severity[:, :, week] = state
    return Latents(severity, _smoothed(severity), struck, recovered, _mood(rng, count, weeks))


def step(
    rng: np.random.Generator, state: NDArray[np.float32], chance: NDArray[Any], planned: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Take the hidden state one week on.

    Parameters
    ----------
    rng : Generator
    state : ndarray (…, drivers, accounts)
    chance : ndarray, broadcast to `state`
        Chance that trouble strikes this week.
    planned : ndarray, broadcast to `state`
        Severity of what strikes by the calendar.

    Returns
    -------
    state, struck, recovered : ndarray like `state`
    """
    keep = np.array([driver.keep for driver in DRIVERS], dtype="float32")[:, None]
    recover = np.array([driver.recover for driver in DRIVERS], dtype="float32")[:, None]
    recovered = (rng.random(state.shape, dtype="float32") < recover) & (state > 0)
    hits = rng.random(state.shape, dtype="float32") < chance
    # A champion who has left cannot leave again: first a successor must come.
    champion = DRIVER_INDEX["champion_left"]
    hits[..., champion, :] &= state[..., champion, :] == 0
    sizes = np.where(hits, 0.85 + 0.3 * rng.random(state.shape, dtype="float32"), np.float32(0)) + planned
    carried = np.where(recovered, np.float32(0), state * keep)
    return np.minimum(carried + sizes, _CEILING).astype("float32"), sizes > 0, recovered


def _planned_strikes(
    rng: np.random.Generator, world: World, signed_week: NDArray[np.int64], price_strikes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the strikes that the calendar sets: outages, price rises, onboarding, buying a product too wide."""
    count = len(signed_week)
    planned = np.zeros((len(DRIVERS), count, world.weeks), dtype="float32")
    planned[DRIVER_INDEX["price_rise"]] = price_strikes
    for week in world.incident_weeks:
        hit = rng.random(count) < INCIDENT_SHARE
        planned[DRIVER_INDEX["bug_wave"], hit, week] += rng.uniform(0.7, 1.0, int(hit.sum()))
    rows = np.arange(count)
    inside = signed_week >= 0
    fails = (rng.random(count) < _FAILED_ONBOARDING_SHARE) & inside
    planned[DRIVER_INDEX["failed_onboarding"], rows[fails], signed_week[fails]] = rng.uniform(0.85, 1.15, fails.sum())
    narrow = rng.random(count) < _NARROW_SHARE
    first = np.clip(signed_week, 0, world.weeks - 1)
    planned[DRIVER_INDEX["narrow_adoption"], rows[narrow], first[narrow]] = rng.uniform(0.85, 1.15, narrow.sum())
    return planned


def _smoothed(severity: NDArray[np.float32]) -> NDArray[np.float32]:
    shown = np.empty_like(severity)
    level = severity[:, :, 0]
    for week in range(severity.shape[2]):
        level = 0.4 * level + 0.6 * severity[:, :, week]
        shown[:, :, week] = level
    return shown


def _mood(rng: np.random.Generator, count: int, weeks: int) -> NDArray[np.float32]:
    mood = np.zeros((count, weeks), dtype="float32")
    level = rng.normal(0, 0.11, count)
    for week in range(weeks):
        level = 0.85 * level + rng.normal(0, 0.06, count)
        mood[:, week] = level
    return mood
