"""Users and what they do in the product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.drivers import DRIVER_INDEX
from churnml.simulate.frames import canonical, labels
from churnml.simulate.life import Life
from churnml.simulate.world import CORE_KINDS, COUNTRIES

__all__ = ["Users", "events_frame", "make_users"]

_LEAVING_PER_WEEK = 0.007
_USERS_AT_ONCE = 1500
_WEEKDAY = np.array([1.0, 1.06, 1.04, 1.0, 0.86, 0.10, 0.07])


@dataclass(frozen=True)
class Users:
    """People at the customers who use the product; one entry per user.

    Parameters
    ----------
    ids : ndarray of str
    account : ndarray of int
    role : ndarray of str
        ``champion``, ``admin`` or ``user``.
    since, until : ndarray of float
        Days since 1970; `until` is NaN while the person stays.
    rate : ndarray of float
        Chance to be active on a plain weekday.
    """

    ids: NDArray[np.object_]
    account: NDArray[np.int64]
    role: NDArray[np.object_]
    since: NDArray[np.float64]
    until: NDArray[np.float64]
    rate: NDArray[np.float64]


def make_users(rng: np.random.Generator, life: Life) -> Users:
    """Draw the users: those of the first days, those who join later, and the chain of champions."""
    crowd_account, crowd_since = _crowd(rng, life)
    chief_account, chief_since, chief_until = _champions(life)
    account = np.concatenate([crowd_account, chief_account])
    since = np.concatenate([crowd_since, chief_since])
    stay = rng.exponential(7 / _LEAVING_PER_WEEK, len(crowd_account))
    until = np.concatenate([np.maximum(crowd_since, life.world.start) + stay, chief_until])
    first = np.append(True, crowd_account[1:] != crowd_account[:-1]) if len(crowd_account) else np.zeros(0, dtype=bool)
    role = np.concatenate([np.where(first, "admin", "user"), np.full(len(chief_account), "champion")])
    rate = rng.gamma(3.0, 0.11, len(account)) + 0.06 + np.where(role == "champion", 0.20, 0.0)
    until = np.where(until < life.live_until[account], until, np.nan)
    order = np.lexsort((since, account))
    return Users(
        ids=labels("u-", len(account)),
        account=account[order],
        role=role[order].astype(object),
        since=since[order],
        until=until[order],
        rate=np.minimum(rate, 0.9)[order],
    )


def _crowd(rng: np.random.Generator, life: Life) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return account and first day of all users but champions, sorted by account and day."""
    people = life.people
    silent = rng.random(people.size) < 0.02
    share = rng.beta(6, 2.6, people.size)
    share *= 1 - 0.35 * (life.latents.severity[DRIVER_INDEX["failed_onboarding"]].max(axis=1) > 0)
    begin = np.where(silent, 0, np.maximum(np.round(people.seats * share) - 1, 0)).astype("int64")
    account = np.repeat(np.arange(people.size), begin)
    since = people.signed[account].astype("float64") + np.minimum(rng.exponential(9, len(account)), 90)
    weeks = (life.live_until - life.live_from) / 7
    last_seats = life.seats_on(np.arange(people.size), np.maximum(life.live_until - 1, life.live_from))
    grown = np.maximum(last_seats - people.seats, 0) * share
    joining = np.where(silent, 0, rng.poisson(begin * _LEAVING_PER_WEEK * weeks + grown))
    later = np.repeat(np.arange(people.size), joining)
    span = (life.live_until - life.live_from)[later]
    account = np.concatenate([account, later])
    since = np.concatenate([since, life.live_from[later] + rng.uniform(0, 1, len(later)) * span])
    alive = since < life.live_until[account]
    account, since = account[alive], since[alive]
    order = np.lexsort((since, account))
    return account[order].astype("int64"), since[order]


def _champions(life: Life) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return account, first and last day of every champion: the first one, and the successor of each who left."""
    index = DRIVER_INDEX["champion_left"]
    struck, recovered = life.latents.struck[index], life.latents.recovered[index]
    world, people = life.world, life.people
    account = [np.arange(people.size)]
    since = [people.signed.astype("float64")]
    successor, week = np.nonzero(recovered)
    account.append(successor)
    since.append(world.first_week + 7.0 * week + 2)
    every, begin = np.concatenate(account), np.concatenate(since)
    order = np.lexsort((begin, every))
    every, begin = every[order], begin[order]
    left_account, left_week = np.nonzero(struck)
    left_day = world.first_week + 7.0 * left_week + 1
    # Both lists are in the order of (account, time); the first departure after a start ends that start.
    key = every * 1e6 + begin
    position = np.searchsorted(left_account * 1e6 + left_day, key, side="right")
    padded_account, padded_day = np.append(left_account, -1), np.append(left_day, np.nan)
    until = np.where(padded_account[position] == every, padded_day[position], np.nan)
    lived = (begin < life.live_until[every]) & ~(until <= life.live_from[every])
    return every[lived], begin[lived], until[lived]


def events_frame(rng: np.random.Generator, life: Life, users: Users) -> pd.DataFrame:
    """Return the canonical ``events``: one row per account, user, kind and time, with a count."""
    habits = _habits(rng, life)
    parts = [
        _events_of(rng, life, users, habits, np.arange(begin, min(begin + _USERS_AT_ONCE, len(users.ids))))
        for begin in range(0, len(users.ids), _USERS_AT_ONCE)
    ]
    user, day, kind = (np.concatenate([part[index] for part in parts]) for index in range(3))
    account = users.account[user]
    seconds = np.floor(life.office_hours(rng, account) * 86_400)
    occurred = day + seconds / 86_400
    alive = (occurred >= life.live_from[account]) & (occurred < life.live_until[account])
    user, kind, account, occurred = user[alive], kind[alive], account[alive], occurred[alive]
    late = rng.random(len(user)) < 0.004
    known = occurred + np.where(late, rng.uniform(0.5, 6, len(user)), 0)
    order = np.argsort(occurred, kind="stable")
    kinds = np.array(life.world.kinds, dtype=object)
    return canonical(
        "events",
        {
            "account_id": life.people.ids[account[order]],
            "user_id": users.ids[user[order]],
            "event_type": kinds[kind[order]],
            "occurred_at": occurred[order],
            "event_count": 1 + rng.poisson(np.where(kind[order] == 0, 0.2, 1.6)),
            "known_at": np.where(known < life.world.end, known, occurred)[order],
        },
    )


@dataclass(frozen=True)
class _Habits:
    """How each account uses the product.

    Parameters
    ----------
    activity : ndarray (accounts, weeks)
        Use relative to the account's normal.
    breadth : ndarray (accounts, weeks)
        Share of the kinds it uses.
    calendar : ndarray (countries, days)
        Use by day: weekdays, holidays, season.
    taste : ndarray (accounts, kinds)
        Chance that an active user does it on a day.
    rank : ndarray (accounts, kinds)
        Order in which kinds are given up; the highest goes first.
    """

    activity: NDArray[np.float64]
    breadth: NDArray[np.float64]
    calendar: NDArray[np.float64]
    taste: NDArray[np.float64]
    rank: NDArray[np.float64]


def _habits(rng: np.random.Generator, life: Life) -> _Habits:
    count, kinds = life.people.size, len(life.world.kinds)
    taste = life.world.kind_weight[None, :] * rng.lognormal(0, 0.35, (count, kinds))
    taste[:, 0] = life.world.kind_weight[0]
    rank = rng.random((count, kinds)).argsort(axis=1).argsort(axis=1) / kinds
    # Logging in and one of the core kinds are never given up.
    rank[:, 0] = -1.0
    core = 1 + rng.integers(0, len(CORE_KINDS), count)
    rank[np.arange(count), core] = -1.0
    return _Habits(np.exp(_log_activity(life)), _breadth(life), _calendar(life), taste, rank)


def _events_of(
    rng: np.random.Generator,
    life: Life,
    users: Users,
    habits: _Habits,
    chosen: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return user, day and kind of the events of some users."""
    world = life.world
    days = np.arange(world.start, world.end)
    account = users.account[chosen]
    week = world.week_of(days)
    level = habits.activity[account][:, week]
    chance = users.rate[chosen][:, None] * level * habits.calendar[life.people.country[account]]
    begin = np.maximum(users.since[chosen], life.live_from[account])
    stop = np.fmin(users.until[chosen], life.live_until[account].astype("float64"))
    employed = (days[None, :] >= np.floor(begin)[:, None]) & (days[None, :] < stop[:, None])
    active = (rng.random(chance.shape, dtype="float32") < chance) & employed
    row, column = np.nonzero(active)
    who, when = chosen[row], days[column]
    breadth = habits.breadth[users.account[who], week[column]]
    wanted = habits.taste[users.account[who]] * (habits.rank[users.account[who]] < breadth[:, None])
    happens = rng.random(wanted.shape, dtype="float32") < wanted
    happens[~happens.any(axis=1), 0] = True
    event, kind = np.nonzero(happens)
    return who[event], when[event], kind


def _log_activity(life: Life) -> NDArray[np.float64]:
    """Return the log of each account's use relative to its normal, (accounts, weeks)."""
    latents = life.latents
    return np.asarray(
        -2.0 * latents.of("usage_decline") - 0.25 * latents.of("failed_onboarding") + latents.mood, dtype="float64"
    )


def _breadth(life: Life) -> NDArray[np.float64]:
    """Return the share of kinds each account uses, (accounts, weeks)."""
    by_plan = np.array([0.80, 0.92, 1.0])[life.people.plan][:, None]
    return np.asarray(by_plan * np.clip(1 - 0.85 * life.latents.of("narrow_adoption"), 0.12, 1), dtype="float64")


def _calendar(life: Life) -> NDArray[np.float64]:
    """Return use by country and day: weekdays, holidays, year-end, season; (countries, days)."""
    days = np.arange(life.world.start, life.world.end).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month = months.astype("int64") % 12 + 1
    day = (days - months.astype("datetime64[D]")).astype("int64") + 1
    weekday = (days.astype("int64") + 3) % 7
    plain = _WEEKDAY[weekday] * life.world.season
    year_end = ((month == 12) & (day >= 24)) | ((month == 1) & (day == 1))
    plain = np.where(year_end, plain * 0.25, plain)
    out = np.tile(plain, (len(COUNTRIES), 1))
    for row, (_, holidays) in enumerate(COUNTRIES.values()):
        for holiday_month, holiday_day in holidays:
            out[row, (month == holiday_month) & (day == holiday_day)] *= 0.15
    return out
