"""A simulated company: canonical tables, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from churnml.errors import UsageError
from churnml.language import Text
from churnml.simulate.behaviour import events_frame, make_users
from churnml.simulate.billing import invoices_frame, opportunities_frame
from churnml.simulate.contracts import (
    decide,
    make_contracts,
    month_begins,
    price_rises,
    price_strikes,
    subscriptions_frame,
)
from churnml.simulate.drivers import make_latents
from churnml.simulate.life import Life
from churnml.simulate.lifecycle import accounts_frame, milestones_frame
from churnml.simulate.people import campaign_events_frame, contacts_frame, surveys_frame, touchpoints_frame
from churnml.simulate.population import make_population
from churnml.simulate.support import tickets_frame
from churnml.simulate.truth import truth_frames
from churnml.simulate.world import make_world

__all__ = ["Company", "simulate"]

DEFAULT_CHURN_RATE = 0.02
"""Accounts that leave per month, as a share of those there."""


@dataclass(frozen=True)
class Company:
    """A simulated company.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Canonical table → frame with every canonical column; what a company would export on `end`.
    truth : dict of str to DataFrame
        ``accounts, hazard, terms, drivers``: see `churnml.simulate.truth.truth_frames`. Never part of the tables.
    start, end : date
        The data says what happened in ``[start, end)``.
    parameters : dict
        The arguments of `simulate`.
    """

    tables: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]
    start: date
    end: date
    parameters: dict[str, Any] = field(default_factory=dict)


def simulate(
    accounts: int = 1500,
    months: int = 24,
    seed: int = 7,
    churn_rate: float | None = None,
    start: date = date(2024, 1, 1),
) -> Company:
    """Make a company whose true churn hazard and its causes are known.

    Parameters
    ----------
    accounts : int
        Accounts in all: somewhat more than half are customers at `start`, the others sign later.
    months : int
        Calendar months of data.
    seed : int
        Another seed is another company: prices, mix, product, seasons and luck differ.
    churn_rate : float, optional
        Expected share of accounts that leave per month; 0.02 by default. What happens scatters around it.
    start : date
        First day of the data; the first of a month.

    Returns
    -------
    Company

    Raises
    ------
    UsageError
        A number is out of its range.

    Examples
    --------
    >>> company = simulate(accounts=40, months=6, seed=1)
    >>> len(company.tables), company.end
    (11, datetime.date(2024, 7, 1))
    >>> sorted(company.truth)
    ['accounts', 'drivers', 'hazard', 'terms']
    """
    rate = DEFAULT_CHURN_RATE if churn_rate is None else churn_rate
    _check(accounts, months, seed, rate, start)
    first = np.datetime64(start, "D")
    last = (first.astype("datetime64[M]") + months).astype("datetime64[D]")
    rngs = np.random.default_rng(seed).spawn(7)
    world = make_world(rngs[0], int(first.astype("int64")), int(last.astype("int64")), accounts)
    people = make_population(rngs[1], world, accounts)
    begins = month_begins(world, people)
    rise = price_rises(rngs[2], begins)
    latents = make_latents(rngs[3], world, people, price_strikes(world, begins, rise))
    contracts = make_contracts(rngs[2], world, people, latents, begins, rise)
    decisions = decide(rngs[4], world, people, latents, contracts, rate)
    life = Life(world, people, latents, contracts, decisions)
    return Company(
        tables=_tables(rngs[5], life),
        truth=truth_frames(life),
        start=start,
        end=last.astype(object),
        parameters={
            "accounts": accounts,
            "months": months,
            "seed": seed,
            "churn_rate": rate,
            "start": start.isoformat(),
        },
    )


def _tables(rng: np.random.Generator, life: Life) -> dict[str, pd.DataFrame]:
    rngs = rng.spawn(12)
    users = make_users(rngs[0], life)
    return {
        "accounts": accounts_frame(rngs[1], life),
        "subscriptions": subscriptions_frame(
            rngs[2], life.world, life.people, life.latents, life.contracts, life.decisions
        ),
        "events": events_frame(rngs[3], life, users),
        "tickets": tickets_frame(rngs[4], life),
        "surveys": surveys_frame(rngs[5], life, users),
        "contacts": contacts_frame(rngs[6], life, users),
        "touchpoints": touchpoints_frame(rngs[7], life, users),
        "invoices": invoices_frame(rngs[8], life),
        "campaign_events": campaign_events_frame(rngs[9], life, users),
        "milestones": milestones_frame(rngs[10], life),
        "opportunities": opportunities_frame(rngs[11], life),
    }


def _check(accounts: int, months: int, seed: int, churn_rate: float, start: date) -> None:
    if accounts < 10:
        raise UsageError(Text.of("fault-simulate_accounts"), where="accounts", got=str(accounts))
    if not 3 <= months <= 120:
        raise UsageError(Text.of("fault-simulate_months"), where="months", got=str(months))
    if seed < 0:
        raise UsageError(Text.of("fault-simulate_seed"), where="seed", got=str(seed))
    if not 0.001 <= churn_rate <= 0.15:
        raise UsageError(Text.of("fault-simulate_rate"), where="churn_rate", got=str(churn_rate))
    if start.day != 1:
        raise UsageError(
            Text.of("fault-simulate_start"),
            where="start",
            got=start.isoformat(),
            expected=start.replace(day=1).isoformat(),
        )
