"""Everything that is settled about a company before its tables are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnml.simulate.contracts import Contracts, Decisions
from churnml.simulate.drivers import Latents
from churnml.simulate.population import Population
from churnml.simulate.world import COUNTRIES, World

__all__ = ["Life"]


@dataclass(frozen=True)
class Life:
    """World, accounts, hidden state, contracts and decisions of one company.

    The data covers each account in ``[live_from, live_until)``, days since 1970.
    """

    world: World
    people: Population
    latents: Latents
    contracts: Contracts
    decisions: Decisions

    @property
    def live_from(self) -> NDArray[np.int64]:
        """First day of each account in the data."""
        return np.asarray(np.maximum(self.people.signed, self.world.start))

    @property
    def live_until(self) -> NDArray[np.int64]:
        """First day after each account's last in the data."""
        churn = np.where(np.isnan(self.decisions.churn_on), self.world.end, self.decisions.churn_on)
        return np.minimum(churn, self.world.end).astype("int64")

    def seats_on(self, account: NDArray[np.int64], day: Any) -> NDArray[np.int64]:
        """Return the seats an account has bought on a day."""
        return np.asarray(self.contracts.seats[account, self.month_on(account, day)])

    def month_on(self, account: NDArray[np.int64], day: Any) -> NDArray[np.int64]:
        """Return the contract month an account is in on a day."""
        signed = self.people.signed[account].astype("datetime64[D]")
        today = np.floor(np.asarray(day, dtype="float64")).astype("int64").astype("datetime64[D]")
        months = (today.astype("datetime64[M]") - signed.astype("datetime64[M]")).astype("int64")
        months -= self.contracts.begins[account, np.clip(months, 0, self.contracts.months)] > today.astype("int64")
        return np.asarray(np.clip(months, 0, self.contracts.months - 1))

    def mrr(self, account: NDArray[np.int64], month: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the plan's monthly recurring revenue in a contract month."""
        price = self.contracts.price[account, month] * (1 - self.people.discount[account])
        return np.asarray(np.round(self.contracts.seats[account, month] * price, 2))

    def office_hours(self, rng: np.random.Generator, account: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return times of day in UTC, as a share of a day, inside the account's own office hours."""
        ahead = np.array([hours for hours, _ in COUNTRIES.values()])[self.people.country[account]]
        local = np.clip(rng.normal(13.0, 2.4, len(account)), 7.0, 20.9)
        return np.asarray(np.mod(local - ahead, 24) / 24)

    def weeks(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return the account-weeks in the data: account, first day of the week, and the share of it that is lived."""
        first = self.world.first_week + 7 * np.arange(self.world.weeks)
        begin = np.maximum(first[None, :], self.live_from[:, None])
        stop = np.minimum(first[None, :] + 7, self.live_until[:, None])
        share = np.maximum(stop - begin, 0) / 7
        account, week = np.nonzero(share)
        return account, begin[account, week], share[account, week]
