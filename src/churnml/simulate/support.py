"""Support tickets: a steady trickle, and floods while the product does not work for an account."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.frames import canonical, labels
from churnml.simulate.life import Life

__all__ = ["tickets_frame"]

_CATEGORIES = np.array(["how_to", "bug", "billing", "integration", "access", "performance"], dtype=object)
_PRIORITIES = np.array(["low", "normal", "high", "urgent"], dtype=object)


def tickets_frame(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the canonical ``tickets``.

    A ticket that is solved after the account has left keeps that time: support closes it all the same.
    """
    account, opened, trouble = _openings(rng, life)
    count = len(account)
    bad = np.minimum(trouble, 1.3)
    answered = opened + rng.lognormal(np.log(0.15) + 0.9 * bad, 0.8)
    solved = answered + rng.lognormal(np.log(0.9) + 1.1 * bad, 1.0)
    never = rng.random(count) < 0.02 + 0.10 * bad
    again = (rng.random(count) < 0.05 + 0.15 * bad) & ~never
    reopened = np.where(again, solved + rng.uniform(0.2, 3, count), np.nan)
    solved = np.where(again, reopened + rng.lognormal(0.3, 0.8, count), solved)
    solved = np.where(never, np.nan, solved)
    escalated = np.where(rng.random(count) < 0.02 + 0.20 * bad, opened + rng.uniform(0.5, 4, count), np.nan)
    unhappy = life.latents.of("dissatisfaction")[account, life.world.week_of(opened)]
    rated = (rng.random(count) < 0.45) & ~never
    score = np.clip(np.round(4.5 - 1.1 * bad - 1.8 * unhappy + rng.normal(0, 0.7, count)), 1, 5)
    rated_at = np.where(rated, solved + rng.uniform(0.01, 1.5, count), np.nan)
    end = life.world.end
    times = {
        "first_response_at": answered,
        "solved_at": solved,
        "reopened_at": reopened,
        "escalated_at": escalated,
        "csat_at": rated_at,
    }
    times = {name: np.where(values < end, values, np.nan) for name, values in times.items()}
    # A ticket reopened before the end of the data and solved after it is simply open again.
    urgency = np.digitize(rng.random(count) + 0.25 * bad, [0.25, 0.75, 0.93])
    topics = np.where(
        rng.random(count) < 0.6 * np.minimum(bad, 1),
        rng.choice([1, 5], count),
        rng.integers(0, len(_CATEGORIES), count),
    )
    return canonical(
        "tickets",
        {
            "ticket_id": labels("tic-", count),
            "account_id": life.people.ids[account],
            "opened_at": opened,
            "priority": _PRIORITIES[urgency],
            "category": _CATEGORIES[topics],
            **times,
            "csat_score": np.where(np.isnan(times["csat_at"]), np.nan, score),
            "known_at": opened,
        },
    )


def _openings(
    rng: np.random.Generator, life: Life
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    """Return account, time and severity of trouble of every ticket, in order of time."""
    owner, week_day, share = life.weeks()
    trouble = life.latents.of("bug_wave")[owner, life.world.week_of(week_day)]
    fresh = np.exp(-(week_day - life.people.signed[owner]) / 60)
    size = np.sqrt(life.people.seats[owner]) / 2.4
    rate = share * (0.10 * size * (1 + 1.5 * fresh) + 2.0 * np.sqrt(size) * trouble)
    number = rng.poisson(rate)
    account, trouble = np.repeat(owner, number), np.repeat(trouble, number)
    day = np.floor(np.repeat(week_day, number) + rng.uniform(0, 1, len(account)) * np.repeat(7 * share, number))
    weekend = (day.astype("int64") + 3) % 7 >= 5
    stays = ~weekend | (rng.random(len(account)) < 0.2)
    opened = day + life.office_hours(rng, account)
    alive = stays & (opened < life.live_until[account])
    order = np.argsort(opened[alive], kind="stable")
    return account[alive][order], opened[alive][order], trouble[alive][order]
